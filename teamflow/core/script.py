"""The words of a script: what `engine: scripted` plays in place of an agent. Checked here, played by a process.

A script is a list of actions; each is a word (`hang`) or one key with its argument (`say: text`). Refuses to know how
an action is carried out, and any action that is not in `ACTIONS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.diagnostics import did_you_mean
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import FailureClass
from teamflow.core.plan import Json
from teamflow.core.script_kinds import (
    ANY_MAPPING,
    COMMAND,
    DURATION,
    PATH,
    SIZE,
    TEXT,
    Complaint,
    Kind,
    Path,
    choice,
    mapping,
    number,
    what,
)

FAILURES: Final = (
    FailureClass.TRANSIENT,
    FailureClass.RATE_LIMIT,
    FailureClass.USAGE_EXHAUSTED,
    FailureClass.AUTH,
    FailureClass.REJECTED,
    FailureClass.FATAL,
)
"""What an agent can report of itself; the other classes are seen from outside."""

ECHOES: Final = ("prompt", "instructions", "notice", "session", "model", "permissions", "messages")
GARBAGE: Final = ("bytes", "line", "escapes", "nul")
SPAWNS: Final = ("child", "setsid", "daemon")
SIGNALS: Final = (
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGSEGV",
    "SIGTERM",
    "SIGXCPU",
)
MOST_ACTIONS: Final = 10_000
ATTEMPT_NUMBER: Final = "^(?=.{1,6}$)0*[1-9][0-9]*$"
"""What `is_attempt_number` takes, for schemas."""

_COUNT: Final = number(0, 10**12, whole=True)


class Action(NamedTuple):
    """What an action takes (None: nothing, it is a bare word) and what it does, for the reference page."""

    takes: Kind | None
    does: str


ACTIONS: Final[Mapping[str, Action]] = {
    "say": Action(TEXT, "A message. The last one is the step's `text`."),
    "outputs": Action(ANY_MAPPING, "The final message is this, as a JSON object."),
    "echo": Action(choice(ECHOES), "Says what the agent was told: for tests and demos."),
    "expect": Action(
        mapping({}, {f"{name}_contains": TEXT for name in ECHOES}, one_of=True),
        "Ends with class `fatal` unless it was told this.",
    ),
    "sleep": Action(DURATION, "Waits."),
    "listen": Action(DURATION, "Waits until it is told something (`teamflow tell`), at most so long, and says it."),
    "ask_leave": Action(
        mapping({}, {"run": TEXT, "edit": TEXT, "net": TEXT, "other": TEXT}, one_of=True),
        "Asks whether it may run this command, edit this file, fetch this, or do something else; says the answer.",
    ),
    "progress": Action(mapping({}, {"percent": number(0, 100, whole=False), "text": TEXT}, one_of=True), "Reports it."),
    "usage": Action(
        mapping(
            {},
            {"input_tokens": _COUNT, "output_tokens": _COUNT, "usd": number(0, 10**6, whole=False)},
            one_of=True,
        ),
        "Adds to what the attempt has used.",
    ),
    "write": Action(
        mapping({"path": PATH}, {"text": TEXT, "size": SIZE}, one_of=True),
        "Writes a file with this text, or of this size, and makes its directories.",
    ),
    "append": Action(mapping({"path": PATH, "text": TEXT}), "Adds to the end of a file, or makes it."),
    "delete": Action(PATH, "Deletes a file, if it is there."),
    "run": Action(COMMAND, "Runs a command to its end. Its output and exit code are reported, and nothing follows."),
    "spawn": Action(
        mapping({"run": COMMAND}, {"as": choice(SPAWNS)}),
        "Starts a command and goes on: as a `child` (default), with `setsid`, or as an orphaned `daemon`.",
    ),
    "stderr": Action(TEXT, "Writes a line to stderr."),
    "garbage": Action(
        mapping({"kind": choice(GARBAGE)}, {"size": SIZE, "seed": _COUNT}),
        "Writes to stdout what no protocol allows (1 KiB): random `bytes`, a `line` without an end, `escapes`, `nul`s.",
    ),
    "ignore_signals": Action(None, "From here on SIGINT, SIGTERM and SIGHUP do nothing."),
    "attempt": Action(None, "Different actions by attempt number: the entry with the highest number not above it."),
    "fail": Action(
        mapping({"class": choice([item.value for item in FAILURES])}, {"reason": TEXT, "retry_after": DURATION}),
        f"Ends as an agent that reports this failure: {', '.join(FAILURES)}.",
    ),
    "exit": Action(number(0, 255, whole=True), "Ends in order, with this exit code."),
    "crash": Action(None, "Ends without an end of its output, with exit code 1."),
    "signal": Action(choice(SIGNALS), "Ends by this signal, sent to itself."),
    "hang": Action(None, "Does nothing more and does not end."),
}


def check_script(data: Json) -> list[Complaint]:
    """Everything that is wrong with a script, in its order; empty when it can be played."""
    return list(_check_actions(data, ()))


def compile_script(data: Json, *, attempt: int) -> list[Json]:
    """The actions of one attempt as [word, argument] pairs; durations in seconds, sizes in bytes.

    Raises ValueError for a script that `check_script` complains about.
    """
    complaints = check_script(data)
    if complaints:
        first = complaints[0]
        raise ValueError(f"script{shown_path(first.path)}: {first.message}")
    return list(_compile(data, attempt))


def listens(actions: Sequence[Json]) -> bool:
    """Whether a compiled script hears what it is told while it is played."""
    return any(isinstance(action, list) and action[0] in ("listen", "ask_leave") for action in actions)


def shown_path(path: Path) -> str:
    """`[2].write.size`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _check_actions(data: Json, path: Path) -> Iterator[Complaint]:
    if not isinstance(data, list | tuple):
        yield Complaint(
            path, f"expected a list of actions, found {what(data)}", "each action is one item: `- say: hello`"
        )
        return
    if len(data) > MOST_ACTIONS:
        yield Complaint(path, f"{len(data)} actions are more than {MOST_ACTIONS}")
        return
    for index, action in enumerate(data):
        yield from _check_action(action, (*path, index))


