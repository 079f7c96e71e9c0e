"""Budgets with real processes: what is reserved, stopped, asked, shown, and kept over crashes and sessions."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.project import Project, finish, proves
from tests.e2e.test_run_limits import begun, wait_until

CLI = """#!/bin/sh
# spend AMOUNT...: tells each sum as what it has cost so far, waits for the file `go` where a sum is `-`, and is done
cat > /dev/null
for sum in $SPENDS; do
  if [ "$sum" = - ]; then
    while [ ! -e go ]; do sleep 0.02; done
  else
    echo "{\\"cost\\": $sum, \\"in\\": 100, \\"out\\": 10}"
    echo "$TEAMFLOW_STEP $TEAMFLOW_ATTEMPT $sum" >> spent
    sleep 0.3
  fi
done
echo "{\\"text\\": \\"done\\", \\"id\\": \\"s1\\"}"
"""
ENGINES = """
engines:
  paid:
    command: [./spend]
    output: json-lines
    message: text
    session: id
    resume: ["{{ session }}"]
    usage: {usd: cost, input_tokens: in, output_tokens: out}
defaults: {engine: paid, permissions: read, workspace: {mode: shared}, retry: {delay: 10ms}}
"""


def project(place: Path, team: str) -> Project:
    made = Project(place, f"{ENGINES}{team}")
    made.write("spend", CLI).chmod(0o755)
    return made


def spends(step: str, sums: str, more: str = "") -> str:
    return f"  {step}: {{prompt: Work, env: {{SPENDS: '{sums}'}}{more}}}\n"


def spent(made: Project) -> float:
    """What the processes have really told, the last sum of each attempt."""
    last: dict[str, float] = {}
    for line in made.lines("spent"):
        step, attempt, amount = line.split()
        last[f"{step} {attempt}"] = float(amount)
    return sum(last.values())


@pytest.mark.slow
@proves(team=["limits.budget", "limits.budget.usd"])
def test_a_wave_does_not_go_over_the_budget_and_a_raise_goes_on(tmp_path: Path) -> None:
    sums = "0.4 0.8 1.2 1.6 2.0 2.4"
    team = "limits: {max_parallel: 3, budget: {usd: 4}}\nagents:\n" + "".join(spends(f"s{n}", sums) for n in range(3))
    made = project(tmp_path, team)
    done = made.run("--no-input").expect(4)
    assert spent(made) <= 4.0 + 3 * 0.4
    assert "budget: 90 % used" in done.said or "budget: 100 % used" in done.said
    shown = made.status()
    assert (shown.data["status"], shown.data["exit_reason"]) == ("limited", "limit")
    assert "of the run's budget of $4.00 are spent" in shown.data["reason"]
    figures = shown.data["budget"]["run"]["usd"]
    assert figures["cap"] == 4.0
    assert figures["spent"] == pytest.approx(spent(made))
    made.run("--no-input").expect(4)
    made.run("--no-input", "--budget", "usd=30").expect(0)
    assert made.status().statuses == dict.fromkeys(("s0", "s1", "s2"), "succeeded")
    assert made.status().data["budget"]["run"]["usd"]["cap"] == 30.0
    continued = [step for step in ("s0", "s1", "s2") if len(made.status().step(step)["attempts"]) > 1]
    assert continued, "somebody was stopped, and went on with its session"


@proves(agent=["budget", "budget.usd"])
def test_a_step_that_uses_up_its_own_budget_fails_and_costs_no_more(tmp_path: Path) -> None:
    made = project(tmp_path, "agents:\n" + spends("work", "0.5 1.0 1.5 2.0 2.5 3.0", ", budget: {usd: 1}"))
    made.run().expect(1)
    shown = made.status().step("work")
    assert shown["failure"] == "budget"
    assert "of its budget of $1.00 are spent" in shown["reason"]
    assert spent(made) <= 1.5


@pytest.mark.slow
@proves(agent=["budget.tokens"])
def test_tokens_of_a_step(tmp_path: Path) -> None:
    made = project(tmp_path, "agents:\n" + spends("work", "0.1 0.2 0.3", ", budget: {tokens: 110}"))
    made.run().expect(1)
    assert made.status().step("work")["failure"] == "budget"


@pytest.mark.slow
@proves(team=["limits.budget.tokens"])
def test_failed_attempts_count_and_people_are_asked(tmp_path: Path) -> None:
    """Each attempt takes 110 tokens: a second one does not fit."""
    team = "limits: {max_parallel: 1, budget: {tokens: 120}}\nagents:\n"
    fails = spends("work", "0.1", ", verify: [test -e fine], retry: {attempts: 3, delay: 1ms}")
    made = project(tmp_path, team + fails)
    done = made.call("run", "--progress", "plain").expect(4)
    reason = made.status().data["reason"]
    assert "10 tokens of the run's budget of 120 tokens are left, and an attempt of work takes about 110" in reason, (
        done
    )
    assert made.status().data["usage"]["input_tokens"] == 100
    (made.root / "fine").touch()
    made.run("--budget", "tokens=10k").expect(0)


@pytest.mark.slow
def test_somebody_is_asked_and_says_go_on(tmp_path: Path) -> None:
    team = "limits: {max_parallel: 1, budget: {usd: 1}}\nagents:\n" + spends("a", "0.92")
    made = project(tmp_path, team + spends("b", "0.05", ", depends_on: [a]"))
    with begun(made, "--watch") as process:
        wait_until(lambda: ((tmp_path / "p" / "spent").exists() and "1 open") or _inbox(made))
        wait_until(lambda: _inbox(made))
        (item,) = _inbox(made)
        assert item["kind"] == "budget"
        assert item["text"].startswith("$0.92 of the run's budget of $1.00 are spent")
        made.call("answer", item["id"], "go on").expect(0)
        wait_until(lambda: made.status().statuses == {"a": "succeeded", "b": "succeeded"})
        process.send_signal(signal.SIGINT)
        finish(process)


@pytest.mark.slow
def test_with_nine_tenths_of_the_time_gone_somebody_is_asked(tmp_path: Path) -> None:
    works = " ".join(["0.1"] * 25)  # 7.5 seconds
    team = "limits: {timeout: 8s}\nagents:\n" + spends("first", works)
    free = '  free: {command: "true", depends_on: [first]}\n'
    made = project(tmp_path, team + spends("second", "0.1", ", depends_on: [first]") + free)
    with begun(made, "--watch") as process:
        wait_until(lambda: _inbox(made))
        (item,) = _inbox(made)
        assert item["text"].startswith("7.")
        assert " s of limits.timeout of 8 s have passed. May second," in item["text"]
        assert made.status().statuses == {"first": "succeeded", "second": "waiting", "free": "succeeded"}
        made.call("answer", item["id"], "stop").expect(0)
        wait_until(lambda: made.status().data["status"] == "limited")
        process.send_signal(signal.SIGINT)
        finish(process)


def _inbox(made: Project) -> list[dict[str, str]]:
    done = made.call("inbox", "--json")
    items: list[dict[str, str]] = json.loads(done.out)["items"] if done.code == 0 else []
    return items


@pytest.mark.slow
def test_a_living_run_is_given_more(tmp_path: Path) -> None:
    team = "limits: {max_parallel: 1, budget: {usd: 1}}\nagents:\n" + spends("a", "0.92")
    made = project(tmp_path, team + spends("b", "0.5", ", depends_on: [a]"))
    with begun(made, "--watch") as process:
        wait_until(lambda: _inbox(made))
        assert "may spend $9.00" in made.call("run", "--budget", "usd=9").expect(0).said
        wait_until(lambda: made.status().statuses == {"a": "succeeded", "b": "succeeded"})
        process.send_signal(signal.SIGINT)
        finish(process)


@pytest.mark.slow
def test_what_was_spent_before_a_crash_counts(tmp_path: Path) -> None:
    made = project(tmp_path, "limits: {budget: {usd: 2}}\nagents:\n" + spends("work", "0.5 1.0 - 1.1"))
    with begun(made) as process:
        wait_until(lambda: made.lines("spent")[-1:] == ["work 1 1.0"])
        wait_until(lambda: made.status().data["usage"]["usd"] == 1.0)
        process.send_signal(signal.SIGKILL)
    assert made.status().data["budget"]["run"]["usd"]["spent"] == 1.0
    (made.root / "go").touch()
    made.run().expect(0)
    assert made.status().data["budget"]["run"]["usd"]["spent"] == pytest.approx(1.1)


@pytest.mark.slow
@proves(team=["limits.budget.day", "limits.budget.day.usd", "limits.budget.day.tokens"])
def test_the_runs_of_a_day_share_a_budget(tmp_path: Path) -> None:
    """Also those that run at the same time."""
    limits = "limits: {max_parallel: 1, budget: {day: {usd: 2, tokens: 1M}}}\n"
    made = project(tmp_path, limits + "agents:\n" + spends("work", "0.9"))
    made.run("--no-input").expect(0)
    for name in ("b", "c", "d"):
        made.write(f"{name}.yaml", f"{ENGINES}{limits}agents:\n{spends('work', '0.6')}{spends('more', '0.6')}")
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda name: made.run("--no-input", f"{name}.yaml"), ("b", "c", "d")))
    assert {each.code for each in done} <= {0, 4}
    assert 4 in [each.code for each in done]
    assert spent(made) <= 2.0 + 0.6
    assert "the day's budget" in "".join(each.said for each in done)
    date = r"on \d{4}-\d\d-\d\d"
    told = rf"\$\d\.\d\d of \$2\.00 {date}, [\d,]+ tokens of 1,000,000 tokens {date}"
    assert re.search(told, made.call("status").out)


@pytest.mark.slow
def test_what_an_engine_does_not_tell_is_warned_about_and_shown_as_unknown(tmp_path: Path) -> None:
    team = """
