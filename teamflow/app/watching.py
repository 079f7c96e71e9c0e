"""Watch: changes of files, in bursts, to what they mean for a run that is alive. Rules: `docs/team-file.md`, "Watch".

Decides only the order: one burst after the other, defining files before files that steps read, then which directories
are watched. A defining file is for `app/revising.py`, a file that steps read for `app/rereading.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from teamflow.app.files import FollowedFiles
from teamflow.app.parts import Screen
from teamflow.app.rereading import Rereading
from teamflow.app.revising import Revising
from teamflow.core.events import Record, RunEnded
from teamflow.run.executor import Executor
from teamflow.watch import FileWatch


class Watching:
    """All methods belong to the loop's thread, but `tell`."""

    def __init__(
        self,
        executor: Executor,
        *,
        root: str,
        files: FollowedFiles,
        revising: Revising,
        rereading: Rereading,
        screen: Screen,
    ) -> None:
        self._executor = executor
        self._files = files
        self._revising = revising
        self._rereading = rereading
        self._screen = screen
        self._loop = asyncio.get_running_loop()
        self._watch = FileWatch(root, self.tell)
        self._pending: set[str] = set()
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    async def begin(self) -> None:
        """From now on changes are seen; what changed since the plan was made as well."""
        await self._cover()
        self._told(await self._revising.stale())

    def close(self) -> None:
        self._closed = True
        if self._work is not None:
            self._work.cancel()
        self._revising.close()
        self._rereading.close()
        self._watch.close()

    def tell(self, paths: frozenset[str]) -> None:
        """These have changed, perhaps. From any thread."""
        self._loop.call_soon_threadsafe(self._told, paths)

    def _told(self, paths: Iterable[str]) -> None:
        self._pending.update(paths)
        if self._pending and self._work is None and not self._closed:
            self._work = self._loop.create_task(self._act(), name="watch")
            self._work.add_done_callback(self._acted)

    def _acted(self, task: asyncio.Task[None]) -> None:
        self._work = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._executor.broken(error)
        self._told(())

    async def _act(self) -> None:
        while self._pending:
            paths, self._pending = frozenset(self._pending), set()
            if self._revising.concerns(paths):
                await self._revising.replan()
            await self._rereading.changed(paths)
            if new := await self._cover():
                # What was put there before the directory was watched was not told.
                await self._rereading.changed(new)

    async def _cover(self) -> frozenset[str]:
        # Files from outside are looked at with the next save of one in the project.
        defining = {path.rpartition("/")[0] for path in self._files.asked if not path.startswith(("/", "~/"))}
        places = await self._rereading.places()
        try:
            return self._watch.cover(places | defining)
        except OSError as error:
            self._screen.problems(None, f"files cannot be followed: {error}")
            return frozenset()

    def observe(self, records: Sequence[Record]) -> None:
        """Told every record once it is durable."""
        self._rereading.observe(records)

    def shown(self, records: Sequence[Record]) -> None:
        """Told every record once the screen has it: what is said of a run at rest comes after its last step."""
        for record in records:
            if isinstance(record.event, RunEnded) and record.event == self._executor.state.ended:
                self._screen.rest(self._executor.state, record.event, files=len(self._files.asked))
