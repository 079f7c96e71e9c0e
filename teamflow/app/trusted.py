"""Trust in files from outside: which of a plan's files are that, whether they may run, and that it is remembered.

Outside is what does not really lie below the git top level that the user stands in, else the directory: the team file,
an include, a persona, whatever a link leads to, and a saved plan. What is trusted is these files with these contents,
all of them together, by a digest of what the plan was made from. Files in the project are the user's own. A repository
that agents work in, and that is none of the user's, is trusted by its name, whatever is in it: their programs read the
settings there, and start what those name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, Protocol

from teamflow.app.files import is_below, located
from teamflow.app.project import project_of
from teamflow.core.named import NamedTuple
from teamflow.core.plan import PROMPT, Deferred, Plan, Step
from teamflow.core.repos import redacted, repo_of
from teamflow.core.shell import shown
from teamflow.store.machine import machine_directory
from teamflow.views.diagnostics import safe
from teamflow.views.trusted import trust_text

_DIRECTORY: Final = "trusted"


class Asks(Protocol):
    """The terminal's side of it."""

    @property
    def attended(self) -> bool: ...

    def complain(self, message: str) -> None: ...

    def agrees(self, question: str) -> bool: ...


class Words(Protocol):
    """What the command line says to it; `app/launch.RunOptions` is one."""

    @property
    def file(self) -> str | None: ...
    @property
    def steps(self) -> tuple[str, ...]: ...
    @property
    def saved(self) -> str: ...
    @property
    def trust(self) -> bool: ...
    @property
    def no_input(self) -> bool: ...
    @property
    def number(self) -> int | None: ...
    @property
    def replay(self) -> str: ...


class Outside(NamedTuple):
    """Files from outside by their real paths, with digests of what was read, and repositories by name; empty: all is
    the user's own."""

    files: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.files).encode("utf-8", "surrogateescape")).hexdigest()


def outside_of(plan: Plan, *, root: str, directory: str, saved: tuple[str, str] | None = None) -> Outside:
    """`root`: of the plan's project; `directory`: where the user stands; `saved`: path and digest of a saved plan."""
    here = _own_project(directory)
    found = {os.path.realpath(located(root, path)): digest for path, digest in plan.files.items() if digest}
    if saved is not None:
        found[os.path.realpath(saved[0])] = saved[1]
    files = [(path, digest) for path, digest in found.items() if not is_below(path, here)]
    return Outside(tuple(sorted((*files, *((name, "") for name in _repositories(plan, root=root, here=here))))))


def _repositories(plan: Plan, *, root: str, here: str) -> set[str]:
    """Those that agents work in and that do not lie in the user's own project, in words."""
    named = {text for step in plan.steps for text in _cloned(step)}
    return {f"the repository {redacted(text)}" for text in named if not is_below(_as_path(text, root), here)}


def _cloned(step: Step) -> Iterator[str]:
    """The repository that a step works in, if a program of somebody else's reads its settings."""
    repo = step.tree.repo if step.tree is not None else None
    if repo is not None and step.kind == PROMPT and step.script is None:
        yield repo.template if isinstance(repo, Deferred) else repo


def _as_path(text: str, root: str) -> str:
    """Where it lies on this machine; of one that does not, or only later says where, no path."""
    try:
        elsewhere = "{{" in text or repo_of(text).scheme
    except ValueError:
        elsewhere = True
    return "" if elsewhere else os.path.realpath(os.path.join(root, text))


def _own_project(directory: str) -> str:
    """The git top level around a directory, else itself; also where a repository that somebody else has put above it,
    say in /tmp, would make all that lies there the user's own."""
    found, here = project_of(directory), os.path.realpath(directory)
    try:
        owner = os.lstat(f"{found.root}/.git").st_uid if found.git else -1
        return found.root if owner in (os.geteuid(), os.stat(here).st_uid) else here
    except OSError:
        return here


def strangers(paths: Iterable[str], directory: str) -> tuple[str, ...]:
    """Those that really lie outside of what is the user's own where `directory` is; each once, real paths."""
    here = _own_project(directory)
    return tuple(dict.fromkeys(path for path in map(os.path.realpath, paths) if not is_below(path, here)))


