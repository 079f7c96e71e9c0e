"""`teamflow test`: cases of test files, run with agents that are played."""

from __future__ import annotations

import os

import click

from teamflow.cli.output import out, say, use_color
from teamflow.cli.verb import VerbCommand


@click.command(
    "test",
    cls=VerbCommand,
    examples=(
        ("teamflow test", "all *.test.yaml files of the project"),
        ("teamflow test team.yaml -k limit", "the cases of team.test.yaml with limit in their name"),
        ("teamflow test --junit report.xml", "with a report for CI"),
    ),
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("-k", "word", default="", metavar="WORD", help="Only cases with this in their name.")
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write a JUnit XML report.")
@click.option("--max-parallel", type=click.IntRange(min=1), metavar="N", help="At most N cases at once.")
@click.option("--keep", is_flag=True, help="Leave the copies in which cases run, to look at, and say where they are.")
def test(files: tuple[str, ...], word: str, junit: str | None, max_parallel: int | None, keep: bool) -> int:
    """Test team files with recorded or scripted agents: no agent is started, nothing is spent.

    Exit code 0: all as expected; 1: something is not; 2: a test file has errors, or there is no case; 3: a test file
    is not of this project.
    """
    from teamflow.app.launch import cores
    from teamflow.app.testing import find_cases, run_cases
    from teamflow.app.trusted import strangers
    from teamflow.views import testing
    from teamflow.views.diagnostics import safe

    found = find_cases(files, os.getcwd(), word=word)
    if len(found.diagnostics):
        from teamflow.views.diagnostics import to_text

        out(to_text(found.diagnostics, found.sources, color=use_color()))
        return 2
    if not found.jobs:
        say(f"no case has {word!r} in its name")
        return 2
    outside = strangers((os.path.join(os.getcwd(), job.file) for job in found.jobs), os.getcwd())
    if outside:
        told = "\n".join(f"  {safe(path)}" for path in outside)
        say(
            f"from outside of this project, and what they say would be run:\n{told}\n"
            "if you trust them, test them where they are"
        )
        return 3
    verdicts = run_cases(
        found.jobs,
        environ=os.environ,
        parallel=max_parallel or cores(),
        keep=keep,
        told=lambda verdict: out("\n".join(testing.lines(verdict)) + "\n"),
    )
    out(testing.tally(verdicts) + "\n")
    if junit is not None:
        with open(junit, "w", encoding="utf-8") as file:
            file.write(testing.junit(verdicts))
    return 0 if all(verdict.passed for verdict in verdicts) else 1
