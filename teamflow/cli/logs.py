"""`teamflow logs`: what steps printed, redacted and clean for a terminal, also while they run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

import click

from teamflow.app.inspect import Inspected
from teamflow.app.outputs import AttemptOutput
from teamflow.cli.opened import opened
from teamflow.cli.output import out, say
from teamflow.cli.verb import VerbCommand, check_step, run_option
from teamflow.core.state import AttemptState, StepState
from teamflow.views.logs import OutputLines, prefix
from teamflow.views.sanitize import Stream

POLL = 0.1


@click.command(
    cls=VerbCommand,
    examples=(
        ("teamflow logs", "what every step printed, as `step | line`"),
        ("teamflow logs build/api -f", "one step, while it runs"),
        ("teamflow logs build/api --attempt 1", "its first attempt"),
    ),
)
@click.argument("step", required=False)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the step, or the run, has ended.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Attempt N; the newest one without it.")
@click.option(
    "--since",
    metavar="OFFSET|DURATION",
    help="From a byte offset of STEP's log, or only attempts of the last DURATION (10m).",
)
@run_option
def logs(step: str | None, following: bool, attempt: int | None, since: str | None, number: int | None) -> None:
    """Show what steps printed: one as it is, all of them as `step | line`."""
    if step is None and attempt is not None:
        raise click.UsageError("--attempt needs a STEP")
    offset, begun = _since(since, step)
    with opened(number) as inspected:
        if step is not None:
            check_step(step, inspected.state.steps)
        reading = Reading(inspected, step, attempt=attempt, offset=offset, begun=begun)
        reading.take_in()
        if not reading.found and not following:
            say(_nothing(inspected, step, attempt))
        while following and not reading.over:
            time.sleep(POLL)
            inspected.refresh()
            reading.take_in()
        reading.close()
        if following and inspected.state.ended is None and inspected.gone:
            say("its runner is gone: `teamflow run` goes on with the run")


def _since(since: str | None, step: str | None) -> tuple[int, float]:
    """(offset in bytes, Unix time before which an attempt must not have ended)."""
    if since is None:
        return 0, 0.0
    if since.isascii() and since.isdigit():
        if step is None:
            raise click.UsageError("--since OFFSET needs a STEP; --since 10m does without")
        return int(since), 0.0
    from teamflow.team.scalars import parse_duration

    try:
        return 0, time.time() - parse_duration(since)
    except ValueError as error:
        raise click.UsageError(f"--since {since}: an offset in bytes, or {error}") from error


def _nothing(inspected: Inspected, step: str | None, attempt: int | None) -> str:
    if step is None:
        return f"no step of run {inspected.row.number} has an attempt to show"
    known = inspected.state.steps[step]
    if attempt is not None and known.attempts:
        return f"{step} has no attempt {attempt}; its newest is {len(known.attempts)}"
    return f"{step} has not been started ({known.status.value}): `teamflow why {step}` says why"


class Reading:
    """The attempts that are shown, in the order in which they started; each is printed up to where it has got."""

    def __init__(
        self, inspected: Inspected, step: str | None, *, attempt: int | None, offset: int, begun: float
    ) -> None:
        self._inspected = inspected
        self._step = step
        self._attempt = attempt
        self._offset = offset
        self._begun = begun
        self._open: dict[tuple[str, int], Shown] = {}
        self._done: set[tuple[str, int]] = set()

    @property
    def found(self) -> bool:
        return bool(self._open or self._done)

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        if self._inspected.over:
            return True
        known = self._inspected.state.steps.get(self._step) if self._step is not None else None
        if known is None:
            return False
        if self._attempt is not None:
            return len(known.attempts) >= self._attempt and known.attempts[self._attempt - 1].outcome is not None
        return known.ended_at is not None

    def take_in(self) -> None:
        """Prints what is new. An attempt that has ended is read to its end and closed."""
        for known, attempt in self._wanted():
            key = (known.step.id, attempt.number)
            if key in self._done:
                continue
            shown = self._open.get(key)
            if shown is None:
                output = AttemptOutput(self._inspected, known, attempt, offset=self._offset)
                shown = self._open[key] = Shown(output, prefixed=self._step is None)
            # The outcome was looked at before the log: what comes after it belongs to nobody.
            if attempt.outcome is not None:
                shown.finish()
                del self._open[key]
                self._done.add(key)
            else:
                shown.print(shown.output.read())
        sys.stdout.flush()

    def close(self) -> None:
        for shown in self._open.values():
            shown.finish()
        sys.stdout.flush()

    def _wanted(self) -> list[tuple[StepState, AttemptState]]:
        steps = self._inspected.state.steps
        chosen = steps.values() if self._step is None else [steps[self._step]]
        found = [(known, attempt) for known in chosen for attempt in self._attempts(known)]
        return sorted(found, key=lambda pair: (pair[1].started, pair[1].mono))

    def _attempts(self, known: StepState) -> Iterable[AttemptState]:
        if self._attempt is not None:
            return known.attempts[self._attempt - 1 : self._attempt]
        first = max(0, len(known.attempts) - 1)
        for at, attempt in enumerate(known.attempts):
            # One that was shown already stays; so following a retry shows both.
            if (known.step.id, attempt.number) in self._open:
                first = min(first, at)
        return [a for a in known.attempts[first:] if a.ended is None or a.ended >= self._begun]


class Shown:
    """One attempt on its way to stdout: with a prefix line by line, else as it comes."""

    def __init__(self, output: AttemptOutput, *, prefixed: bool) -> None:
        self.output = output
        self._lines = OutputLines(prefix(output.step_id)) if prefixed else None
        self._stream = Stream()

    def print(self, pieces: Iterable[bytes]) -> None:
        for data in pieces:
            out(self._stream.feed(data) if self._lines is None else _joined(self._lines.feed(data)))

    def finish(self) -> None:
        self.print(self.output.close())
        out(self._stream.close() if self._lines is None else _joined(self._lines.close()))


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