limits: {budget: {usd: 5}}
engines:
  counts: {command: [sh], output: json, message: text, usage: {input_tokens: in}}
  silent: {command: [sh]}
defaults: {permissions: read, workspace: {mode: shared}}
agents:
  a: {engine: counts, prompt: 'echo "{\\"text\\": \\"x\\", \\"in\\": 7}"'}
  b: {engine: silent, prompt: echo hello}
"""
    made = Project(tmp_path, team)
    said = made.call("plan").expect(0).said
    assert said.count("warning[untold-cost]") == 2
    assert "counts does not tell what a spends in dollars" in said
    assert "tokens: 500k" in said
    made.run().expect(0)
    assert made.status().data["usage"] == {"input_tokens": 7, "output_tokens": None, "usd": None}
    assert made.status().data["budget"]["run"]["usd"]["spent"] == 0.0
    assert "price unknown" in made.call("status").expect(0).out


@pytest.mark.parametrize("words", ["usd=0", "usd=-1", "usd=x", "eur=3", "usd=1,usd=2", "tokens=1.5", "tokens=0", "nan"])
def test_a_budget_that_makes_no_sense_is_refused(tmp_path: Path, words: str) -> None:
    made = project(tmp_path, "agents:\n" + spends("work", "0.1"))
    made.refused("run", "--budget", words)
    assert not made.exists("spent")


DAY = "limits: {max_parallel: 1, budget: {day: {usd: 2}}}\n"


@pytest.mark.slow
def test_what_another_run_gives_back_is_there_for_the_next(tmp_path: Path) -> None:
    """It had reserved the whole day, and spent little of it."""
    made = project(tmp_path, DAY + "agents:\n" + spends("work", "0.1 -"))
    made.write("b.yaml", f"{ENGINES}{DAY}agents:\n{spends('work', '0.1')}")
    with begun(made, "team.yaml", "--no-input") as process:
        wait_until(lambda: made.lines("spent"))
        said = made.run("--no-input", "b.yaml").expect(4).said
        assert "reserved by other runs" in said
        assert "100 % used" not in said
        (made.root / "go").touch()
        assert finish(process).code == 0
    made.run("--no-input", "b.yaml").expect(0)


@pytest.mark.slow
def test_what_could_not_be_started_gives_back_what_it_had_reserved(tmp_path: Path) -> None:
    team = f"""
