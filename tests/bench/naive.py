"""What `validate` is measured against: one script that imports every runtime dependency of teamflow, reads the file
with `yaml.safe_load`, validates it with pydantic and builds the graph with networkx.

    python naive.py team.yaml
"""

import sys
from typing import Any

import click  # noqa: F401
import jinja2  # noqa: F401
import jsonschema  # noqa: F401
import networkx
import pydantic
import rich.console
import rich.live
import rich.table
import yaml


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class Agent(Strict):
    command: str | list[str]
    depends_on: list[str] = []
    timeout: str | None = None


class Team(Strict):
    inputs: dict[str, Any] = {}
    agents: dict[str, Agent]


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        team = Team.model_validate(yaml.safe_load(file))
    graph = networkx.DiGraph()
    graph.add_nodes_from(team.agents)
    graph.add_edges_from((need, name) for name, agent in team.agents.items() for need in agent.depends_on)
    order = list(networkx.topological_sort(graph))
    rich.console.Console(stderr=True).print(f"{len(order)} agents, valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
