"""What is left of runs in a repository, as facts: worktrees, branches, hidden refs, and how far their runs are.

Decides nothing; what may go of it is `collecting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from teamflow.core.named import NamedTuple


class Stage(StrEnum):
    """How far a run is. `open`: over for now, but `run` may go on with it; `strange`: of another project."""

    ALIVE = "alive"
    OPEN = "open"
    OVER = "over"
    FORGOTTEN = "forgotten"
    PURGED = "purged"
    STRANGE = "strange"


class Why(StrEnum):
    """Why something stays."""

    IN_USE = "in use"
    LEASED = "leased"
    LOCKED = "locked"
    DIRTY = "dirty"
    UNMERGED = "unmerged"
    GOES_ON = "run goes on"
    FOREIGN = "foreign"
    ASIDE = "in no commit"
    """What was put aside of a worktree that is gone, or goes."""
    UNKNOWN = "unknown"


class Lie(StrEnum):
    """How a worktree lies there. `half`: somebody was killed over it, and nothing in it is anybody's work; `gone`: only
    its registration is left; `strange`: not as teamflow makes them."""

    WHOLE = "whole"
    HALF = "half"
    GONE = "gone"
    STRANGE = "strange"
    UNCLEAR = "unclear"
    """Unregistered, and it holds what is not known to be of a commit."""
    RECORD = "record"
    """Neither there nor registered: only our own notes on it are left, of which nobody has to be told."""


class RunFacts(NamedTuple):
    id: str
    number: int
    stage: Stage
    directory: str = ""
    """Its name below `work/`."""
    done: frozenset[str] = frozenset()
    """Names of the worktrees of steps that have succeeded."""


class TreeFacts(NamedTuple):
    """A worktree of a run. `head`: the commit that it is at; `branch`: full name, empty where HEAD is detached.

    `aside`: the directory of what was put aside of it, empty where there is none; `needed`: nothing else holds that.
    """

    run: str
    name: str
    path: str
    lie: Lie
    head: str = ""
    branch: str = ""
    locked: bool = False
    dirty: bool = False
    used: bool = False
    leased: bool = False
    aside: str = ""
    needed: bool = False


class Role(StrEnum):
    """What a ref is for. `mark`: it says whose a branch is; `kept`: what an earlier attempt has left; `stray`:
    what was on a branch, or in a worktree, and did not become part of a result."""

    BRANCH = "branch"
    START = "start"
    LEFT = "left"
    MARK = "mark"
    KEPT = "kept"
    STRAY = "stray"


class RefFacts(NamedTuple):
    """A ref of teamflow's namespaces. `run`: whose it is; empty: nobody knows. `held`: a worktree that is none of ours
    has it checked out; of a mark: a branch that nobody is known to own may be the one that it speaks of."""

    name: str
    commit: str
    run: str
    slug: str
    role: Role
    held: bool = False
    symbolic: bool = False
    of: str = ""
    """Of a mark: the branch that it speaks of, in full."""


class Facts(NamedTuple):
    """`graph`: commit → parents, of all that is reachable from `trees` and `refs` and from no ref of the user's."""

    runs: Mapping[str, RunFacts]
    trees: tuple[TreeFacts, ...]
    refs: tuple[RefFacts, ...]
    graph: Mapping[str, tuple[str, ...]]


class Kept(NamedTuple):
    item: TreeFacts | RefFacts
    why: Why


class Decision(NamedTuple):
    """What goes, in this order: worktrees, then refs. `kept`: what stays of runs that are over, or looks so."""

    trees: tuple[TreeFacts, ...]
    refs: tuple[RefFacts, ...]
    kept: tuple[Kept, ...]