engines: {{said: {{command: [echo], prompt: argument, output: json, message: text, usage: {{usd: cost}}}}}}
{DAY}
agents:
  work: {{engine: said, permissions: read, workspace: {{mode: shared}}, prompt: "{"x" * 9000}"}}
"""
    made = project(tmp_path, "agents:\n" + spends("work", "0.1"))
    made.write("a.yaml", team)
    made.run("--no-input", "a.yaml").expect(1)
    made.write("b.yaml", f"{ENGINES}{DAY}agents:\n{spends('work', '0.1')}")
    made.run("--no-input", "b.yaml").expect(0)


@pytest.mark.slow
def test_a_start_that_only_the_journal_knows_is_what_it_was(tmp_path: Path) -> None:
    """The record of a start is lost with its runner; the engine that took over, and the allowance, are not."""
    team = """
limits: {on_usage_limit: next}
engines:
  alpha: {command: [sh, -c, "echo usage limit; exit 1"], failures: {usage_exhausted: usage limit}}
  paid: {command: [./spend], output: json-lines, message: text, usage: {usd: cost}}
agents:
  work:
    engine: [alpha, paid]
    permissions: read
    workspace: {mode: shared}
    prompt: Work
    budget: {usd: 2}
    env: {SPENDS: '0.5 -'}
"""
    made = project(tmp_path, "agents: {}")
    made.write("team.yaml", team)
    with begun(made, "--no-input") as process:
        wait_until(lambda: made.lines("spent") == ["work 2 0.5"])
        process.kill()
    with closing(sqlite3.connect(made.root / ".teamflow" / "state.db")) as database, database:
        (lost,) = database.execute("SELECT max(seq) FROM records WHERE kind = 'AttemptStarted'").fetchone()
        database.execute("DELETE FROM records WHERE seq >= ?", (lost,))
    (made.root / "go").touch()
    made.run("--no-input").expect(0)
    attempts = made.status().step("work")["attempts"]
    assert [(each["engine"], each["outcome"]) for each in attempts] == [("alpha", "failed"), ("paid", "succeeded")]
    assert made.status().data["usage"]["usd"] == 0.5
    started = [event for event in made.events() if event["kind"] == "AttemptStarted"]
    assert (started[-1]["fallback"], started[-1]["usd"]) == (1, 2.0)
