"""A plan in a file of its own: what `plan -o` writes and `run PLAN` executes.

Decides what is kept beside the plan (what was asked for, and of which project it is) and how damage is noticed. Holds
digests of the defining files, never the values of secrets. Refuses to read or write files: `app/saved.py` does, and
says whether the plan still holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json, Plan
from teamflow.plan.stored import plan_from_object, plan_object

FORMAT: Final = 1

_FIRST: Final = b'{"teamflow_plan":'
_BEGINS: Final = re.compile(rb'\s*\{\s*"teamflow_plan"\s*:')


class Asked(NamedTuple):
    """The words of `plan` that the plan came from, as given; `file` None: the team file that was found without one."""

    file: str | None = None
    inputs: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()
    force: tuple[str, ...] = ()
    new: bool = False
    use_cache: bool = True


class SavedPlan(NamedTuple):
    """`root`: the project, absolute, as it was then; `git`: whether it was in git, on which plans depend.

    `given`: the inputs that somebody gave, as they go into the run.
    """

    plan: Plan
    root: str
    git: bool
    asked: Asked
    given: Mapping[str, Json]


class Unusable(ValueError):
    """No saved plan that this version can execute; the message is the fact, to stand behind the file's name."""


def begins_saved(beginning: bytes) -> bool:
    """Whether a file that begins like this is a saved plan, or is what is left of one; a team file has no such key."""
    return _BEGINS.match(beginning) is not None or (len(beginning) > 2 and _FIRST.startswith(beginning))


def saved_to_text(saved: SavedPlan, *, version: str) -> str:
    """The file's text, in ASCII. `version`: of this teamflow."""
    body = {**saved._asdict(), "plan": plan_object(saved.plan), "asked": saved.asked._asdict()}
    whole = {"teamflow_plan": FORMAT, "teamflow": version, "sha256": _digest(body), "saved": body}
    return json.dumps(whole) + "\n"


def saved_from_text(text: str, *, version: str) -> SavedPlan:
    """The inverse of `saved_to_text`. Raises Unusable."""
    try:
        return _read(json.loads(text), version)
    except Unusable:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unusable(f"this saved plan is damaged: {error}") from error


def _read(raw: Json, version: str) -> SavedPlan:
    if not isinstance(raw, dict) or raw.get("teamflow_plan") != FORMAT:
        raise Unusable(f"this plan was saved in another format than {FORMAT}, the one of teamflow {version}")
    if raw.get("teamflow") != version:
        raise Unusable(f"this plan was saved by teamflow {raw.get('teamflow')}, and this is {version}")
    body = raw.get("saved")
    if not isinstance(body, dict) or raw.get("sha256") != _digest(body):
        raise Unusable("this saved plan is damaged: its content does not go with its digest")
    return _saved(body)


def _saved(body: Mapping[str, Json]) -> SavedPlan:
    match body:
        case {"root": str(root), "git": bool(git), "given": dict(given), "asked": dict(asked), "plan": plan}:
            return SavedPlan(plan_from_object(plan), root, git, _asked(asked), given)
    raise Unusable("this saved plan is damaged: parts are missing")


def _asked(raw: Mapping[str, Json]) -> Asked:
    words = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    asked = Asked(**words)  # type: ignore[arg-type]
    return asked._replace(overrides=tuple((path, value) for path, value in asked.overrides))


def _digest(body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
