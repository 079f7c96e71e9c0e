"""Our named tuples beside those of the standard library: the same to whoever uses them."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from teamflow.core.named import NamedTuple
from tests.fakes.pythons import python_or_skip

ROOT = Path(__file__).parents[3]


class Ours(NamedTuple):
    """Words."""

    a: int
    b: str | None = None
    """Of b."""
    c: tuple[int, ...] = ()

    KIND = "k"

    @property
    def twice(self) -> int:
        return 2 * self.a

    def more(self) -> Ours:
        return self._replace(a=self.a + 1)

    @classmethod
    def made(cls) -> Ours:
        return cls(7)


class Theirs(typing.NamedTuple):
    """Words."""

    a: int
    b: str | None = None
    c: tuple[int, ...] = ()

    KIND = "k"

    @property
    def twice(self) -> int:
        return 2 * self.a

    def more(self) -> Theirs:
        return self._replace(a=self.a + 1)

    @classmethod
    def made(cls) -> Theirs:
        return cls(7)


class OursEmpty(NamedTuple):
    pass


Class = type[Ours] | type[Theirs]


@pytest.mark.parametrize(
    "use",
    [
        lambda cls: cls(1),
        lambda cls: cls(1, "x", c=(2,)),
        lambda cls: repr(cls(1, b="x")).replace("Theirs", "Ours"),
        lambda cls: cls(1)._asdict(),
        lambda cls: cls._make([1, 2, 3]),
        lambda cls: (cls._fields, cls._field_defaults, cls.__match_args__, cls.__doc__, cls.KIND, cls.__slots__),
        lambda cls: cls(4).twice,
        lambda cls: cls(4).more(),
        lambda cls: cls.made(),
        lambda cls: hash(cls(1)) == hash((1, None, ())),
        lambda cls: cls(1) == (1, None, ()) and cls(1) < cls(2),
        lambda cls: pickle.loads(pickle.dumps(cls(1, "x"))) == cls(1, "x"),
        lambda cls: type(pickle.loads(pickle.dumps(cls(1)))) is cls,
        lambda cls: (copy.copy(cls(1)), copy.deepcopy(cls(1, c=(1,)))),
        lambda cls: [inspect.signature(cls).parameters[name].default for name in "abc" if name != "a"],
        lambda cls: list(inspect.signature(cls).parameters),
        lambda cls: list(cls.__annotations__),
        lambda cls: cls.__module__,
        lambda cls: cls.b.__get__(cls(1, "x"), cls),
    ],
)
def test_it_does_as_theirs(use: Callable[[Class], object]) -> None:
    assert use(Ours) == use(Theirs)


@pytest.mark.parametrize(
    "use",
    [
        lambda cls: cls(),
        lambda cls: cls(1, 2, 3, 4),
        lambda cls: cls(1, a=2),
        lambda cls: cls(1, nothing=2),
        lambda cls: cls(1)._replace(nothing=2),
        lambda cls: cls._make([1]),
        lambda cls: setattr(cls(1), "a", 2),
        lambda cls: setattr(cls(1), "other", 2),
    ],
)
def test_it_refuses_as_theirs(use: Callable[[Class], object]) -> None:
    said = []
    for cls in (Ours, Theirs):
        with pytest.raises(Exception) as caught:
            use(cls)
        said.append((caught.type, str(caught.value).replace("Theirs", "Ours")))
    assert said[0] == said[1]


@pytest.mark.parametrize("minor", [12, 13, 14])
def test_other_pythons(minor: int) -> None:
    python = python_or_skip(minor)
    script = """
from __future__ import annotations
from teamflow.core.named import NamedTuple
import teamflow.core.fold, teamflow.core.codec
class Late(NamedTuple):
    a: int
    b: Late | None = None
print(Late(1, b=Late(2)), Late(1)._replace(a=3), Late._fields)
Late()
"""
    done = subprocess.run([python, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "Late(a=1, b=Late(a=2, b=None)) Late(a=3, b=None) ('a', 'b')\n", done.stderr
    assert "Late.__new__() missing 1 required positional argument: 'a'" in done.stderr


def test_it_matches_in_patterns_and_may_be_empty() -> None:
    match Ours(1, "x"):
        case Ours(a, b, c=()):
            assert (a, b) == (1, "x")
        case _:
            pytest.fail("it does not match")
    assert OursEmpty() == ()


def test_defaults_come_last() -> None:
    with pytest.raises(TypeError, match="without a default"):
        type(NamedTuple)("X", (NamedTuple,), {"__annotations__": {"a": int, "b": int}, "a": 1})
