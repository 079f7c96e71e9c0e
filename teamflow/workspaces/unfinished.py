"""What git has begun in a worktree and not come to the end of: the files of its directory that say so.

Source: `wt_status_get_state` and `remove_branch_state` of git 2.39.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNFINISHED: Final[Mapping[str, tuple[str, str]]] = {
    "MERGE_HEAD": ("merge", "`git merge --continue` or `git merge --abort`"),
    "rebase-merge": ("rebase", "`git rebase --continue` or `git rebase --abort`"),
    "rebase-apply": ("rebase or `git am`", "`git rebase --continue` or `--abort`, `git am --continue` or `--abort`"),
    "CHERRY_PICK_HEAD": ("cherry-pick", "`git cherry-pick --continue` or `--abort`"),
    "REVERT_HEAD": ("revert", "`git revert --continue` or `--abort`"),
    "sequencer": ("cherry-pick or revert", "`git cherry-pick --continue` or `--abort`"),
    "BISECT_LOG": ("bisect", "`git bisect reset`"),
}
"""File → what has been begun, and how the user ends it."""

BESIDE: Final = (
    "MERGE_MSG", "MERGE_MODE", "MERGE_AUTOSTASH", "AUTO_MERGE", "REBASE_HEAD", "SQUASH_MSG", "index.lock", "HEAD.lock",
)  # fmt: skip
"""What it may have left with them, or when it was killed."""
