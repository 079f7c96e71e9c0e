"""What a session of a run is made of before it has a loop: its facts, its screen, its prober."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from teamflow.app.cachework import CacheResults, ProjectReads, file_artifact
from teamflow.core.events import Record, RunEnded
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.core.redact import Redactor
from teamflow.core.state import RunState
from teamflow.core.takes import Recording
from teamflow.ports import Workspaces
from teamflow.run.probe import Prober
from teamflow.run.work import Work
from teamflow.store.layout import Layout

if TYPE_CHECKING:
    from teamflow.app.compile import Compiled


class Controls(Protocol):
    """Each gives a line that says what happened, empty where the run itself tells."""

    @property
    def stopping(self) -> bool: ...

    def pause(self) -> str: ...

    def retry(self) -> str: ...

    def answer(self, *, yes: bool) -> str: ...

    def detach(self) -> str: ...


class ChangedStep(NamedTuple):
    """One line of what a save does. kind: added | removed | again | changed (its turn has not come yet)."""

    step: str
    kind: str
    reason: str


class Screen(Protocol):
    """What shows a run. Records come once they are durable; `state` may be ahead of them."""

    def begin(self, state: RunState) -> None: ...

    def records(self, records: Sequence[Record], state: RunState) -> None: ...

    def said(self, step: str, text: str) -> None:
        """What an agent says while it works; not redacted."""
        ...

    def trouble(self, message: str | None) -> None: ...

    def problems(self, compiled: Compiled | None, message: str) -> None:
        """Why a save is not acted on; (None, "") takes it back."""
        ...

    def changed(self, steps: Sequence[ChangedStep], message: str) -> None:
        """What a save does to a run that is watched."""
        ...

    def rest(self, state: RunState, ended: RunEnded, *, files: int) -> None:
        """A watched run has nothing left to do until something changes; `files` defining files are followed."""
        ...

    def control(self, controls: Callable[[], Controls]) -> None:
        """Offers what a person at this screen may do with the run."""
        ...

    def leave(self) -> None:
        """The run goes on without this screen."""
        ...

    def end(self, state: RunState, ended: RunEnded) -> None: ...


class NoScreen:
    """Shows nothing."""

    def begin(self, state: RunState) -> None: ...

    def records(self, records: Sequence[Record], state: RunState) -> None: ...

    def said(self, step: str, text: str) -> None: ...

    def trouble(self, message: str | None) -> None: ...

    def problems(self, compiled: object, message: str) -> None: ...

    def changed(self, steps: Sequence[object], message: str) -> None: ...

    def rest(self, state: RunState, ended: RunEnded, *, files: int) -> None: ...

    def control(self, controls: object) -> None: ...

    def leave(self) -> None: ...

    def end(self, state: RunState, ended: RunEnded) -> None: ...


class Wired(NamedTuple):
    """What a run needs to know about itself; `environ` is the runner's environment."""

    root: str
    number: int
    run: Mapping[str, Json]
    environ: Mapping[str, str]
    secrets: Mapping[str, str]
    env_file_values: Mapping[str, str]
    redactor: Redactor
    """Knows every value that must not be shown of this run, those of its earlier sessions too."""
    use_cache: bool
    force: frozenset[str]
    workspaces: Callable[[], Workspaces | str] | None = None
    """Asked once a step needs one that teamflow makes; a text says why there can be none."""
    directory: str = ""
    """Where the user stands."""
    recording: Recording | None = None
    """What is played in place of agents; None: they work."""
    replay: str = ""
    """What the run replays, whoever drives it; empty: nothing."""


def make_prober(state: RunState, wired: Wired, screen: Screen) -> Prober:
    """The prober over the project's cache."""
    workspaces = wired.workspaces
    directory = Layout(wired.root).cache
    results = CacheResults(wired.root, directory=directory, team_file=state.plan.file, warn=screen.trouble)
    return Prober(
        state,
        root=wired.root,
        results=results,
        reads=ProjectReads(wired.root, results=results),
        run=wired.run,
        digest_file=file_artifact,
        use_cache=wired.use_cache,
        force=wired.force,
        work=None if workspaces is None else Work(state, workspaces),
    )
