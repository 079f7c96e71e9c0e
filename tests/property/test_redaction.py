"""Any secret in any encoding, cut anywhere: nothing of it is left; and what is no secret stays as it is."""

from __future__ import annotations

import base64
import json
import random
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from teamflow.core.form import end_of
from teamflow.core.occurrences import Occurrences
from teamflow.core.redact import MARK, Redactor
from teamflow.core.secret_forms import forms

SPECIAL = " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~\t\né€𐀀\udce9"
INNER = st.text(st.sampled_from("abXY09-._" + SPECIAL), min_size=6, max_size=24)
SECRETS = st.builds(
    lambda first, inner, last: first + inner + last, st.sampled_from("Ab9"), INNER, st.sampled_from("Cd8")
)
"""They begin and end with what has one spelling, so that a test knows where they begin and end in a text."""

AROUND = st.text("xyz ,;\n", max_size=12)
DECOYS = {f"decoy{n}": f"decoy-{n:03}-{n * n:06}" for n in range(40)}
"""With so many, words are looked up; with one, its pieces are looked for."""


def _upper_to_lower(text: str) -> str:
    return "".join(f"%{part[:2].lower()}{part[2:]}" if at else part for at, part in enumerate(text.split("%")))


def _mixed(value: str) -> str:
    """Every character as another encoder would have it."""
    chance = random.Random(repr(value))
    ways: list[Callable[[str], str]] = [str, _percent, _json, lambda char: json.dumps(char, ensure_ascii=False)[1:-1]]
    return "".join(chance.choice(ways)(char) for char in value)


def _percent(value: str, safe: str = "") -> str:
    return quote(value, safe=safe, errors="surrogateescape")


def _json(value: str) -> str:
    return json.dumps(value)[1:-1]


ENCODERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "quote": lambda value: _percent(value, "/"),
    "all percent": _percent,
    "lower hex": lambda value: _upper_to_lower(_percent(value)),
    "form": lambda value: quote_plus(value, errors="surrogateescape"),
    "encodeURIComponent": lambda value: _percent(value, "!'()*~"),
    "encodeURI": lambda value: _percent(value, ";,/?:@&=+$#!'()*~"),
    "percent twice": lambda value: _percent(_percent(value)),
    "json": _json,
    "json unicode": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "json slash": lambda value: _json(value).replace("/", "\\/"),
    "json upper": lambda value: "".join(
        char if char.isascii() and char not in SPECIAL else "".join(f"\\u{unit:04X}" for unit in _units(char))
        for char in value
    ),
    "json in json": lambda value: _json(_json(value)),
    "shell quotes": lambda value: shlex.quote("~ " + value)[3:-1],
    "shell backslashes": lambda value: "".join(
        f"\\{char}" if char in SPECIAL and char.isascii() and char.isprintable() else char for char in value
    ),
    "mixed": _mixed,
}


def _units(char: str) -> list[int]:
    raw = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _left(shown: bytes, before: bytes, after: bytes) -> str:
    """What is left of more than stood around; empty: nothing."""
    first, *middle, last = shown.split(MARK.encode())
    fine = before.startswith(first) and after.endswith(last) and not any(middle) and MARK.encode() in shown
    return "" if fine else repr(shown)


def _cut_everywhere(redactor: Redactor, data: bytes) -> bytes:
    whole = redactor.bytes(data)
    for at in range(len(data) + 1):
        stream = redactor.stream()
        assert stream.feed(data[:at]) + stream.feed(data[at:]) + stream.flush() == whole
    stream = redactor.stream()
    assert b"".join(stream.feed(data[at : at + 1]) for at in range(len(data))) + stream.flush() == whole
    return whole


def _check_texts(secret: str, name: str, before: str, after: str, decoys: dict[str, str]) -> None:
    redactor = Redactor({"S": secret, **decoys})
    data = _bytes(before + ENCODERS[name](secret) + after)
    assert not _left(_cut_everywhere(redactor, data), _bytes(before), _bytes(after)), name
    text = before + ENCODERS[name](secret) + after
    assert not _left(_bytes(redactor.text(text)), _bytes(before), _bytes(after)), name


