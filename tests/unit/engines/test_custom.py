"""Engines by configuration: what a program is started with, and that no prompt becomes anything else than a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.core.invocation import Brief, Invocation
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.plan import EngineDefinition, Json
from teamflow.engines.custom import LONGEST_ARGUMENT, CustomEngine, told

BRIEF = Brief("build/api", 2, "first", "/w", prompt="Do it.", stem="/run/logs/build--api.2")
FILE = "/run/logs/build--api.2.prompt"
ARGUMENT = ("{{ prompt }}",)


def invoke(brief: Brief = BRIEF, /, **keys: object) -> Invocation:
    made = CustomEngine("mine", EngineDefinition(("mine", "run"), **keys)).invoke(brief)  # type: ignore[arg-type]
    assert isinstance(made, Invocation), made
    return made


def refused(brief: Brief, /, **keys: object) -> str:
    failed = CustomEngine("mine", EngineDefinition(("mine",), **keys)).invoke(brief)  # type: ignore[arg-type]
    assert isinstance(failed, Failed)
    assert failed.failure is FailureClass.START
    return failed.reason


def test_the_three_ways() -> None:
    assert invoke() == Invocation(("mine", "run"), stdin="Do it.")
    assert invoke(prompt=ARGUMENT) == Invocation(("mine", "run", "Do it."))
    assert invoke(prompt=("--prompt={{prompt}}", "-q")) == Invocation(("mine", "run", "--prompt=Do it.", "-q"))
    assert invoke(prompt=("-f", "{{ prompt_file }}")) == Invocation(
        ("mine", "run", "-f", FILE), files=((FILE, "Do it."),)
    )


def test_words_for_a_model_and_a_session_come_between_and_only_where_there_is_one() -> None:
    keys: dict[str, object] = {
        "prompt": ("--", "{{ prompt }}"),
        "model": ("-m", "{{ model }}"),
        "resume": ("--resume={{ session }}",),
        "env": {"MODEL": "x-{{ model }}", "ALWAYS": "1"},
        "output": "json",
        "message": "m",
        "session": "s",
    }
    assert invoke(**keys) == Invocation(("mine", "run", "--", "Do it."), env={"ALWAYS": "1"}, protocol=True)
    whole = invoke(BRIEF._replace(model="big", session="s 1"), **keys)
    assert whole.argv == ("mine", "run", "-m", "big", "--resume=s 1", "--", "Do it.")
    assert whole.env == {"MODEL": "x-big", "ALWAYS": "1"}
    assert invoke(BRIEF._replace(session="s"), prompt=ARGUMENT).argv == ("mine", "run", "Do it."), "none: starts afresh"


def test_a_model_that_the_program_cannot_be_told_is_refused() -> None:
    assert "takes no model" in refused(BRIEF._replace(model="big"))
    assert invoke(BRIEF._replace(model="big"), env={"M": "{{model}}"}).env == {"M": "big"}


@pytest.mark.parametrize("length", [0, 1, LONGEST_ARGUMENT - 1, LONGEST_ARGUMENT])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_prompt_up_to_8_kib_may_be_an_argument(length: int, letter: str) -> None:
    prompt = (letter * length).encode()[:length].decode("utf-8", "ignore")
    assert invoke(BRIEF._replace(prompt=prompt), prompt=ARGUMENT).argv[-1] == prompt


@pytest.mark.parametrize("prompt", ["x" * (LONGEST_ARGUMENT + 1), "é" * (LONGEST_ARGUMENT // 2) + "x", "a\0b"])
def test_a_longer_one_goes_another_way_or_nowhere(prompt: str) -> None:
    brief = BRIEF._replace(prompt=prompt)
    assert invoke(brief, prompt=ARGUMENT, long_prompt=()) == Invocation(("mine", "run"), stdin=prompt)
    by_file = invoke(brief, prompt=("-p", "{{ prompt }}"), long_prompt=("-f", "{{ prompt_file }}"))
    assert by_file == Invocation(("mine", "run", "-f", FILE), files=((FILE, prompt),))
    assert invoke(brief) == Invocation(("mine", "run"), stdin=prompt), "stdin takes anything"
    reason = refused(brief, prompt=ARGUMENT)
    assert "mine" in reason
    assert "long_prompt: stdin" in reason
    assert ("NUL" in reason) == ("\0" in prompt)
    assert "\0" not in reason


def test_it_is_the_whole_text_that_counts() -> None:
    brief = BRIEF._replace(prompt="x" * LONGEST_ARGUMENT)
    assert "8194 bytes" not in refused(brief._replace(notice="!"), prompt=ARGUMENT)
    assert "8195 bytes" in refused(brief._replace(notice="!"), prompt=ARGUMENT)
    assert invoke(brief, prompt=ARGUMENT).argv[-1] == brief.prompt


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (("{{ prompt }}",), "\n--help me"),
        (("-p", "{{ prompt }}"), "\n--help me"),
        (("--", "{{ prompt }}"), "--help me"),
        (("--prompt={{ prompt }}",), "--prompt=--help me"),
    ],
)
def test_a_prompt_that_begins_with_a_dash_is_no_option(words: tuple[str, ...], last: str) -> None:
    assert invoke(BRIEF._replace(prompt="--help me"), prompt=words).argv[-1] == last


def test_after_a_separator_of_the_command_it_is_none_anyway() -> None:
    brief = BRIEF._replace(prompt="-x")
    made = CustomEngine("mine", EngineDefinition(("mine", "--"), prompt=ARGUMENT)).invoke(brief)
    assert isinstance(made, Invocation)
    assert made.argv == ("mine", "--", "-x")


@settings(deadline=None)
@given(prompt=st.text(max_size=60), instructions=st.text(max_size=10), notice=st.text(max_size=10))
def test_a_prompt_is_never_read_again(prompt: str, instructions: str, notice: str) -> None:
    brief = BRIEF._replace(prompt=prompt, instructions=instructions, notice=notice)
    sent = invoke(brief).stdin
    assert sent is not None
    sent.encode("utf-8", "surrogateescape")
    assert prompt.encode("utf-8", "replace").decode() in sent
    engine = CustomEngine("mine", EngineDefinition(("mine",), prompt=("{{ prompt }}{{ prompt }}",), long_prompt=()))
    made = engine.invoke(brief)
    assert isinstance(made, Invocation)
    assert made.argv[-1] in ("mine", sent + sent, f"\n{sent}{sent}")


@pytest.mark.parametrize("prompt", ["{{ model }}", "{{ prompt_file }}", "$(id)", "'; id", '"', "\\", "\r\n", "%s", "*"])
def test_hostile_prompts_are_one_word(prompt: str) -> None:
    brief = BRIEF._replace(prompt=prompt, model="m")
    assert invoke(brief, prompt=("{{ prompt }}",), model=("{{ model }}",)).argv == ("mine", "run", "m", prompt)


def test_bytes_that_are_no_text_pass_and_halves_of_pairs_are_replaced() -> None:
    assert invoke(BRIEF._replace(prompt="a\udcffb")).stdin == "a\udcffb"
    assert invoke(BRIEF._replace(prompt="a\ud800b")).stdin == "a?b"


def test_an_attempt_is_told_who_what_which_and_why() -> None:
    schemas: dict[str, Json] = {"n": {"type": "integer"}}
    whole = told(BRIEF._replace(instructions="You are careful.\n", schemas=schemas, notice="It failed."))
    first, rest = whole.split("\n\n", 1)
    assert first == "You are careful."
    assert rest.startswith("Do it.\n\nEnd with one JSON object")
    assert '"required": [\n    "n"\n  ]' in rest
    assert rest.endswith("\n\nIt failed.")
    assert told(BRIEF._replace(prompt=" Do it.\n")) == " Do it.\n", "a prompt alone is left as it is"
    assert told(BRIEF._replace(prompt="")) == ""


def test_what_is_wanted_is_not_said_twice() -> None:
    from teamflow.engines.results import outputs

    schemas: dict[str, Json] = {"n": {"type": "integer"}}
    failed = outputs("no", schemas)
    assert isinstance(failed, Failed)
    whole = told(BRIEF._replace(schemas=schemas, notice=f"The last attempt failed (output): x\n{failed.detail}"))
    assert whole.count("End with one JSON object") == 1


def test_what_it_can_do_follows_from_the_definition() -> None:
    plain = CustomEngine("mine", EngineDefinition(("mine",))).capabilities
    assert (plain.resume, plain.cost, plain.protocol, plain.schema, plain.steer) == (False, False, False, False, "none")
    keys = EngineDefinition(("mine",), output="json", resume=("{{ session }}",), usage={"usd": "cost"})
    rich = CustomEngine("mine", keys).capabilities
    assert (rich.resume, rich.cost, rich.protocol) == (True, True, True)
