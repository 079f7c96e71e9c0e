"""What is done with a workspace after its attempt: kept behind a ref, committed, taken away.

Decides on top of which commit the result goes: of the agent's own commits where they go on from the starting commit,
else of that. Nothing that was there before is lost: what the result does not contain is kept behind a ref.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from teamflow import git
from teamflow.core.ids import listed
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.work import Change, Left, Ready
from teamflow.ports import Done, Finish
from teamflow.workspaces import sides, theirs
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.hidden import hidden_settings
from teamflow.workspaces.inner import only_there
from teamflow.workspaces.naming import Names, part
from teamflow.workspaces.place import Made, Place, copy_index, place
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.seats import Seat
from teamflow.workspaces.snapshot import Look, Snapshot

KEPT: Final = "teamflow: what lay in a workspace"
"""Message of a commit that only keeps what was uncommitted."""


class Finishing:
    def __init__(
        self, repository: Repository, names: Names, seat: Seat, *, home: str, run: str, repo: str = ""
    ) -> None:
        """`repo` as in `core/work.Ready`."""
        self.repository = repository
        self.names = names
        self.seat = seat
        self.repo = repo
        self._home = home
        self._run = run

    def at(self, name: str) -> Place:
        return place(self._home, self._run, name)

    def of(self, path: str) -> Place:
        """Of a workspace of this run. WorkspaceError (escape): it is none."""
        root, name = os.path.split(path)
        found = self.at(name) if name not in ("", ".", "..") else None
        if found is None or found.root != root or os.path.realpath(root) != root:
            raise WorkspaceError("escape", path, "is no workspace of this run")
        return found

    def head(self, found: Place, ready: Ready) -> str:
        """The commit that a worktree is at, as far as that can still be told."""
        commit = self.seat.head(found, base=ready.base)
        if commit is None and ready.branch:
            commit = self.repository.commit_of(f"refs/heads/{ready.branch}")
        return commit or ready.base

    def look(self, found: Place, ready: Ready, *, head: str, index: str) -> Snapshot:
        made = found.made() or Made()
        copied = {*ready.copied, *made.copied}
        one = Look(self.repository, found, index=index, copied=copied, also=ready.conflicts)
        return one.take(head=head, base=ready.base)

    def protect(self, step: str, commit: str) -> None:
        """What a step has left, though it worked nowhere."""
        with self.repository.alone():
            self.repository.update({self.names.ref(part(step), "left"): commit})

    def keep(self, step: str, what: str, ready: Ready, *, fresh: bool = False) -> str:
        """`what`: the ref's last name; `fresh`: another one is taken where that is there and holds something else."""
        with self.of(ready.path).alone():
            return self._keep(step, what, ready, fresh=fresh)[0]

    def _keep(self, step: str, what: str, ready: Ready, *, fresh: bool) -> tuple[str, Snapshot]:
        """As `keep`; and what lay there."""
        found, name = self.of(ready.path), part(step)
        head = self.head(found, ready)
        branch = self.seat.tip(found, ready.branch, base=ready.base) if ready.branch else None
        parents = [head]
        if branch and branch != ready.base and not self.repository.is_ancestor(branch, head):
            parents.append(branch)
        taken = Snapshot(self.repository.tree_of(head), ())
        if found.is_there():
            with found.borrowed_index() as index:
                taken = self.look(found, ready, head=head, index=index)
        tree = taken.tree
        if len(parents) == 1 and tree == self.repository.tree_of(head):
            commit = head
        else:
            commit = self._again(name, what, tree, parents) or self.repository.commit(
                tree, parents=parents, message=KEPT
            )
        if commit == ready.base:
            return "", taken
        with self.repository.alone():
            known = self.names.of(name)
            ref, at = what, 1
            while fresh and known.get(ref, commit) != commit:
                at += 1
                ref = f"{what}-{at}"
            self.repository.update({self.names.ref(name, ref): commit})
        return commit, taken

    def _again(self, name: str, what: str, tree: str, parents: Sequence[str]) -> str:
        """The commit that was made of the same before."""
        known = self.names.of(name).get(what, "")
        if not known or not self.repository.has(known) or self.repository.tree_of(known) != tree:
            return ""
        return known if self.repository.parents_of(known) == tuple(parents) else ""

    def finish(self, work: Finish) -> Done | Failed:
        ready = work.ready
        found, name = self.of(ready.path), part(work.step)
        if not found.is_there():
            reason = f"the workspace is not there any more, or a link lies in its place: {ready.path}"
            return Failed(FailureClass.OUTPUT, reason)
        with found.alone():
            return self._finish(work, ready, found, name)

    def _finish(self, work: Finish, ready: Ready, found: Place, name: str) -> Done | Failed:
        head = self.head(found, ready)
        with found.borrowed_index() as index:
            failed = self._in_the_middle(found, index=f"{index}.theirs")
            if failed is not None:
                return failed
            taken = self.look(found, ready, head=head, index=index)
            files, why = sides.unmended(self.repository, ready.conflicts, base=ready.base, tree=taken.tree)
            if files:
                return Failed(FailureClass.VERIFY, why, detail="\n".join(files))
            onto = head if self._goes_on(found, ready, head) else ready.base
            if head not in (onto, self.names.of(name).get("left") if ready.conflicts else onto):
                self.keep(work.step, f"stray-{work.attempt}", ready, fresh=True)
            parents = self._parents(found, ready, onto)
            commit = self._commit(name, taken.tree, parents, onto="" if ready.conflicts else onto, message=work.message)
            with self.repository.alone():
                branch = self._settle(found, ready, name=name, commit=commit, index=index, sparse=taken.sparse)
            if isinstance(branch, Failed):
                return branch
        changes = self._changes(ready, commit, found)
        added, deleted = sum(change.added for change in changes), sum(change.deleted for change in changes)
        left = Left(commit, ready.base, branch, len(changes), added, deleted, self.repo)
        hidden: tuple[str, ...] = ()
        if work.fenced:
            copied = {*ready.copied, *(found.made() or Made()).copied}
            hidden = hidden_settings(found.path, self.repository.files(commit), copied=copied)
        return Done(left, changes, taken.aside, hidden)

    def _in_the_middle(self, found: Place, *, index: str) -> Failed | None:
        """Why nothing is committed of a merge in the middle: the lines that git has written for who is to settle it
        would be, and with what it was in the middle of nobody could go on."""
        files = theirs.unmerged(self.repository, found, index=index)
        what, remedy = theirs.begun(self.repository, found) if files is None or files else ("", "")
        if files is None and what:
            reason = f"a {what} is not finished, and the index of the workspace cannot be read: {remedy} ends it"
            return Failed(FailureClass.VERIFY, reason)
        if not files:
            return None
        said = f"a {what} is not finished there" if what else "git holds conflicts there"
        reason = f"{listed(files)} {'are' if len(files) > 1 else 'is'} unmerged, {said}"
        ends = f", then {remedy} ends it" if remedy else ""
        return Failed(FailureClass.VERIFY, f"{reason}: settle and `git add` each{ends}", detail="\n".join(files))

    def _changes(self, ready: Ready, commit: str, found: Place) -> tuple[Change, ...]:
        """What was laid beside files in conflict was ours, and so is it that it is gone."""
        changes = self.repository.changes(ready.base, commit, tree=found.path)
        if not ready.conflicts:
            return changes
        ours = sides.beside(self.repository, ready.base, ready.conflicts)
        return tuple(change for change in changes if change.kind != "D" or change.path not in ours)

    def _goes_on(self, found: Place, ready: Ready, head: str) -> bool:
        """Whether the agent's own commits are the result's history, too: never with what `copy` brought, nor on top of
        a merge with markers."""
        if head == ready.base:
            return True
        if ready.conflicts:
            return False
        return self.repository.is_ancestor(ready.base, head) and self._brings_nothing(found, ready, head)

    def _brings_nothing(self, found: Place, ready: Ready, head: str) -> bool:
        """Whether no commit since the starting one has what `copy` brought."""
        copied = {*ready.copied, *(found.made() or Made()).copied}
        if not copied:
            return True
        words = (
            "log",
            "--format=",
            "--name-only",
            "--no-renames",
            "--no-ext-diff",
            "-m",
            "-z",
            f"{ready.base}..{head}",
        )
        return copied.isdisjoint(os.fsdecode(path) for path in git.paths(self.repository.look(*words, "--").out))

    def _parents(self, found: Place, ready: Ready, onto: str) -> tuple[str, ...]:
        """Of the result. A merge that the agent has begun and settled, but not committed, stays one."""
        if ready.conflicts:
            return self.repository.parents_of(ready.base)
        other = theirs.other_side(self.repository, found)
        if not other or self.repository.is_ancestor(other, onto) or not self._brings_nothing(found, ready, other):
            return (onto,)
        return (onto, other)

    def _commit(self, name: str, tree: str, parents: tuple[str, ...], *, onto: str, message: str) -> str:
        """`onto` is the result itself where it has the same files and nothing is merged into it; '': never."""
        if parents == (onto,) and tree == self.repository.tree_of(onto):
            return onto
        known = self._again(name, "left", tree, parents)
        return known or self.repository.commit(tree, parents=parents, message=message)

    def _settle(
        self, found: Place, ready: Ready, *, name: str, commit: str, index: str, sparse: tuple[bytes, ...]
    ) -> str | Failed:
        """Writes the refs, then HEAD and the worktree's index. Gives the branch's short name."""
        wanted: dict[str, str | None] = {self.names.ref(name, "left"): commit}
        branch = ""
        if ready.own or commit != ready.base:
            chosen = self.names.branch(name, path=found.path)
            if chosen is None:
                return Failed(FailureClass.OUTPUT, f"no branch name is free for {name}")
            branch, marks = chosen
            wanted |= {branch: commit, **dict.fromkeys(marks, commit)}
            old = self.repository.commit_of(branch)
            if old and old != ready.base and not self.repository.is_ancestor(old, commit):
                wanted[self.names.ref(name, f"stray/{old[:12]}")] = old
        self.repository.update(wanted)
        admin = self.seat.mend(found)
        self.seat.attach(found, branch=branch, commit=commit)
        self.seat.settle(found)
        copy_index(index, f"{admin}/index")
        if sparse:  # what the agent has left out stays so for its git; what we know is what we have checked out
            words = ("update-index", "-z", "--no-skip-worktree", "--stdin")
            self.repository.look(*words, index=index, tree=found.path, given=git.lines_of(sparse))
        copy_index(index, found.reference)
        return branch.removeprefix("refs/heads/")

    def remove(self, ready: Ready) -> str:
        """Why it stays; '': it is gone. One with something in it that nothing else holds is never taken away."""
        found = self.of(ready.path)
        if self.seat.is_locked(found.path):
            return f"{found.path} is locked (`git worktree unlock` frees it)"
        with found.alone():
            if not found.is_half_made() and found.is_there():
                _, taken = self._keep(found.name, "removed", ready, fresh=True)
                if only := only_there(self.repository, found.path, taken.lost):
                    return f"{found.path} stays: {listed(only)} {'are' if len(only) > 1 else 'is'} in no commit"
                found.put_by(taken.lost, self.seat.modules(found) if taken.lost else ())
            self.clear(found)
        found.vanish()
        return ""

    def keep_and_clear(self, step: str, what: str, ready: Ready) -> None:
        """Takes a worktree away: its files are behind a ref then, repositories inside it are put by."""
        found = self.of(ready.path)
        if not found.is_half_made() and found.is_there():
            _, taken = self._keep(step, what, ready, fresh=True)
            if taken.lost:
                found.put_by(taken.lost, self.seat.modules(found))
        self.clear(found)

    def clear(self, found: Place) -> None:
        """Takes the directory and its registration away, without a look at what is in it. OSError."""
        found.take_away(f"{self._home}/git/gone")
        with self.repository.alone():
            self.seat.forget(found.path)
