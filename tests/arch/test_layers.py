"""`.importlinter`, enforced once more by reading the imports: plain pytest notices what lint-imports would."""

from __future__ import annotations

import sys

import pytest

from tests.arch.source import Module, contracts, imports, modules

LAYERS = [[part.strip() for part in row.split("|")] for row in contracts()["layers"]["layers"]]
DEPTH = {part: depth for depth, row in enumerate(LAYERS) for part in row}
FORBIDDEN = [name for name, contract in contracts().items() if contract.get("type") == ["forbidden"]]


def inner(name: str) -> str | None:
    """The part of the package that a dotted name lies in; None: it is not ours, or the package itself."""
    parts = name.split(".")
    return parts[1] if parts[0] == "teamflow" and len(parts) > 1 and parts[1] in DEPTH else None


def test_every_part_has_a_layer() -> None:
    assert {module.part for module in modules()} - {""} == set(DEPTH)


def test_upper_layers_import_lower_ones_only() -> None:
    wrong = []
    for module in modules():
        for name, line in imports(module):
            part = inner(name)
            if part is None or not module.part or part == module.part:
                continue
            if DEPTH[part] <= DEPTH[module.part]:
                wrong.append(f"{module.path}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_imports(name: str) -> None:
    contract = contracts()[name]
    ignored = {line.partition(" -> ")[0] for line in contract.get("ignore_imports", [])}
    wrong = [
        f"{module.path}:{line} imports {imported}"
        for module in modules()
        if within(module.name, contract["source_modules"]) and module.name not in ignored
        for imported, line in imports(module)
        if within(imported, contract["forbidden_modules"])
    ]
    assert not wrong, "\n".join(wrong)


def within(name: str, parents: list[str]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


def test_the_keeper_needs_nothing_but_the_standard_library() -> None:
    keeper = [module for module in modules() if module.part == "keeper"]
    assert keeper
    wrong = []
    for module in keeper:
        for name, line in imports(module):
            own = within(name, ["teamflow.keeper", "keeper"])  # `keeper`: started as a directory or a zip file
            if name.split(".")[0] not in sys.stdlib_module_names and not own:
                wrong.append(f"{module.path}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_the_tests() -> None:
    assert not [
        f"{module.path}:{line}" for module in modules() for name, line in imports(module) if within(name, ["tests"])
    ]


def test_this_reading_sees_what_it_should() -> None:
    """The reader itself: absolute, relative and late imports."""
    import ast

    text = "import a.b\nfrom . import c\nfrom ..team.model import Team\ndef f():\n    from x import y\n"
    module = Module("teamflow/plan/p.py", "teamflow.plan.p", text, ast.parse(text))
    assert [name for name, _ in imports(module)] == ["a.b", "teamflow.plan.c", "teamflow.team.model.Team", "x.y"]
