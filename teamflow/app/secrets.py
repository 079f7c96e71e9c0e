"""Values of secrets and env files: read once at the start of a session, kept for redaction beside the raw logs.

The values lie in `secrets.json` (0600) in the run's directory, so that another terminal can redact what it reads from
the raw logs, which hold the same values (docs/decisions/0005).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from teamflow.app.brought import Brought
from teamflow.app.compile import Compiled
from teamflow.app.files import ProjectFiles
from teamflow.core.form import SHORTEST
from teamflow.core.named import NamedTuple
from teamflow.core.plan import Plan
from teamflow.run.environment import secret_values
from teamflow.store.errors import StoreError
from teamflow.store.place import sync

if TYPE_CHECKING:
    from teamflow.team.loaded import LoadedTeam

FILE = "secrets.json"


class Secrets(NamedTuple):
    """`values` by secret name, `env_files` by variable; `problems` name secrets that a step asks for and lacks."""

    values: Mapping[str, str]
    env_files: Mapping[str, str]
    problems: tuple[str, ...]

    @property
    def doubtful(self) -> bool:
        """Whether a value is missing, or too short to be redacted."""
        return bool(self.problems) or any(len(value) < SHORTEST for value in self.values.values())

    def write(self, run_dir: str) -> Mapping[str, str]:
        """For other terminals; gives everything that is to be hidden in this run.

        What an earlier session knew is kept, also where a secret has another value now: its logs are still there.
        On the disk when this returns: a power cut must not leave logs of what runs next without it. OSError.
        """
        known = _together(read_secrets(run_dir), self.env_files, self.values)
        if known:  # also where the file says so already: whoever wrote it may have died before it was safe
            temporary = f"{run_dir}/{FILE}.new"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(known, file)
            sync(temporary)
            os.replace(temporary, f"{run_dir}/{FILE}")
            sync(run_dir)
        return known


NO_SECRETS: Final = Secrets({}, {}, ())


def _together(*maps: Mapping[str, str]) -> dict[str, str]:
    """All values; where a name has several, under `name#2` and so on."""
    out: dict[str, str] = {}
    for values in maps:
        for name, value in values.items():
            key, number = name, 1
            while out.get(key, value) != value:
                number += 1
                key = f"{name}#{number}"
            out[key] = value
    return out


def secrets_stamp(run_dir: str) -> tuple[int, int] | None:
    """Another one whenever there are other values; None: nothing was secret."""
    try:
        found = os.stat(f"{run_dir}/{FILE}")
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns)


def read_secrets(run_dir: str) -> dict[str, str]:
    """Name → value of what must not be shown of this run; empty where nothing was secret.

    StoreError (corrupt): without the values nothing could be redacted, so nothing may be shown.
    """
    try:
        with open(f"{run_dir}/{FILE}", encoding="utf-8", errors="surrogateescape") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StoreError(
            "corrupt",
            place=f"{run_dir}/{FILE}",
            fact="the values that must be redacted in this run's logs cannot be read",
            remedy="remove the file to see the logs as they are, secrets included",
        ) from error
    return {str(name): str(value) for name, value in found.items()}


def gather_secrets(plan: Plan, *, root: str, environ: Mapping[str, str]) -> Secrets:
    """The values that this plan's steps ask for, and those of its env files."""

    read = _reader(root)
    asked = {name for step in plan.steps if step.skip is None for name in step.secrets}
    values, problems = secret_values(plan.secrets, environ, read)
    told = tuple(f"{problems[name]} (asked for by {_asker(plan, name)})" for name in sorted(asked & problems.keys()))
    return Secrets({name: values[name] for name in asked & values.keys()}, _env_files(plan, read), told)


def declared_secrets(loaded: LoadedTeam, *, root: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of all secrets that a team declares, asked for or not, as far as there are any: never to be shown."""
    from teamflow.plan.assemble import secret_sources

    values, _ = secret_values(secret_sources(loaded.team), environ, _reader(root))
    return _together(loaded.env_file_values, values)


def explain_secrets(plan: Plan, *, root: str, environ: Mapping[str, str]) -> Compiled:
    """What is wrong with the secrets that are asked for, with their places in the team file, which is read again."""
    from teamflow.core.diagnostics import Diagnostics
    from teamflow.team.check_secrets import check_secrets
    from teamflow.team.load import load

    loaded = load(plan.file, sources=(files := ProjectFiles(root)), anywhere=files.anywhere, others=Brought())
    found = Diagnostics()
    if loaded.team is not None:
        agents = dict.fromkeys(step.agent for step in plan.steps if step.skip is None)
        check_secrets(loaded.team, agents, environ=environ, read_secret=_reader(root), found=found)
    return Compiled(None, found, loaded.sources, loaded.team)


def _reader(root: str) -> Callable[[str], str]:
    def read(path: str) -> str:
        place = os.path.join(root, os.path.expanduser(path))
        with open(place, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    return read


def _asker(plan: Plan, name: str) -> str:
    return next(step.id for step in plan.steps if name in step.secrets)


def _env_files(plan: Plan, read: Callable[[str], str]) -> dict[str, str]:
    if not plan.env_files:
        return {}
    from teamflow.core.diagnostics import Diagnostics
    from teamflow.team.env_file import parse_env_file

    values: dict[str, str] = {}
    for path in plan.env_files:
        values.update(parse_env_file(read(path), file=path, found=Diagnostics()))
    return values