def lend(environ: Mapping[str, str], to: Mapping[str, str]) -> None:
    """Trust that is remembered holds in another environment of the user's, too; what cannot be read there does not."""
    source, target = _place(environ), _place(to)
    with suppress(OSError):
        if source is not None and target is not None and _is_ours(os.lstat(source)):
            shutil.copytree(source, target)


def is_trusted(outside: Outside, environ: Mapping[str, str]) -> bool:
    """Whether there is nothing to trust, or somebody has said so before."""
    if not outside.files:
        return True
    directory = _place(environ)
    if directory is None:
        return False
    try:
        return _is_ours(os.lstat(directory)) and stat.S_ISREG(os.lstat(f"{directory}/{outside.digest}").st_mode)
    except OSError:
        return False


def remember(outside: Outside, environ: Mapping[str, str]) -> bool:
    """Whether these files with these contents are trusted from now on, on this machine; False: it cannot be kept."""
    directory = _place(environ)
    if directory is None or not outside.files:
        return False
    text = json.dumps({"files": [path for path, _ in outside.files], "since": int(time.time())}, indent=2) + "\n"
    with suppress(OSError):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if not _is_ours(os.lstat(directory)):
            return False
        temporary = f"{directory}/.{outside.digest}.{os.getpid()}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(text)
        os.replace(temporary, f"{directory}/{outside.digest}")
        return True
    return False


def trust_own(plan: Plan, path: str, *, root: str, directory: str, environ: Mapping[str, str], stored: str) -> None:
    """A plan that the user has just saved outside of the project is the user's own, unless it is made of what is not.

    `path`: where it is now; `stored`: digest of the plan.
    """
    if is_trusted(outside_of(plan, root=root, directory=directory), environ):
        remember(outside_of(plan, root=root, directory=directory, saved=(path, stored)), environ)


def refusal(
    plan: Plan, words: Words, front: Asks, *, root: str, directory: str, environ: Mapping[str, str], stored: str
) -> str:
    """Why the plan is not run; empty when it may be, because nothing is from outside, or somebody trusts it.

    `stored`: digest of the plan itself, for a saved one.
    """
    saved = (os.path.join(directory, words.saved), stored) if words.saved else None
    outside = outside_of(plan, root=root, directory=directory, saved=saved)
    if is_trusted(outside, environ):
        return ""
    told = trust_text(plan, [path for path, _ in outside.files])
    asking = front.attended and not words.no_input and words.number is None
    if words.trust or (asking and front.agrees(f"{told}\nTrust this, as it is now, and run it?")):
        if not remember(outside, environ):
            front.complain("note: this is trusted now, and asked again next time: it cannot be kept on this machine")
        return ""
    given = words.saved or words.file
    played = ("--replay", words.replay) if words.replay else ()
    command = shown(("teamflow", "run", *((given,) if given else ()), *words.steps, *played, "--trust"))
    if asking:
        return f"not trusted, and nothing is run\n  look at it with `teamflow plan`, or say `{command}`"
    return f"{told}\nthis needs your trust before it is run; --yes does not give it\n  if you trust it: `{command}`"


def unseen(plan: Plan, *, root: str, directory: str, environ: Mapping[str, str]) -> str:
    """Why a plan that a save has led to is not acted on; empty when it may be."""
    outside = outside_of(plan, root=root, directory=directory)
    if is_trusted(outside, environ):
        return ""
    files = ", ".join(safe(path) for path, _ in outside.files)
    return f"{files} from outside of the project: changed since it was trusted; `teamflow run --trust` asks for it"


def trust_note(plan: Plan, *, root: str, directory: str, environ: Mapping[str, str]) -> str:
    """For `plan`: what `run` would ask first; empty where it would not."""
    outside = outside_of(plan, root=root, directory=directory)
    if is_trusted(outside, environ):
        return ""
    files = ", ".join(path for path, _ in outside.files[:5]) + (" and others" if len(outside.files) > 5 else "")
    return f"from outside of this project: {files}; `run` asks whether you trust it (--trust)"


def _place(environ: Mapping[str, str]) -> str | None:
    directory = machine_directory(environ)
    return None if directory is None else f"{directory}/{_DIRECTORY}"


def _is_ours(found: os.stat_result) -> bool:
    """Whether nobody else can put anything there."""
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
