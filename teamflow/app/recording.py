"""`teamflow record`: a fixture of a run, which `run --replay DIR` and `teamflow test` play.

A directory of plain files with a manifest, redacted and free of names of this machine. The same run gives the same
bytes. What is there already is replaced only where it is such a fixture, and on request.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from teamflow import __version__
from teamflow.app.fixture import FORMAT, KEY, MANIFEST, is_fixture
from teamflow.app.inspect import Inspected
from teamflow.app.recorded import Recorded, of_run, unplayed
from teamflow.app.scrub import HOST, USER, Scrub
from teamflow.core.ids import slug
from teamflow.core.invocation import Brief, Invocation
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, Succeeded, Usage
from teamflow.core.plan import Step
from teamflow.core.takes import Answered, Take
from teamflow.engines.registry import custom_engine, engine
from teamflow.engines.replay import recorded_brief
from teamflow.plan.stored import plan_to_json
from teamflow.ports import Engine

_LEAST_ID: Final = 16
"""Characters of what may be an id that an engine has made of what it was told."""


class RecordError(Exception):
    """Nothing was recorded; the message says why and what to do."""


class Written(NamedTuple):
    """`attempts` and `steps` that the fixture has; `same`: it was there already, as it is."""

    attempts: int
    steps: int
    same: bool
    notes: tuple[str, ...]


def record(inspected: Inspected, steps: Collection[str], directory: str, *, force: bool) -> Written:
    """Writes the fixture. RecordError, StoreError, OSError."""
    if inspected.row.replay:
        raise RecordError(f"run {inspected.row.number} is a replay of {inspected.row.replay}: record that")
    recorded = of_run(inspected.database, inspected.row.number)
    takes = {step: found for step, found in recorded.recording.takes.items() if not steps or _named(step, steps)}
    if not takes:
        raise RecordError(f"no agent of run {inspected.row.number} has come to an end{' among these' if steps else ''}")
    chosen = recorded._replace(recording=recorded.recording._replace(takes=takes))
    target = os.path.abspath(directory)
    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    made = tempfile.mkdtemp(prefix=".recording-", dir=parent)
    try:
        _Writer(inspected, chosen, made).write()
        same = _put(made, target, directory, force=force)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    missing = unplayed(inspected.state.plan, takes)
    notes = (*recorded.recording.notes, *([missing] if missing else ()))
    return Written(sum(map(len, takes.values())), len(takes), same, notes)


def _named(step: str, steps: Collection[str]) -> bool:
    return step in steps or step.partition("/")[0] in steps


def _put(made: str, target: str, shown: str, *, force: bool) -> bool:
    """Whether the target was so already. RecordError: something else lies there."""
    if os.path.lexists(target):
        if not os.path.isdir(target) or os.path.islink(target):
            raise RecordError(f"{shown} is no directory: name another place behind -o")
        if os.listdir(target):
            if not is_fixture(target):
                raise RecordError(f"{shown} holds something else than a recording: name another place behind -o")
            if _contents(target) == _contents(made):
                return True
            if not force:
                raise RecordError(f"{shown} holds another recording\n  --force replaces it")
        shutil.rmtree(target)
    os.chmod(made, 0o755)
    os.rename(made, target)
    return False


def _contents(directory: str) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for name in os.listdir(directory):
        path = f"{directory}/{name}"
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as file:
                found[name] = file.read()
        else:
            found[name] = None
    return found


class _Writer:
    def __init__(self, inspected: Inspected, recorded: Recorded, directory: str) -> None:
        self._inspected = inspected
        self._recorded = recorded
        self._directory = directory
        self._steps = {step.id: step for step in inspected.state.plan.steps}
        self._plain = self._scrub({})

    def write(self) -> None:
        recording, plan = self._recorded.recording, self._recorded.plan
        steps = {step: [self._take(take) for take in takes] for step, takes in recording.takes.items()}
        manifest = {
            KEY: FORMAT,
            "teamflow": __version__,
            "of": recording.name,
            "team": self._plain.text(self._inspected.row.team),
            "no_input": self._recorded.no_input,
            "inputs": self._plain.json(self._recorded.inputs),
            "plan": None,
            "steps": steps,
            "answers": self._plain.json([_answer(answer) for answer in recording.answers]),
        }
        if plan is not None:
            self._put("plan.json", self._plain.raw(plan_to_json(plan).encode()))
            manifest["plan"] = "plan.json"
        self._put(MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())

    def _scrub(self, words: Mapping[str, str]) -> Scrub:
        inspected = self._inspected
        return Scrub(
            inspected.redactor,
            project=inspected.layout.root,
            home=os.path.expanduser("~"),
            user=_user(),
            host=os.uname().nodename,
            words=words,
        )

    def _take(self, take: Take) -> dict[str, Any]:
        entry: dict[str, Any] = {"attempt": take.attempt, "engine": take.engine}
        stem = f"{slug(take.step)}.{take.attempt}"
        if take.patch:
            entry["patch"] = self._put(f"{stem}.patch", self._plain.raw(_read(take.patch)))
        if take.result is not None:
            return {**entry, "result": self._plain.json(_result(take.result))}
        scrub = self._scrub(self._own_words(take))
        stream, told = scrub.stream(_read(take.log, take.start, take.end), take.told)
        entry["log"] = self._put(f"{stem}.log", stream)
        if take.err:
            entry["err"] = self._put(f"{stem}.err", scrub.raw(_read(take.err, 0, take.err_end)))
        if told:
            lines = [json.dumps(each._asdict()) + "\n" for each in told]
            entry["inputs"] = self._put(f"{stem}.in.jsonl", "".join(lines).encode())
        end = take.exit
        entry["exit"] = {"code": end.code, "signal": end.signal, "cause": end.cause, "at": end.at}
        if take.brief:
            entry["brief"] = scrub.json(take.brief)
        return entry

    def _own_words(self, take: Take) -> Mapping[str, str]:
        """Ids that the engine makes of what it is told: what it is told is another thing in a fixture, so they are,
        too, and what was printed has to name those."""
        step = self._steps.get(take.step)
        if step is None or not take.brief:
            return {}
        own = Brief(take.step, take.attempt, "", "", grants=step.means.grants, schemas=step.outputs.schemas)
        clean = take._replace(brief=self._plain.json(take.brief))
        translator = _engine(take, step)
        told = [translator.invoke(recorded_brief(own, each)) for each in (take, clean)]
        texts = [one.stdin for one in told if isinstance(one, Invocation) and one.stdin is not None]
        return dict(own_ids(*texts)) if len(texts) == 2 else {}

    def _put(self, name: str, data: bytes) -> str:
        with open(f"{self._directory}/{name}", "xb") as file:
            file.write(data)
        return name


def _engine(take: Take, step: Step) -> Engine:
    chain = {step.engine: step.custom, **{other.engine: other.custom for other in step.fallbacks}}
    name = take.engine or step.engine
    custom = chain.get(name)
    return engine(name) if custom is None else custom_engine(name, custom)


def own_ids(before: str, after: str) -> Iterator[tuple[str, str]]:
    for old, new in zip(before.splitlines(), after.splitlines(), strict=False):
        try:
            yield from _pairs(json.loads(old), json.loads(new))
        except ValueError:
            return


def _pairs(old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """Texts at the same place that differ and look like ids."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() & new.keys():
            yield from _pairs(old[name], new[name])
    elif isinstance(old, list) and isinstance(new, list):
        for one, other in zip(old, new, strict=False):
            yield from _pairs(one, other)
    elif isinstance(old, str) and isinstance(new, str) and old != new and _is_id(old) and len(old) == len(new):
        yield old, new


def _is_id(text: str) -> bool:
    return len(text) >= _LEAST_ID and all(char.isalnum() or char in "-_" for char in text)


def _answer(answer: Answered) -> dict[str, Any]:
    """Who has given it is a name, however common that is."""
    by = f"{USER}@{HOST}" if "@" in answer.by else answer.by
    terminal = " at the terminal"
    return answer._replace(by=f"{USER}{terminal}" if by.endswith(terminal) else by)._asdict()


def _result(outcome: Succeeded | Failed) -> dict[str, Any]:
    usage = outcome.usage._asdict() if isinstance(outcome.usage, Usage) else None
    if isinstance(outcome, Succeeded):
        return {"text": outcome.text, "outputs": outcome.outputs, "usage": usage}
    failure = {"failure": outcome.failure.value, "reason": outcome.reason, "retry_after": outcome.retry_after}
    return {**failure, "text": outcome.text, "usage": usage}


def _read(path: str, start: int = 0, end: int | None = None) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read() if end is None else file.read(max(0, end - start))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
