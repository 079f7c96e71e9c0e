"""The package's own sources, parsed once: what the tests of the architecture look at."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "teamflow"
PURE = ("core", "servers", "team", "plan", "policy", "engines", "views")


class Module(NamedTuple):
    """`path` is relative to the repository, `name` dotted."""

    path: str
    name: str
    text: str
    tree: ast.Module

    @property
    def part(self) -> str:
        """The child of the package that it belongs to: `core`, `__main__`; empty for the package itself."""
        return self.name.split(".")[1] if "." in self.name else ""


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(ROOT)
        name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text(encoding="utf-8")
        found.append(Module(str(relative), name, text, ast.parse(text)))
    return tuple(found)


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All that is in a module: walking costs more than reading, and each test would do it anew."""
    return tuple(ast.walk(tree))


@cache
def imports(module: Module) -> tuple[tuple[str, int], ...]:
    """(dotted name, line) of everything that a module imports, anywhere in it; `from a import b` gives `a.b`."""
    return tuple(_imports(module))


def _imports(module: Module) -> Iterator[tuple[str, int]]:
    package = module.name if module.path.endswith("__init__.py") else module.name.rpartition(".")[0]
    for node in nodes(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


@cache
def contracts() -> dict[str, dict[str, list[str]]]:
    """`.importlinter`, section by section: each key as the list of its lines."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return {
        name.rpartition(":")[2]: {
            key: [line.strip() for line in value.splitlines() if line.strip()] for key, value in parser[name].items()
        }
        for name in parser.sections()
    }
