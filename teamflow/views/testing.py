"""What cases of a test file came to: compared with what was expected, as text and as JUnit XML. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from teamflow.core.named import NamedTuple
from teamflow.core.plan import Json
from teamflow.views.sanitize import clean

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 300


class Got(NamedTuple):
    """What a run came to. `attempts`: how each ended; `route`: steps in the order in which they began."""

    status: str
    exit: int
    reason: str
    route: tuple[str, ...]
    steps: Mapping[str, str]
    reasons: Mapping[str, str]
    attempts: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, Mapping[str, Json]]
    texts: Mapping[str, str | None]


class Difference(NamedTuple):
    """`path`: of the key, below `expect` (of a fault, below its case). `place`: where in the test file that stands."""

    path: tuple[str, ...]
    expected: str
    got: str
    note: str = ""
    place: str = ""

    @property
    def what(self) -> str:
        return ".".join(self.path)


class Verdict(NamedTuple):
    """How a case ended. `error`: why it could not be run. `team`: the team file; `line`: where the case begins.

    `failed`: why steps failed in a run that was not as expected, a line each. `kept`: where its copy is left.
    """

    file: str
    name: str
    seconds: float
    differences: tuple[Difference, ...] = ()
    error: str = ""
    team: str = ""
    line: int = 0
    failed: tuple[str, ...] = ()
    kept: str = ""

    @property
    def passed(self) -> bool:
        return not self.differences and not self.error


def differences(expect: Mapping[str, Any], got: Got) -> list[Difference]:
    """Everything that is not as expected."""
    return list(_differences(expect, got))


def _differences(expect: Mapping[str, Any], got: Got) -> Iterator[Difference]:
    yield from _of_route(expect, got)
    for step, status in (expect.get("steps") or {}).items():
        if got.steps.get(step) != status:
            yield Difference(("steps", step), status, got.steps.get(step, _NONE), got.reasons.get(step, ""))
    yield from _of_attempts(expect.get("attempts") or {}, got)
    yield from _of_results(expect, got)


def _of_route(expect: Mapping[str, Any], got: Got) -> Iterator[Difference]:
    for key in ("status", "exit"):
        if key in expect and expect[key] != getattr(got, key):
            yield Difference((key,), _shown(expect[key]), _shown(getattr(got, key)), got.reason)
    if "route" in expect and not _fits(expect["route"], got.route):
        yield Difference(("route",), _route(expect["route"]), _route(got.route))
    if "skipped" in expect:
        skipped = sorted(step for step, status in got.steps.items() if status == "skipped")
        if sorted(expect["skipped"]) != skipped:
            yield Difference(("skipped",), _shown(sorted(expect["skipped"])), _shown(skipped))


def _of_results(expect: Mapping[str, Any], got: Got) -> Iterator[Difference]:
    for step, outputs in (expect.get("outputs") or {}).items():
        known = got.outputs.get(step, {})
        for name, value in outputs.items():
            if name not in known or not _same(known[name], value):
                found = _shown(known[name]) if name in known else _NONE
                yield Difference(("outputs", step, name), _shown(value), found)
    for step, parts in (expect.get("text") or {}).items():
        text = got.texts.get(step)
        for part in parts:
            if part not in (text or ""):
                yield Difference(("text", step), f"… {_shown(part)} …", _NONE if text is None else _shown(text))


def _same(one: object, other: object) -> bool:
    """As JSON: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) or (
        one == other and not isinstance(one, bool) and not isinstance(other, bool)
    )


_NONE = "none"


def _of_attempts(expected: Mapping[str, Any], got: Got) -> Iterator[Difference]:
    for step, wanted in expected.items():
        found = got.attempts.get(step, ())
        as_wanted = len(found) == wanted if isinstance(wanted, int) else list(found) == list(wanted)
        if not as_wanted:
            shown = f"{len(found)} ({', '.join(found)})" if isinstance(wanted, int) and found else _shown(list(found))
            yield Difference(("attempts", step), _shown(wanted), shown, got.reasons.get(step, ""))


