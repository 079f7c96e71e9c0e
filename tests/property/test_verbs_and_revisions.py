"""Random verbs, ends, answers, sessions and new revisions of the file, in any order: nothing is illegal, the indexes
are those of the steps, and every record can be read back."""

from __future__ import annotations

import json
import random

import pytest

from teamflow.core.codec import dump_event, event_kind, load_event
from teamflow.core.events import AttemptEnded, AttemptStarted, Event, PlanRevised, RunnerStarted
from teamflow.core.limited import USAGE, EngineLimited, LimitLifted, left
from teamflow.core.outcome import Failed, FailureClass, Outcome, Stopped, Succeeded
from teamflow.policy.granting import Asker
from teamflow.policy.requests import granted
from tests.fakes.indexes import as_kept, as_they_are
from tests.fakes.story import Story
from tests.fakes.teams import plan_of

TEAM = """
engines: {e1: {command: [foo]}, e2: {command: [bar]}}
defaults: {permissions: read, workspace: {mode: shared}}
agents:
  a: {prompt: FIRST, engine: [e1, e2], retry: {attempts: 3, delay: 5s}}
  b: {prompt: y, engine: e2, depends_on: [a], on_failure: escalate}
  e: {prompt: y, engine: [e2, e1]}
  c: {command: z, depends_on: {a: finished}}
  q: {ask: "ok?", depends_on: [c]}
  d: {command: LAST, depends_on: [b, q]}
"""
FAILURES = [*map(FailureClass, ("exit", "timeout", "lost", "auth", "rate_limit", "usage_exhausted", "usage_exhausted"))]
VERBS = ("pause", "freeze", "resume", "retry", "relaunch", "tell", "cancel", "answer")


def revisions() -> list[str]:
    """Texts of the team: definitions that differ, and one without a step."""
    texts = [TEAM.replace("FIRST", one).replace("LAST", two) for one in ("x", "x2") for two in ("w", "w2")]
    without = "\n".join(line for line in texts[0].replace("[b, q]", "[q]").splitlines() if not line.startswith("  b:"))
    return [*texts, without]


class Watched(Story):
    """Nothing starts on an engine whose usage limit is known not to be over."""

    def _apply(self, event: Event) -> list[str]:
        if isinstance(event, AttemptStarted):
            step = self.state.steps[event.step].step
            limit = self.state.limited.get(step.engines[event.fallback or 0])
            assert limit is None or limit.why != USAGE or not left(limit, self.now), event
        return super()._apply(event)


class Walk:
    """One random history."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.plans = {1: PLANS[0]}
        self.story = Watched(PLANS[0], parallel=self.chance.choice([1, 2, 9]), plans=self.plans)

    def take(self) -> None:
        if self.chance.random() < 0.2:
            self.story.passed += self.chance.choice([1.0, 30.0, 600.0, 9000.0])
        move = self.chance.choice(["end", "end", "end", "revise", "session", "elsewhere", *VERBS])
        self.story.tell(*self._events(move))

    def _events(self, move: str) -> tuple[Event, ...]:
        state = self.story.state
        match move:
            case "end":
                live = sorted(name for name in state.running if not state.steps[name].frozen)
                return (self._end(self.chance.choice(live)),) if live else ()
            case "revise":
                number = max(self.plans) + 1
                self.plans[number] = self.chance.choice(PLANS)
                return (PlanRevised(number, "saved"),) if self.chance.random() < 0.4 else ()
            case "session":
                return (RunnerStarted(self.chance.choice(["boot", "boot2"]), 1, self.story.parallel, resumed=True),)
            case "elsewhere":
                return (self._of_another_run(),)
            case _:
                return self._granted(move)

    def _of_another_run(self) -> Event:
        engine, now = self.chance.choice(["e1", "e2"]), self.story.now
        if self.chance.random() < 0.3:
            return LimitLifted(engine, "another run")
        seconds = self.chance.choice([1.0, 600.0, 7200.0])
        return EngineLimited(engine, USAGE, "boot", now.mono + seconds, now.wall + seconds, "elsewhere")

    def _end(self, step_id: str) -> AttemptEnded:
        live = self.story.state.steps[step_id].live
        assert live is not None
        failed = Failed(self.chance.choice(FAILURES), "x", retry_after=self.chance.choice([None, 0.0, 20.0, 4000.0]))
        outcome: Outcome = self.chance.choice([Succeeded(), failed])
        if live.stopping is not None and self.chance.random() < 0.8:
            outcome = Stopped(live.stopping)
        return AttemptEnded(step_id, live.number, outcome)

    def _granted(self, verb: str) -> tuple[Event, ...]:
        state = self.story.state
        step = self.chance.choice(sorted(state.steps))
        steps = None if self.chance.random() < 0.1 else [step]
        args: dict[str, object] = {"steps": steps}
        match verb:
            case "freeze":
                args["freeze"] = True
            case "retry":
                args["downstream"] = self.chance.random() < 0.4
            case "relaunch":
                args = {"step": step, "changes": self.chance.choice([{}, {"engine": "e2"}, {"timeout": 5}])}
            case "tell":
                args["text"] = "hear"
            case "answer":
                args = self._answer()
        asker = Asker("ana", 1, self.story.now)
        found = granted(state, "pause" if verb == "freeze" else verb, json.dumps(args), asker)
        return () if isinstance(found, str) else found.events

    def _answer(self, number: int | None = None) -> dict[str, object]:
        """To one question, else to the newest."""
        questions = self.story.state.questions
        number = number or len(questions)
        options = questions[number - 1].options if questions else ()
        text = self.chance.choice(options) if options else ""
        return {"question": number, "verb": "answer" if options else "approve", "text": text, "note": ""}

    def go_on(self) -> bool:
        """To the end, with nothing that goes wrong any more; whether it comes."""
        for _ in range(200):
            state = self.story.state
            if not state.open:
                return True
            if state.ended is not None or state.stop is not None:
                self.story.tell(RunnerStarted("boot", 1, 9, resumed=True))
            self.story.wait(3700.0)
            for step_id in sorted(state.running):
                known = state.steps[step_id]
                if known.live is not None and not known.frozen:
                    done: Outcome = Succeeded() if known.live.stopping is None else Stopped(known.live.stopping)
                    self.story.tell(AttemptEnded(step_id, known.live.number, done))
            for verb, args in (
                ("resume", {"steps": None}),
                *(("answer", self._answer(number)) for number in state.unanswered),
            ):
                found = granted(state, verb, json.dumps(args), Asker("ana", 1, self.story.now))
                if not isinstance(found, str):
                    self.story.tell(*found.events)
        return False


PLANS = [plan_of(text) for text in revisions()]


def walk(seed: int, moves: int = 60) -> None:
    made = Walk(seed)
    for _ in range(moves):
        made.take()
        assert as_kept(made.story.state) == as_they_are(made.story.state), f"seed {seed}"
    assert made.go_on(), f"seed {seed}"
    assert as_kept(made.story.state) == as_they_are(made.story.state), f"seed {seed}"
    for event in made.story.events:
        assert load_event(event_kind(event), dump_event(event)) == event


@pytest.mark.sampled(4)
@pytest.mark.parametrize("block", range(4))
def test_any_order(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        walk(seed)


@pytest.mark.slow
def test_any_order_at_length() -> None:
    first = random.SystemRandom().randrange(1 << 30)
    for seed in range(first, first + 2500):
        walk(seed)
