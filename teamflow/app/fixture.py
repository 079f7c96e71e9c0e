"""Reading fixtures: directories that `teamflow record` has written, or `teamflow test` for one case.

Strict: a manifest that is damaged, or names what is not there or lies elsewhere, is refused with the place in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final, Never

from teamflow.app.recorded import Recorded
from teamflow.core.invocation import Exit
from teamflow.core.outcome import Failed, FailureClass, Succeeded, Usage
from teamflow.core.plan import Json, Plan
from teamflow.core.script import is_attempt_number
from teamflow.core.takes import ALWAYS, Answered, Recording, Take, Told
from teamflow.plan.stored import PlanFormatError, plan_from_json
from teamflow.run.recorder import brief_fields

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
KEY: Final = "teamflow_recording"
LARGEST: Final = 64 << 20
"""Bytes of a manifest, a plan or a list of inputs."""


class FixtureError(Exception):
    """A fixture that cannot be read; the message says where and what to do."""


def read_fixture(directory: str, *, name: str) -> Recorded:
    """Raises FixtureError."""
    return _Fixture(os.path.abspath(directory), name).read()


def is_fixture(directory: str) -> bool:
    """Whether a manifest of ours, of any format, lies there."""
    try:
        with open(f"{directory}/{MANIFEST}", "rb") as file:
            return KEY.encode() in file.read(4096)
    except OSError:
        return False


class _Fixture:
    def __init__(self, directory: str, name: str) -> None:
        self._directory = directory
        self._name = name

    def read(self) -> Recorded:
        told = self._json(MANIFEST)
        version = told.get(KEY) if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(version, int):
            self._refuse(f"is no recording: {MANIFEST} does not say {KEY}")
        if version != FORMAT:
            self._refuse(f"has format {version}, and this teamflow reads {FORMAT}: record it anew")
        steps = self._map(told.get("steps", {}), "steps")
        takes = {step: tuple(self._takes(step, entries)) for step, entries in steps.items()}
        recording = Recording(
            self._name,
            takes,
            tuple(self._answers(told.get("answers", []))),
            {
                step: self._list(script, f"scripts.{step}")
                for step, script in self._map(told.get("scripts", {}), "scripts").items()
            },
            {step: self._faults(step, faults) for step, faults in self._map(told.get("faults", {}), "faults").items()},
        )
        recording = recording._replace(staged=told.get("staged") is True)
        inputs = self._map(told.get("inputs", {}), "inputs")
        return Recorded(recording, self._plan(told.get("plan")), inputs, told.get("no_input") is True)

    def _plan(self, name: object) -> Plan | None:
        if name is None:
            return None
        path = self._path(name, "plan")
        try:
            return plan_from_json(self._text(os.path.basename(path)))
        except PlanFormatError as error:
            self._refuse(f"{name}: {error}")

    def _takes(self, step: str, entries: object) -> Iterator[Take]:
        for number, entry in enumerate(self._list(entries, f"steps.{step}"), 1):
            where = f"steps.{step}[{number - 1}]"
            yield self._take(step, number, self._map(entry, where), where)

    def _take(self, step: str, number: int, entry: Mapping[str, Any], where: str) -> Take:
        take = Take(
            step,
            self._whole(entry.get("attempt", number), f"{where}.attempt"),
            self._word(entry.get("engine", ""), f"{where}.engine"),
            brief=brief_fields(entry.get("brief")),
            patch=self._file(entry.get("patch"), f"{where}.patch"),
        )
        if "result" in entry:
            return take._replace(result=self._result(self._map(entry["result"], f"{where}.result"), where))
        log, err = self._file(entry.get("log"), f"{where}.log"), self._file(entry.get("err"), f"{where}.err")
        if not log:
            self._refuse(f"{where} has neither log nor result")
        return take._replace(
            log=log,
            end=os.path.getsize(log),
            err=err,
            err_end=os.path.getsize(err) if err else 0,
            told=tuple(self._told(entry.get("inputs"), f"{where}.inputs")),
            exit=self._exit(self._map(entry.get("exit", {"code": 0}), f"{where}.exit"), f"{where}.exit"),
        )

    def _told(self, name: object, where: str) -> Iterator[Told]:
        path = self._file(name, where)
        before = 0
        for number, line in enumerate(self._text(os.path.basename(path)).splitlines() if path else (), 1):
            at = f"{name}:{number}"
            try:
                entry = self._map(json.loads(line), at)
            except (ValueError, RecursionError):
                self._refuse(f"{at} is no JSON")
            offset = self._whole(entry.get("offset"), f"{at}.offset")
            if offset < before:
                self._refuse(f"{at}: offsets do not go back")
            before = offset
            data, note = (self._word(entry.get(key, ""), f"{at}.{key}") for key in ("data", "note"))
            yield Told(offset, data, note, entry.get("end") is True)

    def _exit(self, entry: Mapping[str, Any], where: str) -> Exit:
        code, number, at = (entry.get(key) for key in ("code", "signal", "at"))
        if code is not None and not 0 <= self._whole(code, f"{where}.code") <= 255:
            self._refuse(f"{where}.code is no exit code")
        if number is not None and not 1 <= self._whole(number, f"{where}.signal") <= 64:
            self._refuse(f"{where}.signal is no signal")
        cause = entry.get("cause")
        known = None if cause is None else self._word(cause, f"{where}.cause")
        return Exit(code, number, known, at=at if isinstance(at, int | float) else None)

    def _result(self, entry: Mapping[str, Any], where: str) -> Succeeded | Failed:
        text = entry.get("text")
        said = None if text is None else self._word(text, f"{where}.result.text")
        usage = usage_from(entry.get("usage"))
        if "failure" not in entry:
            outputs = entry.get("outputs")
            return Succeeded(
                said, None if outputs is None else self._map(outputs, f"{where}.result.outputs"), (), usage
            )
        try:
            failure = FailureClass(str(entry["failure"]))
        except ValueError:
            self._refuse(f"{where}.result.failure: {entry['failure']!r} is no failure class")
        after = entry.get("retry_after")
        return Failed(
            failure,
            self._word(entry.get("reason", ""), f"{where}.result.reason"),
            retry_after=float(after) if isinstance(after, int | float) else None,
            usage=usage,
            text=said,
        )

    def _answers(self, entries: object) -> Iterator[Answered]:
        for number, each in enumerate(self._list(entries, "answers")):
            where = f"answers[{number}]"
            entry = self._map(each, where)
            words = [
                self._word(entry.get(key, ""), f"{where}.{key}") for key in ("step", "about", "answer", "note", "by")
            ]
            nth = entry.get("nth", 0)
            which = nth if nth == ALWAYS else self._whole(nth, f"{where}.nth")
            yield Answered(words[0], words[1], which, *words[2:])

    def _faults(self, step: str, entries: object) -> dict[int, Mapping[str, Json]]:
        out: dict[int, Mapping[str, Json]] = {}
        for attempt, fault in self._map(entries, f"faults.{step}").items():
            if not is_attempt_number(attempt):
                self._refuse(f"faults.{step}: {attempt[:60]!r} is no number of an attempt")
            out[int(attempt)] = self._map(fault, f"faults.{step}.{attempt}")
        return out

    # -- values ----------------------------------------------------------------------------------------------

    def _file(self, name: object, where: str) -> str:
        return "" if name is None else self._path(name, where)

    def _path(self, name: object, where: str) -> str:
        """A plain file directly in the directory."""
        if not isinstance(name, str) or not name or "/" in name or "\0" in name or name in (".", ".."):
            self._refuse(f"{where}: {str(name)[:60]!r} names no file of the recording")
        path = f"{self._directory}/{name}"
        if os.path.islink(path) or not os.path.isfile(path):
            self._refuse(f"{where}: {name} is not there")
        return path

    def _text(self, name: str) -> str:
        try:
            with open(f"{self._directory}/{name}", "rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            self._refuse(f"{name}: {error.strerror}")
        if len(data) > LARGEST:
            self._refuse(f"{name} is larger than {LARGEST >> 20} MiB")
        return data.decode("utf-8", "surrogateescape")

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._text(name))
        except (ValueError, RecursionError):
            self._refuse(f"{name} is no JSON")

    def _map(self, value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._refuse(f"{where} is no map")
        return value

    def _list(self, value: object, where: str) -> list[Any]:
        if not isinstance(value, list):
            self._refuse(f"{where} is no list")
        return value

    def _word(self, value: object, where: str) -> str:
        if not isinstance(value, str):
            self._refuse(f"{where} is no text")
        return value

    def _whole(self, value: object, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self._refuse(f"{where} is no number")
        return value

    def _refuse(self, fact: str) -> Never:
        raise FixtureError(f"{self._name}: {fact}")


def usage_from(entry: object) -> Usage | None:
    """From its JSON form, as far as that is whole."""
    if not isinstance(entry, Mapping):
        return None
    read, written, usd = (entry.get(name) for name in Usage._fields)
    known = float(usd) if isinstance(usd, int | float) and not isinstance(usd, bool) else None
    return Usage(_count(read), _count(written), known)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
