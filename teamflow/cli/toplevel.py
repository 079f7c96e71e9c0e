"""The verbs and the text of `teamflow --help`, without click: most of what a shell asks is answered before that loads.

A test holds this text against what click makes of the same verbs. Verbs that are not there yet are not listed.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """`module` holds a click command of the same name; it is imported when the verb is called."""

    name: str
    module: str
    about: str


GROUPS: Final[tuple[tuple[str, tuple[Verb, ...]], ...]] = (
    (
        "Daily",
        (
            Verb("init", "init", "Write a commented team file that runs as it is"),
            Verb("plan", "plan", "Show what would run, and why"),
            Verb("run", "run", "Run a team, or go on with its newest run"),
            Verb("watch", "watch", "Run a team, and run again what a save changes"),
            Verb("status", "status", "Show one run: every step, what it needs, took and cost"),
            Verb("runs", "runs", "List the runs of this project"),
            Verb("logs", "logs", "Show what steps printed, also while they run"),
            Verb("events", "events", "Print a run's records as JSON lines"),
            Verb("why", "why", "Say in one line why a step waits, ran, was skipped, failed"),
            Verb("path", "path", "Print the directory that a step works in"),
            Verb("diff", "diff", "Show what a step has changed, also while it runs"),
            Verb("merge", "merge", "Merge what steps have left into your branch"),
            Verb("inbox", "inbox", "List what people are asked"),
            Verb("answer", "answer", "Answer a question with one of its options"),
            Verb("approve", "approve", "Approve what a step asks for"),
            Verb("reject", "reject", "Reject what a step asks for"),
        ),
    ),
    (
        "Control",
        (
            Verb("cancel", "cancel", "Cancel steps or a whole run, from any terminal"),
            Verb("pause", "pause", "Hold back steps or a whole run"),
            Verb("resume", "resume", "Let what is paused go on"),
            Verb("retry", "retry", "Try again what failed"),
            Verb("relaunch", "relaunch", "Start a step anew, perhaps with something changed"),
            Verb("tell", "tell", "Tell agents something, also while they work"),
            Verb("wait", "wait", "Wait until steps or a run have ended"),
            Verb("progress", "progress", "Report from inside a step how far it is"),
            Verb("rm", "rm", "Forget runs"),
            Verb("test", "test", "Test team files with recorded or scripted agents"),
            Verb("record", "record", "Make a fixture of a run, to replay it and to test with"),
            Verb("gc", "gc", "Remove what nothing needs any more"),
        ),
    ),
    (
        "Set-up",
        (
            Verb("validate", "validate", "Report every problem of team files at once"),
            Verb("explain", "explain", "Explain a diagnostic code"),
            Verb("config", "config", "Print the effective team file with the origin of each value"),
            Verb("schema", "schema", "Print the JSON Schema of the team file, or of test files"),
            Verb("convert", "convert", "Translate settings of MCP servers between programs"),
            Verb("lock", "lock", "Write down the versions and files that a team uses"),
            Verb("list", "listing", "List what a team file or `init` can name"),
        ),
    ),
)

VERBS: Final[dict[str, Verb]] = {verb.name: verb for _, verbs in GROUPS for verb in verbs}

EXAMPLES: Final = (
    ("teamflow init", "a team file to start from"),
    ("teamflow run", "the team of this directory, from start or where it stopped"),
    ("teamflow logs -f", "what its agents print, from another terminal"),
)


def examples(lines: tuple[tuple[str, str], ...]) -> str:
    """Three examples, aligned, as every verb's help opens with them."""
    size = max(len(command) for command, _ in lines)
    return "\n".join(f"  {command:<{size}}  # {about}" for command, about in lines)


def help_text() -> str:
    """What `teamflow --help` prints."""
    size = max(len(name) for name in VERBS)
    parts = [
        "Usage: teamflow [OPTIONS] VERB [ARGS]...",
        "",
        "docker compose, make and terraform for teams of agents.",
        "",
    ]
    parts += ["Examples:", examples(EXAMPLES), ""]
    for title, verbs in GROUPS:
        parts.append(f"{title}:")
        parts += [f"  {verb.name:<{size}}  {verb.about}" for verb in verbs]
        parts.append("")
    parts += [
        "Options:",
        "  --version   Show the version and exit.",
        "  -h, --help  Show this message and exit.",
        "",
        "`teamflow VERB --help` tells more of a verb.",
    ]
    return "\n".join(parts) + "\n"
