"""What is shown of an event: one line of what an agent does, whatever it may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teamflow.core.invocation import Called, Progress, Refused, Retrying, Returned, Said, SessionOpened, Warns
from teamflow.core.outcome import FailureClass
from teamflow.core.redact import Redactor
from teamflow.core.shown import WIDTH, shown

SECRET = "correct-horse-battery-staple"
REDACTOR = Redactor({"KEY": SECRET})


def test_messages_are_whole() -> None:
    assert shown(Said("one\ntwo")) == "one\ntwo"
    assert [shown(Progress(None, "half")), shown(Progress(50.0, "half"))] == ["half", "[50%] half"]
    assert shown(Warns("no server")) == "[teamflow: no server]"


def test_calls_are_a_line() -> None:
    assert shown(Called("Bash {}", "1", "run pytest -q\nls")) == "> run pytest -q …"
    assert shown(Called('{"name": "x"}')) == '> {"name": "x"}'
    assert len(shown(Called("", "", "run " + "x" * 500))) == WIDTH


def test_what_is_not_worth_a_line_has_none() -> None:
    assert [shown(Called("TodoWrite", "1", None)), shown(Returned("1")), shown(SessionOpened("s"))] == [""] * 3


def test_a_wait_is_a_line() -> None:
    busy = Retrying(FailureClass.TRANSIENT, "the agent's model failed (overloaded, 529)", 8.2)
    assert shown(busy) == "> the model is overloaded, tried again in 8 s"
    assert shown(busy._replace(wait=None)) == "> the model is overloaded, tried again"
    long = shown(busy._replace(reason="x" * 500))
    assert len(long) == WIDTH
    assert long.endswith("…, tried again in 8 s")


def test_what_it_had_no_leave_for_is_a_line_with_the_reason() -> None:
    assert shown(Refused("run touch x", "rejected by ana")) == "> refused: run touch x (rejected by ana)"
    assert shown(Refused("run touch x")) == "> refused: run touch x"
    long = shown(Refused("run " + "x" * 500, "y" * 500))
    assert len(long) == WIDTH
    assert long.endswith("y…)")
    assert shown(Refused(SECRET, SECRET), redact=REDACTOR.text) == "> refused: *** (***)"


def test_secrets_are_taken_out_before_a_line_is_cut() -> None:
    for before in range(WIDTH - len(SECRET), WIDTH):
        line = shown(Called("", "", "x" * before + SECRET), redact=REDACTOR.text)
        assert SECRET[:4] not in line


@given(st.text(), st.text() | st.none(), st.none() | st.floats(min_value=0, allow_infinity=False, max_value=1e9))
def test_anything_is_at_most_a_line(what: str, words: str | None, wait: float | None) -> None:
    for event in (Called(what, "", words), Refused(what, words or ""), Retrying(FailureClass.TRANSIENT, what, wait)):
        line = shown(event)
        assert len(line) <= WIDTH
        assert len(line.splitlines()) <= 1
