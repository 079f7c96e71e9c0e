"""Environments by name, and what a phase gets of them. Knows no process."""

from . import names, spawn, wire
from .job import raw

MYPY = False
if MYPY:
    from typing import Any

    from .job import Request


class Environments:
    """Those that the owner has named. run: the name of the run, for the mark by which processes are known."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._named: "dict[str, dict[bytes, bytes]]" = {}

    def name(self, name: str, variables: "Any") -> None:
        """Names an environment; Malformed."""
        try:
            self._named[name] = {raw(key): raw(value) for key, value in variables.items()}
        except (AttributeError, TypeError, ValueError):
            raise wire.Malformed("vars is not an object of strings") from None

    def of(self, request: "Request") -> "dict[bytes, bytes]":
        """What its process gets; Cannot."""
        if request.env is None:
            env: "dict[bytes, bytes]" = {}
        elif request.env in self._named:
            env = self._named[request.env].copy()
        else:
            raise spawn.Cannot(0, "no environment is named %r" % request.env)
        try:
            for name, value in request.add.items():
                if value is None:
                    env.pop(raw(name), None)
                else:
                    env[raw(name)] = raw(value)
            env[b"TEAMFLOW_ATTEMPT_ID"] = raw(names.marker(self._run, request.step, request.attempt))
        except (AttributeError, TypeError, ValueError):
            raise spawn.Cannot(0, "env_add is not an object of strings") from None
        return env
