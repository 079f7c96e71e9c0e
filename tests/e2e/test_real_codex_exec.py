"""The real `codex exec`, against a scripted model: what its agent may do, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.core.permissions import Permissions
from teamflow.engines.codex_exec import CodexExecEngine
from tests.e2e.codex_bench import Bench, a_bench
from tests.fakes.agents.pump import Pump
from tests.fakes.models import fail, run, say

pytestmark = pytest.mark.slow


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as made:
        yield made


def attempt(bench: Bench, prompt: str = "Do it.", **more: object) -> object:
    with Pump(CodexExecEngine(), bench.brief(prompt, **more), env=bench.env) as agent:
        return agent.finish()


def test_a_turn_and_another_in_its_session(bench: Bench) -> None:
    bench.models.play(run("echo one > a.txt"), say("Red it is."), say("It was red."))
    first = attempt(bench, "Remember red.", instructions="You are Kim.")
    assert isinstance(first, Succeeded)
    assert (first.text, first.usage) == ("Red it is.", Usage(200, 40))
    assert (bench.cwd / "a.txt").exists()
    assert "You are Kim." in bench.heard()
    second = attempt(bench, "Which?", session=first.session, instructions="You are Lee.")
    assert isinstance(second, Succeeded)
    assert (second.text, second.usage, second.session) == ("It was red.", None, first.session)
    assert "Remember red." in bench.heard()
    assert "You are Lee." in bench.heard()


@pytest.mark.parametrize("first", [Permissions("full"), Permissions("read"), Permissions()])
def test_permissions_hold_also_in_a_session_that_goes_on(bench: Bench, first: Permissions) -> None:
    bench.models.play(say("ok"))
    done = attempt(bench, grants=first)
    assert isinstance(done, Succeeded)
    for grants, within, outside, net in (
        (Permissions("read"), False, False, "net=000"),
        (Permissions(), True, False, "net=200"),
        (Permissions(net="deny"), True, False, "net=000"),
        (Permissions("full", net="deny"), True, True, "net=000"),
        (Permissions("full"), True, True, "net=200"),
    ):
        inner = bench.cwd / "a.txt"
        inner.unlink(missing_ok=True)
        bench.outside.unlink(missing_ok=True)
        bench.models.play(run(f"touch a.txt; {bench.out()}; {bench.net()}"), say("ok"))
        assert isinstance(attempt(bench, grants=grants, session=done.session), Succeeded)
        assert (inner.exists(), bench.outside.exists()) == (within, outside), grants
        assert net in bench.heard(), grants


def test_outputs_are_asked_for_by_schema(bench: Bench) -> None:
    bench.models.play(say('{"colour": "red"}'), say('{"colour": "blue"}'))
    first = attempt(bench, schemas={"colour": "string"})
    assert isinstance(first, Succeeded)
    second = attempt(bench, schemas={"colour": "string"}, session=first.session)
    assert isinstance(second, Succeeded)
    assert second.text == '{"colour": "blue"}'
    assert bench.models.calls()[-1].body["text"]["format"]["strict"] is True


def test_a_usage_limit_tells_when_it_ends(bench: Bench) -> None:
    bench.models.play(fail("usage_limit"))
    outcome = attempt(bench)
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureClass.USAGE_EXHAUSTED
    assert outcome.retry_after is not None
