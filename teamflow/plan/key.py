"""Cache keys: what the result of a step depends on, as digests, and which part of it changed.

Decides what counts (`docs/team-file.md`, "Cache"): the rendered definition, the contents of what the step reads,
what its dependencies hand over. Secrets count by name. The step's id counts as well: its process can see it, and
five instances of one flaky test are five pieces of work. Reads no file; the caller brings digests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

from teamflow.core.chain import is_program
from teamflow.core.named import NamedTuple
from teamflow.core.permissions import NO_MEANS
from teamflow.core.plan import Deferred, EngineDefinition, Json, Step, Text

KEY_VERSION: Final = 2
"""Part of every key: raised when a release changes what counts, so that old entries are never found."""

_VERSION: Final = str(KEY_VERSION)
_INHERITED: Final = EngineDefinition._fields.index("inherit_env")


def _engine(name: str, custom: EngineDefinition | None) -> object:
    if custom is None or is_program(custom):
        return name if custom is None else [name, custom[:_INHERITED]]
    return [name, [custom.engine, custom.base_url, custom.env]]


def _engines(step: Step) -> object:
    """Of a chain: whichever of them does the work, the result is one of this definition."""
    return [_engine(step.engine, step.custom), [[_engine(each[0], each[2]), each[1]] for each in step.fallbacks]]


def _permissions(step: Step) -> object:
    """In words, as they are shown; but in lists of files and commands no order counts, nor what is said twice."""
    grants = step.means.grants
    if not grants.edit and not grants.run:
        return step.permissions
    taken_away = any(glob.startswith("!") for glob in grants.edit or ())
    edit = grants.edit if grants.edit is None or taken_away else sorted({*grants.edit})
    run = None if grants.run is None else sorted({*grants.run})
    return [grants.level, edit, run, grants.net, grants.ask]


_ASPECTS: Final[Mapping[str, Callable[[Step], object]]] = {
    "id": lambda step: step.id,
    "kind": lambda step: step.kind,
    "prompt": lambda step: step.prompt,
    "instructions": lambda step: step.instructions,
    "command": lambda step: step.command,
    "script": lambda step: step.script,
    # What a step inherits stands under `env`, whoever asks for it.
    "engine": lambda step: _engines(step) if step.fallbacks else _engine(step.engine, step.custom),
    "model": lambda step: step.model,
    "permissions": lambda step: _permissions(step),
    "env": lambda step: [sorted(step.env), sorted(step.inherit_env)],
    "secrets": lambda step: sorted(step.secrets),
    "workspace": lambda step: [step.workspace, step.workdir],
    "setup": lambda step: step.setup,
    "writes": lambda step: step.writes,
    "verify": lambda step: step.verify,
    "outputs": lambda step: [sorted(step.outputs.files), step.outputs.schemas],
}
"""What makes up a definition. Not in it: timeouts, retry, limits, target, titles, hooks, pull requests."""

_LATER: Final[Mapping[str, Callable[[Step], object]]] = {
    "copy": lambda step: step.tree.copy if step.tree is not None else (),
    "sparse": lambda step: step.tree is not None and step.tree.sparse,
    "diff": lambda step: step.tree.diff if step.tree is not None else None,
    "repo": lambda step: step.tree.repo if step.tree is not None else None,
    "resolves": lambda step: step.resolves,
    "mcp_servers": lambda step: step.means.servers,
    "isolate": lambda step: step.means.isolate,
    "base_url": lambda step: step.means.base_url,
}
"""Likewise, but counted only where it says something, so that all other definitions keep the keys that they have."""


class Upstream(NamedTuple):
    """What one dependency hands over: digests of its outputs, of each artifact, and of its text if it counts."""

    outputs: str
    artifacts: Mapping[str, str] = {}
    text: str | None = None


class KeyParts(NamedTuple):
    """What a key is made of. `reads`: path → digest of contents. `upstream`: step id → what it handed over.

    `aspects` (name → digest) only serve `difference`; they may be left out where nothing will be compared.
    """

    definition: str
    reads: Mapping[str, str] = {}
    upstream: Mapping[str, Upstream] = {}
    aspects: Mapping[str, str] = {}

    def digest(self) -> str:
        """The cache key: 64 hex digits."""
        # Thousands of keys are made before a run with little to do: fields with counts before them, not JSON. No field
        # can hold a NUL, so no two keys are written alike.
        _, reads, upstream, _ = self
        fields = [_VERSION, self.definition, str(len(reads))]
        for item in sorted(reads.items()) if len(reads) > 1 else reads.items():
            fields += item
        for name, (outputs, artifacts, text) in sorted(upstream.items()) if len(upstream) > 1 else upstream.items():
            fields += (name, outputs, "-" if text is None else text, str(len(artifacts)))
            for item in sorted(artifacts.items()) if len(artifacts) > 1 else artifacts.items():
                fields += item
        return hashlib.sha256("\0".join(fields).encode("utf-8", "surrogatepass")).hexdigest()


def is_deferred(step: Step) -> bool:
    """Whether the key cannot be known from the plan: something in it waits for results of dependencies."""
    command = step.command
    return (
        _deferred(step.prompt)
        or (command is not None and any(map(_deferred, command.argv)))
        or any(_deferred(value) for _, value in step.env)
        or any(_deferred(file.path) for file in step.outputs.files)
        or any(map(_deferred, step.writes))
        or any(map(_deferred, step.reads or ()))
        or _deferred(step.workdir)
        or (step.tree is not None and any(map(_deferred, (*step.tree.copy, step.tree.repo))))
    )


def definition_key(step: Step) -> str:
    """Digest of the definition. Of a step with deferred parts, render those first: they count by value."""
    return _digest([KEY_VERSION, *(value(step) for value in _ASPECTS.values()), *_later(step)])


def _later(step: Step) -> list[tuple[str, object]]:
    if step.tree is None and step.means == NO_MEANS:
        return []
    return [(name, said) for name, value in _LATER.items() if (said := value(step))]


def aspects(step: Step) -> dict[str, str]:
    """A digest for each aspect of the definition, so that a later change can be named."""
    found = {name: _digest(value(step)) for name, value in _ASPECTS.items()}
    return {**found, **{name: _digest(said) for name, said in _later(step)}}


def changed_aspects(old: Step, new: Step) -> tuple[str, ...]:
    """The aspects in which two definitions differ."""
    every = {**_ASPECTS, **_LATER}.items()
    return tuple(name for name, value in every if _canonical(value(old)) != _canonical(value(new)))


def value_digest(value: Json) -> str:
    """Digest of outputs or of a text, for `Upstream`."""
    return _digest(value)


def outputs_digest(outputs: Mapping[str, Json]) -> str:
    """Digest of what a step hands over, for `Upstream`; empty for nothing. Texts alone, the usual, need no JSON."""
    if not outputs:
        return ""
    fields = ["texts"]
    for name in sorted(outputs):
        value = outputs[name]
        if not isinstance(value, str) or "\0" in value:
            return value_digest(outputs)
        fields += (name, value)
    return hashlib.sha256("\0".join(fields).encode("utf-8", "surrogatepass")).hexdigest()


NO_DIFFERENCE: Final = "nothing changed"


def difference(old: KeyParts, new: KeyParts) -> str:
    """What changed from `old` to `new`, for people; `nothing changed` when the keys are equal."""
    found = [
        *_definition_changes(old, new),
        *_reads_changes(old.reads, new.reads),
        *_upstream_changes(old.upstream, new.upstream),
    ]
    return "; ".join(found) or NO_DIFFERENCE


def _definition_changes(old: KeyParts, new: KeyParts) -> list[str]:
    if old.definition == new.definition:
        return []
    every = {**new.aspects, **old.aspects} if old.aspects and new.aspects else {}
    names = [name for name in every if old.aspects.get(name) != new.aspects.get(name)]
    return [f"definition changed: {', '.join(names)}" if names else "definition changed"]


def _reads_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    found = [f"{path} changed" for path in sorted(old.keys() & new.keys()) if old[path] != new[path]]
    found += [f"{path} added" for path in sorted(new.keys() - old.keys())]
    found += [f"{path} removed" for path in sorted(old.keys() - new.keys())]
    return [f"reads: {_first(found)}"] if found else []


def _upstream_changes(old: Mapping[str, Upstream], new: Mapping[str, Upstream]) -> list[str]:
    found = [f"now depends on {name}" for name in sorted(new.keys() - old.keys())]
    found += [f"no longer depends on {name}" for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        found += _handed_changes(name, old[name], new[name])
    return [_first(found)] if found else []


def _handed_changes(name: str, old: Upstream, new: Upstream) -> list[str]:
    found = [f"outputs of {name} changed"] if old.outputs != new.outputs else []
    files = sorted(old.artifacts.keys() | new.artifacts.keys())
    found += [
        f"artifact {file} of {name} changed" for file in files if old.artifacts.get(file) != new.artifacts.get(file)
    ]
    return [*found, f"text of {name} changed"] if old.text != new.text else found


def _first(found: list[str]) -> str:
    return found[0] if len(found) == 1 else f"{found[0]} (and {len(found) - 1} more)"


def key_to_json(parts: KeyParts) -> str:
    """The stored form, for `difference` against a later key."""
    return _canonical({"version": KEY_VERSION, **parts._asdict()})


def key_from_json(text: str) -> KeyParts | None:
    """The inverse of `key_to_json`; None for what this version cannot read, which then compares as unknown."""
    try:
        raw = json.loads(text)
    except ValueError:
        return None
    if not isinstance(raw, dict) or raw.get("version") != KEY_VERSION:
        return None
    definition, reads, listed, names = (raw.get(key) for key in KeyParts._fields)
    if not (isinstance(definition, str) and _is_digests(reads) and _is_digests(names) and isinstance(listed, dict)):
        return None
    upstream = {str(step): _upstream(row) for step, row in listed.items()}
    known = {step: row for step, row in upstream.items() if row is not None}
    return KeyParts(definition, reads, known, names) if len(known) == len(upstream) else None


def _upstream(row: object) -> Upstream | None:
    match row:
        case [str(outputs), artifacts, str() | None as text] if _is_digests(artifacts):
            return Upstream(outputs, artifacts, text)
    return None


def _is_digests(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _deferred(value: Text | None) -> bool:
    return isinstance(value, Deferred)


_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
# A Deferred is a list in this form and a text a string, so the two never look the same.


def _digest(value: object) -> str:
    return hashlib.sha256(_canonical(value).encode("ascii")).hexdigest()
