"""The engines that a team file defines, as typed, frozen values: the part of `team/model.py` that is theirs."""

from typing import Literal

from pydantic import Field

from teamflow.team.model_types import Argv, Env, Model, OneOrMany, Text


class EngineUsage(Model):
    input_tokens: Text | None = Field(None, description="The path to the number of tokens that it read.")
    output_tokens: Text | None = Field(None, description="The path to the number of tokens that it wrote.")
    usd: Text | None = Field(None, description="The path to what it cost, in US dollars.")


class EngineFailures(Model):
    """Regular expressions, any case, for what a failure says; looked for in this order, and the first found counts."""

    usage_exhausted: OneOrMany | None = Field(None, description="Its usage limit is reached; also when it is over.")
    rate_limit: OneOrMany | None = Field(None, description="Too many requests; also for how long to wait.")
    auth: OneOrMany | None = Field(None, description="Nobody is logged in, or the key is wrong.")
    rejected: OneOrMany | None = Field(None, description="The request will never be taken: too long, not allowed.")
    fatal: OneOrMany | None = Field(None, description="What another try will not mend.")
    transient: OneOrMany | None = Field(None, description="What may pass by itself: overloaded, no connection.")


class EngineDefinition(Model):
    """Exactly one of `command` and `engine` (checked in `check_engines`)."""

    command: Argv | None = Field(None, description="The argv that starts the engine; no templates.")
    engine: Text | None = Field(
        None, description="Instead of a program: the built-in engine of which this one is a variant."
    )
    base_url: Text | None = Field(
        None, description="Of a variant: the root of a server that answers as its model, before the agent's `base_url`."
    )
    prompt: Literal["stdin", "argument", "file"] | Argv | None = Field(
        None,
        description="How it gets the prompt: on stdin, as its last argument, as a file whose path is its last "
        "argument, or by words that hold `{{ prompt }}` or `{{ prompt_file }}`.",
    )
    long_prompt: Literal["stdin", "file"] | Argv | None = Field(
        None,
        description="How it gets a prompt that cannot be an argument (above 8 KiB), where `prompt` is by argument.",
    )
    output: Literal["text", "json", "json-lines", "acp"] | None = Field(
        None,
        description="What it writes to stdout: its message, one JSON value, JSON objects line by line, or the Agent "
        "Client Protocol, which it then speaks on stdin, too.",
    )
    message: Text | None = Field(
        None, description="The path to its final message in the JSON: `result.text`, `[role=assistant].content`."
    )
    error: Text | None = Field(None, description="The path to what stands in the JSON only when it has failed.")
    session: Text | None = Field(None, description="The path to the session's id in the JSON.")
    calls: Text | None = Field(None, description="The path to what stands in the JSON only where it uses a tool.")
    usage: EngineUsage | None = Field(None, description="Where the JSON tells what was used.")
    resume: Argv | None = Field(
        None, description="Words that are added when a session goes on; they hold `{{ session }}`."
    )
    model: Text | Argv | None = Field(
        None,
        description="Words that are added where a model is named; they hold `{{ model }}`. Of a variant: the model "
        "that it asks for where `engine: name/model` names none.",
    )
    env: Env | None = Field(
        None,
        description="Variables of its environment; a value may hold `{{ model }}`. Those of a variant are plain, and "
        "go before the agent's.",
    )
    inherit_env: OneOrMany | None = Field(
        None, description="Names or globs of your own variables that its steps get: its login, its settings."
    )
    failures: EngineFailures | None = Field(None, description="What its failures mean, by what it prints about them.")