def _fits(wanted: Sequence[str | Sequence[str]], route: Sequence[str]) -> bool:
    at = 0
    for stop in wanted:
        group = [stop] if isinstance(stop, str) else list(stop)
        if sorted(route[at : at + len(group)]) != sorted(group):
            return False
        at += len(group)
    return at == len(route)


def _route(stops: Sequence[str | Sequence[str]]) -> str:
    words = (stop if isinstance(stop, str) else f"[{', '.join(stop)}]" for stop in stops)
    return " → ".join(words) or _NONE


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def lines(verdict: Verdict) -> list[str]:
    """One line for a case, and below it what is not as expected."""
    word = "ok" if verdict.passed else "error" if verdict.error else "FAILED"
    found = [f"{word:<7} {_plain(verdict.file)}: {_plain(verdict.name)} ({verdict.seconds:.1f} s)"]
    found += [f"        {_plain(line)}" for line in verdict.error.splitlines()]
    for each in verdict.differences:
        found.append(f"        {_plain(each.what)}{f'   {_plain(each.place)}' if each.place else ''}")
        found.append(f"          expected  {_plain(each.expected)}")
        found.append(f"          got       {_plain(each.got)}{f'   ({_plain(each.note)})' if each.note else ''}")
    found += [f"        {_plain(line)}" for line in verdict.failed]
    found += [f"        its copy is left in {_plain(verdict.kept)}"] if verdict.kept else []
    return found


def tally(verdicts: Sequence[Verdict]) -> str:
    """The last line."""
    bad = sum(1 for verdict in verdicts if not verdict.passed)
    cases = f"{len(verdicts)} case{'' if len(verdicts) == 1 else 's'}"
    return f"{cases}: {bad} failed" if bad else f"{cases}, all as expected"


def junit(verdicts: Sequence[Verdict]) -> str:
    """One test case per case, one suite per file; attributes are those that the readers of CI systems know."""
    files = dict.fromkeys(verdict.file for verdict in verdicts)
    suites = "".join(_suite(file, [each for each in verdicts if each.file == file]) for file in files)
    opening = f'<testsuites name="teamflow test" {_figures(verdicts)}>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}\n{suites}</testsuites>\n'


def _suite(file: str, verdicts: Sequence[Verdict]) -> str:
    cases = "".join(_case(verdict) for verdict in verdicts)
    teams = dict.fromkeys(verdict.team for verdict in verdicts if verdict.team)
    told = "".join(f'<property name="team" value={_attribute(team)}/>' for team in teams)
    properties = f"<properties>{told}</properties>\n" if told else ""
    return f'<testsuite name={_attribute(file)} {_figures(verdicts)} skipped="0">\n{properties}{cases}</testsuite>\n'


def _figures(verdicts: Sequence[Verdict]) -> str:
    failures = sum(1 for each in verdicts if each.differences)
    errors = sum(1 for each in verdicts if each.error)
    seconds = sum(each.seconds for each in verdicts)
    return f'tests="{len(verdicts)}" failures="{failures}" errors="{errors}" time="{seconds:.3f}"'


def _case(verdict: Verdict) -> str:
    opening = (
        f'<testcase name={_attribute(verdict.name)} classname={_attribute(verdict.file)} time="{verdict.seconds:.3f}"'
    )
    opening += f" file={_attribute(verdict.file)}" + (f' line="{verdict.line}"' if verdict.line else "")
    if verdict.passed:
        return f"{opening}/>\n"
    kind = "error" if verdict.error else "failure"
    about = verdict.error.partition("\n")[0] or ", ".join(each.what for each in verdict.differences)
    body = "\n".join(line.strip() for line in lines(verdict)[1:])
    failed = f'<{kind} type="{kind}" message={_attribute(about)}>{_text(body)}</{kind}>'
    return f"{opening}>{failed}</testcase>\n"


def _plain(text: str) -> str:
    return clean(text).replace("\n", "\\n")


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", clean(text)))


def _attribute(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", clean(text)), {"\n": "&#10;", "\t": "&#9;"})
