"""What an agent printed, as text that cannot steer a terminal.

Escape sequences go, other control characters are shown as what they are, newlines and tabs stay. The stream form gives
the same text for the same bytes however they are cut. Refuses to know where the text comes from and where it goes.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

LONGEST: Final = 4096
"""Characters that an unfinished escape sequence may swallow; what follows is shown again."""

_CONTROL: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_INVISIBLE: Final = r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
"""Bidirectional controls, which show text in another order than it has, and further line ends."""

_ODD: Final = re.compile(rf"[{_CONTROL}{_INVISIBLE}\ud800-\udfff]")

# Every opener, and a line end, ends the sequence before it: so the last opener alone tells whether the end is open.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,16}[@-~]"
    rf"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9b-\x9f\r\n]{{0,{LONGEST}}}(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]{0,16}[0-Z\\`-~]"
)
_OPEN: Final = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,16}"
    rf"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9b-\x9f\r\n]{{0,{LONGEST}}}"
    r"|\x1b[ -/]{0,16}|\r)\Z"
)
_OPENERS: Final = re.compile(r"[\x1b\x90\x98\x9b\x9d-\x9f\r]")


class Stream:
    """Bytes in any pieces, clean text out. What may still become a sequence is held back until it is decided."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        text = self._held + self._decoder.decode(data)
        self._held = ""
        at = _open_from(text)
        if at is not None:
            self._held = text[at:]
            text = text[:at]
        return _clean(text)

    def close(self) -> str:
        """What was held back; the stream starts anew."""
        text = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        self._decoder.reset()
        return _clean(text)


def clean(text: str) -> str:
    """Text of several lines: newlines and tabs stay, `\\r` is a newline, escape sequences go."""
    return _clean(text)


def cell(text: str) -> str:
    """One line, for a table or a message: newlines are shown, other white space is a blank."""
    text = _clean(text.strip("\r\n"))
    return text.replace("\n", "⏎").replace("\t", " ") if "\n" in text or "\t" in text else text


def _open_from(text: str) -> int | None:
    """Where an unfinished sequence at the end of `text` begins."""
    start = max(0, len(text) - LONGEST - 2)
    last: int | None = None
    for found in _OPENERS.finditer(text, start):
        last = found.start()
    if last is None or not _OPEN.match(text, last):
        return None
    return last


def _clean(text: str) -> str:
    if not _ODD.search(text):
        return text
    text = text.replace("\r\n", "\n")
    text = _SEQUENCE.sub("", text)
    return _ODD.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code == 0x0D:
        return "\n"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code < 0xA0:
        return f"\\x{code:02x}"
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    return f"<U+{code:04X}>"
