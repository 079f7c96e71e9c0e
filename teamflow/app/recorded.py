"""What the logs of a run hold, as a recording: every attempt of its agents that came to an end.

An attempt that was stopped from outside is passed over: the one that went on with it is played in its place. So is all
that a step had done before people, or a changed file, had it done again. Reads only; of what is gone it says so
(`Recording.notes`).
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from teamflow import git
from teamflow.app.session import read_records, read_state
from teamflow.core.attempts import AttemptState
from teamflow.core.events import QuestionAsked, Record, Reopened
from teamflow.core.leave import LeaveAsked
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.core.phases import AGENT
from teamflow.core.plan import PROMPT, Plan
from teamflow.core.state import RunState, StepState
from teamflow.core.status import Status
from teamflow.core.takes import Answered, Recording, Take
from teamflow.core.work import PROJECT, Left
from teamflow.keeper import journal
from teamflow.policy.asking import RETRY
from teamflow.ports import Exited
from teamflow.run.place import Place
from teamflow.run.recorder import ENDING, read_brief, read_told
from teamflow.store.sqlite import Database
from teamflow.targets.entries import Journal
from teamflow.workspaces.errors import WorkspaceError
from teamflow.workspaces.stores import store_at

_SHOWN: Final = 5


class Recorded(NamedTuple):
    """A recording, and what it is of; `plan` None: a team file has to be named.

    `no_input`: whether nobody could be asked then.
    """

    recording: Recording
    plan: Plan | None
    inputs: Mapping[str, Any]
    no_input: bool = False


def of_run(database: Database, number: int) -> Recorded:
    """Of a run that is there. StoreError."""
    state, plans = read_state(database, number)
    since, asked = _begun_anew(state, read_records(database, number))
    found = _Reader(database, number, state, since)
    takes = {step: tuple(found.takes(known)) for step, known in _agents(state)}
    recording = Recording(
        f"run {number}",
        {step: each for step, each in takes.items() if each},
        tuple(_answers(state, since, asked)),
        source=number,
        notes=tuple(found.notes),
    )
    return Recorded(recording, plans[max(plans)], state.plan.inputs, state.runner is not None and state.runner.no_input)


def unplayed(plan: Plan, takes: Mapping[str, Sequence[Take]]) -> str:
    """Which recorded agents may have changed what nobody has noted: those that edit in the project directory itself.
    Empty: none."""
    free = {step.agent for step in plan.steps if step.workspace == PROJECT and step.means.grants.may_edit}
    names = [step for step in takes if step.partition("/")[0] in free]
    if not names:
        return ""
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"not played: what {shown} changed in the project directory, which is noted of worktrees only"


def _agents(state: RunState) -> Iterator[tuple[str, StepState]]:
    for step, known in {**state.removed, **state.steps}.items():
        if known.step.kind == PROMPT and known.step.expansion is None:
            yield step, known


def _begun_anew(state: RunState, records: Iterable[Record]) -> tuple[Mapping[str, int], Sequence[int]]:
    """By step, the record by which all before it was void; and the records of the questions, in their order."""
    again = Counter(one.step for one in state.questions if one.about == "failure" and one.answer == RETRY)
    since, asked = dict[str, int](), list[int]()
    for record in records:
        match record.event:
            case Reopened(steps=(step,), cause="retry") if again[step] > 0:
                again[step] -= 1  # The step had asked for that, and will again.
            case Reopened(steps=steps, cause="retry" | "relaunch" | "revision"):
                since |= dict.fromkeys(steps, record.seq)
            case QuestionAsked() | LeaveAsked():
                asked.append(record.seq)
            case _:
                pass
    return since, asked


def _answers(state: RunState, since: Mapping[str, int], asked: Sequence[int]) -> Iterator[Answered]:
    count: Counter[tuple[str, str]] = Counter()
    for question, seq in zip(state.questions, asked, strict=False):
        if seq < since.get(question.step, 0):
            continue
        about = (question.step, question.about)
        nth, count[about] = count[about], count[about] + 1
        if question.answer is not None:
            yield Answered(*about, nth, question.answer, question.note or "", question.by or "")


class _Reader:
    def __init__(self, database: Database, number: int, state: RunState, since: Mapping[str, int]) -> None:
        layout = database.layout
        self._home = layout.directory
        self._root = layout.root
        self._run_dir = layout.run(number)
        self._place = Place(layout.root, self._run_dir, {})
        self._since = since
        self._exits = _exits(f"{self._run_dir}/keeper.journal")
        self.notes: list[str] = []

    def takes(self, known: StepState) -> Iterator[Take]:
        step = known.step.id
        stopped: AttemptState | None = None
        played = False
        since = self._since.get(step, 0)
        for attempt in known.attempts:
            if attempt.began < since:
                continue
            if attempt.outcome is None or isinstance(attempt.outcome, Stopped):
                stopped = attempt
                continue
            played, stopped = True, None
            yield self._take(known, attempt)
        if stopped is not None:
            how = f"was stopped ({stopped.outcome.cause})" if isinstance(stopped.outcome, Stopped) else "had not ended"
            reason = f"replay: the recording has no end of {step}: attempt {stopped.number} {how}"
            yield Take(step, stopped.number, result=Failed(FailureClass.FATAL, reason))
        elif not played and known.status is Status.CACHED:
            result = Succeeded(known.text, known.outputs or None)
            yield Take(step, 1, result=result, patch=self._patch(step, 0, known.left))

    def _take(self, known: StepState, attempt: AttemptState) -> Take:
        step, number, outcome = known.step.id, attempt.number, attempt.outcome
        engine = attempt.engine or known.step.engine
        left = outcome.left if isinstance(outcome, Succeeded) else None
        take = Take(step, number, engine, patch=self._patch(step, number, left))
        exited = self._exits.get((step, number))
        log = self._place.log(step, number)
        assert isinstance(outcome, Succeeded | Failed)
        if exited is None or exited.end.error is not None or not os.path.isfile(log):
            if exited is not None and exited.end.error is None:
                self.notes.append(f"{step}: what attempt {number} printed is gone: only what it came to is played")
            return take._replace(result=_plain(outcome))
        if os.path.getsize(log) < exited.end.log_end:
            reason = f"replay: what attempt {number} of {step} printed is not whole any more: {log}"
            return take._replace(result=Failed(FailureClass.FATAL, reason))
        end, err = exited.end._replace(at=exited.at), self._place.err(step, number)
        stem = self._place.stem(step, number)
        return take._replace(
            log=log,
            start=end.log_start,
            end=end.log_end,
            err=err if end.err_end and os.path.isfile(err) else "",
            err_end=end.err_end,
            told=read_told(f"{stem}.in.log", start=end.log_start),
            exit=end,
            brief=read_brief(f"{stem}{ENDING}"),
        )

    def _patch(self, step: str, number: int, left: Left | None) -> str:
        """A file with what it changed; empty: nothing, or nobody knows any more."""
        if left is None or not left.changed:
            return ""
        path = f"{self._place.stem(step, number)}.patch"
        if os.path.isfile(path):
            return path
        try:
            where = store_at(os.path.realpath(self._home), left.repo) if left.repo else self._root
            words = git.command("-C", where, "diff", "--binary", "--full-index", "--no-renames", left.base, left.commit)
            done = subprocess.run(
                words, env=git.environment(os.environ), stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
        except (OSError, WorkspaceError):
            done = None
        if done is None or done.returncode:
            self.notes.append(
                f"{step}: what attempt {number} left is gone: {left.commit[:12]} is in no repository here"
            )
            return ""
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(done.stdout)
        os.replace(f"{path}.new", path)
        return path


def _plain(outcome: Succeeded | Failed) -> Succeeded | Failed:
    """What an engine's session could say of it: the rest is found anew."""
    if isinstance(outcome, Succeeded):
        return outcome._replace(artifacts=(), left=None)
    return outcome


def _exits(path: str) -> dict[tuple[str, int], Exited]:
    """How the agents' processes ended, by the keeper's journal."""
    try:
        with open(path, "rb") as file:
            entries = journal.read(file.read())
    except OSError:
        return {}
    reader, found = Journal(), dict[tuple[str, int], Exited]()
    for raw in entries:
        try:
            entry = reader.read(raw)
        except (KeyError, TypeError):
            continue
        if isinstance(entry, Exited) and entry.phase == AGENT:
            found[entry.step, entry.attempt] = entry
    return found
