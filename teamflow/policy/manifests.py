"""Which files declare dependencies, and the names that they declare. Reads no file, runs nothing, knows no registry.

Only names count: another version of what was there before is nothing new. Lock files repeat what a manifest says (and
what that pulls in), so where a format's manifests can be read its lock files are not looked at. What a program makes
up while it runs (`setup.py`, a Gemfile with a loop) has no names here: None.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from teamflow.core.named import NamedTuple

LARGEST: Final = 4 << 20
"""Bytes; what is larger is not taken apart."""


class Manifest(NamedTuple):
    """What a file is to its ecosystem. `names` None: its format is not understood. `lock`: it follows from others."""

    ecosystem: str
    names: Callable[[str], frozenset[str] | None] | None = None
    lock: bool = False


def manifest_of(path: str) -> Manifest | None:
    """By its name; None: it declares no dependencies."""
    name = path.rpartition("/")[2]
    found = _BY_NAME.get(name)
    if found is not None:
        return found
    return next((manifest for pattern, manifest in _BY_PATTERN if pattern.fullmatch(path)), None)


def names_in(manifest: Manifest, content: bytes | None) -> frozenset[str] | None:
    """The names that it declares; () where there is no such file, None where it cannot be told."""
    if content is None:
        return frozenset()
    if manifest.names is None or len(content) > LARGEST:
        return None
    try:
        return manifest.names(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, configparser.Error):
        return None


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _below(value: object, *path: str) -> object:
    """What lies at a path of keys; `*` stands for each key."""
    for at, key in enumerate(path):
        if key == "*":
            rest = path[at + 1 :]
            return {name: _below(inner, *rest) for name, inner in _table(value).items()}
        value = _table(value).get(key)
    return value


def _texts(value: object) -> Iterator[str]:
    """All texts in lists and tables below it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)


_NPM_TABLES: Final = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")


def _package_json(text: str) -> frozenset[str]:
    read: object = json.loads(text)
    found: set[str] = set()
    for key in _NPM_TABLES:
        for name, version in _table(_below(read, key)).items():
            found.add(name)
            if isinstance(version, str) and version.startswith("npm:"):  # an alias: the name says nothing
                found.add(version[4:5] + version[5:].partition("@")[0])
    return frozenset(found)


def _composer_json(text: str) -> frozenset[str]:
    read: object = json.loads(text)
    names = (name.lower() for key in ("require", "require-dev") for name in _table(_below(read, key)))
    return frozenset(name for name in names if "/" in name)  # others are PHP itself and its extensions


_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


