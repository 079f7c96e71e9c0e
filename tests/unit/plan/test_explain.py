from __future__ import annotations

from teamflow.core.plan import Limits, Step
from teamflow.plan.converge import Converged
from teamflow.plan.explain import Action, Preview, Probe, preview
from teamflow.views.plan import plan_text, symbol
from tests.fakes.plans import make_plan, make_step

NOTHING = Converged({}, {}, {}, {}, {}, {}, {}, {}, ())


def actions(shown: Preview) -> dict[str, tuple[str, str]]:
    return {line.step.id: (symbol(line), line.action.reason) for line in shown.lines}


def shown(*steps: Step, probes: dict[str, Probe] | None = None, converged: Converged | None = None) -> Preview:
    return preview(make_plan(steps), probes=probes, converged=converged)


def test_a_first_run() -> None:
    found = shown(
        make_step("a"),
        make_step("b", needs=["a"]),
        make_step("ask", needs=["a", "b"], kind="ask"),
        make_step("dynamic", needs=["a"], condition="agents.a.text == 'x'"),
        make_step("mend", needs={"b": "failed"}),
        make_step("late/?", needs=["a"]),
        make_step("cached", needs=["a", "b"], cache=True),
        make_step("part", taken=("w", "x", "y", "z")),
    )
    assert actions(found) == {
        "a": ("+", "first"),
        "b": ("+", "after a"),
        "ask": ("!", "after a, b"),
        "dynamic": ("?", "if: agents.a.text == 'x', known once a has ended"),
        "mend": ("?", "runs only if b fails"),
        "late/?": ("?", "its instances are known once a has ended"),
        "cached": ("?", "its key is known once a and 1 more have ended"),
        "part": ("+", "takes w, x, y and 1 more as the newest run left it"),
    }
    assert found.levels == (("a", "part"), ("b", "dynamic", "late/?"), ("ask", "mend", "cached"))
    assert found.has_work


def test_skips_go_as_far_as_they_are_certain() -> None:
    found = shown(
        make_step("off", skip="if: no"),
        make_step("after", needs=["off"]),
        make_step("passed", needs={"off": "passed"}),
        make_step("finished", needs={"off": "finished"}),
        make_step("failed", needs={"off": "failed"}),
        make_step("second", needs={"after": "passed"}),
    )
    assert actions(found) == {
        "off": ("-", "if: no"),
        "after": ("-", "off is skipped, and succeeded is wanted"),
        "passed": ("+", "after off"),
        "finished": ("+", "after off"),
        "failed": ("-", "off is skipped, and failed is wanted"),
        "second": ("-", "after is skipped, and passed is wanted"),
    }


def test_what_the_cache_knows() -> None:
    found = shown(
        make_step("a", cache=True),
        make_step("b", cache=True),
        make_step("c", cache=True, needs=["a"]),
        make_step("d", cache=True, needs=["a", "b"]),
        make_step("mend", needs={"a": "failed"}),
        probes={
            "a": Probe(hit=True, reason="unchanged since run 3"),
            "b": Probe(hit=False, reason="reads: src/b.py changed"),
            "c": Probe(hit=True, reason="unchanged since run 3"),
        },
    )
    assert actions(found) == {
        "a": ("=", "unchanged since run 3"),
        "b": ("+", "reads: src/b.py changed"),
        "c": ("=", "unchanged since run 3"),
        "d": ("?", "its key is known once b has ended"),
        "mend": ("-", "a has succeeded, and failed is wanted"),
    }


def test_nothing_to_do() -> None:
    found = shown(make_step("a", cache=True), make_step("b", skip="if: no"), probes={"a": Probe(hit=True, reason="")})
    assert not found.has_work
    assert found.counts() == {"cached": 1, "skip": 1}


def test_a_run_that_goes_on() -> None:
    converged = NOTHING._replace(
        retry={"failed": "failed before: exited 1"},
        revision={"behind": "failed runs again", "looked": "looked up again"},
        resume={"stopped": "interrupted (SIGINT)"},
        stays={"done": "succeeded at noon"},
        skipped={"off": "if: no"},
        paused={"paused": "by you"},
    )
    found = shown(
        make_step("done"),
        make_step("off"),
        make_step("passed", needs={"off": "passed"}),
        make_step("failed", needs=["done"]),
        make_step("behind", needs=["failed"]),
        make_step("looked", needs=["failed"], cache=True),
        make_step("stopped"),
        make_step("paused"),
        make_step("new", needs=["done"]),
        converged=converged,
    )
    assert actions(found) == {
        "done": ("=", "succeeded at noon"),
        "off": ("-", "if: no"),
        "passed": ("+", "after off"),
        "failed": ("~", "failed before: exited 1"),
        "behind": ("~", "failed runs again"),
        "looked": ("?", "its key is known once failed has ended"),
        "stopped": ("~", "interrupted (SIGINT)"),
        "paused": ("?", "stays paused: by you"),
        "new": ("+", "after done"),
    }
    assert found.lines[3].action == Action("run", "failed before: exited 1", again=True)


def test_the_most_steps() -> None:
    fixed = make_plan([make_step("a"), make_step("b")])
    grows = make_plan([make_step("a"), make_step("b/?")])
    assert preview(fixed).most_steps == 2
    assert preview(grows).most_steps is None
    assert preview(grows._replace(limits=Limits(max_steps=50))).most_steps == 51


def test_an_empty_plan() -> None:
    found = preview(make_plan([]))
    assert (found.lines, found.levels, found.most_steps, found.has_work) == ((), (), 0, False)
    assert plan_text(found, columns=80) == "no steps"


def test_what_was_running_when_its_runner_died_goes_on() -> None:
    found = shown(make_step("a"), make_step("b", needs=["a"]), converged=NOTHING._replace(running=("a",)))
    assert actions(found)["a"] == ("+", "was started before, and goes on")
