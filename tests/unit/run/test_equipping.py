"""What a step inherits, what its agent is given, and how a failure names the server of its models."""

from __future__ import annotations

import pytest

from teamflow.core.capabilities import Capabilities
from teamflow.core.invocation import Brief
from teamflow.core.outcome import Failed, FailureClass, Stopped, Succeeded
from teamflow.engines.registry import engine
from teamflow.run.brief import BriefError
from teamflow.run.equipping import asked_at, equipped, inheriting
from tests.fakes.teams import plan_of

URL = "http://127.0.0.1:11434"
BRIEF = Brief("a", 1, "first", "/w", prompt="x", model="m", base_url=URL)


@pytest.mark.parametrize("name", ["claude", "opencode", "codex", "copilot"])
def test_with_a_server_of_its_own_no_login_is_inherited(name: str) -> None:
    can = engine(name).capabilities
    local, usual = (
        plan_of(f"agents: {{a: {{engine: {name}/m, prompt: x, permissions: full{more}}}}}", git=True).steps[0]
        for more in (f", base_url: '{URL}'", "")
    )
    assert inheriting(usual, can).inherit_env == can.login
    assert inheriting(local, can).inherit_env == can.settings
    keys = {"ANTHROPIC_*", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "COPILOT_*", "GH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"}
    assert not keys & set(can.settings)


def test_one_that_cannot_be_told_is_not_started() -> None:
    with pytest.raises(BriefError, match="cannot be told which server"):
        equipped(BRIEF, {}, Capabilities(program=("gemini",)))
    with pytest.raises(BriefError, match="is to ask for is not said"):
        equipped(BRIEF._replace(model=None), {}, Capabilities(program=("claude",), base_url=True))
    told = equipped(BRIEF, {"A": "b"}, Capabilities(program=("claude",), base_url=True))
    assert told.variables == {"A": "b"}


def test_a_failure_names_who_was_asked_for_what() -> None:
    failed = Failed(FailureClass.FATAL, "no such model")
    assert asked_at(failed, BRIEF).reason == f"no such model [{URL} was asked for m]"  # type: ignore[union-attr]
    unplayed = Failed(FailureClass.FATAL, "replay: attempt 2 was not recorded")  # nobody was asked
    for other in (
        unplayed,
        Failed(FailureClass.VERIFY, "x"),
        Failed(FailureClass.OUTPUT, "x"),
        Succeeded(),
        Stopped("cancel"),
    ):
        assert asked_at(other, BRIEF) == other


def test_the_server_of_a_variant_is_told_none_of_the_variables_of_others() -> None:
    """Those of the same step, for the engine before it in the chain: the step has them, its server no key by them."""
    can = engine("claude").capabilities
    team = (
        f"engines: {{local: {{engine: claude, base_url: '{URL}', model: m, env: {{A: 1}}, inherit_env: [GATEWAY]}}}}\n"
    )
    step = plan_of(f"{team}agents: {{a: {{engine: [claude, local], prompt: x, permissions: read}}}}", git=True).steps[0]
    assert inheriting(step.by(None), can).inherit_env == can.login
    local = step.by(1)
    assert inheriting(local, can).inherit_env == ("GATEWAY", *can.settings)
    environ = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_CUSTOM_HEADERS": "h", "GATEWAY": "g", "A": "1", "HOME": "/"}
    assert local.custom is not None
    assert equipped(BRIEF, environ, can, custom=local.custom).variables == {"GATEWAY": "g", "A": "1"}
    for custom in (None, local.custom._replace(base_url="")):
        assert equipped(BRIEF, environ, can, custom=custom).variables == environ, "of the agent's server it is as ever"
