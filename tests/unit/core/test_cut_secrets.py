"""Texts that were cut before anybody who knows the secrets saw them: half of one is taken out as well."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from teamflow.core.events import AttemptEnded
from teamflow.core.invocation import Warns
from teamflow.core.leave import LeaveAsked
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.paths import path_shown
from teamflow.core.permissions import Permissions, Wish
from teamflow.core.redact import Redactor, redacted
from teamflow.core.shell import excerpt
from teamflow.core.shown import shown
from teamflow.engines.acp_calls import Call
from teamflow.engines.acp_said import Messages
from teamflow.engines.acp_wishes import wish_of as acp_wish
from teamflow.engines.claude_tools import described
from teamflow.engines.claude_tools import wish_of as claude_wish
from teamflow.engines.codex_asks import COMMAND, Known, wish
from teamflow.engines.lacking import Lacking
from teamflow.engines.provider import Trouble, failed
from teamflow.policy.permitting import judge

SECRET = "correct/horse+battery stapleé"
REDACTOR = Redactor({"KEY": SECRET, "OTHER": "of-no-interest-here"})
WRITTEN = {
    "as it is": SECRET,
    "percent": quote(SECRET, safe=""),
    "json": json.dumps(SECRET)[1:-1],
    "base64": base64.b64encode(SECRET.encode()).decode(),
}


def halves(text: str, written: str) -> list[str]:
    """What four characters in a row of the secret are left, at one of its ends."""
    ends = [written[:4], written[-4:]]
    return [end for end in ends if end in text]


def claude_of(command: str) -> str:
    return claude_wish("Bash", {"command": command}, servers=()).text


def codex_of(command: str) -> str:
    found = wish(COMMAND, {"command": command, "reason": command}, Known({}, False, (), ()))
    assert found is not None
    return found.text


def acp_of(command: str) -> str:
    return acp_wish(Call(kind="execute", title=command, input={"command": command}), servers=()).text


def acp_title(command: str) -> str:
    return acp_wish(Call(kind="other", title=command), servers=()).text


def why_of(command: str) -> str:
    grants = Permissions(run=("pytest",))
    return judge(grants, Wish("run", "", command=f"'{command}'"), cwd="/w").reason


def why_of_part(command: str) -> str:
    grants = Permissions(run=("pytest",))
    return judge(grants, Wish("run", "", command=f"pytest && '{command}'"), cwd="/w").reason


def why_of_path(path: str) -> str:
    return judge(Permissions(edit=("src/**",)), Wish("edit", "", paths=(path,)), cwd="/w").reason


def lacking(said: str) -> str:
    return "".join(event.text for event in Lacking(["x"]).failed("x", said))


CUTS: dict[str, Callable[[str], str]] = {
    "excerpt": lambda text: excerpt(text, width=100),
    "excerpt of several lines": lambda text: excerpt(f"{text[:110]}\n{text[110:]}"),
    "path": lambda text: path_shown(text, longest=120),
    "claude": claude_of,
    "a denial of claude": lambda text: described("Bash", {"command": text}),
    "codex": codex_of,
    "acp": acp_of,
    "title of acp": acp_title,
    "why": why_of,
    "why, a part": why_of_part,
    "why, a path": why_of_path,
    "a server that fails": lacking,
    "what a provider says": lambda text: failed(Trouble("overloaded", 529, text), at=None).reason,
}


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=list(WRITTEN))
def test_half_a_secret_is_none_of_what_is_shown(how: str, written: str) -> None:
    cut_in_half = 0
    for before in range(0, 330, 3):
        text = "x" * before + written + "y" * 400
        told = CUTS[how](text)
        cut_in_half += written not in told and bool(halves(told, written))
        assert not halves(REDACTOR.text(told), written), (before, told)
    assert cut_in_half


@pytest.mark.parametrize("text", ["… and 3 more", "see core…", "it waits … ", "…", "… …", "a…b", "corr ect…"])
def test_what_is_no_half_of_one_stays(text: str) -> None:
    assert REDACTOR.text(text) is text


def test_of_a_half_no_more_than_three_characters_are_left() -> None:
    assert REDACTOR.text("run cor…") == "run cor…"
    assert REDACTOR.text("run corr…") == "run ***…"
    assert REDACTOR.text("a…plé, leé") == "a…plé, leé"
    assert REDACTOR.text("`a…pleé` b") == "`a…***` b"


def test_tabs_in_it_are_made_visible() -> None:
    redactor = Redactor({"KEY": "horse\tbattery\x01staple"})
    assert redactor.text(excerpt("curl horse\tbattery\x01staple")) == "curl ***"
    assert redactor.text(excerpt("horse\tbattery", width=10)) == "***…"


def test_many_cuts_take_no_time_of_their_own() -> None:
    redactor = Redactor({"KEY": "".join(f"{n:x}+" for n in range(3000))})
    text = "0+1+…" * 4_000
    assert redactor.text(text) == "***…" * 4_000


def test_what_an_agent_wishes_is_recorded_without() -> None:
    asked = LeaveAsked("a", 1, "4", f"run make {SECRET}\n`make {SECRET[:9]}…` is none")
    assert redacted(asked, REDACTOR).text == "run make ***\n`make ***…` is none"  # type: ignore[union-attr]


def test_why_an_attempt_failed_is_recorded_without() -> None:
    outcome = Failed(FailureClass.VERIFY, f"verify: `make {SECRET[:9]}…` exited 1", detail=f"- Bash: {SECRET}")
    clean = redacted(AttemptEnded("a", 1, outcome, "verify.1"), REDACTOR)
    assert isinstance(clean, AttemptEnded)
    assert clean.outcome == outcome._replace(reason="verify: `make ***…` exited 1", detail="- Bash: ***")


def test_warnings_in_logs() -> None:
    assert shown(Warns(f"server: {SECRET[:9]}…"), redact=REDACTOR.text) == "[teamflow: server: ***…]"


def test_the_end_of_a_message_that_is_too_long() -> None:
    messages = Messages()
    size = 4 << 20
    list(messages.chunk({"content": {"type": "text", "text": SECRET + "x" * (size - len(SECRET) // 2)}}))
    list(messages.flush())
    assert len(messages.last) == size
    assert messages.last.startswith(f"…{SECRET[-len(SECRET) // 2 + 2 :]}")
    assert REDACTOR.text(messages.last[:100]) == "…***" + messages.last[14:100]
