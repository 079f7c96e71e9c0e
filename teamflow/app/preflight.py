"""Before a run: whether the plan can and may run here. Nothing has been started or recorded when this is asked.

Decides the order: what this version cannot run, then trust, then what is locked, then what is installed. Programs are
asked only for plans whose steps need them; `plan` tells the same as notes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

from teamflow.app.files import ProjectFiles
from teamflow.app.refused import refused, unknown_force
from teamflow.app.trusted import Asks, Words, refusal, trust_note, unseen
from teamflow.core.capabilities import Capabilities
from teamflow.core.plan import PROMPT, Plan, Step
from teamflow.core.versions import is_older
from teamflow.engines.registry import engine, known
from teamflow.views.diagnostics import safe

USAGE: Final = 2
ENVIRONMENT: Final = 3
_PATH_LINE: Final = re.compile(rb"^\s*(?:export\s+)?PATH\s*=", re.M)


class RunWords(Words, Protocol):
    """What of the words of `run` matters here."""

    @property
    def force(self) -> tuple[str, ...]: ...
    @property
    def locked(self) -> bool: ...


def preflight(
    plan: Plan,
    words: RunWords,
    front: Asks,
    *,
    root: str,
    directory: str,
    environ: Mapping[str, str],
    stored: str,
    to_do: Callable[[], Iterable[Step]],
    played: bool = False,
) -> int | None:
    """The exit code of a run that is refused, which has been told; None: it may begin. `stored`: the plan's digest.
    `to_do`: the steps that it may start, asked for where a program is missing. `played`: a recording is, which needs no
    program of an engine."""
    cannot = refused(plan) or unknown_force(plan, words.force)
    if cannot:
        front.complain(cannot)
        return USAGE
    untrusted = refusal(plan, words, front, root=root, directory=directory, environ=environ, stored=stored)
    if untrusted:
        front.complain(untrusted)
        return ENVIRONMENT
    lines = _lock_problems(plan, root=root, environ=environ) if words.locked else []
    if not played and missing(plan, plan.steps, engines_of(plan), environ, root=root):
        lines += missing(plan, to_do(), engines_of(plan), environ, root=root)
    if not lines:
        return None
    told = (f"  {safe(part)}" for line in lines for part in line.split("\n"))
    front.complain("\n".join(["this cannot run here:", *told]))
    return ENVIRONMENT


def may_go_on(plan: Plan, *, root: str, directory: str, environ: Mapping[str, str]) -> str:
    """Why a plan that a save has led to is not acted on; empty when it is."""
    return refused(plan) or unseen(plan, root=root, directory=directory, environ=environ)


def plan_notes(
    plan: Plan, to_do: Iterable[Step], *, root: str, directory: str, environ: Mapping[str, str]
) -> list[str]:
    """What `run` would ask or refuse, and what differs from the lock. Nothing of the team is executed. `to_do`: the
    steps that it may start."""
    note = trust_note(plan, root=root, directory=directory, environ=environ)
    found = [note] if note else []
    found += missing(plan, to_do, engines_of(plan), environ, root=root)
    found += _lock_notes(plan, root=root, environ=environ)
    return found


# -- engines -----------------------------------------------------------------------------------------------------


def engines_of(plan: Plan) -> dict[str, Capabilities]:
    """Those of its steps that are built in, as far as this version has them."""
    names = dict.fromkeys(name for step in plan.steps for name in _chain(step) if ":" not in name and known(name))
    return {name: engine(name).capabilities for name in names}


def missing(
    plan: Plan, steps: Iterable[Step], engines: Mapping[str, Capabilities], environ: Mapping[str, str], *, root: str
) -> list[str]:
    """What is to be installed before each of these steps of the plan has an engine, with the command; a line for each.

    Steps with a PATH of their own, or of another machine, are not looked at: only they know what is there.
    """
    local = [step for step in steps if step.target == "local" and not any(name == "PATH" for name, _ in step.env)]
    needed = {name for step in local for name in _chain(step) if name in engines and engines[name].program}
    if not needed or _sets_path(plan, root):
        return []
    from teamflow.app.installed import look

    found = look({name: engines[name] for name in sorted(needed)}, environ)
    wrong: dict[str, str] = {}
    for name, one in found.items():
        least, program = engines[name].least, engines[name].program[0]
        if one.path is None:
            wrong[name] = f"`{program}` is not installed{_install(engines[name])}"
        elif least and is_older(one.version, least):
            wrong[name] = f"`{program}` {one.version} is too old, {least} is needed{_install(engines[name])}"
    lines: dict[str, list[str]] = {}
    for step in local:
        chain = _chain(step)
        if chain and all(name in wrong for name in chain):
            lines.setdefault("; ".join(f"{name}: {wrong[name]}" for name in chain), []).append(step.agent)
    return [f"{line} (for {_some(agents)})" for line, agents in lines.items()]


def _sets_path(plan: Plan, root: str) -> bool:
    """Whether a file of variables for every step has a PATH."""
    files = ProjectFiles(root)
    for path in plan.env_files:
        try:
            if _PATH_LINE.search(files.read(path)):
                return True
        except OSError:
            continue  # it is told when the secrets are gathered
    return False


def _install(engine: Capabilities) -> str:
    return f": `{engine.install}`" if engine.install else ""


def _some(agents: list[str]) -> str:
    names = list(dict.fromkeys(agents))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _chain(step: Step) -> list[str]:
    """The engines that may do the step's work; those that the team defines under a name that is none of ours."""
    if step.kind != PROMPT or step.skip is not None:
        return []
    own = ((step.engine, step.custom), *((other.engine, other.custom) for other in step.fallbacks))
    return [name if custom is None else f"custom:{name}" for name, custom in own]


# -- the lock ----------------------------------------------------------------------------------------------------


def _lock_problems(plan: Plan, *, root: str, environ: Mapping[str, str]) -> list[str]:
    """Why `--locked` refuses: differences, and a lock that is not there or cannot be read."""
    from teamflow.app.lock_file import LockError

    try:
        found = list(_differences(plan, root=root, environ=environ))
    except LockError as error:
        return [str(error)]
    if found == [None]:
        return ["--locked: nothing is locked of this team file: `teamflow lock` writes it"]
    lines = [f"--locked: {line}" for line in found]
    return [*lines, "`teamflow lock` takes these over"] if lines else []


def _lock_notes(plan: Plan, *, root: str, environ: Mapping[str, str]) -> list[str]:
    from teamflow.app.lock_file import LockError

    try:
        found = [line for line in _differences(plan, root=root, environ=environ) if line is not None]
    except LockError as error:
        return str(error).split("\n")[:1]
    return [f"other than in teamflow.lock: {', '.join(found)}"] if found else []


def _differences(plan: Plan, *, root: str, environ: Mapping[str, str]) -> Iterator[str | None]:
    """Between what is locked and what is there now; one None where nothing is locked. LockError."""
    from teamflow.app.lock_file import lock_path, read_lock
    from teamflow.app.locked import differences, locked_of, models_of

    path = lock_path(root, plan.file)
    old = read_lock(path, os.path.basename(plan.file)) if os.path.lexists(path) else None
    if old is None:
        yield None
        return
    from teamflow.app.installed import look
    from teamflow.app.locking import told_by_runs

    answered = told_by_runs(root, plan, environ) if any(one.answers for one in old.engines.values()) else {}
    new = locked_of(plan, look(engines_of(plan), environ), {}, answered)
    yield from differences(old, new, whole=plan.selected is None, named=models_of(plan))
