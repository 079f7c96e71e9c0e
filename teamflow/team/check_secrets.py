"""Whether the secrets that steps ask for are set, in an environment that is an argument.

Called when something is to run, not when a file is only validated: a team file is right on machines without secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from teamflow.core.diagnostics import Diagnostics
from teamflow.core.form import SHORTEST
from teamflow.team.loaded import LoadedTeam


def check_secrets(
    loaded: LoadedTeam,
    agents: Iterable[str],
    *,
    environ: Mapping[str, str],
    read_secret: Callable[[str], str],
    found: Diagnostics,
) -> None:
    """Complains about every secret that one of `agents` asks for and that has no value.

    `read_secret` gets the path as the file has it (`~` unexpanded) and raises OSError.
    """
    declared = loaded.team.secrets or {}
    asked: dict[str, str] = {}
    for agent in agents:
        for name in loaded.resolved[agent].secrets if agent in loaded.resolved else ():
            asked.setdefault(name, agent)
    for name, agent in asked.items():
        source = declared.get(name)
        if source is None:
            continue
        if source.env is not None:
            value, where = environ.get(source.env), f"${source.env} is not set"
        else:
            value, where = _read(source.file or "", read_secret)
        span = loaded.key_span("secrets", name)
        if not value:
            hint = f"Export {source.env}." if source.env else f"Write it to {source.file}."
            found.error("secret-not-set", f'"{agent}" asks for the secret "{name}", but {where}', span, hint=hint)
        elif len(value) < SHORTEST:
            message = f'the secret "{name}" is shorter than {SHORTEST} characters and is not redacted'
            found.warn("short-secret", message, span, hint="Use a longer one.")


def _read(path: str, read_secret: Callable[[str], str]) -> tuple[str | None, str]:
    try:
        return read_secret(path).removesuffix("\n"), f"{path} is empty"
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it cannot be read"
        return None, f"{path}: {reason}"