def _check_base64(secret: str, before: bytes, after: bytes, url: bool, way: str, decoys: dict[str, str]) -> None:
    """At most a character at either side is left, which the neighbours of the secret have a part in."""
    raw = _bytes(secret)
    text = (base64.urlsafe_b64encode if url else base64.b64encode)(before + raw + after).decode()
    first = text[: -(-8 * len(before) // 6)]
    last = text[8 * (len(before) + len(raw)) // 6 :]
    encode = ENCODERS[way]
    shown = _cut_everywhere(Redactor({"S": secret, **decoys}), _bytes(encode(text)))
    assert not _left(shown, _bytes(encode(first)), _bytes(encode(last)))


TEXT_CASES = {
    "secret": SECRETS,
    "name": st.sampled_from(sorted(ENCODERS)),
    "before": AROUND,
    "after": AROUND,
    "decoys": st.sampled_from([{}, DECOYS]),
}
BASE64_CASES = {
    "secret": SECRETS,
    "before": st.binary(max_size=8),
    "after": st.binary(max_size=8),
    "url": st.booleans(),
    "way": st.sampled_from(["as it is", "all percent", "lower hex", "json slash", "json upper"]),
    "decoys": st.sampled_from([{}, DECOYS]),
}


@settings(max_examples=25, deadline=None)
@given(**TEXT_CASES)
def test_nothing_of_a_secret_is_left(secret: str, name: str, before: str, after: str, decoys: dict[str, str]) -> None:
    _check_texts(secret, name, before, after, decoys)


@settings(max_examples=20, deadline=None)
@given(**BASE64_CASES)
def test_nothing_of_a_secret_is_left_in_base64(
    secret: str, before: bytes, after: bytes, url: bool, way: str, decoys: dict[str, str]
) -> None:
    _check_base64(secret, before, after, url, way, decoys)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(**TEXT_CASES)
def test_nothing_of_very_many_secrets_is_left(
    secret: str, name: str, before: str, after: str, decoys: dict[str, str]
) -> None:
    _check_texts(secret, name, before, after, decoys)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(**BASE64_CASES)
def test_nothing_of_very_many_secrets_is_left_in_base64(
    secret: str, before: bytes, after: bytes, url: bool, way: str, decoys: dict[str, str]
) -> None:
    _check_base64(secret, before, after, url, way, decoys)


@settings(max_examples=30, deadline=None)
@given(
    secrets=st.lists(st.text("aA%2/5\\", min_size=8, max_size=12), min_size=1, max_size=3),
    data=st.lists(st.sampled_from([b"a", b"%", b"2", b"5", b"F", b"\\", b"/", b"\\/", b"%2F"]), max_size=60),
    many=st.booleans(),
)
def test_what_is_found_is_what_comparing_at_every_place_finds(
    secrets: list[str], data: list[bytes], many: bool
) -> None:
    """Secrets of which one spelling of a character is the beginning of another, and that overlap themselves."""
    wanted = {form for value in secrets for form in forms(value)}
    text = b"".join(data) + _bytes(secrets[0]) + b"".join(data[::2])
    slow: set[int] = set()
    for at in range(len(text)):
        slow.update(*(range(at, end_of(text, at, form)[0]) for form in wanted))
    search = Occurrences(wanted | {form for value in DECOYS.values() for form in forms(value)} if many else wanted)
    assert {at for start, end in search.find(text) for at in range(start, end)} == slow


@settings(max_examples=30, deadline=None)
@given(secret=st.binary(min_size=8, max_size=20).map(bytes.hex), data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_what_holds_no_secret_stays_as_it_is(secret: str, data: bytes, cut: int) -> None:
    redactor = Redactor({"S": secret, **DECOYS})
    near = _bytes(secret[:-1] + "x" + secret[:-1])
    for clean in (data, near, data + b"\n" + near + b"\n" + data):
        assume(secret.encode() not in clean)
        assert redactor.bytes(clean) is clean
        stream = redactor.stream()
        assert stream.feed(clean[:cut]) + stream.feed(clean[cut:]) + stream.flush() == clean
