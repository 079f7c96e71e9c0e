"""What a fixture must not hold is gone from it, however it is spelled, and what was told stays at its place."""

from __future__ import annotations

import itertools

import pytest

from teamflow.app.recording import own_ids
from teamflow.app.scrub import Scrub
from teamflow.core.invocation import Brief, Invocation
from teamflow.core.redact import Redactor
from teamflow.core.takes import Told
from teamflow.engines.registry import engine

SECRET = "a-secret-of-many-letters"
SCRUB = Scrub(
    Redactor({"S": SECRET}), project="/srv/mallory/pro.ject", home="/srv/mallory", user="mallory", host="keller"
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/srv/mallory/pro.ject/a", "/home/user/project/a"),
        ("/srv/mallory/.x", "/home/user/.x"),
        ('{"p":"\\/srv\\/mallory\\/pro.ject"}', '{"p":"\\/home\\/user\\/project"}'),
        ("-srv-mallory-pro-ject/s.jsonl", "-home-user-project/s.jsonl"),
        ("%2Fsrv%2Fmallory%2Fpro.ject", "%2Fhome%2Fuser%2Fproject"),
        ("mallory@keller, mallory's, mallorys", "user@host, user's, mallorys"),
        (f"x{SECRET}y", "x***y"),
        ("\udcff\u20ac", "\udcff\u20ac"),
    ],
)
def test_words(text: str, clean: str) -> None:
    assert SCRUB.text(text) == clean


def test_names_that_are_words_stay() -> None:
    plain = Scrub(Redactor({}), project="/", home="/root", user="root", host="vm")
    assert plain.text("the root of /root on vm") == "the root of /home/user on vm"


def test_inputs_keep_their_place_wherever_they_were() -> None:
    lines = [b"/srv/mallory is long\n", f"{SECRET} {SECRET}\n".encode(), b"mallory\n", b"the end"]
    data = b"".join(lines)
    ends = [0, *itertools.accumulate(map(len, lines))]
    clean, _ = SCRUB.stream(data, ())
    for offset in range(len(data) + 1):
        told = SCRUB.stream(data, (Told(offset, "mallory"),))[1][0]
        lines_before = next(number for number, end in enumerate(ends) if end >= offset)
        assert told.data == "user"
        if told.offset < len(clean):
            assert clean[: told.offset].count(b"\n") == lines_before, offset
        else:
            assert lines_before == len(lines)


def test_ids_that_an_engine_makes_of_what_it_is_told_are_found() -> None:
    """Claude Code echoes them: a fixture in which it was told something else has to name those of that."""
    brief = Brief("s", 1, "first", "/srv/mallory/pro.ject", prompt="go", stem="/srv/mallory/pro.ject/.teamflow/s.1")
    clean = brief._replace(cwd=SCRUB.text(brief.cwd), stem=SCRUB.text(brief.stem))
    told = [engine("claude").invoke(each) for each in (brief, clean)]
    before, after = (one.stdin or "" for one in told if isinstance(one, Invocation))
    ids = dict(own_ids(before, after))
    assert len(ids) == 1
    ((old, new),) = ids.items()
    assert old in before
    assert new in after
    scrub = Scrub(Redactor({}), project="/p", home="/h", user="", host="", words=ids)
    assert scrub.text(f'{{"uuid":"{old}"}}') == f'{{"uuid":"{new}"}}'
    assert list(own_ids("{", "{")) == list(own_ids("", "")) == list(own_ids("3", "[]")) == []
