"""What the user has checked out in the project directory, looked at by our git.

Decides when something may be merged there: on a branch, nothing unfinished, nothing changed, nothing in the way. The
repository's own configuration counts as far as it is data (`private`), and the patterns of a sparse checkout.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.process import Answer
from teamflow.workspaces.repository import Repository
from teamflow.workspaces.unfinished import UNFINISHED

_TRUE: Final = ("true", "yes", "on", "1")
_ROLES: Final = ("AUTHOR", "COMMITTER")
_WHO: Final = ("NAME", "EMAIL")
_NAMED: Final = 5


class Branch(NamedTuple):
    """What is checked out. `name`: in full; `head`: its commit."""

    name: str
    head: str

    @property
    def short(self) -> str:
        return self.name.removeprefix("refs/heads/")


class CheckedOut:
    """The project directory as a work tree. WorkspaceError (no-git, bare), GitError."""

    def __init__(self, project: str, *, home: str, environ: Mapping[str, str]) -> None:
        """`home`: the project's `.teamflow`. What is ours of this lies in `own`."""
        self.path = project
        self._environ = environ
        self.own = f"{home}/git/user"
        # A git directory apart: the patterns of the user's sparse checkout are for nobody else.
        self.repository = Repository.open(project, home=self.own, environ=environ)
        self._dir = os.fsdecode(self.repository.touch("rev-parse", "--absolute-git-dir").out.rstrip(b"\n"))
        self._index = f"{self._dir}/index"
        settings = self._settings()
        self._check_place(settings)
        self._sparse = self._sparse_words(settings)

    def run(self, *words: str, given: bytes = b"", index: str = "", allowed: Sequence[int] = (0,)) -> Answer:
        """Runs on the user's files, and on their index unless another is named."""
        return self.repository.look(
            *self._sparse, *words, index=index or self._index, tree=self.path, given=given, allowed=allowed
        )

    def commit(self, tree: str, *, parents: Sequence[str], message: str) -> str:
        """Makes a commit, by whom git would name here: the environment first. Gives its id."""
        who = self.repository.identity()
        env = {f"GIT_{role}_{what}": value for role in _ROLES for what, value in zip(_WHO, who, strict=True)}
        words = [word for parent in parents for word in ("-p", parent)]
        answer = self.repository.look(
            "commit-tree",
            tree,
            *words,
            given=message.encode("utf-8", "surrogateescape"),
            more={**env, **{name: value for name in env if (value := self._environ.get(name))}},
        )
        return answer.text

    # What is checked out.

    def branch(self) -> Branch:
        """WorkspaceError: detached, unborn."""
        touch = self.repository.touch
        name = touch("symbolic-ref", "--quiet", "HEAD", allowed=(0, 1)).text
        if not name.startswith("refs/heads/"):
            raise WorkspaceError(
                "detached",
                self.path,
                "no branch is checked out (HEAD is detached)",
                remedy="`git switch BRANCH` names the one to merge into, `git switch -c NAME` makes one here",
            )
        if touch("symbolic-ref", "--quiet", name, allowed=(0, 1, 128)).code == 0:
            raise WorkspaceError("detached", self.path, f"{name} stands for another ref", remedy="`git switch` to that")
        head = self.repository.commit_of(name)
        if head is None:
            raise WorkspaceError(
                "unborn", self.path, f"{name.removeprefix('refs/heads/')} has no commit yet", remedy="commit something"
            )
        return Branch(name, head)

    def check_quiet(self) -> None:
        """WorkspaceError (busy): something is unfinished, or another git is at work."""
        for name, (what, remedy) in UNFINISHED.items():
            if os.path.lexists(f"{self._dir}/{name}"):
                raise WorkspaceError("busy", self.path, f"a {what} is not finished", remedy=remedy)
        lock = f"{self._index}.lock"
        if os.path.lexists(lock):
            raise WorkspaceError(
                "busy",
                self.path,
                "another git works on the index",
                remedy=f"wait for it; if none runs, one was killed: remove {lock}",
            )

    def check_clean(self, head: str) -> None:
        """WorkspaceError (dirty): what git tracks was changed. Untracked files do not count."""
        staged, changed = self.staged(head), self.changed()
        if staged or changed:
            paths = dict.fromkeys(entry.path for entry in (*staged, *changed))
            raise WorkspaceError(
                "dirty",
                self.path,
                f"there are changes that are not committed: {named(paths)}",
                remedy="`git commit` or `git stash` them, then merge again",
            )

    def staged(self, commit: str) -> list[git.Entry]:
        """How the index differs from a commit."""
        words = ("--cached", "--raw", "-z", "--no-renames", "--ignore-submodules=none", commit, "--")
        return git.raw_entries(self.run("diff-index", *words).out)

    def changed(self) -> list[git.Entry]:
        """How the files differ from the index. Their times are read anew, as `git status` does."""
        self.run("update-index", "-q", "--unmerged", "--refresh", allowed=(0, 1))
        return git.raw_entries(
            self.run("diff-files", "--raw", "-z", "--no-renames", "--ignore-submodules=all", "--").out
        )

    # What another commit would change.

    def between(self, old: str, new: str) -> list[git.Entry]:
        return git.raw_entries(self.run("diff-tree", "-r", "--raw", "-z", "--no-renames", old, new, "--").out)

    def check_free(self, entries: Iterable[git.Entry]) -> None:
        """WorkspaceError (in-the-way): a file that nobody tracks lies where one of the entries is to lie.

        Also one that is ignored: git would take it for worthless and overwrite it.
        """
        rows = list(entries)
        gone = {entry.path for entry in rows if entry.kind == "D"}
        found = [self._obstacle(entry.path, gone) for entry in rows if entry.kind == "A"]
        paths = [path for path in found if path]
        if paths:
            raise WorkspaceError(
                "in-the-way",
                self.path,
                f"files that git does not track are in the way: {named(dict.fromkeys(paths))}",
                remedy="move them away, then merge again",
            )

    def check_filters(self, entries: Iterable[git.Entry], commit: str, *, hand: str) -> None:
        """WorkspaceError (filter): a file is checked out through a filter that only the repository's own configuration
        may name, which an agent can write. `hand`: what does it by hand."""
        paths = [entry.path for entry in entries if entry.kind != "D" and entry.mode.startswith("100")]
        if not paths:
            return
        index = f"{self.own}/index.{os.getpid()}"
        try:
            self.run("read-tree", commit, index=index)
            words = ("check-attr", "--cached", "-z", "--stdin", "filter")
            fields = self.run(*words, index=index, given=git.lines_of(paths)).out.split(b"\0")
        finally:
            for name in (index, f"{index}.lock"):
                if os.path.lexists(name):
                    os.unlink(name)
        wanted = {value: path for path, value in zip(fields[::3], fields[2::3], strict=False)}
        for value in sorted(wanted.keys() - {b"unspecified", b"unset", b"set"} - self._filters()):
            raise WorkspaceError(
                "filter",
                os.fsdecode(wanted[value]),
                f'goes through the filter "{os.fsdecode(value)}", which your own git configuration does not define',
                remedy=f"merge by hand, which runs what the repository names: `{hand}`",
            )

    def _filters(self) -> set[bytes]:
        keys = (key for key, _ in git.settings(self.run("config", "-z", "--list").out))
        return {os.fsencode(key[7:].rpartition(".")[0]) for key in keys if key.startswith("filter.")}

    def _obstacle(self, path: bytes, gone: Collection[bytes]) -> bytes:
        parts = path.split(b"/")
        for size in range(1, len(parts)):
            above = b"/".join(parts[:size])
            mode = self.mode(above)
            if mode is None:
                return b""
            if not stat.S_ISDIR(mode):
                return b"" if above in gone else above
        mode = self.mode(path)
        if mode is None:
            return b""
        return next(self._inside(path, gone), b"") if stat.S_ISDIR(mode) else path

    def _inside(self, path: bytes, gone: Collection[bytes]) -> Iterator[bytes]:
        start = len(os.fsencode(self.path)) + 1
        for directory, directories, names in os.walk(self.full(path)):
            links = [name for name in directories if os.path.islink(directory + b"/" + name)]
            for name in (*names, *links):
                inner = (directory + b"/" + name)[start:]
                if inner not in gone:
                    yield inner

    def mode(self, path: bytes) -> int | None:
        """Of what lies there; None: nothing."""
        try:
            return os.lstat(self.full(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None

    def full(self, path: bytes) -> bytes:
        return os.fsencode(self.path) + b"/" + path

    # The repository's configuration, as data.

    def _settings(self) -> dict[str, str]:
        found = self._settings_in(f"{self.repository.common}/config")
        if found.get("extensions.worktreeconfig", "").lower() in _TRUE:
            found |= self._settings_in(f"{self._dir}/config.worktree")
        return found

    def _settings_in(self, path: str) -> dict[str, str]:
        if not os.path.isfile(path):
            return {}
        return dict(git.settings(self.repository.touch("config", "--file", path, "--no-includes", "-z", "--list").out))

    def _check_place(self, settings: Mapping[str, str]) -> None:
        main = os.path.realpath(self._dir) == os.path.realpath(self.repository.common)
        if main and settings.get("core.bare", "").lower() in _TRUE:
            raise WorkspaceError(
                "bare", self.path, "is a bare repository: nothing is checked out", remedy="merge in a clone of it"
            )
        tree = settings.get("core.worktree")
        if main and tree is not None and os.path.realpath(os.path.join(self._dir, tree)) != os.path.realpath(self.path):
            raise WorkspaceError(
                "bare", self.path, f"the repository's configuration says core.worktree={tree}", remedy="merge there"
            )

    def _sparse_words(self, settings: Mapping[str, str]) -> tuple[str, ...]:
        if settings.get("core.sparsecheckout", "").lower() not in _TRUE:
            return ()
        try:
            with open(f"{self._dir}/info/sparse-checkout", "rb") as file:
                patterns = file.read()
        except FileNotFoundError:
            return ()
        new = f"{self.own}/git/info/sparse-checkout"
        with open(new, "wb") as file:
            file.write(patterns)
        cone = "true" if settings.get("core.sparsecheckoutcone", "").lower() in _TRUE else "false"
        return ("-c", "core.sparseCheckout=true", "-c", f"core.sparseCheckoutCone={cone}")


def named(paths: Iterable[bytes]) -> str:
    """A few of them."""
    names = [os.fsdecode(path) for path in paths]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
