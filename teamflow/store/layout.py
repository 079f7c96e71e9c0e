"""Where things lie below a project's `.teamflow/`. Names paths; creates nothing and reads nothing."""

from __future__ import annotations

STATE_DIRECTORY = ".teamflow"


class Layout:
    """Paths of one project's state. `root` is the project directory, absolute."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = root

    @property
    def directory(self) -> str:
        return f"{self.root}/{STATE_DIRECTORY}"

    @property
    def database(self) -> str:
        return f"{self.root}/{STATE_DIRECTORY}/state.db"

    @property
    def creation_lock(self) -> str:
        """Held for the moment in which a run, or the database, is created."""
        return f"{self.root}/{STATE_DIRECTORY}/create.lock"

    @property
    def ballast(self) -> str:
        return f"{self.root}/{STATE_DIRECTORY}/ballast"

    @property
    def cache(self) -> str:
        return f"{self.root}/{STATE_DIRECTORY}/cache"

    @property
    def runs(self) -> str:
        return f"{self.root}/{STATE_DIRECTORY}/runs"

    def run(self, number: int) -> str:
        return f"{self.root}/{STATE_DIRECTORY}/runs/{number}"

    def logs(self, number: int) -> str:
        return f"{self.root}/{STATE_DIRECTORY}/runs/{number}/logs"

    def artifacts(self, number: int) -> str:
        """Contents of output files that no commit has."""
        return f"{self.run(number)}/artifacts"

    def run_lock(self, number: int) -> str:
        return f"{self.root}/{STATE_DIRECTORY}/runs/{number}/run.lock"
