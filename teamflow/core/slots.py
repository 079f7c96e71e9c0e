"""What a leased slot gives a workspace: a block of ports, and names for a database and a compose project. Pure.

Slots are numbered from 0 over all workspaces of a machine; `store/slots.py` leases them. Refuses to know who has which.

The ports lie from 20000 to 29999. Linux takes the local ports of outgoing connections from 32768 to 60999
(`net.ipv4.ip_local_port_range`), macOS and Windows from 49152 on, so a block above would be taken now and then by
somebody's connection; 30000 to 32767 are Kubernetes' node ports; below 20000 are most ports that programs have by
default (3000, 5432, 8080, 9090, 11434).
"""

from __future__ import annotations

import re
from typing import Final

BASE: Final = 20000
WIDTH: Final = 10
"""Ports per slot."""
COUNT: Final = 1000

_LONGEST_DATABASE: Final = 63
"""Bytes of an identifier in PostgreSQL; 64 in MySQL."""
_LONGEST_PART: Final = 18
"""Of a compose project's name, which has to leave room for a service in a host name of 63 characters."""


def ports(slot: int) -> range:
    """The ports of a slot from 0 to COUNT - 1."""
    if not 0 <= slot < COUNT:
        raise ValueError(f"there is no slot {slot}")
    return range(BASE + WIDTH * slot, BASE + WIDTH * (slot + 1))


def variables(slot: int, *, project_name: str, number: int, step: str) -> dict[str, str]:
    """What a step in a workspace with this slot has in its environment. `number`: of the run.

    Names end in the slot, so no two workspaces that are there at once have the same. A database's name is the same for
    the next workspace that has the slot: what makes it ready should empty it first.
    """
    found = {f"TEAMFLOW_PORT_{at}": str(port) for at, port in enumerate(ports(slot))}
    found["TEAMFLOW_SLOT"] = str(slot)
    found["TEAMFLOW_DATABASE"] = database_name(slot, project_name=project_name)
    found["COMPOSE_PROJECT_NAME"] = compose_name(slot, project_name=project_name, number=number, step=step)
    return found


def database_name(slot: int, *, project_name: str) -> str:
    """Letters, digits and _, begins with a letter: needs no quotes in PostgreSQL, MySQL and SQL Server."""
    words = ["teamflow", _plain(project_name, "_"), str(slot)]
    words[1] = words[1][: _LONGEST_DATABASE - len("teamflow__") - len(words[2])].rstrip("_")
    return "_".join(filter(None, words))


def compose_name(slot: int, *, project_name: str, number: int, step: str) -> str:
    """Letters, digits and -, begins with a letter or digit, as docker compose wants it."""
    parts = [_plain(text, "-")[:_LONGEST_PART].rstrip("-") for text in (project_name, str(number), step)]
    return "-".join(filter(None, (parts[0] or "teamflow", *parts[1:], str(slot))))


def _plain(text: str, between: str) -> str:
    return re.sub(r"[^a-z0-9]+", between, text.lower()).strip(between)
