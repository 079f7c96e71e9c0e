"""The plan of a run's file as it is now, for a watch: what `run` does before it takes a run, again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from teamflow.app.compile import Compiled, Request, compile_team
from teamflow.app.secrets import NO_SECRETS, Secrets, gather_secrets
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json, Plan

if TYPE_CHECKING:
    from teamflow.app.files import FollowedFiles


class Saved(NamedTuple):
    """What a save came to: a plan that can run, or why there is none."""

    compiled: Compiled
    secrets: Secrets
    refusal: str = ""


class Watch(NamedTuple):
    """How a watched run follows its file. `parallel`: how many steps a plan's limits allow at once."""

    again: Callable[[FollowedFiles], Saved]
    parallel: Callable[[Plan], int]


def replanner(
    root: str,
    plan: Plan,
    *,
    given: Mapping[str, Json],
    words: Request,
    refuse: Callable[[Plan], str],
    environ: Mapping[str, str],
) -> Callable[[FollowedFiles], Saved]:
    """Plans the file of `plan` with the inputs that were given at first and the words of the command line.

    `environ`: where secrets are looked for.
    """
    request = words._replace(file=plan.file, given=(), inputs=dict(given))

    def again(files: FollowedFiles) -> Saved:
        compiled = compile_team(root, request, directory=None, sources=files)
        if compiled.plan is None:
            return Saved(compiled, NO_SECRETS)
        secrets = gather_secrets(compiled.plan, root=root, environ=environ)
        return Saved(compiled, secrets, refuse(compiled.plan) or "\n".join(secrets.problems))

    return again
