"""The engine `codex-exec`: Codex for one turn, by `codex exec --json`. The fallback where its app server is no help.

It hears nothing while it works and asks nothing, so it keeps no list of commands or files. Its counts of tokens are of
all that the session ever used: what a session that goes on has used in this attempt is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from teamflow.core.invocation import (
    Brief,
    Called,
    EngineEvent,
    Exit,
    Invocation,
    Retrying,
    Returned,
    Said,
    SessionOpened,
    Spent,
)
from teamflow.core.outcome import Failed, FailureClass, Outcome
from teamflow.core.permissions import FULL
from teamflow.core.plan import Json
from teamflow.engines.codex import CAPABILITIES as SERVER
from teamflow.engines.codex import home, provider
from teamflow.engines.codex_end import LOGIN, End, outcome
from teamflow.engines.codex_fence import fence, inline, introduced, untrusted
from teamflow.engines.codex_items import Meter, table_of, text_of, tokens, tool
from teamflow.engines.codex_schema import strict
from teamflow.engines.codex_servers import servers
from teamflow.engines.codex_words import words_of
from teamflow.engines.deaf import Deaf
from teamflow.engines.exits import with_cost
from teamflow.engines.lines import JsonLines
from teamflow.engines.provider import Trouble, failure_of, reason, with_login
from teamflow.engines.telling import prompt

CAPABILITIES: Final = SERVER._replace(
    steer="none", interrupt=False, asks=False, enforces=frozenset(("read", "edit", "net"))
)


class CodexExecEngine:
    name = "codex-exec"
    capabilities = CAPABILITIES

    def invoke(self, brief: Brief) -> Invocation | Failed:
        given = servers(brief.servers)
        if isinstance(given, Failed):
            return given
        schema = strict(brief.schemas) if brief.schemas else None
        files = () if schema is None else ((f"{brief.stem}.schema.json", json.dumps(schema)),)
        return Invocation(
            (
                "codex",
                "exec",
                *(("resume",) if brief.session is not None else ()),
                "--json",
                "--skip-git-repo-check",
                *_fenced(brief),
                *untrusted(brief),
                *provider(brief),
                *given.words,
                *(("--output-schema", files[0][0]) if files else ()),
                *(("-m", brief.model) if brief.model is not None else ()),
                *((brief.session,) if brief.session is not None else ()),
                "-",
            ),
            env={**given.env, **home(brief)},
            stdin=prompt(introduced(brief), schema=schema is not None, with_instructions=True),
            protocol=True,
            files=files,
            directories=fence(brief.grants).directories,
        )

    def session(self, brief: Brief) -> ExecSession:
        return ExecSession(brief)


def _fenced(brief: Brief) -> Iterator[str]:
    limits = fence(brief.grants)
    if brief.grants.level == FULL and "sandbox" in limits.thread:
        yield "--dangerously-bypass-approvals-and-sandbox"
        return
    yield from limits.words
    yield from ("-c", 'approval_policy="never"')
    if "sandbox" in limits.thread:
        yield from ("-c", f"sandbox_mode={inline(limits.thread['sandbox'])}")


class ExecSession(Deaf):
    """Reads the events of `codex exec --json`. An item of the type `error` is a remark, and no failure."""

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        self._lines = JsonLines()
        self._end = End()
        self._meter = Meter()
        self._session = brief.session
        self._tools: set[str] = set()

    def feed(self, data: bytes) -> Sequence[EngineEvent]:
        return [event for line in self._lines.feed(data) for event in self._read(line)]

    def close(self, end: Exit) -> Outcome:
        for line in self._lines.finish():
            list(self._read(line))
        self._end.rubbish = self._lines.rubbish
        found = with_login(outcome(self._end, end, self._brief), LOGIN, self._brief)
        return with_cost(found, usage=self._meter.usage, session=self._session)

    def _read(self, line: Mapping[str, Json]) -> Iterator[EngineEvent]:
        match line.get("type"):
            case "thread.started" if text_of(line.get("thread_id")):
                self._session = text_of(line.get("thread_id"))
                yield SessionOpened(self._session)
            case "item.started" | "item.completed":
                yield from self._item(table_of(line.get("item")), done=line.get("type") == "item.completed")
            case "error":
                told = Trouble(text=text_of(line.get("message")))
                self._end.trouble = told
                if told.text.startswith("Reconnecting"):
                    yield Retrying(failure_of(told) or FailureClass.TRANSIENT, reason(told))
            case "turn.failed":
                self._end.status, self._end.over = "failed", True
                self._end.trouble = Trouble(text=text_of(table_of(line.get("error")).get("message")))
            case "turn.completed":
                self._end.status, self._end.over = "completed", True
                total = tokens(line.get("usage"), incoming="input_tokens", outgoing="output_tokens")
                if total is not None and self._brief.session is None:
                    yield Spent(self._meter.reads(total, last=total))

    def _item(self, item: Mapping[str, Json], *, done: bool) -> Iterator[EngineEvent]:
        name, used = text_of(item.get("id")), tool(item)
        if item.get("type") == "agent_message" and done and text_of(item.get("text")):
            self._end.text = text_of(item.get("text"))
            yield Said(self._end.text)
        elif used is not None and not done and name not in self._tools:
            self._tools.add(name)
            yield Called(used, name, words_of(item, self._brief))
        elif done and name in self._tools:
            self._tools.discard(name)
            yield Returned(name)
