"""Pages that are partly made from the code are in step with it, and links between pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.generated import PARTS, ROOT, between

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("name", PARTS)
def test_generated_parts_are_in_step(name: str) -> None:
    page, make = PARTS[name]
    text = (ROOT / page).read_text(encoding="utf-8")
    start, end = between(text, name)
    assert text[start:end] == make(), f"{page} is out of step: python -m tests.docs.generated"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(aim), f"{page.name}: {target}: {sorted(anchors(aim))}"


def test_every_decision_is_complete() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}: "), path.name
        for part in ("**Context.**", "**Choice.**", "**Refused.**", "**Revisit**"):
            assert part in text, f"{path.name}: {part}"


def test_decisions_that_the_code_names_exist() -> None:
    known = {path.name[:4] for path in (ROOT / "docs/decisions").glob("*.md")}
    for path in (ROOT / "teamflow").rglob("*.py"):
        for number in re.findall(r"docs/decisions/(\d{4})", path.read_text(encoding="utf-8")):
            assert number in known, f"{path}: {number}"


def test_the_screen_in_the_readme_is_the_captured_one() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start, end = between(readme, "run")
    shown = readme[start:end].removeprefix("```text\n").removesuffix("\n```")
    assert shown in (ROOT / "docs/img/run.txt").read_text(encoding="utf-8")
