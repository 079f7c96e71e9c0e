"""`core/named` needs annotations that are texts."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "teamflow"


def test_annotations_are_texts_wherever_it_is_used() -> None:
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    users = [path for path, text in texts.items() if "import NamedTuple" in text and "core.named" in text]
    assert len(users) > 80
    assert [path for path in users if "from __future__ import annotations\n" not in texts[path]] == []
