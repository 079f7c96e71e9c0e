"""Paths into JSON: what they lead to, and what is no path."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.json_path import find, parse_path
from teamflow.core.plan import Json

CHAT: Json = {
    "result": {"text": "done", "none": None, "a.b": 1},
    "messages": [
        {"role": "user", "content": "do"},
        {"role": "assistant", "content": [{"type": "think", "text": "hm"}, {"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "bye"}], "final": True, "n": 3},
        {"role": "tool", "content": "x"},
        "no object",
    ],
    "item": {"type": "message", "meta": {"kind": "last"}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("result.text", "done"),
        ('result["a.b"]', 1),
        ("result.none", None),
        ("result.missing.deeper", None),
        ("result.text.deeper", None),
        ("messages[0].content", "do"),
        ("messages[-1]", "no object"),
        ("messages[-2].role", "tool"),
        ("messages[5]", None),
        ("messages[-6]", None),
        ("result[0]", None),
        ("messages[role=assistant].content[0].text", "bye"),
        ("messages[role=assistant].content[type=think].text", None),
        ("messages[1].content[type=think].text", "hm"),
        ("messages[final=true].n", 3),
        ("messages[n=3].role", "assistant"),
        ("messages[role=nobody]", None),
        ("[item.type=message].item.meta.kind", "last"),
        ("[item.meta.kind=first].item", None),
        ("item[meta.kind=last].type", "message"),
        ("result[none=null]", None),
    ],
)
def test_what_stands_there(path: str, value: Json) -> None:
    assert find(parse_path(path), CHAT) == value


@pytest.mark.parametrize(
    "text",
    ["", ".a", "a.", "a..b", "a b", "a[", "a[x", "a[1", "a[]", "a.[0]", "[0]a", "a=b", "a[=x]", "a[x=]", 'a[""]'],
)
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match=r"it (is empty|cannot be read)"):
        parse_path(text)


@settings(deadline=None)
@given(st.text(alphabet='ab.[]"=-0 1x\n', max_size=20), st.sampled_from([CHAT, [], {}, [CHAT, 1], "a", None]))
def test_any_text_is_a_path_or_none_and_leads_somewhere_or_nowhere(text: str, value: Json) -> None:
    try:
        path = parse_path(text)
    except ValueError:
        return
    find(path, value)
