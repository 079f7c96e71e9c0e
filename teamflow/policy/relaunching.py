"""What a relaunch may change of a step, checked before anything is stopped. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.capabilities import Capabilities
from teamflow.core.chain import is_program
from teamflow.core.changes import ENGINE, MODEL, PROMPT, TIMEOUT
from teamflow.core.diagnostics import did_you_mean
from teamflow.core.permissions import FULL
from teamflow.core.placeholders import takes_model
from teamflow.core.plan import ASK, COMMAND, LONGEST_DURATION, Json, Plan, Step
from teamflow.core.plan import PROMPT as A_PROMPT
from teamflow.core.work import CLONE, WORKTREE

SCRIPTED: Final = "scripted"


def checked(step: Step, given: object, plan: Plan, engines: Mapping[str, Capabilities]) -> dict[str, Json] | str:
    """The changes, or what is wrong with them. `engines`: those that can run, besides the team file's own."""
    if not isinstance(given, Mapping):
        return "the request is damaged: `changes` is an object"
    for name, value in given.items():
        wrong = _wrong(step, str(name), value, plan, engines)
        if wrong:
            return wrong
    changes = {str(name): value for name, value in given.items()}
    wrong = _wrong_model(step, changes, plan)
    return wrong or changes


def _wrong(step: Step, name: str, value: object, plan: Plan, engines: Mapping[str, Capabilities]) -> str:
    if name == TIMEOUT:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= LONGEST_DURATION:
            return "a timeout is a duration above 0, such as 30m"
        return ""
    if name not in (PROMPT, ENGINE, MODEL):
        return f"there is nothing called {name} to change"
    if step.kind != A_PROMPT:
        takes = "a timeout alone" if step.kind != ASK else "a timeout alone (for the answer)"
        return f"it is no prompt, so it takes {takes}, and no {name}"
    if not isinstance(value, str) or not value.strip():
        return f"the {name} is empty"
    return _wrong_engine(step, value, plan, engines) if name == ENGINE else ""


def _wrong_engine(step: Step, engine: str, plan: Plan, engines: Mapping[str, Capabilities]) -> str:
    if engine == SCRIPTED and step.script is None:
        return "engine scripted plays a script, and this step has none"
    # What runs a command is told no prompt.
    agents = {name for name in engines if name != COMMAND and (name != SCRIPTED or step.script is not None)}
    known = sorted({*plan.engines, *agents})
    custom = plan.engines.get(engine)
    if custom is not None:
        can = engines.get(custom.engine)
        return _cannot_keep(step, custom.engine, can) if can is not None else ""
    if engine in known:
        return _cannot_keep(step, engine, engines[engine])
    meant = did_you_mean(engine, known)
    there = meant or (f"there is {', '.join(known)}" if known else "the team file defines none")
    return f"there is no engine {engine} here; {there}"


def _cannot_keep(step: Step, engine: str, can: Capabilities) -> str:
    """What a team file would be refused for, the engine not being able to keep it."""
    # Imported here: no other verb needs what plans are made with.
    from teamflow.plan.permissions import unenforced

    means, judged = step.means, step.workspace in (WORKTREE, CLONE)
    problems = unenforced(means.grants, engine, can, servers=means.servers, isolate=means.isolate, judged=judged)
    return "; ".join(problem.message for problem in problems)


def _wrong_model(step: Step, changes: Mapping[str, object], plan: Plan) -> str:
    if MODEL not in changes:
        return ""
    engine = str(changes.get(ENGINE, step.engine))
    custom = plan.engines.get(engine)
    if engine == SCRIPTED or (custom is not None and is_program(custom) and not takes_model(custom)):
        return f"engine {engine} takes no model"
    return ""


def unenforced_words(step: Step, changes: Mapping[str, Json], plan: Plan) -> str:
    """What `plan` says of the permissions of a step that another engine does not keep; empty: it does, or there is
    nothing to be kept."""
    custom = plan.engines.get(str(changes.get(ENGINE, "")))
    grants = step.means.grants
    if custom is None or not is_program(custom) or grants.level == FULL:
        return ""
    # Imported here: no other verb needs what plans are made with.
    from teamflow.plan.words import NOT_ENFORCED, grants_in_words

    return f"{grants_in_words(grants, servers=step.means.servers)}; {NOT_ENFORCED}"
