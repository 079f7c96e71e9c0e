"""What the prober needs of the world: kept results by key, and digests of files. Protocols and their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Artifact
from teamflow.core.plan import Json
from teamflow.core.work import Left
from teamflow.plan.key import KeyParts


class Entry(NamedTuple):
    """What the cache holds of one success, and what a dependency hands over."""

    text: str | None
    outputs: Mapping[str, Json]
    artifacts: tuple[Artifact, ...]
    origin: tuple[int, int] | None = None
    """(run, attempt) that made it, where it was found in the cache."""
    left: Left | None = None


class Results(Protocol):
    """The cache below `.teamflow/cache/`. Never raises for what is merely missing or damaged."""

    def look_up(self, keys: Sequence[str]) -> Mapping[str, Entry]: ...

    def restore(self, artifacts: Sequence[Artifact], root: str) -> str | None:
        """Puts missing artifacts back; why not, where one differs (nothing is overwritten)."""
        ...

    def store(self, key: str, entry: Entry, *, parts: KeyParts, step: str, root: str) -> None: ...

    def last_keys(self, steps: Sequence[str]) -> Mapping[str, str]:
        """By step of that team file, the key of its newest success, where that was stored."""
        ...

    def drop(self, key: str, step: str) -> None:
        """Nothing is kept under the key, and the step's newest success has none."""
        ...

    def forget_last(self, steps: Sequence[str]) -> None:
        """Their newest success has no key: they have been started since, or it could not be kept."""
        ...

    def last_parts(self, step: str) -> KeyParts | None:
        """What the newest stored key of that step of this team file was made of."""
        ...

    def close(self) -> None:
        """Lets go of what the calling thread has open; the next question opens it again."""
        ...


Stat: TypeAlias = "tuple[int, int, int, int]"
"""mtime, ctime (nanoseconds), size (bytes), inode."""

Witness: TypeAlias = "tuple[Mapping[str, Stat | None], Mapping[str, Stat]]"
"""Files (None: not there) and listed directories with their stats."""


class ReadsChanged(Exception):
    """What a step reads could not be digested; the message names the file."""


class Reads(Protocol):
    """Digests of files below a root, by glob. Between two `look_again` each directory and file is seen once."""

    def digests(self, patterns: Sequence[str] | None) -> Mapping[str, str]:
        """Path → sha256; None: every file that git does not ignore. Raises ReadsChanged."""
        ...

    def missing(self, artifacts: Iterable[Artifact]) -> Sequence[Artifact]:
        """Those that are not there as they were made; thousands at once."""
        ...

    def witness(self) -> Witness | None: ...

    def places(self, patterns: Iterable[Sequence[str]]) -> frozenset[str]:
        """Directories in which a change can make a difference to what these patterns stand for."""
        ...

    def look_again(self) -> None:
        """Files may have changed since the last look."""
        ...

    def save(self) -> None:
        """Keeps what was learnt about files for the next process."""
        ...
