"""What the loop of a run needs before it is there: wires, a look at its file, a keeper, whose start takes a while."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamflow.app.launch import RunOptions
    from teamflow.app.parts import Wired
    from teamflow.app.replan import Watch
    from teamflow.app.replaying import Played
    from teamflow.app.secrets import Secrets
    from teamflow.app.session import Session
    from teamflow.core.plan import Plan
    from teamflow.store.sqlite import Database
    from teamflow.targets.keeper_process import Child


def start_keeper(run_dir: str, session: Session, wired: Wired) -> Child | None:
    """None where it cannot be started: the first step then says why."""
    from teamflow.targets.keeper_process import spawn

    try:
        return spawn(run_dir, environ=wired.environ, orphan_after=session.plan.limits.orphan_after)
    except OSError:
        return None


def wired_for(
    session: Session,
    options: RunOptions,
    environ: Mapping[str, str],
    secrets: Secrets,
    database: Database,
    *,
    directory: str,
    played: Played | None,
) -> Wired:
    """`directory`: where the user stands."""
    from teamflow.app.parts import Wired
    from teamflow.app.trees import opener
    from teamflow.core.redact import Redactor

    root, hidden = database.layout.root, secrets.write(database.layout.run(session.row.number))
    return Wired(
        root=root,
        number=session.row.number,
        run=session.run,
        environ=environ,
        secrets=secrets.values,
        env_file_values=secrets.env_files,
        redactor=Redactor(hidden),
        use_cache=options.use_cache,
        force=frozenset(options.force),
        workspaces=opener(root, session.run, environ),
        directory=directory,
        recording=played.recording if played is not None else None,
    )


def watch_for(session: Session, wired: Wired, options: RunOptions) -> Watch:
    """How a run with these words follows its file."""
    from teamflow.app.compile import Request
    from teamflow.app.launch import cores
    from teamflow.app.preflight import may_go_on
    from teamflow.app.replan import Watch, replanner

    words = Request("", (), {}, options.steps, options.since, options.until, options.overrides)
    given = json.loads(session.row.inputs)

    def refuse(plan: Plan) -> str:
        return may_go_on(plan, root=wired.root, directory=wired.directory, environ=wired.environ)

    again = replanner(wired.root, session.plan, given=given, words=words, refuse=refuse, environ=wired.environ)
    return Watch(again, lambda plan: options.max_parallel or plan.limits.max_parallel or cores())
