"""Secrets by value: found in every form, in any pieces, and never garbling what is none."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.redact import MARK, Redactor
from tests.fakes.yardstick import measured

TOKEN = "s3cr3t/tok+en=="


def one(value: str = TOKEN) -> Redactor:
    return Redactor({"TOKEN": value})


def test_values_go_and_the_rest_stays() -> None:
    redactor = Redactor({"A": "hunter2hunter2", "B": "correct horse"})
    assert redactor.text("x hunter2hunter2, correct horse.") == "x ***, ***."
    assert redactor.bytes(b"\xffhunter2hunter2\0") == b"\xff***\0"


@pytest.mark.parametrize("value", ["", "1234567", "  short \n"])
def test_short_values_are_left_alone_and_named(value: str) -> None:
    redactor = Redactor({"A": value, "B": "long enough"})
    assert redactor.too_short == (("A",) if value else ())
    text = f"{value} stays"
    assert redactor.text(text) is text


def test_without_secrets_everything_comes_back_as_it_is() -> None:
    redactor = Redactor({})
    text, data = "x" * 1000, b"x" * 1000
    value: dict[str, object] = {"a": [1]}
    assert redactor.text(text) is text
    assert redactor.bytes(data) is data
    assert redactor.json(value) is value  # type: ignore[arg-type, comparison-overlap]
    stream = redactor.stream()
    assert stream.feed(data) is data
    assert stream.flush() == b""


def test_overlapping_values_are_covered_together() -> None:
    redactor = Redactor({"A": "abcdefghij", "B": "fghijklmno", "C": "abcdefgh"})
    assert redactor.text("-abcdefghijklmno-") == "-***-"
    assert redactor.text("-abcdefgh-abcdefghij-") == "-***-***-"
    assert redactor.text("abcdefghabcdefgh") == "******"
    assert one("aaaaaaaa").text("b" + "a" * 20 + "b") == "b***b"


@pytest.mark.parametrize(
    "written",
    [
        json.dumps({"k": 'say "hi"\n' + TOKEN + "é"}),
        json.dumps({"k": 'say "hi"\n' + TOKEN + "é"}, ensure_ascii=False),
        quote('say "hi"\n' + TOKEN + "é", safe=""),
        quote('say "hi"\n' + TOKEN + "é", safe="")
        .replace("%0A", "%0a")
        .replace("%2F", "%2f")
        .replace("%2B", "%2b")
        .replace("%3D", "%3d")
        .replace("%C3%A9", "%c3%a9"),
        quote_plus('say "hi"\n' + TOKEN + "é"),
    ],
)
def test_written_in_json_and_in_urls(written: str) -> None:
    value = 'say "hi"\n' + TOKEN + "é"
    assert MARK in one(value).text(written)
    assert "s3cr3t" not in one(value).text(written).lower()


@given(
    value=st.binary(min_size=12, max_size=40).map(lambda raw: raw.hex()),
    before=st.binary(max_size=8),
    after=st.binary(max_size=8),
    encode=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_within_base64_of_something_longer(value: str, before: bytes, after: bytes, encode: object) -> None:
    assert callable(encode)
    written = encode(before + value.encode() + after).decode()
    shown = one(value).text(written)
    assert MARK in shown
    # At most the characters that the value shares with its neighbours are left of it.
    assert len(shown.replace(MARK, "")) <= (len(before) + len(after)) * 4 / 3 + 10


@given(value=st.text(min_size=8, max_size=30), text=st.text(max_size=30))
def test_any_value_in_any_text(value: str, text: str) -> None:
    redactor = one(value)
    if not redactor.too_short and len(value.strip()) >= 8:
        assert value not in redactor.text(text + value + text)
        assert redactor.bytes(value.encode()) == redactor.text(value).encode()


def test_the_lines_of_a_key_are_found_one_by_one() -> None:
    lines = ["-----BEGIN KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQ", "EFAASCBKcwggSjAgEAAoIBAQC7", "x=="]
    redactor = one("\n".join(lines) + "\n")
    assert redactor.text(f"debug: {lines[2]}\r\n") == "debug: ***\r\n"
    assert redactor.text("x==") == "x=="
    assert redactor.text("\n".join(lines)) == "***"


PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQC7\nx==\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (json.dumps({"key": PEM}), '{"key": "***\\n"}'),
        (json.dumps({"body": json.dumps({"key": PEM})}), '{"body": "{\\"key\\": \\"***\\\\n\\"}"}'),
        (PEM.replace("\n", "\r\n"), "***\r\n"),
        (f"key=$'{json.dumps(PEM)[1:-1]}'", "key=$'***\\n'"),
        (quote(PEM), "***%0A"),
    ],
)
def test_a_key_of_several_lines_in_other_encodings(shown: str, expected: str) -> None:
    assert one(PEM).text(shown) == expected


@pytest.mark.parametrize("plain", [PEM, f"ab {PEM}", f"of it: {PEM.splitlines()[1]}"])
def test_a_key_of_several_lines_within_base64(plain: str) -> None:
    clean = one(PEM).text(base64.b64encode(plain.encode()).decode())
    before, mark, after = clean.partition(MARK)
    assert mark
    assert base64.b64decode(before + "=" * (-len(before) % 4)).decode() in ("", "ab ", "of it: ")
    # One character that the last bits of the secret have a part in, and what stands for the line feed behind it.
    assert len(after.rstrip("=")) <= 2


def test_what_a_pem_begins_and_ends_with_is_no_secret() -> None:
    public = "-----BEGIN CERTIFICATE-----\nAAAA\n"
    assert one(public + "-----END CERTIFICATE-----\n").text(public) == public


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (f"curl -H 'Authorization: Basic {base64.b64encode(b'user:' + TOKEN.encode()).decode()}'", ""),
        (f'{{"auths":{{"hub":{{"auth":"{base64.b64encode(b"ab:" + TOKEN.encode()).decode()}"}}}}}}', ""),
        (f"https://user:{quote(TOKEN, safe='')}@host/", "https://user:***@host/"),
        (f"https://host/?next={quote('/in?token=' + quote(TOKEN, safe=''), safe='')}", "token%3D***"),
        ("+ login s3cr3t/tok\\+en==", "+ login ***"),
        ('{"token":"s3cr3t\\/tok\\u002Ben\\u003d\\u003d"}', '{"token":"***"}'),
    ],
)
def test_where_tokens_turn_up(shown: str, expected: str) -> None:
    clean = one().text(shown)
    assert MARK in clean
    assert clean.endswith(expected)
    assert len(clean) < len(shown) - len(TOKEN) + 6


@pytest.mark.parametrize(
    "shown",
    [
        TOKEN.encode().hex(),
        base64.b32encode(TOKEN.encode()).decode(),
        TOKEN[::-1],
        TOKEN.upper(),
        f"{TOKEN[:7]}\n{TOKEN[7:]}",
        base64.b64encode(base64.b64encode(TOKEN.encode())).decode(),
        "".join(f"%{byte:02x}" for byte in TOKEN.encode()),
    ],
)
def test_what_the_documentation_says_is_not_found(shown: str) -> None:
    assert one().text(shown) == shown


def test_json_values_keys_and_numbers() -> None:
    redactor = Redactor({"A": "hunter2hunter2", "B": "1234567890"})
    value = {
        "a": ["hunter2hunter2", {"x hunter2hunter2": None}],
        "n": 1234567890,
        "m": 12345,
        "t": True,
        "hunter2hunter2": 1,
        "***": 2,
    }
    assert redactor.json(value) == {  # type: ignore[arg-type]
        "a": ["***", {"x ***": None}],
        "n": "***",
        "m": 12345,
        "t": True,
        "***": 1,
        "***2": 2,
    }
    assert list(redactor.json(value)) == ["a", "n", "m", "t", "***", "***2"]  # type: ignore[arg-type]


def test_json_of_any_depth() -> None:
    deep: list[object] = ["hunter2hunter2"]
    for _ in range(100_000):
        deep = [deep]
    found = one("hunter2hunter2").json(deep)  # type: ignore[arg-type]
    while isinstance(found, list) and isinstance(found[0], list):
        found = found[0]
    assert found == ["***"]


# -- streams ---------------------------------------------------------------------------------------------------

LETTERS = st.text(alphabet="ab", min_size=8, max_size=14)


@given(
    secrets=st.lists(LETTERS, max_size=4),
    text=st.lists(st.one_of(LETTERS, st.text(alphabet="abc", max_size=12)), max_size=12),
    cuts=st.lists(st.integers(0, 200), max_size=30),
)
def test_in_any_pieces_a_stream_gives_what_the_whole_gives(
    secrets: list[str], text: list[str], cuts: list[int]
) -> None:
    inserted = [
        secrets[index % len(secrets)] if secrets and index % 3 == 0 else part for index, part in enumerate(text)
    ]
    data = "".join(inserted).encode()
    redactor = Redactor({str(index): value for index, value in enumerate(secrets)})
    longest = (redactor.forms.longest if redactor.forms else 0) or 1
    stream = redactor.stream()
    shown = b""
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in pairwise(edges):
        shown += stream.feed(data[start:end])
        assert len(stream._held) < longest
    assert shown + stream.flush() == redactor.bytes(data)
    for value in secrets:
        assert value.encode() not in shown


def test_what_cannot_be_the_start_of_a_secret_is_shown_at_once() -> None:
    stream = one("s3cr3t-token").stream()
    assert stream.feed(b"prompt> ") == b"prompt> "
    assert stream.feed(b"the s3cr") == b"the "
    assert stream.feed(b"et") == b"s3cret"
    assert stream.feed(b" s3cr3t-toke") == b" "
    assert stream.feed(b"n and more") == b"*** and more"
    assert stream.feed(b"s3") == b""
    assert stream.flush() == b"s3"


@pytest.mark.slow
def test_a_megabyte_is_read_once_whatever_the_number_of_secrets() -> None:
    redactor = Redactor({str(n): f"secret-number-{n:04}" for n in range(100)})
    data = b"a line of output without any secret in it, secret-number-\n" * 20_000 + b"secret-number-0042"
    found, rounds = measured(lambda: redactor.bytes(data))
    assert found.endswith(b"in it, secret-number-\n***")
    assert rounds < 500
    found, rounds = measured(lambda: one("a" * 100).bytes(b"a" * 200_000))
    assert found == b"***"
    assert rounds < 500


def test_a_stream_that_has_begun_finds_what_the_redactor_learns() -> None:
    redactor = Redactor({})
    stream = redactor.stream()
    assert stream.feed(b"first-secret ") == b"first-secret "
    redactor.know({"a": "first-secret"})
    assert stream.feed(b"then first-sec") == b"then "
    redactor.know({"a": "first-secret", "b": "second-secret"})
    assert stream.feed(b"ret second-secret first") == b"*** *** "
    redactor.know({})
    assert stream.feed(b"-secret") + stream.flush() == b"first-secret"
