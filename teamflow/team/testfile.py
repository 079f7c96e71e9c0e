"""The test file of a team: cases, each with what is played in place of agents, what goes wrong, and what is expected.

As strict as a team file, with the same places in its complaints. Pure: knows neither the team file nor the recordings
that it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, ValidationError, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError

from teamflow.core.diagnostics import Diagnostics, did_you_mean
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import FailureClass
from teamflow.core.script import ATTEMPT_NUMBER, check_script, is_attempt_number, shown_path
from teamflow.core.script_kinds import PATH
from teamflow.core.status import Status
from teamflow.team.model_types import Duration, JsonLike, Model, OneOrMany, Text
from teamflow.team.source import Path, Source, parse

ENDINGS: Final = ("succeeded", "stopped", *(item.value for item in FailureClass))
"""How an attempt can have ended."""

_FAULTS: Final = ("usage_limit", "crash_after", "hang", "bad_json", "conflict")
_BARE: Final = ("usage_limit", "hang", "bad_json")
"""Faults that need not be told more."""
_MOST: Final = 1000


def _script(value: object) -> object:
    if isinstance(value, str):
        return value
    complaints = check_script(value)  # type: ignore[arg-type]
    if complaints:
        first = complaints[0]
        raise PydanticCustomError("bad-script", "{text}", {"text": f"script{shown_path(first.path)}: {first.message}"})
    return value


def _fault(value: object) -> object:
    """`hang` is `{hang: true}`."""
    if isinstance(value, str):
        if value in _FAULTS and value not in _BARE:
            raise PydanticCustomError("wrong-value", "{text}", {"text": f"{value} needs to be told more: a map"})
        if value not in _FAULTS:
            text = f'"{value}" is no fault; {did_you_mean(value, _FAULTS) or ", ".join(_FAULTS)}'
            raise PydanticCustomError("wrong-value", "{text}", {"text": text})
        return {value: {} if value == "usage_limit" else True}
    if isinstance(value, dict) and len(value) != 1:
        raise PydanticCustomError("wrong-value", "{text}", {"text": "a fault is one word, or a map with one key"})
    return value


def _path(value: object) -> object:
    if isinstance(value, str) and next(PATH.check(value, ()), None) is not None:
        raise PydanticCustomError("wrong-value", "expected {shape}", {"shape": PATH.shape})
    return value


def _true(value: object) -> object:
    if value is not True:
        raise PydanticCustomError("wrong-value", "expected true")
    return value


_True: TypeAlias = Annotated[Literal[True], BeforeValidator(_true)]


class UsageLimit(Model):
    reset: Duration | None = Field(None, description="How long it lasts; an hour without it. It is not waited for.")


class CrashAfter(Model):
    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["events"]}, {"required": ["bytes"]}]})

    events: Annotated[int, Field(ge=0)] | None = Field(None, description="Lines of a recording, actions of a script.")
    bytes: Annotated[int, Field(ge=0)] | None = Field(None, description="Bytes of a recording.")


class Fault(Model):
    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    usage_limit: UsageLimit | None = Field(None, description="Its engine reports a usage limit.")
    crash_after: CrashAfter | None = Field(None, description="Its process is cut off.")
    hang: _True | None = Field(None, description="It does nothing until its time limit ends it.")
    bad_json: _True | None = Field(None, description="Its answer is no JSON.")
    conflict: Annotated[Text, BeforeValidator(_path), WithJsonSchema({**PATH.schema})] | None = Field(
        None, description="It writes something of its own into this file."
    )


class _OrBare:
    """In the schema, the words that may stand in its place."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(_BARE)}, handler(core)]}


FaultOrWord: TypeAlias = Annotated[Fault, BeforeValidator(_fault), _OrBare()]
_BY_ATTEMPT: Final = Field(json_schema_extra={"propertyNames": {"pattern": ATTEMPT_NUMBER}})


class Played(Model):
    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["script"]}, {"required": ["recording"]}]})

    script: Annotated[JsonLike, BeforeValidator(_script)] = Field(
        None, description="What is played in its place: actions as of engine: scripted, or a file with them."
    )
    recording: Text | None = Field(None, description="DIR#STEP of `teamflow record`, or DIR for the step of that name.")


class Expect(Model):
    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    status: Literal["succeeded", "failed", "cancelled", "waiting", "limited", "interrupted"] | None = Field(
        None, description="How the run ends."
    )
    exit: Annotated[int, Field(ge=0, le=255)] | None = Field(None, description="The exit code of `teamflow run`.")
    route: list[Text | list[Text]] | None = Field(
        None, description="The steps that ran, in this order; those of a list within it in any order."
    )
    skipped: list[Text] | None = Field(None, description="All the steps that were skipped.")
    steps: dict[str, Literal[tuple(item.value for item in Status)]] | None = Field(  # type: ignore[valid-type]
        None, description="How these steps ended."
    )
    attempts: dict[str, Annotated[int, Field(ge=0)] | list[Literal[ENDINGS]]] | None = Field(  # type: ignore[valid-type]
        None, description="How often these steps were tried, or how each attempt ended."
    )
    outputs: dict[str, dict[str, JsonLike]] | None = Field(None, description="Outputs of these steps, those named.")
    text: dict[str, OneOrMany] | None = Field(None, description="What the texts of these steps contain.")


