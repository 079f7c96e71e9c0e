"""PyYAML's composer with nothing resolved and its depth bounded.

Decides which parser is used (libyaml when PyYAML has it, else the Python one) and stops it before nesting
can exhaust a stack: the C composer recurses without a limit of its own. Refuses to know what values mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from yaml.composer import Composer
from yaml.nodes import Node
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

Nodes: TypeAlias = Node | None


class TooDeep(Exception):
    """Raised at the collection below which nothing is read any more."""

    def __init__(self, node: Node) -> None:
        super().__init__("nested too deep")
        self.node = node


class _Bounded:
    """Mixed into a composer: every value keeps its explicit tag or none, and depth is counted."""

    def bound(self, max_depth: int) -> None:
        depth = 0

        def descend(parent: Node, index: object) -> None:
            nonlocal depth
            depth += 1
            if depth > max_depth + 2:
                raise TooDeep(parent)

        def ascend() -> None:
            nonlocal depth
            depth -= 1

        self.descend_resolver = descend
        self.ascend_resolver = ascend

    @staticmethod
    def resolve(kind: type[Node], value: object, implicit: object) -> None:
        return None


class PythonComposer(_Bounded, Reader, Scanner, Parser, Composer):
    """For a PyYAML that was built without libyaml; slower, the same dialect."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


if TYPE_CHECKING:
    FastComposer = PythonComposer
else:
    try:
        from yaml.cyaml import CParser

        class FastComposer(_Bounded, CParser):
            """libyaml."""

    except ImportError:
        FastComposer = PythonComposer


def compose(text: str, *, max_depth: int, parser: type[PythonComposer] = FastComposer) -> Nodes:
    """The one document of `text` as nodes, None when it is empty. Raises yaml.MarkedYAMLError and TooDeep."""
    composer = parser(text)
    composer.bound(max_depth)
    try:
        return composer.get_single_node()
    finally:
        composer.dispose()
