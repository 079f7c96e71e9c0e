"""What a session of a run is made of before it has a loop: its facts, its screen, its prober."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from teamflow.app.cachework import CacheResults, ProjectReads, file_artifact
from teamflow.core.events import Record, RunEnded
from teamflow.core.plan import Json
from teamflow.core.state import RunState
from teamflow.run.probe import Prober
from teamflow.store.layout import Layout


class Screen(Protocol):
    """What shows a run. Records come once they are durable; `state` may be ahead of them."""

    def begin(self, state: RunState) -> None: ...

    def records(self, records: Sequence[Record], state: RunState) -> None: ...

    def said(self, step: str, text: str) -> None:
        """What an agent says while it works; not redacted."""
        ...

    def trouble(self, message: str | None) -> None: ...

    def end(self, state: RunState, ended: RunEnded) -> None: ...


class Wired(NamedTuple):
    """What a run needs to know about itself; `environ` is the runner's environment."""

    root: str
    number: int
    run: Mapping[str, Json]
    environ: Mapping[str, str]
    secrets: Mapping[str, str]
    env_file_values: Mapping[str, str]
    hidden: Mapping[str, str]
    """Every value that must not be shown of this run, those of its earlier sessions too, by any names."""
    use_cache: bool
    force: frozenset[str]


def make_prober(state: RunState, wired: Wired, screen: Screen) -> Prober:
    """The prober over the project's cache."""
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
    )