class Case(Model):
    team: Text | None = Field(None, description="The team file, where it is another one.")
    inputs: dict[str, JsonLike] | None = Field(None, description="Inputs of the run.")
    steps: list[Text] | None = Field(None, description="Only these steps and what they need.")
    recording: Text | None = Field(None, description="A fixture for all agents that are not named under agents.")
    agents: dict[str, Played] | None = Field(None, description="What is played, by step or agent.")
    faults: dict[str, Annotated[dict[str, FaultOrWord], _BY_ATTEMPT]] | None = Field(
        None, description="What goes wrong, by step or agent and number of the attempt."
    )
    answers: dict[str, Text] | None = Field(
        None, description="What people answer, by step: approve, reject or an option."
    )
    timeout: Duration = Field(300.0, json_schema_extra={"default": "5m"}, description="After which the case fails.")
    expect: Expect = Field(description="What comes of it; at least one key.")


class TestFile(Model):
    __test__ = False

    team: Text | None = Field(None, description="The team file, relative to this one.")
    cases: dict[str, Case] = Field(min_length=1, description="By name.")


class ReadTests(NamedTuple):
    """A test file, with the places of its parts."""

    file: TestFile
    source: Source

    def place(self, path: Path) -> str:
        """`FILE:LINE:COLUMN` of a key."""
        span = self.source.key_span(path)
        return f"{span.file}:{span.line}:{span.column}"


def load_tests(data: bytes, *, file: str, found: Diagnostics) -> ReadTests | None:
    """The cases of a test file; None after at least one complaint."""
    source = parse(data, file=file, found=found)
    if source is None or found.has_errors:
        return None
    tree = source.value
    if not isinstance(tree, dict):
        found.error("wrong-type", "a test file is a map with the key cases", source.value_span(()))
        return None
    before = len(found)
    tree = _without_notes(tree)
    for path in _nulls(tree, ()):
        found.error("no-value", f'the key "{path[-1]}" has no value', source.key_span(path))
    if len(found) > before:
        return None
    try:
        tests = TestFile.model_validate(tree)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False)[:_MOST]:
            _complain(detail, tree, source, found)
        return None
    _check(tests, source, found)
    return ReadTests(tests, source) if len(found) == before else None


def _without_notes(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Without `x-` keys of the file and of its cases, which are places for anchors."""
    kept = {key: value for key, value in tree.items() if not key.startswith("x-")}
    cases = kept.get("cases")
    if isinstance(cases, dict):
        kept["cases"] = {
            name: {key: value for key, value in case.items() if not key.startswith("x-")}
            if isinstance(case, dict)
            else case
            for name, case in cases.items()
            if not name.startswith("x-")
        }
    return kept


def _nulls(tree: object, path: Path) -> Iterator[Path]:
    if not isinstance(tree, dict) or _is_free(path):
        return
    for key, value in tree.items():
        if value is None:
            yield (*path, key)
        yield from _nulls(value, (*path, key))


def _is_free(path: Path) -> bool:
    """Whether any values may stand below it: an input, an output, an argument of an action."""
    match path:
        case ("cases", _, "inputs", *_) | ("cases", _, "expect", "outputs", _, *_):
            return True
        case ("cases", _, "agents", _, "script", *_):
            return True
        case _:
            return False


def _complain(detail: ErrorDetails, tree: Mapping[str, Any], source: Source, found: Diagnostics) -> None:
    path: list[str | int] = []
    value: Any = tree
    for part in detail["loc"]:
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if inside:
            value = value[part]
            path.append(part)
    last = str(detail["loc"][-1])
    at = tuple(path)
    match detail["type"]:
        case "extra_forbidden":
            found.error("unknown-key", f'there is no key "{last}" here', source.key_span(at), hint=_meant(last))
        case "missing":
            found.error("missing-key", f'the key "{last}" is missing', source.key_span(at))
        case kind if "-" in kind:
            found.error("wrong-value", detail["msg"], source.value_span(at))
        case "literal_error":
            found.error("wrong-value", detail["msg"].lower().replace("'", '"'), source.value_span(at))
        case _:
            found.error("wrong-type", detail["msg"].lower(), source.value_span(at))


def _meant(word: str) -> str | None:
    models = (TestFile, Case, Expect, Played, Fault, CrashAfter, UsageLimit)
    return did_you_mean(word, [name for model in models for name in model.model_fields])


def _check(tests: TestFile, source: Source, found: Diagnostics) -> None:
    """What no single value shows."""
    for name, case in tests.cases.items():
        for step, played in (case.agents or {}).items():
            if (played.script is None) == (played.recording is None):
                at = source.value_span(("cases", name, "agents", step))
                found.error("wrong-value", "an agent is played by a script or by a recording: one of both", at)
        for step, faults in (case.faults or {}).items():
            for attempt, fault in faults.items():
                at = source.key_span(("cases", name, "faults", step, attempt))
                if not is_attempt_number(attempt):
                    found.error("wrong-value", "expected the number of an attempt, 1 or more", at)
                crash = fault.crash_after
                if crash is not None and (crash.events is None) == (crash.bytes is None):
                    found.error("wrong-value", "crash_after takes events or bytes: one of both", at)
        if not case.expect.model_fields_set:
            found.error("wrong-value", "it expects nothing", source.key_span(("cases", name, "expect")))
