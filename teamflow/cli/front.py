"""The terminal's side of `run`. Knows no command line: words are parsed elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teamflow.app.compile import Compiled
    from teamflow.app.launch import RunOptions
    from teamflow.app.parts import Screen, Wired
    from teamflow.core.plan import Caps
    from teamflow.store.rows import RunRow


class TerminalFront:
    """`app/launch.Front` over this terminal."""

    def __init__(self, *, progress: str, junit: str | None, events: str | None) -> None:
        self._progress = progress
        self._junit = junit
        self._events = events

    @property
    def attended(self) -> bool:
        return os.isatty(0) and not os.environ.get("CI")

    def complain(self, message: str) -> None:
        print(message, file=sys.stderr)

    def agrees(self, question: str) -> bool:
        from teamflow.views.diagnostics import safe

        lines = [safe(line) for line in question.split("\n")]
        print("\n".join(lines), end=" [y/N] ", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def diagnostics(self, compiled: Compiled) -> None:
        from teamflow.cli.output import use_color
        from teamflow.views.diagnostics import to_text

        if compiled.diagnostics:
            print(to_text(compiled.diagnostics, compiled.sources, color=use_color(sys.stderr)), end="", file=sys.stderr)

    def screen(self, row: RunRow, wired: Wired) -> Screen:
        from teamflow.cli.showing import header_of, screen_for

        header = header_of(row, wired.root)
        screen = screen_for(self._progress, header, wired)
        if self._junit is None and self._events is None:
            return screen
        from teamflow.cli.recorders import RecordingScreen

        return RecordingScreen(screen, header, wired, junit=self._junit, events=self._events)

    def watch(self, root: str, number: int) -> int | None:
        if not sys.stdout.isatty():
            return None
        from teamflow.cli.status import watch_run

        return watch_run(root, number)

    def set_budget(self, number: int, budget: Caps) -> int:
        from teamflow.cli.acting import control
        from teamflow.policy.control import budget_args

        return control("budget", None, run=number, as_json=False, args=budget_args(budget))

    def ended_at_once(self, number: int) -> None:
        print(number)

    def go_on_detached(self, options: RunOptions, number: int) -> int:
        """The same words again, in a process that leaves this terminal at once."""
        os.execv(sys.executable, [sys.executable, "-m", "teamflow", *detached_words(options, number)])

    def detached(self, number: int) -> None:
        print(f"run {number} goes on in the background: `teamflow status -r {number} -w`", file=sys.stderr)
        print(number)


def detached_words(options: RunOptions, number: int) -> list[str]:
    """The words of a `run` that goes on in the background with run `number`: nothing is begun anew."""
    file = options.saved or options.file
    words = ["run", *([file] if file else []), *options.steps, "-d", "--go-on-with", str(number)]
    words += ["--replay", options.replay] if options.replay else []
    for name, values in (("-i", options.inputs), ("--from", options.since), ("--until", options.until)):
        words += [word for value in values for word in (name, value)]
    words += [word for path, value in options.overrides for word in ("--set", f"{path}={value}")]
    for flag, on in (
        ("--no-cache", not options.use_cache),
        ("--fail-fast", options.fail_fast),
        ("--watch", options.watch),
        ("--trust", options.trust),
    ):
        words += [flag] if on else []
    return [*words, "--max-parallel", str(options.max_parallel)] if options.max_parallel else words