def _check_action(action: Json, path: Path) -> Iterator[Complaint]:
    if not (isinstance(action, str) or (isinstance(action, Mapping) and len(action) == 1)):
        yield Complaint(
            path, f"expected one action, found {what(action)}", "an action is a word, or one key with its argument"
        )
        return
    word, argument = _split(action)
    known = ACTIONS.get(word)
    if known is None:
        yield Complaint(path, f'unknown action "{word}"', did_you_mean(word, ACTIONS))
    elif word == "attempt":
        yield from _check_attempts(argument, path)
    elif known.takes is None:
        if argument is not None:
            yield Complaint((*path, word), f'"{word}" takes nothing', f"write `- {word}`")
    else:
        yield from known.takes.check(argument, (*path, word))


def _check_attempts(argument: Json, path: Path) -> Iterator[Complaint]:
    inside = (*path, "attempt")
    if not isinstance(argument, Mapping) or not argument:
        yield Complaint(
            inside, f"expected actions by attempt number, found {what(argument)}", 'attempt: {"1": [...], "2": [...]}'
        )
        return
    if "attempt" in path:
        yield Complaint(inside, "an attempt stands in no other")
        return
    for key, actions in argument.items():
        if not is_attempt_number(key):
            yield Complaint((*inside, key), f"expected the number of an attempt, 1 or more, found {what(key)}")
        yield from _check_actions(actions, (*inside, key))


def is_attempt_number(key: object) -> bool:
    """Whether a key names an attempt: 1 or more, in six digits at most (`ATTEMPT_NUMBER`)."""
    text = str(key)
    return len(text) < 7 and text.isascii() and text.isdecimal() and int(text) > 0


def _split(action: Json) -> tuple[str, Json]:
    if isinstance(action, Mapping):
        for word, argument in action.items():
            return str(word), argument
    return str(action), None


def _compile(actions: Json, attempt: int) -> Iterator[Json]:
    for action in actions if isinstance(actions, list | tuple) else ():
        word, argument = _split(action)
        takes = ACTIONS[word].takes
        if word == "attempt" and isinstance(argument, Mapping):
            chosen = max(
                (key for key in argument if int(str(key)) <= attempt), key=lambda key: int(str(key)), default=None
            )
            if chosen is not None:
                yield from _compile(argument[chosen], attempt)
        else:
            yield [word, None if takes is None else takes.convert(argument)]
