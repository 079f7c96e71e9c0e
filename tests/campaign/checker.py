"""Whether a run that has ended is what it says: the log against the keeper's journal, the ledger and the processes.

The ledger is what the commands themselves wrote (`tests/e2e/tool.py`); the journal is the keeper's. Every violation is
one line of text; none means that all agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from teamflow.core.events import AttemptEnded, AttemptStarted, PhaseEnded, RunEnded
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.core.requested import RequestAnswered
from teamflow.views.shown import hidden_parents
from tests.e2e.keeper_driver import PATIENCE
from tests.e2e.tool import Key, Line, Project

UNSEEN = frozenset({FailureClass.LOST, FailureClass.CRASH})
"""Ends of which a process's own last word says nothing: it was killed after it, or nobody saw how it ended."""


class Verdict(NamedTuple):
    """What is wrong, by kind; and figures of the run."""

    doubled: list[str]
    """Something that was started twice, or ended twice."""
    exits: list[str]
    """An exit code that is not the true one, or an attempt that nobody knows of."""
    others: list[str]
    attempts: int
    lost: int
    """Attempts whose end nobody saw (class `lost`): allowed only where a keeper was killed."""

    @property
    def wrong(self) -> list[str]:
        return [*self.doubled, *self.exits, *self.others]


def check(
    project: Project,
    *,
    expected: Mapping[str, str],
    run: int = 1,
    lost_allowed: bool = False,
    rounds: Mapping[str, int] | None = None,
    rest: float = PATIENCE,
) -> Verdict:
    """Checks an ended run. `expected`: step → status, or several with `|`. `rest`: seconds until everything is gone.
    `rounds`: step → how many attempts it has had, if none was lost."""
    facts = Facts(project, run)
    lost = [key for key, outcome in facts.ends.items() if _is(outcome, FailureClass.LOST)]
    others = [*facts.log_problems(), *facts.statuses(expected), *facts.shown()]
    if not lost:
        tries = {step: sum(1 for name, _ in facts.ends if name == step) for step in rounds or {}}
        others += [f"{step}: {number} attempts" for step, number in tries.items() if number != (rounds or {})[step]]
    if lost and not lost_allowed:
        others.append(f"lost though no keeper was killed: {lost}")
    if not project.gone(rest):
        others.append(f"still there {rest} s after the end: {[_about(pid) for pid in sorted(project.alive())]}")
    return Verdict(facts.doubled(), facts.exits(), others, len(facts.ends), len(lost))


