"""The refs of a run: what protects each step's commits, and which branch is a step's own.

A branch is ours where a mark says so that was made in the same transaction: `refs/teamflow/RUN/STEP/branch/N` for the
N-th name that was tried. No other is ever moved.
"""

from __future__ import annotations

import hashlib
from typing import Final

from teamflow import git
from teamflow.core.ids import slug
from teamflow.workspaces.registered import heads
from teamflow.workspaces.repository import Repository

_LONGEST: Final = 150
_TRIES: Final = 1000


def part(step: str) -> str:
    """A step's name as one component of a ref and of a path."""
    name = slug(step)
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Names:
    def __init__(self, repository: Repository, *, run_id: str, number: int) -> None:
        self._repository = repository
        self._run_id = run_id
        self.number = number

    def ref(self, name: str, what: str) -> str:
        """`what`: start, left, an attempt's number, ..."""
        return f"{git.KEPT}{self._run_id}/{name}/{what}"

    def of(self, name: str) -> dict[str, str]:
        """All refs that protect a step's commits: name after the step's → object id."""
        prefix = self.ref(name, "")
        return {full.removeprefix(prefix): found for full, found in self._repository.refs(prefix).items()}

    def branch(self, name: str, *, path: str) -> tuple[str, dict[str, None]] | None:
        """Full name of the step's own branch, and the marks to write with it; None: no name is free.

        One that is ours already, unless it is checked out elsewhere than at `path`; else the first that is free.
        """
        there = self._repository.refs("refs/heads/")
        taken = {ref.lower() for ref in there}
        elsewhere = heads(self._repository, but=path)
        marks = self.of(name)
        for at in range(1, _TRIES):
            ref = f"{git.BRANCHES}{self.number}/{name}{f'-{at}' if at > 1 else ''}"
            mark = self.ref(name, f"branch/{at}")
            if f"branch/{at}" in marks:
                if ref in elsewhere or (ref not in there and _clashes(ref.lower(), taken)):
                    continue
                return ref, {mark: None}
            if not _clashes(ref.lower(), taken):
                return ref, {mark: None}
        return None


def _clashes(ref: str, taken: set[str]) -> bool:
    parts = ref.split("/")
    above = {"/".join(parts[:count]) for count in range(3, len(parts) + 1)}
    return not above.isdisjoint(taken) or any(other.startswith(f"{ref}/") for other in taken)
