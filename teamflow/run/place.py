"""Where a run and the files of its attempts lie."""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.ids import slug
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json


class Place(NamedTuple):
    """Where a run lives. Absolute paths. `run` is what templates and TEAMFLOW_* variables tell of it."""

    project: str
    run_dir: str
    run: Mapping[str, Json]

    def log(self, step_id: str, attempt: int) -> str:
        return f"{self.run_dir}/logs/{slug(step_id)}.{attempt}.log"

    def err(self, step_id: str, attempt: int) -> str:
        return f"{self.run_dir}/logs/{slug(step_id)}.{attempt}.err"

    def home(self, step_id: str) -> str:
        """Settings and sessions of a step's agent, where it is not to know the user's."""
        return f"{self.run_dir}/homes/{slug(step_id)}"

    def stem(self, step_id: str, attempt: int) -> str:
        """What other files of the attempt are called by."""
        return f"{self.run_dir}/logs/{slug(step_id)}.{attempt}"