class Facts:
    """All that is known of a run, from four sides."""

    def __init__(self, project: Project, run: int) -> None:
        self._project = project
        self._run = run
        self.records = project.records(run)
        self.state, _ = project.state(run)
        self.ledger = project.ledger()
        self.journal = project.journal(run)
        self.starts: Counter[tuple[str, int]] = Counter()
        self.ended: Counter[tuple[str, int]] = Counter()
        self.ends: dict[tuple[str, int], Outcome] = {}
        self.phases: Counter[Key] = Counter()
        self.last: dict[tuple[str, int], str] = {}
        """The phase with which an attempt ended."""
        for record in self.records:
            match record.event:
                case AttemptStarted(step=step, attempt=attempt):
                    self.starts[step, attempt] += 1
                case AttemptEnded(step=step, attempt=attempt, outcome=outcome, phase=phase):
                    self.ended[step, attempt] += 1
                    self.ends[step, attempt] = outcome
                    self.last[step, attempt] = phase
                case PhaseEnded(step=step, attempt=attempt, phase=phase):
                    self.phases[step, attempt, phase] += 1

    # -- the log by itself -----------------------------------------------------------------------------------

    def log_problems(self) -> list[str]:
        wrong = []
        if [record.seq for record in self.records] != list(range(1, len(self.records) + 1)):
            wrong.append("the records are not numbered from 1 without gaps")
        # Who asks for something just then is refused, behind the end.
        events = [record.event for record in self.records if not isinstance(record.event, RequestAnswered)]
        if not events or not isinstance(events[-1], RunEnded):
            wrong.append(f"the last record is {events[-1] if events else None}, not the end")
        wrong += [f"{key}: ended and never started" for key in self.ended if key not in self.starts]
        wrong += [f"{key}: started and never ended" for key in self.starts if key not in self.ended]
        for step_id, known in self.state.steps.items():
            numbers = sorted(number for step, number in self.starts if step == step_id)
            if numbers != list(range(1, len(numbers) + 1)):
                wrong.append(f"{step_id}: attempts {numbers}")
            if known.live is not None:
                wrong.append(f"{step_id}: an attempt still runs")
        if self.state.running:
            wrong.append(f"running by the fold: {sorted(self.state.running)}")
        return wrong

    def statuses(self, expected: Mapping[str, str]) -> list[str]:
        found = {step_id: known.status.value for step_id, known in self.state.steps.items()}
        wrong = [
            f"{step}: {found.get(step)}, not {status}"
            for step, status in expected.items()
            if found.get(step) not in status.split("|")
        ]
        return wrong + [f"{step}: not expected" for step in found if step not in expected]

    def shown(self) -> list[str]:
        """`status --json` against the fold of the records."""
        shown = self._project.status(self._run)
        wrong = []
        ended = self.state.ended
        if ended is None or shown["status"] != ended.status or shown["exit_reason"] != ended.exit_reason:
            wrong.append(f"status shows {shown['status']} {shown['exit_reason']}, the log has {ended}")
        steps: dict[str, Any] = {step["id"]: step for step in shown["steps"]}
        hidden = hidden_parents(self.state)
        wrong += [f"status shows {step_id}" for step_id in hidden if step_id in steps]
        for step_id, known in self.state.steps.items():
            step = steps.get(step_id)
            if step_id in hidden:
                continue
            if step is None or step["status"] != known.status.value:
                wrong.append(f"status shows {step_id} as {step and step['status']}, the fold {known.status}")
            elif [one["number"] for one in step["attempts"]] != [attempt.number for attempt in known.attempts]:
                wrong.append(f"status shows the attempts {step['attempts']} of {step_id}")
        return wrong

    # -- the log against the world ---------------------------------------------------------------------------

    def doubled(self) -> list[str]:
        """Whatever happened twice that may happen once."""
        begun = Counter(line.key for line in self.ledger if line.exit is None)
        over = Counter(line.key for line in self.ledger if line.exit is not None)
        started = Counter(_key(entry) for entry in self.journal if entry["e"] == "start")
        closed = Counter(_key(entry) for entry in self.journal if entry["e"] in ("exit", "lost"))
        counts: list[tuple[str, Counter[Any]]] = [
            ("the log starts attempts", self.starts),
            ("the log ends attempts", self.ended),
            ("the log ends phases", self.phases),
            ("the journal starts phases", started),
            ("the journal ends phases", closed),
            ("processes began", begun),
            ("processes ended", over),
        ]
        return [f"{what} {n} times: {key}" for what, counter in counts for key, n in counter.items() if n > 1]

    def exits(self) -> list[str]:
        wrong = []
        starts = {_key(entry): entry for entry in self.journal if entry["e"] == "start"}
        ends = {_key(entry): entry for entry in self.journal if entry["e"] == "exit"}
        for line in self.ledger:
            if (line.step, line.attempt) not in self.starts:
                wrong.append(f"{line.key}: a process ran, the log knows no such attempt")
            elif line.exit is not None:
                wrong += self._end_of(line, ends.get(line.key))
            started = starts.get(line.key)
            if started is not None and started["pid"] not in (0, line.leader):
                wrong.append(f"{line.key}: ran below {line.leader}, the journal has {started['pid']}")
        over = {line.key for line in self.ledger if line.exit is not None}
        for key, entry in ends.items():
            clean = entry["code"] is not None and entry["cause"] is None
            wrote = any(line.key == key for line in self.ledger)
            if clean and wrote and key not in over:
                wrong.append(f"{key}: exit {entry['code']} in the journal, but it never came to its end")
        return wrong

    def _end_of(self, line: Line, entry: dict[str, Any] | None) -> list[str]:
        """A process said that it ends with a code: what the journal and the log made of it."""
        wrong = []
        seen = entry is not None and entry["code"] is not None
        if entry is not None and seen and entry["code"] != line.exit:
            wrong.append(f"{line.key}: exit {line.exit}, the journal has {entry['code']}")
        attempt = (line.step, line.attempt)
        outcome = self.ends.get(attempt)
        if self.last.get(attempt) != line.phase:
            if line.exit != 0 and line.phase != "inner":
                wrong.append(f"{line.key}: exit {line.exit}, but the attempt went on to {self.last.get(attempt)}")
            return wrong
        match outcome:
            case Succeeded():
                if line.exit != 0:
                    wrong.append(f"{line.key}: exit {line.exit}, the log says succeeded")
            case Failed(failure=failure, exit_code=code) if failure not in UNSEEN:
                if code != line.exit:
                    wrong.append(f"{line.key}: exit {line.exit}, the log says {outcome}")
            case Failed() | Stopped() | None:
                if seen and isinstance(outcome, Failed):
                    wrong.append(f"{line.key}: exit {line.exit} seen by the keeper, the log says {outcome}")
        return wrong


def _key(entry: Mapping[str, Any]) -> Key:
    return entry["step"], entry["attempt"], entry["phase"]


def _is(outcome: Outcome, failure: FailureClass) -> bool:
    return isinstance(outcome, Failed) and outcome.failure is failure


def _about(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return f"{pid} {file.read().replace(bytes(1), b' ').decode(errors='replace')[:120]}"
    except OSError:
        return f"{pid} gone meanwhile"