def _python(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement(text: str) -> str:
    """The name in `name[extra]>=1; marker`; all of it where it is an address."""
    egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", text)
    if egg is not None:
        return _python(egg[1])
    match = _REQUIREMENT.match(text)
    if match is None or re.match(r"\s*(?:[A-Za-z+]+:|[^\s@;]*/)", text):
        return text.strip()
    return _python(match[1])


def _pyproject(text: str) -> frozenset[str]:
    read = tomllib.loads(text)
    listed = (
        _below(read, "project", "dependencies"),
        _below(read, "project", "optional-dependencies"),
        [[item for item in _items(group) if isinstance(item, str)] for group in _groups(read)],
        _below(read, "build-system", "requires"),
        _below(read, "tool", "uv", "dev-dependencies"),
        _below(read, "tool", "pdm", "dev-dependencies"),
        _below(read, "tool", "hatch", "envs", "*", "dependencies"),
    )
    poetry = _below(read, "tool", "poetry")
    tables = (
        _below(poetry, "dependencies"),
        _below(poetry, "dev-dependencies"),
        *_table(_below(poetry, "group", "*", "dependencies")).values(),
    )
    found = {_requirement(item) for item in _texts(list(listed))}
    found |= {_python(name) for table in tables for name in _table(table)}
    return frozenset(found - {"python"})


def _groups(read: object) -> Iterable[object]:
    return _table(_below(read, "dependency-groups")).values()


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _pipfile(text: str) -> frozenset[str]:
    own = {"source", "requires", "scripts", "pipenv"}
    tables = [table for key, table in tomllib.loads(text).items() if key not in own]
    return frozenset(_python(name) for table in tables for name in _table(table))


def _requirements(text: str) -> frozenset[str]:
    found: set[str] = set()
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(?:^|\s)#.*", "", line).strip()
        option = re.match(r"(?:-e|--editable|-r|--requirement)[\s=]*(.+)", line)
        if option is not None:
            found.add(_requirement(option[1]) if line.startswith(("-e", "--e")) else line)
        elif line and not line.startswith("-"):
            found.add(_requirement(line))
    return frozenset(found)


def _setup_cfg(text: str) -> frozenset[str]:
    read = configparser.RawConfigParser(strict=False)
    read.read_string(text)
    values = [
        value
        for section in read.sections()
        for key, value in read.items(section)
        if section == "options.extras_require" or (section == "options" and key.endswith(("_requires", "_require")))
        if key != "python_requires"
    ]
    return _requirements("\n".join(values))


_CARGO_TABLES: Final = ("dependencies", "dev-dependencies", "build-dependencies")


def _cargo(text: str) -> frozenset[str]:
    read = tomllib.loads(text)
    tops: list[object] = [read, _below(read, "workspace"), *_table(_below(read, "target")).values()]
    found: set[str] = set()
    for top in tops:
        for key in _CARGO_TABLES:
            for name, wanted in _table(_below(top, key)).items():
                package = _table(wanted).get("package")
                found.add((package if isinstance(package, str) else name).replace("_", "-"))
    return frozenset(found)


def _go_mod(text: str) -> frozenset[str]:
    found: set[str] = set()
    block = ""
    for line in text.splitlines():
        words = line.partition("//")[0].replace("(", " ( ").replace(")", " ) ").split()
        if block and words[:1] == [")"]:
            block = ""
        elif words[1:2] == ["("]:
            block = words[0]
        elif words:
            verb, *rest = words if not block else [block, *words]
            if verb == "require" and rest:
                found.add(rest[0].strip('"`'))
            if verb == "replace" and "=>" in rest[:-1]:
                found |= {name for name in (rest[rest.index("=>") + 1],) if not name.startswith((".", "/"))}
    return frozenset(found)


_GEM: Final = re.compile(
    r"^\s*(?:\w+\.add_(?:\w+_)?dependency|gem)(?![\w.=])[\s(]*(?:(['\"])([\w./-]+)\1)?", re.MULTILINE
)
_LOOSE_GEM: Final = re.compile(r"\bgem\b|\badd_(?:\w+_)?dependency\b|\beval_gemfile\b|\binstance_eval\b")


def _gems(text: str) -> frozenset[str] | None:
    text = re.sub(r"(?m)^\s*#.*", "", text)
    found = _GEM.findall(text)
    names = frozenset(name for _, name in found)
    spoken = len(_LOOSE_GEM.findall(re.sub(r"(['\"]).*?\1|#.*", "", text)))
    return None if "" in names or spoken != len(found) else names


_MADE_UP: Final = Manifest("python")

_BY_NAME: Final[Mapping[str, Manifest]] = {
    "package.json": Manifest("npm", _package_json),
    "pyproject.toml": Manifest("python", _pyproject),
    "setup.cfg": Manifest("python", _setup_cfg),
    "setup.py": _MADE_UP,
    "Pipfile": Manifest("python", _pipfile),
    "go.mod": Manifest("go", _go_mod),
    "Cargo.toml": Manifest("rust", _cargo),
    "Gemfile": Manifest("ruby", _gems),
    "gems.rb": Manifest("ruby", _gems),
    "composer.json": Manifest("php", _composer_json),
    **dict.fromkeys(("pom.xml", "build.gradle", "build.gradle.kts", "libs.versions.toml"), Manifest("java")),
    **dict.fromkeys(("packages.config", "Directory.Packages.props", "packages.lock.json"), Manifest("dotnet")),
    "gradle.lockfile": Manifest("java"),
    **dict.fromkeys(
        ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"),
        Manifest("npm", lock=True),
    ),
    **dict.fromkeys(("poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock"), Manifest("python", lock=True)),
    "go.sum": Manifest("go", lock=True),
    "Cargo.lock": Manifest("rust", lock=True),
    **dict.fromkeys(("Gemfile.lock", "gems.locked"), Manifest("ruby", lock=True)),
    "composer.lock": Manifest("php", lock=True),
}

_BY_PATTERN: Final = (
    (
        re.compile(r"(?:.*/)?requirements[^/]*\.(?:txt|in)|(?:.*/)?requirements/[^/]*\.(?:txt|in)", re.DOTALL),
        Manifest("python", _requirements),
    ),
    (re.compile(r"(?:.*/)?pylock(?:\.[^/]*)?\.toml", re.DOTALL), Manifest("python", lock=True)),
    (re.compile(r".*\.gemspec", re.DOTALL), Manifest("ruby", _gems)),
    (re.compile(r".*\.(?:cs|fs|vb)proj", re.DOTALL), Manifest("dotnet")),
)
