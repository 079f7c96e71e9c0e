"""Pure packages touch nothing: no files, environment, clocks, output. And rules of style that a reader can check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.arch.allowed import BROAD_EXCEPT, IMPURE
from tests.arch.source import PURE, ROOT, Module, imports, modules, nodes

BUILT_IN = {"open", "input", "print", "exec", "eval", "compile", "breakpoint"}
OF_OS = {"path", "PathLike", "fspath"}
"""What pure code may use of `os`; and of `os.path` only what asks no disk."""
ON_DISK = {
    "exists",
    "isfile",
    "isdir",
    "islink",
    "lexists",
    "getsize",
    "getmtime",
    "realpath",
    "samefile",
    "expanduser",
}
OF_SYS = {"executable", "maxsize", "intern", "version_info", "stdlib_module_names"}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
NEVER = {"pathlib", "io", "tempfile", "glob", "threading", "multiprocessing", "logging", "ctypes", "platform", "uuid"}


def pure() -> list[Module]:
    return [module for module in modules() if module.part in PURE and module.path not in IMPURE]


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, what) of everything that asks or changes the world."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BUILT_IN:
            yield node.lineno, f"{node.func.id}()"
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if (
                (owner == "os" and node.attr not in OF_OS)
                or (owner == "os.path" and node.attr in ON_DISK)
                or (owner == "sys" and node.attr not in OF_SYS)
                or (owner.rpartition(".")[2], node.attr) in CLOCKS
            ):
                yield node.lineno, f"{owner}.{node.attr}"


@pytest.mark.parametrize("part", PURE)
def test_pure_packages_touch_nothing(part: str) -> None:
    wrong = [f"{m.path}:{line} {what}" for m in pure() if m.part == part for line, what in faults(m.tree)]
    wrong += [f"{m.path}:{line} {name}" for m in pure() if m.part == part for name, line in imports(m) if banned(name)]
    assert not wrong, "\n".join(wrong)


def banned(name: str) -> bool:
    return name.split(".")[0] in NEVER or name in ("os.environ", "os.getenv", "os.open")


def test_a_fault_is_seen() -> None:
    text = "import os\nx = open('y')\nz = os.environ['A']\nt = datetime.datetime.now()\np = os.path.exists('q')\n"
    assert [line for line, _ in sorted(faults(ast.parse(text)))] == [2, 3, 4, 5]


def test_everything_is_caught_at_the_boundaries_only() -> None:
    wrong = []
    for module in modules():
        for node in nodes(module.tree):
            if isinstance(node, ast.ExceptHandler) and module.path not in BROAD_EXCEPT and not raises_again(node):
                caught = {ast.unparse(each) for each in ast.walk(node.type)} if node.type else {"BaseException"}
                if caught & {"Exception", "BaseException"}:
                    wrong.append(f"{module.path}:{node.lineno}")
    assert not wrong, wrong


def raises_again(handler: ast.ExceptHandler) -> bool:
    """Whether it only cleans up on the way of an exception."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_importing_does_nothing() -> None:
    """At the top of a module stand definitions, constants and imports; no call is made for its effect."""
    wrong = []
    for module in modules():
        for node in module.tree.body:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if isinstance(node, (ast.For, ast.While, ast.With)) or (isinstance(node, ast.Expr) and not is_text):
                wrong.append(f"{module.path}:{node.lineno}")
    assert not wrong, wrong


def test_every_module_says_what_it_is() -> None:
    empty = {module.path for module in modules() if not module.text.strip()}
    assert not [m.path for m in modules() if ast.get_docstring(m.tree) is None and m.path not in empty]


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplemented(Error)?)\b")
    wrong = [f"{m.path}:{n}" for m in modules() for n, line in enumerate(m.text.split("\n"), 1) if words.search(line)]
    assert not wrong, wrong


def test_names_say_what_things_are() -> None:
    vague = re.compile(r"(Manager|Helper|Helpers|Util|Utils|Info|Handler)$")
    wrong = [
        f"{module.path}:{node.lineno} {node.name}"
        for module in modules()
        for node in nodes(module.tree)
        if isinstance(node, ast.ClassDef) and vague.search(node.name)
    ]
    wrong += [
        module.path for module in modules() if re.search(r"(util|helper|manager|common|misc)s?\.py$", module.path)
    ]
    assert not wrong, wrong


def test_the_glossary_is_in_order_and_has_the_words_of_the_house() -> None:
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"(?m)^\| \*\*([^*]+)\*\*", text)
    assert words == sorted(words)
    house = "team agent step attempt phase run record outcome target workspace keeper engine persona"
    assert set(house.split()) <= set(words)
    parts = {"plan", "policy", "port", "view", "project", "diagnostic", "event", "journal", "runner"}
    assert parts <= set(words)
