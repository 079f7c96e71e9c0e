from __future__ import annotations

import subprocess
import sys

from teamflow.plan.graph import arrange, connected, cycles, dependents, reachable


def test_order_keeps_the_declaration_where_it_can() -> None:
    layout = arrange({"c": [], "a": ["b"], "b": [], "d": ["c"]})
    assert layout is not None
    assert layout.order == ("c", "b", "a", "d")


def test_levels_heights_and_the_critical_path() -> None:
    graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["a"], "lone": []}
    layout = arrange(graph)
    assert layout is not None
    assert layout.level == {"a": 0, "b": 1, "c": 1, "d": 2, "e": 1, "lone": 0}
    assert layout.height == {"a": 3, "b": 2, "c": 2, "d": 1, "e": 1, "lone": 1}
    assert layout.critical_path(graph) == ("a", "b", "d")


def test_an_empty_graph() -> None:
    layout = arrange({})
    assert layout is not None
    assert layout.order == ()
    assert layout.critical_path({}) == ()


def test_doubled_and_unknown_dependencies_do_no_harm() -> None:
    layout = arrange({"a": ["b", "b", "nobody"], "b": []})
    assert layout is not None
    assert layout.order == ("b", "a")
    assert dependents({"a": ["b", "b", "nobody"], "b": []}) == {"a": [], "b": ["a"]}


def test_each_knot_gives_one_shortest_cycle() -> None:
    graph = {
        "a": ["b"],
        "b": ["c", "x"],
        "c": ["a", "b"],
        "x": [],
        "self": ["self"],
        "p": ["q"],
        "q": ["r"],
        "r": ["p"],
        "after": ["a"],
    }
    assert arrange(graph) is None
    assert list(cycles(graph)) == [("a", "b", "c", "a"), ("self", "self"), ("p", "q", "r", "p")]


def test_reachable_ignores_what_is_no_node() -> None:
    assert reachable(["a", "nobody"], {"a": ["b", "gone"], "b": ["a"], "c": []}) == {"a", "b"}


def test_a_chain_of_ten_thousand_and_its_cycle() -> None:
    graph = {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(10_000)}
    layout = arrange(graph)
    assert layout is not None
    assert layout.height["s0"] == 10_000
    assert len(layout.critical_path(graph)) == 10_000
    graph["s0"] = ["s9999"]
    assert [len(path) for path in cycles(graph)] == [10_001]


def test_networkx_is_not_imported_for_a_graph_without_cycles() -> None:
    script = "import sys, teamflow.plan.graph as g; g.arrange({'a': []}); assert 'networkx' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_is_connected() -> None:
    """A chain of 3000 with a node beside it: more than are followed at once."""
    chain: list[frozenset[int]] = [frozenset({number - 1} if number else ()) for number in range(3000)]
    needs = [*chain, frozenset({1500})]
    assert connected(needs, [(0, 2999), (1499, 3000), (1501, 3000), (2000, 2001), (2999, 3000)]) == {
        (0, 2999),
        (1499, 3000),
        (2000, 2001),
    }
    every = [(first, 2999) for first in range(2999)]
    assert connected(needs, every) == set(every)
    assert connected(needs, []) == set()
