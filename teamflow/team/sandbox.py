"""Jinja2 with nothing to reach and a bound on everything: the only importer of jinja2.

Decides which syntax, filters, tests and operators exist and what they cost. A dot looks up keys and never
Python attributes, nothing can be called but `range`, and one budget per render pays for every turn of a loop and
every value made, so that no source can take long or grow large. Refuses to know what the names mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, cast

from jinja2 import Template, TemplateSyntaxError, Undefined, UndefinedError, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from teamflow.core.plan import Json
from teamflow.team import sandbox_filters
from teamflow.team.budget import Budget, OverBudget
from teamflow.team.sandbox_ast import CHARGED, CONCAT, COUNTED, Unreadable, bound, certain_type, refer
from teamflow.team.template import MAX_RESULT, Reference, TemplateError, missing, to_text

BUDGET = " budget"
"""The context's key of the budget; no template can spell it."""

MAX_TOKENS = 5_000
_LOOP = frozenset(
    ("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "previtem", "nextitem")
)


class _Absent(StrictUndefined):
    """Undefined that says which key is not there."""

    def _fail(self) -> NoReturn:
        raise UndefinedError(self._undefined_message)


@pass_context
def _finalize(context: Context, value: object) -> str:
    return to_text(_settled(_budget(context), value))


def _settled(budget: Budget, value: object) -> Json:
    if isinstance(value, Undefined):
        str(value)  # raises with the message of what is not there
    return budget.settle(value)


@pass_context
def _range(context: Context, *bounds: int) -> list[int]:
    if not all(isinstance(bound, int) for bound in bounds):
        raise TemplateRuntimeError("range takes whole numbers")
    numbers = range(*bounds)
    _budget(context).take(10 * len(numbers) if len(numbers) < 10**6 else 10**9)
    return list(numbers)


def _budget(context: Context) -> Budget:
    return cast(Budget, context[BUDGET])


class _Environment(ImmutableSandboxedEnvironment):
    """Keys only, no calls, counted operators, a closed list of filters and tests."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "**", "%"))

    def __init__(self) -> None:
        super().__init__(undefined=_Absent, optimized=False, autoescape=False, keep_trailing_newline=True, cache_size=0)
        standard = dict(self.filters)
        self.filters.clear()
        for name in sandbox_filters.ALLOWED:
            key = object()  # no template can name it: `map` and its kin look filters up by value
            self.filters[cast(str, key)] = sandbox_filters.OWN.get(name) or standard[name]
            self.filters[name] = _charged_filter(name, cast(str, key))
        self.filters[CHARGED] = _charge
        self.filters[COUNTED] = _count
        self.filters[CONCAT] = _concat
        self.tests = {name: test for name, test in self.tests.items() if name in sandbox_filters.TESTS}
        self.globals = {"range": _range}
        self.finalize = _finalize

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return getattr(obj, "missing")  # noqa: B009 - raises with the message of what is not there
        if isinstance(argument, Undefined):
            str(argument)
        try:
            if isinstance(obj, Mapping) or (
                isinstance(obj, (str, list, tuple))
                and isinstance(argument, (int, slice))
                and not isinstance(argument, bool)
            ):
                return obj[argument]
        except (LookupError, TypeError, ValueError):
            pass
        return self.undefined(_missing(obj, argument))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return _budget(context).operate(operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        return obj is _range

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False


def _missing(obj: object, argument: object) -> str:
    if isinstance(obj, Mapping):
        known = ", ".join(sorted(str(key) for key in obj)[:8]) or "nothing"
        return f"there is no key {argument!r} here, only {known}"
    if isinstance(obj, (list, tuple, str)) and isinstance(argument, int):
        return f"there is no entry number {argument}"
    return missing(("this",), str(argument), obj)


def _charged_filter(name: str, key: str) -> Callable[..., object]:
    """The filter behind `key`, with its arguments looked at before and its result after."""

    @pass_context
    def run(context: Context, value: Any, *args: Any, **kwargs: Any) -> object:
        budget = _budget(context)
        sandbox_filters.check(name, value, args, kwargs, budget)
        result = context.environment.call_filter(key, value, args, kwargs, context=context, eval_ctx=context.eval_ctx)
        if not isinstance(result, (str, int, float, list, dict, tuple, Undefined)) and isinstance(result, Iterable):
            result = budget.collect(result)
        return result if isinstance(result, Undefined) else budget.charge(result)

    return run


@pass_context
def _charge(context: Context, value: object) -> object:
    return value if isinstance(value, Undefined) else _budget(context).charge(value)


@pass_context
def _count(context: Context, value: object) -> Iterable[object]:
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, (int, float)) or value is None:
        raise TemplateRuntimeError("only a list, a map or a text can be looped over")
    return _budget(context).turns(cast(Iterable[object], value))


@pass_context
def _concat(context: Context, parts: list[object]) -> object:
    budget = _budget(context)
    texts = [to_text(_settled(budget, part)) for part in parts]
    budget.take(sum(map(len, texts)))
    return budget.charge("".join(texts))


class _Program:
    """A template or expression that Jinja2 compiled."""

    __slots__ = ("_body", "_compiled", "_typed", "json_type", "references", "tokens")

    def __init__(
        self,
        body: nodes.Template,
        references: tuple[Reference, ...],
        tokens: int,
        *,
        typed: bool,
        json_type: str | None,
    ) -> None:
        self._body: nodes.Template | None = body
        self._compiled: Template | None = None
        self._typed = typed
        self.json_type = json_type
        self.references = references
        self.tokens = tokens

    def _code(self) -> Template:
        """The compiled template, made when it is first rendered: to check a file, reading is enough."""
        if self._compiled is None:
            assert self._body is not None
            try:
                self._compiled = _environment().from_string(self._body)
            except (RecursionError, SyntaxError, MemoryError, OverflowError):
                raise TemplateError("this is nested too deep") from None
            self._body = None
        return self._compiled

    def render(self, context: Mapping[str, Json]) -> Json:
        budget = Budget(MAX_RESULT)
        root = self._code()
        frame = root.new_context({**context, BUDGET: budget})
        try:
            pieces: list[str] = []
            length = 0
            for piece in root.root_render_func(frame):
                length += len(piece)
                if length > MAX_RESULT:
                    raise OverBudget(f"the result is longer than {MAX_RESULT} characters")
                pieces.append(piece)
            return _settled(budget, frame.vars["result"]) if self._typed else "".join(pieces)
        except (UndefinedError, SecurityError, TemplateRuntimeError, OverBudget) as error:
            raise TemplateError(str(error)) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise TemplateError(f"this cannot be worked out: {error}") from None


_made: list[_Environment] = []


def _environment() -> _Environment:
    if not _made:
        _made.append(_Environment())
    return _made[0]


def read_template(source: str) -> _Program:
    """A template with its syntax checked and bounded. Raises TemplateError."""
    environment = _environment()
    tokens = _count_tokens(source)
    return _read(lambda: environment.parse(source), tokens)


def read_expression(source: str) -> _Program:
    """A bare expression. Raises TemplateError."""
    environment = _environment()
    tokens = _count_tokens("{{" + source + "}}")

    def parse() -> nodes.Template:
        parser = Parser(environment, source, state="variable")
        expression = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError(f"unexpected {parser.stream.current.value!r}", parser.stream.current.lineno)
        return nodes.Template([nodes.Output([expression], lineno=1)], lineno=1)

    return _read(parse, tokens)


def _count_tokens(source: str) -> int:
    """How many tokens lie inside braces; stops early at too many."""
    count = 0
    try:
        for _, kind, _ in _environment().lex(source):
            count += kind not in ("data", "whitespace")
            if count > MAX_TOKENS:
                raise TemplateError(f"this template is too large: more than {MAX_TOKENS} words and signs inside braces")
    except TemplateSyntaxError as error:
        raise TemplateError(_say(error), line=error.lineno) from None
    return count


def _read(parse: Callable[[], nodes.Template], tokens: int) -> _Program:
    try:
        tree = parse()
        references = refer(tree)
        typed = _lone_expression(tree)
        json_type = "string" if typed is None else certain_type(typed)
        bound(tree)
        if typed is not None:
            body = nodes.Assign(nodes.Name("result", "store", lineno=1), tree.body[0].nodes[0], lineno=1)  # type: ignore[attr-defined]
            tree = nodes.Template([body], lineno=1)
        tree.set_environment(_environment())
        return _Program(tree, references, tokens, typed=typed is not None, json_type=json_type)
    except TemplateSyntaxError as error:
        raise TemplateError(_say(error), line=error.lineno) from None
    except Unreadable as error:
        raise TemplateError(str(error), line=error.line) from None
    except (RecursionError, SyntaxError, MemoryError, OverflowError, ValueError):
        raise TemplateError("this is nested too deep or holds a number that is too large") from None


def _lone_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression when the whole template is `{{ … }}` and nothing else."""
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output) and len(tree.body[0].nodes) == 1:
        only = tree.body[0].nodes[0]
        return None if isinstance(only, nodes.TemplateData) else only
    return None


def _say(error: TemplateSyntaxError) -> str:
    message = error.message or "this is not a template"
    return message[0].lower() + message[1:]
