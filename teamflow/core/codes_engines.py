"""Codes of plans about engines: what one cannot do, or is not given, of what the team file asks of its agents."""

from __future__ import annotations

from typing import Final

from teamflow.core.code import Code

ENGINES: Final = (
    Code(
        "not-enforced",
        "an engine cannot keep to the permissions of an agent, or cannot be given what it is to have",
        "What permissions forbid is kept from an agent by the sandbox of its engine, by the questions that the engine "
        "asks before it does something, or by a look at what has changed before it is kept. Where an engine of the "
        "list has none of these for what the team file asks, nothing starts: a fence that is not there is worse than "
        "none that is promised. The same goes for MCP servers of a kind that the engine does not know, for "
        "isolate and for base_url. The message names the engine and what it cannot do, the hint what can be done.",
        "",
        "",
        "plan",
    ),
    Code(
        "no-model",
        "an agent with a base_url does not name its model",
        "A server of your own has the models that you gave it, and knows none of the names that a CLI asks for when it "
        "is told none. So each engine of such an agent needs the name of a model.",
        "",
        "",
        "plan",
    ),
    Code(
        "no-variable",
        "an MCP server refers to a variable that its step never has",
        "A step has what env, env_files, secrets and inherit_env give it, the basics such as PATH and HOME, and the "
        "variables that its engine logs in with. ${NAME} in a server means one of these; ${NAME:-text} has a default.",
        "",
        "",
        "plan",
    ),
    Code(
        "unknown-model",
        "a model has nearly the name of one that its engine is known to have",
        "Which models there are is for an engine's vendor to say, and changes. A name that teamflow does not know is "
        "handed on as it is; one that is nearly a known one is more likely a slip.",
        "",
        "",
        "plan",
    ),
    Code(
        "untold-cost",
        "an engine does not tell what it spends",
        "A budget counts what engines tell. One that tells tokens but no money is held back by a budget in tokens, "
        "and one that tells nothing by none: what it spends is shown as unknown, never as zero.",
        "",
        "",
        "plan",
    ),
)
