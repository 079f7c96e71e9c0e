"""`typing.NamedTuple`, made in a fifth of the time.

That of the standard library compiles each annotation when a class is made, to see that it could be a type, and a
constructor for each class. A run makes 130 such classes before it does anything. Here mypy looks at the annotations,
and classes with equally many fields share one compiled constructor, under the names of their own fields.
`tests/unit/core/test_named.py` holds the two side by side.

Annotations have to be texts, as `from __future__ import annotations` makes them: from Python 3.14 on, others are no
part of a class while it is made. A test sees to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from collections import namedtuple
    from operator import itemgetter
    from types import FunctionType

    try:
        from _collections import _tuplegetter as _getter
    except ImportError:

        def _getter(place, doc):
            return property(itemgetter(place), doc=doc)

    _NEW = {"_tuple_new": tuple.__new__}
    """What the constructors of the standard library name."""
    _CODES = {}

    def _constructor(name, fields, defaults):
        code = _CODES.get(len(fields))
        if code is None:
            code = namedtuple("T", [f"f{place}" for place in range(len(fields))]).__new__.__code__
            _CODES[len(fields)] = code
        code = code.replace(co_varnames=("_cls", *fields), co_name="__new__", co_qualname=f"{name}.__new__")
        return FunctionType(code, _NEW, "__new__", defaults)

    def _make(cls, values):
        made = tuple.__new__(cls, values)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, /, **changes):
        made = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return made

    def _values(self):
        return tuple(self)

    def _asdict(self):
        return dict(zip(self._fields, self, strict=True))

    def _repr(self):
        values = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({values})"

    class _Meta(type):
        def __new__(cls, name, bases, namespace):
            fields = tuple(namespace.get("__annotations__", ()))
            given = {field: namespace.pop(field) for field in fields if field in namespace}
            if tuple(given) != fields[len(fields) - len(given) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            members = {field: _getter(place, f"Alias for field number {place}") for place, field in enumerate(fields)}
            common = {
                "__slots__": (),
                "__new__": _constructor(name, fields, tuple(given.values())),
                "__repr__": _repr,
                "__getnewargs__": _values,
                "__match_args__": fields,
                "_fields": fields,
                "_field_defaults": given,
                "_make": classmethod(_make),
                "_replace": _replace,
                "_asdict": _asdict,
            }
            return type(name, (tuple,), {**common, **members, **namespace})

    NamedTuple = type.__new__(_Meta, "NamedTuple", (), {})
