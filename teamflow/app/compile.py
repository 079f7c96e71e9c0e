"""A team file becomes a plan, once: the compiled plan is kept by the digests of all that it was made from.

On a hit nothing of yaml, pydantic, networkx and jinja2 is imported (architecture, decision 6). A file counts as
unchanged when its size, times and inode are; else its content decides.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

from teamflow import __version__
from teamflow.app.brought import RUNNABLE, Brought, foreign_engines
from teamflow.app.files import ProjectFiles, located, read_any
from teamflow.app.plugins import spare_plugins
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json, Plan
from teamflow.core.work import WORKTREE
from teamflow.workspaces.top_level import is_repository

if TYPE_CHECKING:
    from teamflow.core.diagnostics import Diagnostics
    from teamflow.team.load import LoadedTeam

_FORMAT = 5
_RACY_NS = 20_000_000
"""A file changed this shortly before it was read may change again within one tick of its clock."""

Stat = tuple[int, int, int, int]


class Request(NamedTuple):
    """What the command line asks to be planned. `given` are the inputs of `-i`, `inputs` those that an earlier run
    was given."""

    file: str
    """Relative to the project."""
    given: tuple[str, ...] = ()
    inputs: Mapping[str, Json] | None = None
    steps: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()


class Compiled(NamedTuple):
    """`plan` is None when `diagnostics` hold an error. `sources` are texts for excerpts; empty on a cache hit."""

    plan: Plan | None
    diagnostics: Diagnostics | None
    sources: Mapping[str, str]
    loaded: LoadedTeam | None
    given: Mapping[str, Json] = {}
    """The inputs that somebody gave, now or for an earlier run; a later run takes them over, not the defaults."""
    stored: str = ""
    """Digest of the plan as runs store it; empty without a plan."""


def compile_team(
    root: str,
    request: Request,
    *,
    directory: str | None,
    sources: ProjectFiles | None = None,
    to_run: bool = False,
) -> Compiled:
    """The plan of a request. `directory`: where compiled plans are kept; None: nowhere. `to_run`: a plan that could not
    start as the repository is now is an error."""
    place = None if directory is None else f"{directory}/{_name(request)}"
    keepable = place is not None and not any("=@" in word for word in request.given)
    if place is not None and keepable:
        kept = _kept(root, place)
        if kept is not None:
            plan, stored = kept
            return Compiled(plan, None, {}, None, _given(request, plan), stored)
    begun = _clock()
    compiled = _compile(root, request, sources or ProjectFiles(root), to_run=to_run)
    made, found = compiled.plan, compiled.diagnostics
    if made is None:
        return compiled
    from teamflow.plan.stored import plan_to_json

    stored = hashlib.sha256(plan_to_json(made).encode()).hexdigest()
    # Engines of other packages may change, or go, without a change in any file.
    if place is not None and keepable and not len(found or ()) and not foreign_engines(made):
        _keep(root, place, made, stored, begun)
    return compiled._replace(given=_given(request, made), stored=stored)


def _compile(root: str, request: Request, sources: ProjectFiles, *, to_run: bool) -> Compiled:
    spare_plugins()
    from teamflow.plan.planner import make_plan
    from teamflow.plan.selection import Selection
    from teamflow.team.inputs import bind_inputs
    from teamflow.team.load import load

    loaded = load(request.file, sources=sources, anywhere=sources.anywhere, others=Brought())
    if loaded.team is None:
        return Compiled(None, loaded.diagnostics, loaded.sources, None)
    found = loaded.diagnostics
    inputs = bind_inputs(loaded.team, request.given, read_file=read_any, previous=request.inputs)
    found.extend(inputs.diagnostics)
    if found.has_errors:
        return Compiled(None, found, loaded.sources, loaded.team)
    plan, planned = make_plan(
        loaded.team,
        inputs=inputs.values,
        selection=Selection(request.steps, request.since, request.until),
        overrides=dict(request.overrides),
        git=is_repository(root),
        engines=RUNNABLE,
    )
    found.extend(planned)
    if to_run and plan is not None and any(step.workspace == WORKTREE for step in plan.steps):
        # Looked at only when a plan is made, for it starts git; a repository does not lose its commits.
        from teamflow.app.uncommitted import is_unborn
        from teamflow.plan.workspaces import report_no_commit

        if is_unborn(root):
            report_no_commit(plan.steps, loaded.team, found)
    return Compiled(None if found.has_errors else plan, found, loaded.sources, loaded.team)


# -- kept plans ----------------------------------------------------------------------------------------------


def _name(request: Request) -> str:
    words = json.dumps([_FORMAT, __version__, sys.implementation.cache_tag, request], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def _kept(root: str, place: str) -> tuple[Plan, str] | None:
    from teamflow.plan.stored import PlanFormatError, plan_from_plain

    try:
        with open(place, "rb") as file:
            data = file.read()
        check, body = data[:4], data[4:]
        if crc32(body).to_bytes(4, "little") != check:
            return None
        stats, git, plain, stored = marshal.loads(body)  # our own file, and it is whole
        if git != is_repository(root):
            return None
        plan = plan_from_plain(plain)
    except (OSError, ValueError, EOFError, TypeError, PlanFormatError):
        return None
    fresh = all(_same(root, path, known, plan.files) for path, known in stats)
    return (plan, stored) if fresh else None


def _same(root: str, path: str, known: Stat | None, digests: Mapping[str, str]) -> bool:
    if known is not None and _stat(located(root, path)) == known:
        return True
    try:
        data = ProjectFiles(root).read_any(path)
    except OSError:
        return digests.get(path) == "" and not os.path.lexists(located(root, path))
    return hashlib.sha256(data).hexdigest() == digests.get(path)


def _keep(root: str, place: str, plan: Plan, stored: str, begun: int) -> None:
    """Best effort: a plan that cannot be kept is compiled again."""
    from teamflow.plan.stored import plan_to_plain

    stats: list[tuple[str, Stat | None]] = []
    for path in plan.files:
        stat = _stat(located(root, path))
        racy = stat is None or max(stat[0], stat[1]) > begun - _RACY_NS
        stats.append((path, None if racy else stat))
    kept: Any = (stats, is_repository(root), plan_to_plain(plan), stored)
    body = marshal.dumps(kept)
    temporary = f"{place}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(crc32(body).to_bytes(4, "little") + body)
        os.replace(temporary, place)
    except OSError:
        return


def _stat(path: str) -> Stat | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _clock() -> int:
    """Now, as files are stamped."""
    import time

    return time.time_ns()


def _given(request: Request, plan: Plan) -> dict[str, Json]:
    names = {word.partition("=")[0] for word in request.given} | set(request.inputs or {})
    return {name: value for name, value in plan.inputs.items() if name in names}


def inputs_digest(inputs: Mapping[str, Json]) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def words_of(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`path=value` words of --set as pairs. Raises ValueError naming the word."""
    found = []
    for pair in pairs:
        path, equals, value = pair.partition("=")
        if not equals or not path:
            raise ValueError(f"--set {pair}: write --set agents.NAME.KEY=VALUE")
        found.append((path, value))
    return tuple(found)
