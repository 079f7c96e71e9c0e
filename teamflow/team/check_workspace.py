"""Checks of what an agent asks of a workspace of its own: that it gets one, and that it says what is to be in it.

Decides only about keys that the agent writes itself; from a persona and `defaults` they do not reach it where they mean
nothing. What becomes of a project outside git is for the planner.
"""

from __future__ import annotations

from teamflow.core.repos import redacted, repo_of
from teamflow.team.check_team import shown
from teamflow.team.check_text import Owner, check_template
from teamflow.team.declared import KINDS
from teamflow.team.layers import Layers
from teamflow.team.model import Agent, Workspace
from teamflow.team.scope import Scope
from teamflow.team.source import Path
from teamflow.team.template import is_template
from teamflow.team.where import is_alone, mode_of, names_files


def check_alone(scope: Scope, agent: Agent, path: Path) -> None:
    """`diff`, `copy` and `sparse` are for a workspace that is made for the step alone."""
    asked = _asked(agent)
    layers = Layers(scope.layers(agent))
    work = layers.work_layer()
    if not asked or work is None or "ask" in work or scope.is_damaged("personas") or scope.is_damaged("defaults"):
        return
    kind = next(word for word in KINDS if word in work)
    if is_alone(layers, prompt=kind == "prompt"):
        _check_sparse(scope, agent, layers, path)
        return
    shared = mode_of(layers.part("workspace", Workspace)) == "shared"
    where = "in the project directory" if shared else "in what its dependencies have left"
    remedy = "Remove it, or mode: shared." if shared else "Write workspace: {mode: worktree}, or remove it."
    for key in asked:
        message = f"{'.'.join(key)} is for a workspace of its own, and this agent works {where}"
        scope.error("shared-workspace", message, (*path, *key), hint=remedy, key=True)


def check_repo(scope: Scope, text: str, path: Path, owner: Owner) -> None:
    """What is cloned, where it is plain text; what a template becomes is looked at when it is cloned."""
    if "{" in text and is_template(text):
        check_template(scope, text, path, owner)
        return
    try:
        repo_of(text)
    except ValueError as error:
        hint = "Write an https, http, ssh, git or file URL, host:path, or a path relative to the project."
        scope.error("wrong-value", f'"{shown(redacted(text))}" {error}', path, hint=hint)


def _asked(agent: Agent) -> list[tuple[str, ...]]:
    given = agent.workspace
    found: list[tuple[str, ...]] = [("diff",)] if agent.diff is not None else []
    if given is not None and given.copy_:
        found.append(("workspace", "copy"))
    if given is not None and given.sparse:
        found.append(("workspace", "sparse"))
    return found


def _check_sparse(scope: Scope, agent: Agent, layers: Layers, path: Path) -> None:
    if agent.workspace is None or not agent.workspace.sparse:
        return
    if not names_files(layers.get("reads"), layers.get("writes")):
        hint = "Name what it works on under reads or writes, or remove the key."
        at: Path = (*path, "workspace", "sparse")
        scope.error("key-without-meaning", "sparse needs reads or writes", at, hint=hint, key=True)
