"""The address of a server of models, as a team file names it (`base_url`): what it may be, and its root.

Decides by the text alone; refuses to know what the server speaks, and whether it is there.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from teamflow.core.named import NamedTuple

EXAMPLE: Final = "http://127.0.0.1:11434"
_LONGEST: Final = 500
_VENDORS: Final = "claude-"


class Trouble(NamedTuple):
    """What is wrong with an address, as the end of a sentence that begins with it, and what to do."""

    message: str
    hint: str


def trouble(url: str) -> Trouble | None:
    """None: it is one that agents can be given."""
    write = f"Write the root of a server, like {EXAMPLE}."
    if "{" in url or "}" in url:
        return Trouble(
            "is a template, and base_url is none", f"{write} `--set agents.NAME.base_url=…` changes that of an agent."
        )
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > _LONGEST:
        return Trouble("is no URL", write)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port may be no number
    except ValueError:
        return Trouble("is no URL", write)
    if parts.scheme not in ("http", "https") or not host:
        return Trouble("is no URL with http or https", write)
    if "@" in parts.netloc:
        hint = "Give a key by secrets or env, under the name that the engine's CLI reads."
        return Trouble("holds credentials, which everybody who reads the plan would see", hint)
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return Trouble("has more behind its path", write)
    return None


def root(url: str) -> str:
    """Without a last `/` and without `/v1`, which some CLIs add themselves and others want to be told."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def priced(base_url: str, model: str | None) -> bool:
    """Whether what a CLI knows of prices is true of this model: a name of its vendor's, behind a gateway, may cost what
    the vendor takes; one of the user's own has no price that a list could know."""
    return not base_url or (model or "").startswith(_VENDORS)
