"""What the views know of a run besides its state: its number, names, places, and who runs it."""

from __future__ import annotations

from teamflow.core.ids import slug
from teamflow.core.named import NamedTuple


class Runner(NamedTuple):
    """The process that holds the run. `since` is a Unix time; `pid` 0: it did not say who it is."""

    pid: int
    host: str
    since: float


class RunHeader(NamedTuple):
    """`root`: the project; `logs`: the directory of the run's logs; both absolute. `created` is a Unix time.

    `runner` None: no process works on the run now.
    """

    number: int
    id: str
    team: str
    file: str
    root: str
    logs: str
    created: float
    runner: Runner | None = None
    lost: bool = False
    """Whether its keeper is gone, too: what the log shows as running runs no more."""
    replay: str = ""
    """What it replays (`run 7`, a directory): its agents did not work."""

    def log(self, step_id: str, attempt: int) -> str:
        """The path of an attempt's output."""
        return f"{self.logs}/{slug(step_id)}.{attempt}.log"

    def err(self, step_id: str, attempt: int) -> str:
        """The path of what it wrote to stderr, where that is a file of its own."""
        return f"{self.logs}/{slug(step_id)}.{attempt}.err"

    @property
    def gone(self) -> bool:
        """Whether no runner lives; it says nothing of a run that has ended."""
        return self.runner is None
