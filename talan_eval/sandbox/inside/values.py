"""Values as type-tagged JSON: the only thing that leaves a process in which an untrusted program runs.

None, booleans, strings, small integers and lists are themselves. Everything else is an object with one key:

====  ==================================  ====  ==================================================
key   value                               key   value
====  ==================================  ====  ==================================================
i     integer, hexadecimal                t     tuple, list of items
f     float, ``repr``                     q     deque, list of items
c     complex, two ``repr``               s     set, frozenset, dict keys or items, list of items
m     Decimal, string                     d     dict, ChainMap, UserDict, list of pairs
n     Fraction, two integers              r     range, three integers
y     bytes-like, hexadecimal             v     dict values, list of items
w     date, time or duration, string      o     Ellipsis, its name
u     a type that is not carried, its name
====  ==================================  ====  ==================================================

UserList and UserString are the list and the string that they hold, a memoryview of bytes is those bytes, and an aware
date and time is the moment in UTC: each equals what it equals by Python's ``==``.

Subclasses count as the base class, as ``==`` between builtin types does.
"""

from __future__ import annotations

import collections
import sys
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DEPTH: Final = 100
MAX_NODES: Final = 200_000
_PLAIN_INTEGERS: Final = 1 << 53


class TooLargeError(ValueError):
    """The value is too deep, cyclic or too large to leave the process."""


def encode(value: object) -> str:
    """Return ``value`` as type-tagged JSON; types that are not carried become their name.

    The text is written directly: in a process that was just forked every object that is touched costs.

    Raises:
        TooLargeError: Deeper than ``MAX_DEPTH`` or more than ``MAX_NODES`` values.
    """
    write = _SCALARS.get(type(value))
    return _written(value, 0, [MAX_NODES - 1]) if write is None else write(value)


def _written(value: object, depth: int, left: list[int]) -> str:
    """Return one value as text.

    Args:
        value: Anything.
        depth: Of how many containers it is part.
        left: How many values may follow, as the only item.
    """
    write = _SCALARS.get(type(value))
    if write is not None:
        return write(value)
    for kind, tag, items in _CONTAINERS:
        if isinstance(value, kind):
            text = _all(items(value), depth, left)
            return f'{{"{tag}": {text}}}' if tag else text
    if isinstance(value, dict):
        return f'{{"d": {_all(dict.items(value), depth, left, pairs=True)}}}'
    return _written_rare(value, depth, left)


def _written_rare(value: object, depth: int, left: list[int]) -> str:
    """Return a value as text that is neither of a plain type nor a common container."""
    for base, write in _SCALARS.items():
        if isinstance(value, base):
            return write(value)
    for kind, plain in _PLAIN:
        if isinstance(value, kind):
            return _written(plain(value), depth, left)
    if isinstance(value, _ITEMS):
        return f'{{"s": {_all(list(value), depth, left)}}}'
    if isinstance(value, _VALUES):
        return f'{{"v": {_all(list(value), depth, left)}}}'
    for module, name, write_exact in _EXACT:
        # Only a program that has loaded its module can hold one.
        exact = getattr(sys.modules.get(module), name, None)
        if isinstance(exact, type) and isinstance(value, exact):
            return write_exact(exact, value)
    return f'{{"u": {quoted(type(value).__name__[:100])}}}'


def _all(items: Iterable[Any], depth: int, left: list[int], *, pairs: bool = False) -> str:
    values = list(items)
    left[0] -= len(values) * (1 + pairs)
    if left[0] < 0:
        raise TooLargeError(f"more than {MAX_NODES} values")
    if depth == MAX_DEPTH and values:
        raise TooLargeError(f"deeper than {MAX_DEPTH} levels, or cyclic")
    if pairs:
        texts = [f"[{_written(key, depth + 1, left)}, {_written(value, depth + 1, left)}]" for key, value in values]
    else:
        texts = [_written(value, depth + 1, left) for value in values]
    return f"[{', '.join(texts)}]"


def _integer(value: int) -> str:
    plain = int.__int__(value)
    return int.__repr__(plain) if -_PLAIN_INTEGERS < plain < _PLAIN_INTEGERS else f'{{"i": "{plain:#x}"}}'


def _time(kind: Any, value: Any) -> str:  # noqa: ANN401 - a type and its value
    """Return a ``time`` as text; an aware one as microseconds of the day in UTC, which is how Python compares it."""
    offset = value.utcoffset()
    if offset is None:
        return f'{{"w": "time {kind.isoformat(value.replace(fold=0))}"}}'
    seconds = (value.hour * 60 + value.minute) * 60 + value.second - (offset.days * 86400 + offset.seconds)
    return f'{{"w": "time utc {seconds * 1_000_000 + value.microsecond - offset.microseconds}"}}'


def _datetime(kind: Any, value: Any) -> str:  # noqa: ANN401 - as above
    offset = value.utcoffset()
    moment = value.replace(tzinfo=None, fold=0)
    if offset is None:
        return f'{{"w": "datetime {kind.isoformat(moment)}"}}'
    return f'{{"w": "datetime utc {kind.isoformat(moment - offset)}"}}'


_SCALARS: Final[dict[type, Callable[[Any], str]]] = {
    int: _integer,
    str: lambda value: quoted(str.__str__(value)),
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
    float: lambda value: f'{{"f": "{float.__repr__(value)}"}}',
    complex: lambda value: f'{{"c": ["{float.__repr__(value.real)}", "{float.__repr__(value.imag)}"]}}',
    bytes: lambda value: f'{{"y": "{bytes.hex(value)}"}}',
    bytearray: lambda value: f'{{"y": "{bytearray.hex(value)}"}}',
    type(...): lambda _: '{"o": "Ellipsis"}',
    range: lambda value: f'{{"r": [{_integer(value.start)}, {_integer(value.stop)}, {_integer(value.step)}]}}',
}
_EXACT: Final[tuple[tuple[str, str, Callable[[Any, Any], str]], ...]] = (
    ("decimal", "Decimal", lambda kind, value: f'{{"m": {quoted(kind.__str__(value))}}}'),
    (
        "fractions",
        "Fraction",
        lambda _, value: f'{{"n": [{_integer(value.numerator)}, {_integer(value.denominator)}]}}',
    ),
    ("datetime", "datetime", _datetime),  # before date, of which it is a subclass
    ("datetime", "date", lambda kind, value: f'{{"w": "date {kind.isoformat(value)}"}}'),
    ("datetime", "time", _time),
    ("datetime", "timedelta", lambda _, value: f'{{"w": "{value.days} {value.seconds} {value.microseconds}"}}'),
    ("datetime", "timezone", lambda _, value: f'{{"w": "timezone {value.utcoffset(None)}"}}'),
)
_ITEMS: Final[type[Any]] = type({}.items())
_VALUES: Final[type[Any]] = type({}.values())
_PLAIN: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (collections.UserList, list),
    (collections.UserString, str),
    (collections.UserDict, dict),
    (collections.ChainMap, dict),
    (type(type.__dict__), dict),  # a mapping proxy
    (memoryview, lambda view: bytes(view) if view.format == "B" and view.ndim == 1 else object()),
)
_CONTAINERS: Final[tuple[tuple[type, str, Callable[[Any], Iterable[object]]], ...]] = (
    (list, "", list.__iter__),
    (tuple, "t", tuple.__iter__),
    (set, "s", set.__iter__),
    (frozenset, "s", frozenset.__iter__),
    (type({}.keys()), "s", iter),
    (collections.deque, "q", collections.deque.__iter__),
)
