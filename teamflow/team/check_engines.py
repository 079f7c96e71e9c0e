"""Checks of the engines that a team defines: words with their placeholders, paths into JSON, which keys go together.

Decides that no text can become code or an option by way of a definition. Refuses to know whether the program is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

from teamflow.core.json_path import Index, parse_path
from teamflow.core.placeholders import MODEL, PROMPT, PROMPT_FILE, SESSION, placeholders, without_placeholders
from teamflow.team.check_team import check_variables, shown
from teamflow.team.check_text import script_of
from teamflow.team.check_url import check_base_url
from teamflow.team.engines import prompt_words
from teamflow.team.model_engines import EngineDefinition
from teamflow.team.scope import BUILT_IN_ENGINES, PROTOCOL, RESERVED, Scope
from teamflow.team.source import Path
from teamflow.team.template import is_template

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "command": (),
    "prompt": (PROMPT, PROMPT_FILE),
    "long_prompt": (PROMPT_FILE,),
    "resume": (SESSION,),
    "model": (MODEL,),
}
"""Lists of words, and the placeholders of which each needs one; `command` has none."""

_COMMAND_HINT: Final = "Words for the prompt, a model and a session stand under prompt, model and resume."
_PATHS: Final = ("message", "error", "session", "calls")
_OF_JSON: Final = (*_PATHS, "usage", "resume")
_NOT_OF_ACP: Final = (*_OF_JSON, "prompt", "long_prompt")
"""What the protocol says itself."""
_OF_VARIANTS: Final = frozenset(("engine", "base_url", "model", "env", "inherit_env"))
_VARIED: Final = tuple(name for name in BUILT_IN_ENGINES if name != "scripted")
"""Engines of which there are variants: those that ask a model."""


def check_engines(scope: Scope) -> None:
    for name, definition in (scope.team.engines or {}).items():
        path: Path = ("engines", name)
        if name in RESERVED:
            hint = f'Give it a name of its own, like "my-{name}".'
            scope.error("built-in-engine", f'the engine "{name}" is built in', path, hint=hint, key=True)
        if definition.engine is not None:
            _check_variant(scope, definition, definition.engine, path)
            continue
        if path not in scope.damaged:
            _check_program(scope, definition, path)
        _check_words(scope, definition, path)
        _check_env(scope, definition, path)
        _check_failures(scope, definition, path)
        lines = definition.output == "json-lines"
        for where, text in _json_paths(definition, path):
            _check_json_path(scope, text, where, lines=lines)
        if path not in scope.damaged and definition.command is not None:
            _check_shell(scope, definition, path)
            _check_together(scope, definition, path)
            _check_resume(scope, definition, path)


def _check_variant(scope: Scope, definition: EngineDefinition, engine: str, path: Path) -> None:
    if engine not in _VARIED:
        own = engine in (scope.team.engines or {})
        message = f'the engine "{shown(engine)}" is not built in' if own else f'there is no engine "{shown(engine)}"'
        known = f"A variant is one of {', '.join(_VARIED)}."
        hint = known if own else scope.suggest(engine, _VARIED, otherwise=known)
        scope.error("unknown-engine", message, (*path, "engine"), hint=hint)
    for key in sorted(definition.model_fields_set - _OF_VARIANTS):
        if getattr(definition, key) is not None:
            message = f"{key} is for programs, and this is a variant of {shown(engine)}"
            hint = "Remove it, or engine: an engine of one's own is either a program or a variant."
            scope.error("key-without-meaning", message, (*path, key), hint=hint, key=True)
    if isinstance(definition.model, tuple):
        hint = "Write model: NAME, as the server has it."
        scope.error("wrong-value", "the model of a variant is one name", (*path, "model"), hint=hint)
    if definition.base_url is not None:
        check_base_url(scope, definition.base_url, (*path, "base_url"))
    env = definition.env or {}
    check_variables(scope, env, (*path, "env"))
    for name, value in env.items():
        if isinstance(value, str) and is_template(value):
            hint = "What steps differ in stands in env of the agents."
            scope.error("engine-words", f'"{shown(value)}" cannot be filled in', (*path, "env", name), hint=hint)


def _check_program(scope: Scope, definition: EngineDefinition, path: Path) -> None:
    if definition.command is None:
        hint = "Write command: [PROGRAM, …], or engine: NAME for a variant of a built-in one."
        message = f'the engine "{shown(str(path[-1]))}" needs command or engine'
        scope.error("missing-key", message, path, hint=hint, key=True)
    if definition.base_url is not None:
        hint = (
            "Write engine: claude instead of command, or remove it: a program is told its server by its words or env."
        )
        scope.error("key-without-meaning", "base_url needs engine", (*path, "base_url"), hint=hint, key=True)
    if isinstance(definition.model, str):
        hint = 'Write words that hold it, like model: [--model, "{{ model }}"].'
        scope.error("wrong-value", "the model of a program is told by words", (*path, "model"), hint=hint)


def _check_words(scope: Scope, definition: EngineDefinition, path: Path) -> None:
    for key, names in _NAMES.items():
        words = getattr(definition, key)
        if not isinstance(words, tuple):
            continue
        good = [_check_word(scope, word, (*path, key, index), names) for index, word in enumerate(words)]
        held = {name for word in words for name in placeholders(word) if name in names}
        if names and not held and all(good):
            said = " or ".join(f"{{{{ {name} }}}}" for name in names)
            scope.error("engine-words", f"none of the words of {key} holds {said}", (*path, key))
        elif len(held) > 1:
            scope.error("engine-words", f"{key} holds the prompt and its file, one is enough", (*path, key))


def _check_word(scope: Scope, word: str, path: Path, names: tuple[str, ...]) -> bool:
    """Whether a word holds no more than these placeholders; complains if it does."""
    if all(name in names for name in placeholders(word)) and not is_template(without_placeholders(word)):
        return True
    said = " or ".join(f"{{{{ {name} }}}}" for name in names)
    hint = f"Here stands {said}, and no other template." if names else _COMMAND_HINT
    scope.error("engine-words", f'"{shown(word)}" cannot be filled in', path, hint=hint)
    return False


def _check_env(scope: Scope, definition: EngineDefinition, path: Path) -> None:
    env = definition.env or {}
    check_variables(scope, env, (*path, "env"))
    for name, value in env.items():
        if isinstance(value, str):
            _check_word(scope, value, (*path, "env", name), (MODEL,))


def _check_failures(scope: Scope, definition: EngineDefinition, path: Path) -> None:
    if definition.failures is None:
        return
    # Imported here: few files have such patterns.
    import regex

    for failure, patterns in definition.failures:
        for index, pattern in enumerate(patterns or ()):
            try:
                regex.compile(pattern)
            except (regex.error, RecursionError, OverflowError) as error:
                message = f'"{shown(pattern)}" is no regular expression: {shown(str(error))}'
                hint = "A character that means itself needs a backslash before it, in single quotes: '\\('."
                scope.error("bad-pattern", message, (*path, "failures", failure, index), hint=hint)


def _json_paths(definition: EngineDefinition, path: Path) -> Iterator[tuple[Path, str]]:
    for key in _PATHS:
        text = getattr(definition, key)
        if text is not None:
            yield (*path, key), text
    for key, text in definition.usage or ():
        if text is not None:
            yield (*path, "usage", key), text


def _check_json_path(scope: Scope, text: str, path: Path, *, lines: bool) -> None:
    hint = "A path is like result.text, messages[-1].content, [role=assistant].content."
    try:
        parts = parse_path(text)
    except ValueError as error:
        scope.error("bad-json-path", f'"{shown(text)}" is no path into JSON: {shown(str(error))}', path, hint=hint)
        return
    if lines and isinstance(parts[0], Index):
        hint = "Every line is looked at by itself, and the last one that has something there counts."
        scope.error("bad-json-path", "a path into json-lines does not begin with a number", path, hint=hint)


def _check_shell(scope: Scope, definition: EngineDefinition, path: Path) -> None:
    """No word that is filled in may be what a shell reads as its script, whichever of the optional ones are there."""
    own = [(word, "command") for word in definition.command or ()]
    resume = [(word, "resume") for word in definition.resume or ()]
    model = [(word, "model") for word in definition.model or ()]
    ways = [
        [(word, key) for word in prompt_words(given)]
        for key, given in (("prompt", definition.prompt), ("long_prompt", definition.long_prompt))
        if given is not None
    ]
    found: dict[str, None] = {}
    for before, between, last in product(([], model), ([], resume), ways or [[]]):
        words = [*own, *before, *between, *last]
        script = script_of(tuple(word for word, _ in words))
        if script is not None and placeholders(words[script][0]):
            found[words[script][1]] = None
    for key in found:
        hint = "Give it the prompt by stdin or in a file, and what else it needs by env."
        scope.error("template-in-shell", "a shell would read what is filled in as code", (*path, key), hint=hint)


def _check_together(scope: Scope, definition: EngineDefinition, path: Path) -> None:
    if definition.output == PROTOCOL:
        for key in _NOT_OF_ACP:
            if getattr(definition, key) is not None:
                hint = "Remove it: the protocol has its own way for that."
                message = f"{key} means nothing to an agent that speaks ACP"
                scope.error("key-without-meaning", message, (*path, key), hint=hint, key=True)
        return
    for key in _OF_JSON if definition.output in (None, "text") else ():
        if getattr(definition, key) is not None:
            hint = "Write output: json (or json-lines), or remove it."
            scope.error("key-without-meaning", f"{key} needs an output of JSON", (*path, key), hint=hint, key=True)
    if definition.output not in (None, "text") and definition.message is None:
        hint = "Write message: PATH, the way to the final message in the JSON."
        scope.error("missing-key", f"output: {definition.output} needs message", (*path, "output"), hint=hint)
    by_argument = any(PROMPT in placeholders(word) for word in prompt_words(definition.prompt or "stdin"))
    if definition.long_prompt is not None and not by_argument:
        hint = "Remove it: on stdin and in a file a prompt may have any length."
        message = "long_prompt is for engines that get the prompt by argument"
        scope.error("key-without-meaning", message, (*path, "long_prompt"), hint=hint, key=True)


def _check_resume(scope: Scope, definition: EngineDefinition, path: Path) -> None:
    if definition.output in (None, "text", PROTOCOL):
        return  # then neither means anything, which has been said
    if definition.resume is not None and definition.session is None:
        hint = "Write session: PATH, the way to the session's id in the JSON."
        scope.error("missing-key", "resume needs session", (*path, "resume"), hint=hint, key=True)
    elif definition.session is not None and definition.resume is None:
        hint = 'Write resume: [--resume, "{{ session }}"], or remove it.'
        scope.error("key-without-meaning", "session needs resume", (*path, "session"), hint=hint, key=True)
