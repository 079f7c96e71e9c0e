"""The shapes of work that are measured, each as a team file and as a ninja file of the same processes.

Nodes are numbered; `Graph` says what each waits for. A command is what one node runs: an argv for the team file, and
the words that ninja hands to its own `/bin/sh -c`, so that both start the very same programs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

Graph = Sequence[Sequence[int]]
"""Per node the nodes that it waits for; these have lower numbers."""


class Command(NamedTuple):
    """The same processes twice: `team` is the value of `command:`, `ninja` what ninja runs under `sh -c`."""

    team: str
    ninja: str


WITH_SHELL = Command('[/bin/sh, -c, "/bin/true"]', "/bin/true")
"""One shell that becomes `true`: what ninja starts for any command, spelt out for teamflow."""

WITHOUT_SHELL = Command("/bin/true", "/bin/true")
"""A string without shell syntax: teamflow starts it directly, ninja as always."""


def wide(count: int) -> Graph:
    return [()] * count


def chain(count: int) -> Graph:
    return [(number - 1,) if number else () for number in range(count)]


def layered(count: int, layers: int) -> Graph:
    """Every node but those of the first layer waits for two or three of the layer before, the same ones each time."""
    draw = random.Random(20)
    width = count // layers
    graph: list[Sequence[int]] = []
    for number in range(count):
        first = (number // width - 1) * width
        wanted = 0 if first < 0 else draw.choice((2, 2, 3))
        graph.append(sorted(draw.sample(range(first, first + width), wanted)))
    return graph


def downstream(graph: Graph, root: int) -> set[int]:
    """`root` and all that waits for it."""
    found = {root}
    for number, needs in enumerate(graph):
        if not found.isdisjoint(needs):
            found.add(number)
    return found


def write_matrix(directory: Path, count: int, command: Command) -> None:
    """Independent nodes: for teamflow one agent with a matrix of `count` values, 8 at once."""
    values = ", ".join(map(str, range(count)))
    text = f"limits: {{max_parallel: 8}}\nagents:\n  work: {{matrix: {{n: [{values}]}}, command: {command.team}}}\n"
    (directory / "team.yaml").write_text(text)
    write_ninja(directory, wide(count), command)


def write_graph(directory: Path, graph: Graph, command: Command) -> None:
    """One agent per node, 8 at once."""
    lines = ["limits: {max_parallel: 8}", "agents:"]
    for number, needs in enumerate(graph):
        after = f", depends_on: [{', '.join(f'n{need}' for need in needs)}]" if needs else ""
        lines.append(f"  n{number}: {{command: {command.team}{after}}}")
    (directory / "team.yaml").write_text("\n".join(lines) + "\n")
    write_ninja(directory, graph, command)


def write_ninja(directory: Path, graph: Graph, command: Command) -> None:
    """Outputs are never made, so every node runs every time."""
    lines = ["rule work", f"  command = {command.ninja}"]
    lines += [f"build o{number}: work {' '.join(f'o{need}' for need in needs)}" for number, needs in enumerate(graph)]
    (directory / "build.ninja").write_text("\n".join(lines) + "\n")


def write_files(directory: Path, graph: Graph) -> None:
    """Nodes with two files each: one that they read, one that they make (with `touch`, so its content stays the same).

    For teamflow a node also depends on the artifacts of those before it, for ninja on their files.
    """
    (directory / "src").mkdir(exist_ok=True)
    (directory / "out").mkdir(exist_ok=True)
    lines = ["limits: {max_parallel: 8}", "agents:"]
    build = ["rule make", "  command = touch $out"]
    for number, needs in enumerate(graph):
        (directory / f"src/{number}.txt").write_text(f"source {number}\n")
        after = f"depends_on: [{', '.join(f'n{need}' for need in needs)}], " if needs else ""
        lines.append(
            f"  n{number}: {{command: touch out/{number}, {after}cache: true, "
            f"reads: src/{number}.txt, outputs: {{made: {{file: out/{number}}}}}}}"
        )
        build.append(f"build out/{number}: make src/{number}.txt {' '.join(f'out/{need}' for need in needs)}")
    (directory / "team.yaml").write_text("\n".join(lines) + "\n")
    (directory / "build.ninja").write_text("\n".join(build) + "\n")


def write_to_validate(directory: Path, count: int) -> None:
    """Agents with a template each, at most 20 distinct ones, a timeout, and two edges each."""
    lines = ["inputs: {topic: {type: string, default: rates}}", "agents:"]
    for number in range(count):
        needs = sorted({number // 2, number // 3}) if number else []
        after = f", depends_on: [{', '.join(f'a{need}' for need in needs)}]" if needs else ""
        lines.append(f"  a{number}: {{command: [echo, '{{{{ inputs.topic }}}} {number % 20}']{after}, timeout: 9m}}")
    (directory / "team.yaml").write_text("\n".join(lines) + "\n")
