"""The project's git repository: its commits and refs, read and written so that nothing it names is started.

How the adapter is divided, from below:
- `teamflow/git`: command lines and answers, pure; `process` runs one, `locking` keeps others out;
- `private`: a git directory of our own, with the repository's objects and none of its configuration;
- `repository` (here): commits, differences, refs. Objects are looked at in the private directory; only refs and the
  registration of worktrees need the real one, and there only plumbing runs, with everything switched off;
- `registered`: which worktree of the repository lies where; adds, mends and takes away;
- `origins`, `mirrors`, `objects`, `stores`, `clones`: other repositories, which are this (`Repository`)
  once they are fetched;
- `seats`: what a workspace is to its repository, a worktree or a clone;
- `snapshot`: what lies in a worktree, as a tree, by an index that no agent has had in its hands; `special`: what git
  passes over in silence; `inner`: repositories inside it; `waiting`: pipes in place of files;
- `watching`: the same again and again while somebody works there, and whether two of them go together;
- `checkout`: files of a commit into a worktree; `copying`: files of the project;
- `merging`: several commits as one; `sides`: what conflicts without markers; `theirs`: what an agent's own git has
  begun; `naming`: the refs of a run and a step;
- `benches`: these for each repository; `provider`: the Protocol `Workspaces`, in words of all these.
Writes no ref outside refs/heads/teamflow/ and refs/teamflow/.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from teamflow import git
from teamflow.core.named import NamedTuple
from teamflow.core.work import Change
from teamflow.workspaces import private
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.locking import locked
from teamflow.workspaces.process import LONGEST, SHORT, Answer, GitError, run
from teamflow.workspaces.waiting import read_plain, refuse_pipes


class Identity(NamedTuple):
    name: str
    email: str


NOBODY = Identity("teamflow", "teamflow@localhost")
_NAME = 4096
_READ = ("/config", "/HEAD", "/packed-refs", "/shallow", "/objects/info/alternates")
_READ_APART = ("/HEAD", "/commondir", "/gitdir", "/config.worktree", "/index")
"""What git opens in what all worktrees share, and in the git directory of each."""


class Repository:
    """Threads may share one. Paths are absolute; `common` is what all worktrees share, `objects` lies in it."""

    def __init__(
        self,
        project: str,
        *,
        own: str,
        common: str,
        project_dir: str,
        environ: Mapping[str, str],
        boundary: Callable[[], None] = lambda: None,
    ) -> None:
        self.project = project
        self.common = common
        self.objects = f"{common}/objects"
        self._project_dir = project_dir
        self._environ = environ
        self._own = own
        self._boundary = boundary
        private.write(own, common=common, project_dir=project_dir, environ=environ)

    @classmethod
    def open(
        cls, project: str, *, home: str, environ: Mapping[str, str], boundary: Callable[[], None] = lambda: None
    ) -> Repository:
        """`home`: the project's `.teamflow`. WorkspaceError (no-git)."""
        words = git.command("rev-parse", "--path-format=absolute", "--git-common-dir", "--absolute-git-dir")
        refuse_pipes(f"{project}/.git{name}" for name in ("", *_READ, "/commondir"))
        try:
            answer = run(words, env=git.environment(environ), cwd=project, longest=SHORT)
            common, project_dir = os.fsdecode(answer.out).splitlines()[:2]
        except (GitError, ValueError) as error:
            raise WorkspaceError(
                "no-git", project, f"is no git repository: {error}", remedy="run `git init` and commit something"
            ) from error
        _belongs(project_dir, common)
        return cls(
            project, own=f"{home}/git", common=common, project_dir=project_dir, environ=environ, boundary=boundary
        )

    # Objects: the private directory.

    def look(
        self,
        *words: str,
        index: str = "",
        tree: str = "",
        given: bytes = b"",
        allowed: Sequence[int] = (0,),
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        """Runs in the private git directory, on an index and a work tree where these are named. GitError."""
        private.ensure(self._own)
        shallow = f"{self.common}/shallow"
        given_here = {
            "GIT_DIR": self._own,
            "GIT_COMMON_DIR": self._own,
            "GIT_OBJECT_DIRECTORY": self.objects,
            "GIT_WORK_TREE": tree or self._own,
            "GIT_INDEX_FILE": index or f"{self._own}/index",
            "GIT_SHALLOW_FILE": shallow if os.path.exists(shallow) else "",
            **(more or {}),
        }
        alternates = f"{given_here['GIT_OBJECT_DIRECTORY']}/info/alternates"
        refuse_pipes((f"{self.objects}/info/alternates", alternates, shallow, f"{self._own}/packed-refs", index))
        env = git.environment(self._environ, **given_here)
        return self._run(words, env=env, cwd=tree or self._own, given=given, allowed=allowed)

    def inside(self, *words: str, directory: str, index: str, tree: str, allowed: Sequence[int] = (0,)) -> Answer:
        """As `look`, with the objects of another repository and the commit that it is at. GitError."""
        if words[0] == "rev-parse":
            env = git.environment(self._environ, GIT_DIR=directory, GIT_WORK_TREE=self._own, GIT_INDEX_FILE=index)
            return self._run(words, env=env, cwd=self._own, given=b"", allowed=(0,), longest=SHORT)
        env = git.environment(
            self._environ,
            GIT_DIR=self._own,
            GIT_COMMON_DIR=self._own,
            GIT_OBJECT_DIRECTORY=f"{directory}/objects",
            GIT_WORK_TREE=tree,
            GIT_INDEX_FILE=index,
        )
        return self._run(words, env=env, cwd=tree, given=b"", allowed=allowed)

    def tree_of(self, commit: str) -> str:
        """Id of a commit's tree. GitError: it is not there."""
        return self.look("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").text

    def has(self, commit: str) -> bool:
        if not git.is_id(commit):
            return False
        return self.look("cat-file", "-e", f"{commit}^{{tree}}", allowed=(0, 1, 128)).code == 0

    def parents_of(self, commit: str) -> tuple[str, ...]:
        return tuple(self.look("rev-list", "--parents", "--max-count=1", commit, "--").text.split()[1:])

    def is_ancestor(self, a: str, b: str) -> bool:
        """Whether `b` has `a` in its history, or is it. Commits in full; False where one is not there."""
        return a == b or self.look("merge-base", "--is-ancestor", a, b, allowed=(0, 1, 128)).code == 0

    def changes(self, a: str, b: str, *, tree: str = "") -> tuple[Change, ...]:
        """Each file that differs between two commits. `tree`: the work tree whose attributes say what is binary."""
        if a == b:
            return ()
        words = ("--raw", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--full-index")
        return git.changes(self.look("diff-tree", "-r", *words, a, b, "--", tree=tree).out)

    def diff(self, a: str, b: str, *, color: bool = False, stat: bool = False, paths: Iterable[str] = ()) -> bytes:
        """As `git diff` prints it, with renames."""
        words = ["--no-ext-diff", "--no-textconv", "--color=always" if color else "--color=never", "-M"]
        words.append("--stat" if stat else "--patch")
        return self.look("diff-tree", "-r", "--no-commit-id", *words, a, b, "--", *paths).out

    def files(self, commit: str) -> dict[str, str]:
        """Path → mode and object id. GitError: it is not there."""
        return git.tree_entries(self.look("ls-tree", "-r", "-z", "--full-tree", commit).out)

    def content(self, commit: str, path: str, *, most: int) -> bytes | None:
        """A plain file's bytes; None: it is not there, is none, or is longer. GitError."""
        found = git.tree_entries(self.look("ls-tree", "-z", "--full-tree", commit, "--", path).out)
        mode, _, blob = found.get(path, "").partition(" ")
        if not blob or mode not in ("100644", "100755"):
            return None
        size = self.look("cat-file", "-s", blob)
        return self.look("cat-file", "blob", blob).out if int(size.text or 0) <= most else None

    def message_of(self, commit: str) -> str:
        """As it was given to `commit`."""
        return os.fsdecode(self.look("cat-file", "commit", commit).out).partition("\n\n")[2]

    def identity(self) -> Identity:
        """Who commits: as the user's configuration says, else teamflow."""
        found = dict(git.settings(self.look("config", "-z", "--list").out))
        name, email = (
            found.get("user.name", "").strip(" .,:;<>\"\\'"),
            found.get("user.email", "").strip(" .,:;<>\"\\'"),
        )
        return Identity(name, email) if name and email else NOBODY

    def commit(self, tree: str, *, parents: Sequence[str], message: str, date: int | None = None) -> str:
        """Makes a commit and gives its id. `date`: seconds since 1970; None: now."""
        who = self.identity()
        env = {
            "GIT_AUTHOR_NAME": who.name,
            "GIT_AUTHOR_EMAIL": who.email,
            "GIT_COMMITTER_NAME": who.name,
            "GIT_COMMITTER_EMAIL": who.email,
        }
        if date is not None:
            env |= {"GIT_AUTHOR_DATE": f"@{date} +0000", "GIT_COMMITTER_DATE": f"@{date} +0000"}
        words = [word for parent in parents for word in ("-p", parent)]
        text = message if message.endswith("\n") else f"{message}\n"
        return self.look("commit-tree", tree, *words, given=text.encode("utf-8", "surrogateescape"), more=env).text

    def is_partial(self) -> bool:
        """Whether objects may be missing, to be fetched when needed: what nobody does here."""
        try:
            return any(name.endswith(".promisor") for name in os.listdir(f"{self.objects}/pack"))
        except OSError:
            return False

    # Refs: the real directory.

    def touch(self, *words: str, admin: str = "", given: bytes = b"", allowed: Sequence[int] = (0,)) -> Answer:
        """Runs plumbing in the real git directory, or in that of a worktree (`admin`). GitError, WorkspaceError."""
        refuse_pipes(f"{self.common}{name}" for name in _READ)
        _check_pipes(admin or self._project_dir, _READ_APART, common=self.common)
        env = git.environment(
            self._environ, GIT_DIR=admin or self._project_dir, GIT_COMMON_DIR=self.common, GIT_WORK_TREE=self._own
        )
        return self._run(words, env=env, cwd=self._own, given=given, allowed=allowed, longest=SHORT)

    def within(self, git_dir: str, *words: str, allowed: Sequence[int] = (0,)) -> Answer:
        """Runs plumbing in a git directory that shares nothing with this one (a clone's), as `touch`. GitError,
        WorkspaceError."""
        _check_pipes(git_dir, {*_READ, *_READ_APART})
        env = git.environment(self._environ, GIT_DIR=git_dir, GIT_COMMON_DIR=git_dir, GIT_WORK_TREE=self._own)
        return self._run(words, env=env, cwd=self._own, given=b"", allowed=allowed, longest=SHORT)

    def _run(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        given: bytes,
        allowed: Sequence[int],
        longest: float = LONGEST,
    ) -> Answer:
        self._boundary()
        answer = run(git.command(*words), env=env, cwd=cwd, given=given, allowed=allowed, longest=longest)
        self._boundary()
        return answer

    def commit_of(self, ref: str, *, admin: str = "") -> str | None:
        """What a full ref name, HEAD or an id stands for; None: no commit."""
        if ref.startswith("refs/"):
            refuse_pipes((f"{self.common}/{ref}",))
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        answer = self.touch(*words, admin=admin, allowed=(0, 1, 128))
        return answer.text if answer.code == 0 and git.is_id(answer.text) else None

    def refs(self, prefix: str) -> dict[str, str]:
        """Full name → object id, of all below a prefix that ends in `/`, or of the one that has that name."""
        for directory, _, names in os.walk(f"{self.common}/{prefix}"):
            refuse_pipes(f"{directory}/{name}" for name in names)
        return git.refs(self.touch("for-each-ref", "--format=%(objectname) %(refname)", prefix).out)

    def update(self, wanted: Mapping[str, str | None], *, why: str = "teamflow") -> None:
        """Writes refs in one transaction; None takes one away. GitError; ValueError: a name that is not ours."""
        lines = []
        for name, commit in wanted.items():
            if not git.is_writable(name):
                raise ValueError(f"not a ref of teamflow: {name}")
            lines.append(f"delete {name}\0\0" if commit is None else f"update {name}\0{commit}\0\0")
        if lines:
            refuse_pipes(f"{self.common}/{name}" for name in wanted)
            words = ("update-ref", "--no-deref", "-m", why, "--stdin", "-z")
            self.touch(*words, given="".join(lines).encode("ascii"))

    def alone(self) -> AbstractContextManager[None]:
        """For what only one of us may do at a time in this repository, inside and across processes."""
        return locked(f"{self.common}/teamflow.lock")


def _check_pipes(directory: str, names: Iterable[str], *, common: str = "") -> None:
    """As `refuse_pipes`, of files in a git directory and the branch that its HEAD names (in `common`)."""
    refuse_pipes(f"{directory}{name}" for name in names)
    head = os.fsdecode(read_plain(f"{directory}/HEAD", most=_NAME)).strip()
    if head.startswith("ref: refs/"):
        refuse_pipes((f"{common or directory}/{head.removeprefix('ref: ')}",))


def _belongs(project_dir: str, common: str) -> None:
    """That a git directory is a repository's own or one of its worktrees'. WorkspaceError (no-git)."""
    own, shared = os.path.realpath(project_dir), os.path.realpath(common)
    if own != shared and os.path.dirname(own) != f"{shared}/worktrees":
        reason = f"names another repository ({common}), of which it is no worktree"
        raise WorkspaceError("no-git", f"{project_dir}/commondir", reason, remedy="take the file away")
