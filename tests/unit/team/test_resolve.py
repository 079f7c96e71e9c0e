"""Settings: agent over persona over defaults over built in, maps merged one level; durations, sizes, counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teamflow.team.loaded import LoadedTeam
from teamflow.team.resolved import EngineChoice, PromptWork, RetryPolicy
from teamflow.team.scalars import parse_count, parse_duration, parse_size, show_duration

Team = Callable[..., LoadedTeam]


def test_each_layer_gives_way_to_the_stronger_one(team: Team) -> None:
    loaded = team(
        """
env: {A: team, B: team, C: team, D: team}
defaults: {timeout: 1m, grace: 1s, workdir: d, env: {B: defaults, C: defaults, D: defaults},
           retry: {attempts: 9, delay: 9s}, verify: [d1, d2]}
personas: {p: {timeout: 2m, grace: 2s, env: {C: persona, D: persona}, retry: {delay: 5s}, verify: [p]}}
agents: {a: {command: x, persona: p, timeout: 3m, env: {D: agent}, retry: {backoff: fixed}}, b: {command: y}}
"""
    )
    a, b = loaded.resolved["a"], loaded.resolved["b"]
    assert (a.timeout, a.grace, a.workdir) == (180.0, 2.0, "d")
    assert a.env == {"A": "team", "B": "defaults", "C": "persona", "D": "agent"}
    assert a.retry == RetryPolicy(9, "fixed", 5.0, 300.0)
    assert a.verify == ("p",)
    assert (b.timeout, b.grace, b.verify) == (60.0, 1.0, ("d1", "d2"))
    assert b.env == {"A": "team", "B": "defaults", "C": "defaults", "D": "defaults"}


def engines(team: Team, *, agent: str = "", persona: str = "", defaults: str = "") -> tuple[EngineChoice, ...]:
    text = f"defaults: {{grace: 1s{defaults}}}\npersonas: {{p: {{grace: 1s{persona}}}}}\n"
    work = team(f"{text}agents: {{a: {{prompt: x, persona: p{agent}}}}}\n").resolved["a"].work
    assert isinstance(work, PromptWork)
    return work.engines


def test_engines_and_models(team: Team) -> None:
    assert engines(team) == (EngineChoice("claude"),)
    assert engines(team, agent=", model: m") == (EngineChoice("claude", "m"),)
    assert engines(team, persona=", engine: codex/gpt-5") == (EngineChoice("codex", "gpt-5"),)
    assert engines(team, persona=", engine: codex", defaults=", model: opus") == (EngineChoice("codex"),)
    assert engines(team, agent=", model: m", persona=", engine: codex") == (EngineChoice("codex", "m"),)
    assert engines(team, agent=", engine: [claude/opus, codex]") == (
        EngineChoice("claude", "opus"),
        EngineChoice("codex"),
    )
    assert engines(team, agent=", engine: gemini/a/b") == (EngineChoice("gemini", "a/b"),)


def test_what_an_agent_does_hides_what_its_persona_does(team: Team) -> None:
    loaded = team("personas: {p: {prompt: x}}\nagents: {a: {command: y, persona: p}, b: {persona: p}}\n")
    assert [agent.kind for agent in loaded.resolved.values()] == ["command", "prompt"]


def test_permissions(team: Team) -> None:
    def level(permissions: str) -> tuple[str, bool]:
        work = team(f"agents: {{a: {{prompt: x, permissions: {permissions}}}}}\n").resolved["a"].work
        assert isinstance(work, PromptWork)
        return work.permissions.level, work.permissions.may_edit

    assert level("read") == ("read", False)
    assert level("edit") == ("edit", True)
    assert level("full") == ("full", True)
    assert level("{edit: [src]}") == ("edit", True)
    assert level("{edit: [], run: [pytest]}") == ("edit", False)


def test_shorthands(team: Team) -> None:
    agents = team(
        "agents:\n  a: {command: x, depends_on: b, verify: v, reads: src, secrets: []}\n"
        "  b: {command: y, depends_on: {c: passed}, matrix: [1, {id: 2}]}\n  c: {command: z, matrix: b}\n"
    ).resolved
    assert agents["a"].depends_on == {"b": "succeeded"}
    assert (agents["a"].verify, agents["a"].reads) == (("v",), ("src",))
    assert agents["b"].depends_on == {"c": "passed"}
    assert agents["b"].matrix is not None
    assert agents["b"].matrix.axes == {"item": (1, {"id": 2})}
    assert agents["c"].matrix is not None
    assert agents["c"].matrix.pairs_with == "b"
    assert agents["c"].reads is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90.0), ("10m", 600.0), ("2h", 7200.0), ("2d", 172800.0), ("1h30m", 5400.0), ("0.5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(show_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "value", ["", "5", 5, "5 s", "s", "-1s", "1w", "1s ", "1e3s", "1s\n", "٣s", None, True, "1" * 50 + "s"]
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="a duration is a number with a unit"):
        parse_duration(value)


def test_sizes_and_counts() -> None:
    assert [parse_size(text) for text in ("512B", "64KiB", "5GB", "1.5MiB", "1kB")] == [
        512,
        65536,
        5 * 10**9,
        1572864,
        1000,
    ]
    assert [parse_count(value) for value in (0, 500, "500k", "4M", "1.5M")] == [0, 500, 500_000, 4_000_000, 1_500_000]
    for value in ("5", 5, "5 GB", "5G", "-1B", None):
        with pytest.raises(ValueError, match="a size is"):
            parse_size(value)
    for value in ("5", -1, "5G", True, None, 1.5):
        with pytest.raises(ValueError, match="a count is"):
            parse_count(value)
