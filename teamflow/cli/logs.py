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
from teamflow.core.attempts import AttemptState
from teamflow.core.outcome import Outcome
from teamflow.core.plan import ASK
from teamflow.core.shell import run_words
from teamflow.core.state import StepState
from teamflow.views.json import json_text
from teamflow.views.logs import OutputLines, prefix
from teamflow.views.sanitize import Stream

POLL = 0.05


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
@click.option("--raw", is_flag=True, help="What agents print as it comes, also where that is their protocol.")
@run_option
@click.option("--json", "as_json", is_flag=True, help="A JSON object per line, and one with the offset at each end.")
def logs(
    step: str | None,
    following: bool,
    attempt: int | None,
    since: str | None,
    raw: bool,
    number: int | None,
    as_json: bool,
) -> None:
    """Show what steps printed: one as it is, all of them as `step | line`.

    Of agents that speak a protocol: what they say, and `> ` what they do, a line each.
    """
    if step is None and attempt is not None:
        raise click.UsageError("--attempt needs a STEP")
    offset, begun = _since(since, step)
    with opened(number) as inspected:
        if step is not None:
            check_step(step, inspected)
            if inspected.state.steps[step].step.kind == ASK:
                told = f"`teamflow why {step}{inspected.option}` says what came of it"
                say(f"{step} asks people, and prints nothing: {told}")
                return
        form = "json" if as_json else "lines" if step is None else "plain"
        reading = Reading(inspected, step, attempt=attempt, offset=offset, begun=begun, form=form, raw=raw)
        reading.take_in()
        if not reading.found and not following:
            say(_nothing(inspected, step, attempt))
        while following and not reading.over:
            if not reading.behind:
                time.sleep(POLL)
            inspected.refresh()
            reading.take_in()
        reading.close()
        if following and inspected.state.ended is None and inspected.gone:
            say(f"its runner is gone: `{run_words(inspected.row.file)}` goes on with the run")


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
    return f"{step} has not been started ({known.status.value}): `teamflow why {step}{inspected.option}` says why"


class Reading:
    """The attempts that are shown, in the order in which they started; each is printed up to where it has got.

    `behind`: some have more to print than `take_in` took.
    """

    def __init__(
        self,
        inspected: Inspected,
        step: str | None,
        *,
        attempt: int | None,
        offset: int,
        begun: float,
        form: str,
        raw: bool = False,
    ) -> None:
        """`form`: plain (as it comes) | lines (with the step's prefix) | json. `raw`: protocols are not translated."""
        self._inspected = inspected
        self._step = step
        self._attempt = attempt
        self._offset = offset
        self._begun = begun
        self._form = form
        self._raw = raw
        self._first = {name: max(1, len(known.attempts)) for name, known in inspected.state.steps.items()}
        self._open: dict[tuple[str, int], Shown] = {}
        self._done: set[tuple[str, int]] = set()
        self._seen = -1
        self.behind = False

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
        if self._attempt is not None and len(known.attempts) >= self._attempt:
            return known.attempts[self._attempt - 1].outcome is not None
        return known.ended_at is not None

    def take_in(self) -> None:
        """Prints what is new. An attempt that has ended is read to its end and closed."""
        if self._seen != self._inspected.state.seq:
            self._seen = self._inspected.state.seq
            self._settle()
        for shown in self._open.values():
            shown.print(shown.output.read())
        self.behind = any(shown.output.behind for shown in self._open.values())
        sys.stdout.flush()

    def _settle(self) -> None:
        """Opens and closes what has begun and ended by the log."""
        for known, attempt in self._wanted():
            key = (known.step.id, attempt.number)
            if key in self._done:
                continue
            shown = self._open.get(key)
            if shown is None:
                output = AttemptOutput(self._inspected, known, attempt, offset=self._offset, raw=self._raw)
                self._offset = 0
                shown = self._open[key] = Shown(output, form=self._form)
            # The outcome was looked at before the log: what comes after it belongs to nobody.
            if attempt.outcome is not None:
                shown.finish(attempt.outcome)
                del self._open[key]
                self._done.add(key)

    def close(self) -> None:
        for shown in self._open.values():
            shown.finish()
        sys.stdout.flush()

    def _wanted(self) -> list[tuple[StepState, AttemptState]]:
        steps = self._inspected.state.steps
        chosen = [known for name, known in steps.items() if self._step in (None, name)]
        found = [(known, attempt) for known in chosen for attempt in self._attempts(known)]
        return sorted(found, key=lambda pair: (pair[1].started, pair[1].mono))

    def _attempts(self, known: StepState) -> Iterable[AttemptState]:
        """The one asked for; else the newest when this began, and those that came since."""
        if self._attempt is not None:
            return known.attempts[self._attempt - 1 : self._attempt]
        first = self._first.get(known.step.id, 1)
        return [a for a in known.attempts[first - 1 :] if a.ended is None or a.ended >= self._begun]


class Shown:
    """One attempt on its way to stdout."""

    def __init__(self, output: AttemptOutput, *, form: str) -> None:
        self.output = output
        self._form = form
        self._lines = OutputLines(prefix(output.step_id) if form == "lines" else "")
        self._stream = Stream()

    def print(self, pieces: Iterable[bytes]) -> None:
        for data in pieces:
            if self._form == "plain":
                out(self._stream.feed(data))
            else:
                self._tell(self._lines.feed(data))

    def finish(self, outcome: Outcome | None = None) -> None:
        self.print(self.output.close(outcome))
        out(self._stream.close())
        self._tell(self._lines.close())
        if self._form == "json":
            self._object(offset=self.output.offset)

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            if self._form == "json":
                self._object(line=line)
            else:
                out(f"{line}\n")

    def _object(self, **told: str | int) -> None:
        out(json_text({"step": self.output.step_id, "attempt": self.output.number, **told}) + "\n")
