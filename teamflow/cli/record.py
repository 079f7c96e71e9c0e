"""`teamflow record`: a fixture of a run."""

from __future__ import annotations

import click

from teamflow.cli.opened import opened
from teamflow.cli.output import say
from teamflow.cli.verb import VerbCommand


@click.command(
    "record",
    cls=VerbCommand,
    examples=(
        ("teamflow record -o tests/happy", "the newest run, for `run --replay tests/happy` and `teamflow test`"),
        ("teamflow record 7 -o tests/happy", "run 7"),
        ("teamflow record 7 build review -o tests/two", "two agents of it"),
    ),
)
@click.argument("words", nargs=-1, metavar="[RUN] [STEP]...")
@click.option("-o", "--output", required=True, metavar="DIR", help="The directory to make.")
@click.option("--force", is_flag=True, help="Replace the recording that lies there.")
def record(words: tuple[str, ...], output: str, force: bool) -> int:
    """Make a fixture of a run: what its agents printed and were told, how each ended, and what it changed.

    Values of secrets, the user's name and home and the project's path do not stand in it. Look at it before you
    publish it: what agents read and wrote does.
    """
    from teamflow.app.recording import RecordError
    from teamflow.app.recording import record as write
    from teamflow.cli.verb import check_step

    number, steps = None, words
    if words and words[0].isascii() and words[0].isdecimal() and len(words[0]) < 10:
        number, steps = int(words[0]), words[1:]
    with opened(number) as inspected:
        state = inspected.state
        for step in steps:
            if not any(known.step.agent == step for known in state.steps.values()):
                check_step(step, inspected)
        try:
            written = write(inspected, steps, output, force=force)
        except RecordError as error:
            say(f"teamflow: {error}")
            return 2
    for note in written.notes:
        say(f"note: {note}")
    count = (
        f"{written.attempts} attempt{'s' * (written.attempts != 1)} of {written.steps} step{'s' * (written.steps != 1)}"
    )
    say(f"{output}: {'is as it was: ' if written.same else ''}{count}")
    return 0
