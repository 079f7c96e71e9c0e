"""The one pass over a template's syntax tree: what is allowed, what it refers to, what gets counted.

Decides the language: the node classes of `_ALLOWED`, no recursion, no macros, no imports, no calls but `range`. Loops,
literals, comparisons, slices and `~` are rewritten so that the budget sees them. Refuses to know values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from jinja2 import nodes

from teamflow.team.sandbox_filters import ALLOWED, TESTS
from teamflow.team.template import Reference

COUNTED = " counted"
CHARGED = " charged"
CONCAT = " concat"
"""Filters that no template can spell."""

_DEEPEST = 60
_NESTED_LOOPS = 8

_ALLOWED: frozenset[type[nodes.Node]] = frozenset(
    (
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple,
        nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Getattr,
        nodes.Getitem, nodes.Slice, nodes.Concat, nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or,
        nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow,
        nodes.If, nodes.For, nodes.Assign, nodes.Call,
    )
)  # fmt: skip


class Unreadable(ValueError):
    """Syntax that Jinja2 has and templates here have not. `line` is within the template."""

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


def bound(tree: nodes.Template) -> None:
    """Checks `tree` and rewrites it in place so that all work is counted. Raises Unreadable."""
    for node, depth, loops in _walk(tree):
        if type(node) not in _ALLOWED:
            raise Unreadable(f"{_word(node)} is not available in templates here", line=node.lineno)
        if depth > _DEEPEST or loops > _NESTED_LOOPS:
            raise Unreadable("this is nested too deep", line=node.lineno)
        _check(node)
    _rewrite(tree)


def _word(node: nodes.Node) -> str:
    return {"CallBlock": "call", "FilterBlock": "filter", "FromImport": "import", "AssignBlock": "a set block"}.get(
        type(node).__name__, type(node).__name__.lower()
    )


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, int]]:
    """Every node with its depth and the number of loops around it."""
    pending = [(tree, 0, 0)]
    while pending:
        node, depth, loops = pending.pop()
        yield node, depth, loops
        inner = loops + isinstance(node, nodes.For)
        pending.extend((child, depth + 1, inner) for child in node.iter_child_nodes())


def _check(node: nodes.Node) -> None:
    match node:
        case nodes.For(recursive=True):
            raise Unreadable("a loop cannot be recursive", line=node.lineno)
        case nodes.Call(node=nodes.Name(name="range"), dyn_args=None, dyn_kwargs=None, kwargs=[]):
            pass
        case nodes.Call():
            raise Unreadable("nothing can be called here but range(); use a filter, as in x | upper", line=node.lineno)
        case nodes.Filter(node=None) | nodes.Filter(dyn_args=nodes.Node()) | nodes.Filter(dyn_kwargs=nodes.Node()):
            raise Unreadable("a filter needs a value and plain arguments", line=node.lineno)
        case nodes.Filter(name=name) if name not in ALLOWED:
            known = ", ".join(ALLOWED)
            raise Unreadable(f"there is no filter {name!r}; the filters are {known}", line=node.lineno)
        case nodes.Test(name=name) if name not in TESTS:
            known = ", ".join(test for test in TESTS if test.isalpha())
            raise Unreadable(f"there is no test {name!r}; the tests are {known}", line=node.lineno)
        case nodes.Assign(target=nodes.Name()) | nodes.Getattr() | nodes.Getitem():
            pass
        case nodes.Const(value=float()) if not math.isfinite(node.value):
            raise Unreadable("this number is too large", line=node.lineno)
        case nodes.Assign():
            raise Unreadable("set takes one name", line=node.lineno)


def _rewrite(node: nodes.Node) -> None:
    """Children first, so that a rewritten node is not visited again. Depth has been bounded."""
    for field, value in list(node.iter_fields()):
        if isinstance(value, nodes.Node):
            setattr(node, field, _rewritten(value, field, node))
        elif isinstance(value, list):
            value[:] = [_rewritten(item, field, node) if isinstance(item, nodes.Node) else item for item in value]


def _rewritten(node: nodes.Node, field: str, parent: nodes.Node) -> nodes.Node:
    _rewrite(node)
    if isinstance(parent, nodes.For) and field == "iter":
        return _filter(node, COUNTED)
    match node:
        case nodes.Concat():
            return _filter(nodes.List(node.nodes, lineno=node.lineno), CONCAT)
        case nodes.List() | nodes.Dict() | nodes.Compare(expr=nodes.Expr()) if not isinstance(node, nodes.Compare):
            return _filter(node, CHARGED)
        case nodes.Tuple(ctx="load"):
            return _filter(nodes.List(node.items, lineno=node.lineno), CHARGED)
        case nodes.Getitem(arg=nodes.Slice()):
            return _filter(node, CHARGED)
        case nodes.Compare():
            node.expr = _filter(node.expr, CHARGED)
            for operand in node.ops:
                operand.expr = _filter(operand.expr, CHARGED)
    return node


def _filter(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def refer(tree: nodes.Template) -> tuple[Reference, ...]:
    """Every outer name that `tree` uses, with the constant part of what is looked up in it."""
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"} | {"loop", "range"}
    found: dict[Reference, None] = {}
    pending: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while pending:
        node, optional = pending.pop()
        chain = _chain(node)
        if chain is not None:
            path, whole, inner = chain
            if path[0] not in own:
                found[Reference(path, whole, optional)] = None
            pending.extend((part, optional) for part in inner)
            continue
        spared = optional or _provides(node)
        pending.extend((child, spared) for child in node.iter_child_nodes())
    return tuple(found)


_CONSTANTS = {bool: "boolean", str: "string", int: "integer", float: "number", type(None): "null"}


def certain_type(node: nodes.Expr) -> str | None:
    """The JSON type that an expression has whatever its names hold, None when that depends."""
    match node:
        case nodes.Compare() | nodes.Not() | nodes.Test():
            return "boolean"
        case nodes.And() | nodes.Or():
            left, right = certain_type(node.left), certain_type(node.right)
            return left if left == right else None
        case nodes.Const():
            return _CONSTANTS.get(type(node.value))
        case nodes.Concat():
            return "string"
        case nodes.List() | nodes.Tuple():
            return "array"
        case nodes.Dict():
            return "object"
        case nodes.Filter(name="length" | "count"):
            return "integer"
        case nodes.Filter(name="join" | "upper" | "lower" | "trim" | "string" | "tojson" | "title" | "replace"):
            return "string"
        case nodes.Filter(name="list" | "map" | "select" | "reject" | "selectattr" | "rejectattr" | "unique"):
            return "array"
    return None


def _provides(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Test):
        return node.name in ("defined", "undefined")
    return isinstance(node, nodes.Filter) and node.name in ("default", "d")


def _chain(node: nodes.Node) -> tuple[tuple[str, ...], bool, list[nodes.Node]] | None:
    """`a.b['c'][x].d` as (("a", "b", "c"), False, [x]); None when `node` is no such chain."""
    parts: list[str | None] = []
    inner: list[nodes.Node] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            parts.append(node.arg.value)
        else:
            parts.append(None)
            inner.append(node.arg)
        node = node.node
    if not isinstance(node, nodes.Name):
        return None
    path = [node.name]
    for part in reversed(parts):
        if part is None:
            return tuple(path), False, inner
        path.append(part)
    return tuple(path), True, inner
