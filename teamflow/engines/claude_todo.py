"""How far Claude Code says it is, by the list of tasks that it keeps for itself.

Two kinds of tools write such lists: one the whole list at a time, the other task by task, numbered from 1 in the order
in which they are made. Refuses to guess: without a list there is no progress.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from teamflow.core.invocation import Progress
from teamflow.core.plan import Json

_DONE: Final = "completed"
_NOW: Final = "in_progress"
_GONE: Final = "deleted"
_MOST: Final = 1000


class Todo:
    def __init__(self) -> None:
        self._tasks: dict[str, tuple[str, str]] = {}
        """Status and what is done, by number."""
        self._made = 0

    def called(self, tool: str, given: Mapping[str, Json]) -> Progress | None:
        """After a call of a tool; None: it says nothing new of how far it is."""
        before = self._progress()
        match tool, given:
            case "TodoWrite", {"todos": list(todos)}:
                self._tasks = {
                    str(number): (_text(todo.get("status")), _words(todo, ""))
                    for number, todo in enumerate(todos[:_MOST])
                    if isinstance(todo, Mapping)
                }
            case "TaskCreate", _ if self._made < _MOST:
                self._made += 1
                self._tasks[str(self._made)] = ("pending", _words(given, ""))
            case "TaskUpdate", {"taskId": str(number)} if number in self._tasks:
                status, words = self._tasks[number]
                status = _text(given.get("status")) or status
                self._tasks[number] = (status, _words(given, words))
                if status == _GONE:
                    del self._tasks[number]
            case _:
                return None
        after = self._progress()
        return after if after != before else None

    def _progress(self) -> Progress | None:
        if not self._tasks:
            return None
        done = sum(status == _DONE for status, _ in self._tasks.values())
        now = next((words for status, words in self._tasks.values() if status == _NOW), "")
        return Progress(round(100 * done / len(self._tasks), 1), now)


def _words(task: Mapping[str, Json], otherwise: str) -> str:
    return next((words for key in ("activeForm", "subject", "content") if (words := _text(task.get(key)))), otherwise)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
