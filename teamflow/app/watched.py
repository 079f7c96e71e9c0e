"""Puts together what follows the files of a run that is watched. Imported only where there is a watch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from teamflow.app.files import FollowedFiles
from teamflow.app.parts import Wired
from teamflow.app.replan import Watch
from teamflow.app.rereading import Rereading
from teamflow.app.revising import Revising
from teamflow.app.secrets import Secrets
from teamflow.app.session import Session
from teamflow.app.watching import Watching
from teamflow.app.wiring import Loop
from teamflow.run.executor import Executor
from teamflow.views.figures import step_cost, total
from teamflow.views.words import usage_words


@contextmanager
def watched(watch: Watch, session: Session, loop: Loop, wired: Wired, *, run_dir: str) -> Iterator[None]:
    """Changes of files reach the executor meanwhile."""
    executor, screen, pool, root = loop.executor, loop.screen, loop.pool, wired.root
    known = (wired.secrets, wired.env_file_values)

    async def learn(secrets: Secrets) -> None:
        nonlocal known
        if (secrets.values, secrets.env_files) == known:
            return
        # On the disk before anything starts with them: other terminals have to hide them.
        hidden = await asyncio.get_running_loop().run_in_executor(pool, secrets.write, run_dir)
        wired.redactor.know(hidden)
        loop.environments.know(files=secrets.env_files, secrets=secrets.values)
        known = (secrets.values, secrets.env_files)

    def spent(step_id: str) -> str:
        so_far = total([step_cost(executor.state.steps[step_id]).usage, loop.attempts.spent(step_id)])
        return usage_words(so_far) or "what it has cost so far is not known"

    files = FollowedFiles(root)
    rereading = Rereading(executor, loop.prober, root=root, screen=screen, pool=pool)
    revising = Revising(
        session,
        executor,
        files=files,
        watch=watch,
        put_plan=loop.store.put_plan,
        spent=spent,
        redefined=rereading.redefined,
        learn=learn,
        screen=screen,
        pool=pool,
    )
    watching = Watching(executor, root=root, files=files, revising=revising, rereading=rereading, screen=screen)
    loop.bridge.watching = watching
    beginning = asyncio.get_running_loop().create_task(watching.begin(), name="begin to watch")
    beginning.add_done_callback(lambda task: _began(task, executor))
    try:
        yield
    finally:
        beginning.cancel()
        loop.bridge.watching = None
        watching.close()


def _began(task: asyncio.Task[None], executor: Executor) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        executor.broken(error)
