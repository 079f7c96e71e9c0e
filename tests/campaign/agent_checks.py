"""What must hold of a run of `real_agents.py` once it has ended: the log against what was said to the agent, what the
agent asked its model, and what its tools did. Every violation is one line of text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from teamflow.core.events import QuestionAnswered, RunEnded
from teamflow.core.leave import PERMISSION, LeaveAsked
from teamflow.core.questions import APPROVE
from teamflow.run.talk import ANSWER, MESSAGE, messages_in, read_inputs
from tests.campaign.agent_scripts import DONE, OUTPUTS, STEP, Play, seen
from tests.campaign.checker import Verdict, check
from tests.e2e.tool import Project
from tests.fakes.history import wrongs
from tests.fakes.models import Models

EXPECTED = {STEP: "succeeded", "after": "succeeded"}


class Told:
    """What people have said, and what they were told of it."""

    def __init__(self) -> None:
        self.approved: set[int] = set()
        self.rejected: set[int] = set()
        self.sent: list[str] = []
        """Messages that were accepted."""
        self.refused: list[str] = []


def judged(
    project: Project, play: Play, told: Told, models: Models | None, *, keepers: int
) -> tuple[Verdict, list[str]]:
    """`keepers`: how many of them were killed."""
    verdict = check(project, expected=EXPECTED, lost_allowed=bool(keepers))
    wrong = [*verdict.wrong, *wrongs(project.records()), *_log(project, told), *_inputs(project, told)]
    attempts = len(project.state()[0].steps[STEP].attempts)
    wrong += _tools(project, play, told, attempts, real=models is not None)
    if models is None:
        wrong += _heard(project)
    else:
        wrong += _asked(models, play, told, attempts)
    wrong += _result(project, play, told, attempts)
    return verdict, wrong


def _log(project: Project, told: Told) -> Iterator[str]:
    asked = Counter((event.attempt, event.request) for event in project.events(LeaveAsked))
    yield from (f"asked for {one} {count} times" for one, count in asked.items() if count > 1)
    answered = Counter(event.question for event in project.events(QuestionAnswered))
    yield from (f"question {one} answered {count} times" for one, count in answered.items() if count > 1)
    missing = (told.approved | told.rejected) - set(answered)
    if missing:
        yield f"said to be answered, and not in the log: {missing}"
    if project.runs() != 1:
        yield f"{project.runs()} runs"
    if not project.events(RunEnded):
        yield "the run has no end"


def _inputs(project: Project, told: Told) -> Iterator[str]:
    """What the keeper has handed to each attempt."""
    for path in sorted((project.run_dir() / "logs").glob("*.in.log")):
        given = read_inputs(str(path))
        if [one.n for one in given] != list(range(len(given))):
            yield f"{path.name}: numbered {[one.n for one in given]}"
        answers = Counter(one.note for one in given if one.note.startswith(ANSWER))
        yield from (f"{path.name}: {note} {count} times" for note, count in answers.items() if count > 1)
        if messages_in(given) > len(told.sent):
            yield f"{path.name}: {messages_in(given)} messages, {len(told.sent)} were sent"
        messages = Counter(one.data for one in given if one.note == MESSAGE)
        yield from (f"{path.name}: a message {count} times" for count in messages.values() if count > 1)


def _tools(project: Project, play: Play, told: Told, attempts: int, *, real: bool) -> Iterator[str]:
    """Of one attempt each tool ran once. The model of a real one asks for each only once in all, and codex drops what
    it says to ask again with what it has just been told; a stand-in begins from the start, and the last has done
    all."""
    dropped = play.cast.engine == "codex" and told.sent
    begun = Counter(line.phase for line in project.ledger() if line.step == STEP and line.exit is None)
    ended = Counter(line.phase for line in project.ledger() if line.step == STEP and line.exit is not None)
    for tool in play.task.tools:
        least = 0 if told.rejected or (real and (attempts > 1 or dropped)) else 1
        most = min(1 if real else attempts, _approvals(project, tool) if play.cast.asks else attempts)
        if not least <= ended[tool] <= begun[tool] <= most:
            yield f"{tool} began {begun[tool]} times and ended {ended[tool]} times in {attempts} attempts"


def _approvals(project: Project, tool: str) -> int:
    """How often somebody has allowed it; no agent does without."""
    about = [one for one in project.state()[0].questions if one.about == PERMISSION]
    if not any(tool in one.text for one in about):
        return len(about)  # Some tell in their own words what they want.
    return sum(tool in one.text and one.answer == APPROVE for one in about)


def _heard(project: Project) -> Iterator[str]:
    """What each process of a stand-in was told."""
    process = 0
    lines: Counter[tuple[int, str]] = Counter()
    answers: Counter[tuple[int, str]] = Counter()
    for number, line in enumerate(seen(project).read_text().splitlines()):
        head, _, rest = line.partition(" ")
        if head.isdecimal():
            process, line = int(head), rest
        message: dict[str, Any] = json.loads(line)
        if "argv" in message:
            process = -number
            continue
        lines[process, line] += 1
        if (answer := _answer(message)) is not None:
            answers[process, answer] += 1
    yield from (f"told {count} times: {line}" for (_, line), count in lines.items() if count > 1)
    yield from (f"answered {count} times: {one}" for (_, one), count in answers.items() if count > 1)


def _answer(message: dict[str, Any]) -> str | None:
    """The request that it answers."""
    if message.get("type") == "control_response":
        return str(message["response"]["request_id"])
    return str(message["id"]) if "method" not in message and "id" in message else None


def _asked(models: Models, play: Play, told: Told, attempts: int) -> Iterator[str]:
    """The calls of the model. What is said in between, or again to a new attempt, is another call each time."""
    yield from models.errors
    calls = models.calls()
    least = len(play.task.turns) + 1
    most = least + len(told.sent) + (attempts - 1) * (1 + len(told.sent) + len(play.task.turns))
    if len(calls) > most or (attempts == 1 and len(calls) < least):
        yield f"{len(calls)} calls of the model in {attempts} attempts, {len(told.sent)} messages, not {least}..{most}"
    for text in told.sent:
        found = [_times(call.body, text) for call in calls]
        if found and attempts == 1 and max(found) != 1:
            yield f"the model was told {text!r} so often in each call: {found}"


def _times(body: Any, text: str) -> int:
    return json.dumps(body).count(text)


def _result(project: Project, play: Play, told: Told, attempts: int) -> Sequence[str]:
    known = project.state()[0].steps[STEP]
    if known.status.value != "succeeded":
        return [f"{STEP}: {known.status.value}: {known.reason}"]
    if play.task.schema:
        return [] if dict(known.outputs) == OUTPUTS else [f"outputs {dict(known.outputs)}"]
    if attempts > 1 or told.sent or not known.text or DONE in known.text:
        return []
    return [f"its text is {known.text!r}"]
