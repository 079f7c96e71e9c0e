"""What git and the disk know of the worktrees, branches and hidden refs of runs, and taking away what may go.

Decides what a worktree is: ours where it lies in `.teamflow/work/RUN/STEP` as a real directory and its registration and
its `.git` name one another. What may go is decided by `policy/collecting`; whose a run is, by the caller.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from teamflow import git
from teamflow.policy.leftover import Facts, Lie, RefFacts, RunFacts, TreeFacts
from teamflow.workspaces.inner import is_elsewhere
from teamflow.workspaces.looking import names_in, size_of, working_directories
from teamflow.workspaces.ownership import BRANCH, HIDDEN, Owners, marked_by, marks_in, number_in, orphans_in, ref_facts
from teamflow.workspaces.place import Place, discard
from teamflow.workspaces.process import GitError
from teamflow.workspaces.registered import Registration, registrations, short_text
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.untouched import is_dirty

GONE: Final = "git/gone"
"""Below `.teamflow`: what is on its way out, in directories that begin with the id of the process that moved it."""
_USERS: Final = ("refs/heads/", "refs/remotes/", "refs/tags/")
_MAKING: Final = "initializing"
"""What git has in `locked` while it adds a worktree."""


class Collecting:
    """Of one project. `home`: its `.teamflow`."""

    def __init__(self, repository: Repository, *, home: str) -> None:
        self._repository = repository
        self._home = os.path.realpath(home)
        self._work = f"{self._home}/work"

    def owners(self) -> Owners:
        """GitError, OSError."""
        common, own = self._repository.common, f"{self._work}/"
        known = registrations(common)
        names = {
            path.removeprefix(own).partition("/")[0] for path in (row.path for row in known) if path.startswith(own)
        }
        names |= set(names_in(self._work))
        roots = {row.path for row in known if not row.path.startswith(own)}
        # The main work tree is not registered; where the git directory lies elsewhere, nothing says where that is.
        main = os.path.dirname(common) if os.path.basename(common) == ".git" else self._repository.project
        roots = {os.path.realpath(root) if root else "" for root in roots | {main}}
        roots.discard(os.path.realpath(self._repository.project))
        blind = any(not os.path.isdir(root) for root in roots) or os.path.basename(common) != ".git"
        marks: dict[str, set[str]] = {}
        for name in self._repository.refs(git.KEPT):
            found = HIDDEN.match(name)
            if found:
                marks.setdefault(found[1], set()).update(marked_by(name))
        branches = {(int(at[1]), at[2]) for name in self._repository.refs(git.BRANCHES) if (at := BRANCH.match(name))}
        marked = {run: frozenset(tails) for run, tails in marks.items()}
        return Owners(
            tuple(sorted(names)), marked, frozenset(branches), tuple(sorted(filter(os.path.isdir, roots))), blind
        )

    def facts(
        self,
        runs: Mapping[str, RunFacts],
        *,
        within: Iterable[str],
        leased: Collection[str] = (),
        names: Collection[str] | None = None,
    ) -> Facts:
        """`within`: ids of the runs whose worktrees are looked at; `names`: paths of the only ones that are to be.

        GitError, OSError.
        """
        known = {row.path: row for row in registrations(self._repository.common)}
        directories = working_directories()
        trees = []
        for run in within:
            for path in self._paths(runs[run], known):
                if names is None or path in names:
                    used = any(at == path or at.startswith(f"{path}/") for at in directories)
                    tree = self._tree(runs[run], path, known.get(path))
                    trees.append(tree._replace(used=used, leased=path in leased))
        seen = {tree.path for tree in trees}
        held = self._held([row for row in known.values() if row.path not in seen])
        return self._with_refs(runs, tuple(trees), held)

    def _paths(self, run: RunFacts, known: Mapping[str, Registration]) -> list[str]:
        root = f"{self._work}/{run.directory}"
        below = {path for path in known if os.path.dirname(path) == root}
        below |= {f"{root}/{name}" for name in names_in(f"{self._home}/git/trees/{run.directory}")}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if os.path.realpath(root) == root:
                below |= {f"{root}/{name}" for name in os.listdir(root)}
        return sorted(below)

    def place(self, run: RunFacts, path: str) -> Place:
        name = os.path.basename(path)
        return Place(os.path.dirname(path), name, f"{self._home}/git/trees/{run.directory}/{name}")

    def _tree(self, run: RunFacts, path: str, row: Registration | None) -> TreeFacts:
        found = self.place(run, path)
        aside = found.aside if os.path.lexists(found.aside) else ""
        needed = bool(aside) and not is_elsewhere(self._repository, aside)
        tree = TreeFacts(run.id, found.name, path, Lie.STRANGE, aside=aside, needed=needed)
        # Also where nothing lies: the links may lead to a disk that is not mounted now.
        if os.path.realpath(found.root) != found.root:
            return tree
        head = branch = ""
        if row is not None:
            if short_text(f"{row.admin}/commondir") not in ("../..", self._repository.common):
                return tree
            head = self._repository.commit_of("HEAD", admin=row.admin) or ""
            branch = row.head.removeprefix("ref: ") if row.head.startswith("ref: ") else ""
            lock = f"{row.admin}/locked"
            made = found.made() is not None
            tree = tree._replace(
                head=head, branch=branch, locked=os.path.lexists(lock) and (made or short_text(lock) != _MAKING)
            )
        if not os.path.lexists(path):
            return tree._replace(lie=Lie.GONE if row is not None else Lie.RECORD)
        if not found.is_there():
            return tree
        return self._content(run, found, tree, row)

    def _content(self, run: RunFacts, found: Place, tree: TreeFacts, row: Registration | None) -> TreeFacts:
        link, made = f"{found.path}/.git", found.made()
        named = row is not None and short_text(link) == f"gitdir: {row.admin}"
        if not named and (made is not None or os.path.lexists(link)):
            # Somebody has broken it, or it is a repository of its own. A killed git leaves no link at all.
            killed = made is None and row is None and self._names_nothing(short_text(link))
            if not killed:
                return tree
        start = self._repository.refs(f"{git.KEPT}{run.id}/{found.name}/start").get(
            f"{git.KEPT}{run.id}/{found.name}/start", ""
        )
        whole = made is not None or (named and bool(tree.head))
        against = tree.head or start
        try:
            dirty = is_dirty(
                self._repository,
                found,
                admin=row.admin if row else "",
                head=against,
                start=start,
                begun=made is not None,
            )
        except (GitError, OSError):
            return tree._replace(lie=Lie.UNCLEAR)
        if whole:
            return tree._replace(lie=Lie.WHOLE if tree.head else Lie.UNCLEAR, dirty=dirty)
        return tree._replace(lie=Lie.UNCLEAR if dirty else Lie.HALF)

    def _names_nothing(self, link: str) -> bool:
        """Whether a `.git` names a registration of this repository that is not there any more."""
        admin = link.removeprefix("gitdir: ")
        return os.path.dirname(admin) == f"{self._repository.common}/worktrees" and not os.path.lexists(admin)

    def _held(self, rows: list[Registration]) -> set[str]:
        """Branches that worktrees of others have, or are about to have again."""
        found = {row.head.removeprefix("ref: ") for row in rows}
        admins = [self._repository.common, *(row.admin for row in rows)]
        found.add(short_text(f"{self._repository.common}/HEAD").removeprefix("ref: "))
        for admin in admins:
            found |= {short_text(f"{admin}/{place}/head-name") for place in ("rebase-merge", "rebase-apply")}
            found.add(f"refs/heads/{short_text(f'{admin}/BISECT_START')}")
        return found

    def _with_refs(self, runs: Mapping[str, RunFacts], trees: tuple[TreeFacts, ...], held: Collection[str]) -> Facts:
        form = "--format=%(objectname) %(refname) %(symref)"
        rows = [line.split(" ") for line in os.fsdecode(self._repository.touch("for-each-ref", form).out).splitlines()]
        ours = [row for row in rows if row[1].startswith((git.BRANCHES, git.KEPT))]
        users = {row[0] for row in rows if row[1].startswith(_USERS) and not row[1].startswith(git.BRANCHES)}
        tips = {row[0] for row in ours} | {tree.head for tree in trees if tree.head}
        commits = self._commits(tips)
        marks = dict(marks_in(runs, [row[1] for row in ours]))
        orphans = set(orphans_in(runs, [row[1] for row in ours], owned=marks))
        refs = tuple(
            ref._replace(held=name in held or name in orphans, symbolic=bool(link) or commit not in commits)
            for commit, name, link in ours
            for ref in (ref_facts(name, commit, marks, runs),)
        )
        given = "".join(f"{tip}\n" for tip in sorted(commits)) + "".join(f"^{tip}\n" for tip in sorted(users))
        words = ("-c", "core.commitGraph=false", "rev-list", "--parents", "--ignore-missing", "--stdin")
        lines = self._repository.look(*words, given=given.encode("ascii")).text.splitlines() if commits else []
        graph = {words[0]: tuple(words[1:]) for words in map(str.split, lines)}
        broken = {tree.head for tree in trees} - commits - {""}
        sound = tuple(tree._replace(lie=Lie.UNCLEAR) if tree.head in broken else tree for tree in trees)
        return Facts(runs, sound, refs, graph)

    def _commits(self, tips: Collection[str]) -> set[str]:
        """Those that are commits, and there."""
        if not tips:
            return set()
        given = "".join(f"{tip}\n" for tip in tips).encode("ascii")
        answer = self._repository.look("cat-file", "--batch-check=%(objectname) %(objecttype)", given=given)
        return {line.split(" ")[0] for line in answer.text.splitlines() if line.endswith(" commit")}

    # Taking away.

    def remove_tree(self, run: RunFacts, tree: TreeFacts, *, between: Callable[[], None]) -> None:
        """Its directory, its registration, what is on record of it, and what was put aside, where that is not needed.
        To be called alone. GitError, OSError."""
        found = self.place(run, tree.path)
        self._move(found)
        between()
        for row in registrations(self._repository.common):
            if row.path == tree.path:
                self._put_aside(row.admin)
        between()
        if tree.aside and not tree.needed:
            self._put_aside(tree.aside)
        found.vanish()
        between()

    def _move(self, found: Place) -> None:
        if os.path.lexists(found.path):
            if not found.is_there() or not found.path.startswith(f"{self._work}/"):
                raise OSError(f"{found.path} is not what it was")
            self._put_aside(found.path)

    def _put_aside(self, path: str) -> None:
        """Out of the way at once, so that nobody meets half of it."""
        gone = self._gone()
        number = 0
        while os.path.lexists(f"{gone}/{os.getpid()}.gc.{number}"):
            number += 1
        try:
            os.rename(path, f"{gone}/{os.getpid()}.gc.{number}")
        except OSError as error:
            if not path.startswith(f"{self._repository.common}/worktrees/"):
                raise error
            discard(path)  # the git directory is on another disk

    def _gone(self) -> str:
        gone = f"{self._home}/{GONE}"
        os.makedirs(gone, mode=0o700, exist_ok=True)
        if os.path.realpath(gone) != gone:
            raise OSError(f"{gone} leads elsewhere")
        return gone

    def remove_refs(self, refs: Iterable[RefFacts]) -> None:
        """All of them, each only as it was seen, or none. GitError; ValueError: one is not ours."""
        lines = []
        for ref in refs:
            if not git.is_writable(ref.name):
                raise ValueError(f"not a ref of teamflow: {ref.name}")
            lines.append(f"delete {ref.name}\0{ref.commit}\0")
        if lines:
            self._repository.touch("update-ref", "--no-deref", "--stdin", "-z", given="".join(lines).encode("ascii"))

    def sweep(self, directories: Iterable[str]) -> int:
        """Deletes what was put aside by processes that are gone, or by this one, and empty directories of runs that
        are over. Gives bytes."""
        freed = 0
        gone = f"{self._home}/{GONE}"
        for name in names_in(gone):
            pid = name.partition(".")[0]
            if pid == str(os.getpid()) or not os.path.exists(f"/proc/{pid}"):
                freed += size_of(f"{gone}/{name}")
                discard(f"{gone}/{name}")
        for directory in directories:
            if number_in(directory) is not None:
                for path in (f"{self._work}/{directory}", f"{self._home}/git/trees/{directory}"):
                    with contextlib.suppress(OSError):
                        os.rmdir(path)
        return freed
