"""Values as type-tagged JSON: the only thing that leaves a process in which an untrusted program runs.

None, booleans, strings, small integers and lists are themselves. Everything else is an object with one key:

====  ==================================  ====  ==============================================
key   value                               key   value
====  ==================================  ====  ==============================================
i     integer, hexadecimal                t     tuple, list of items
f     float, ``repr``                     q     deque, list of items
c     complex, two ``repr``               s     set, frozenset or dict keys, list of items
m     Decimal, string                     d     dict, list of pairs
n     Fraction, two integers              r     range, three integers
y     bytes or bytearray, hexadecimal     u     a type that is not carried, its name
====  ==================================  ====  ==============================================

Subclasses count as the base class, as ``==`` between builtin types does.
"""

from __future__ import annotations

import collections
import decimal
import fractions
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DEPTH: Final = 100
MAX_NODES: Final = 200_000
_PLAIN_INTEGERS: Final = 1 << 53


class TooLargeError(ValueError):
    """The value is too deep, cyclic or too large to leave the process."""


def encode(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return ``value`` as type-tagged JSON; types that are not carried become their name.

    Raises:
        TooLargeError: Deeper than ``MAX_DEPTH`` or more than ``MAX_NODES`` values.
    """
    return _Encoder().encode(value, 0)


class _Encoder:
    """Counts what it has encoded."""

    def __init__(self) -> None:
        self._nodes = 0

    def encode(self, value: object, depth: int) -> Any:  # noqa: ANN401 - JSON has no narrower type
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise TooLargeError(f"deeper than {MAX_DEPTH} levels, or cyclic")
        if self._nodes > MAX_NODES:
            raise TooLargeError(f"more than {MAX_NODES} values")
        if value is None or value is True or value is False:
            return value
        for kind, write in _SCALARS:
            if isinstance(value, kind):
                return write(value)
        if isinstance(value, list):
            return self._all(list.__iter__(value), depth)
        for kind, tag, items in _CONTAINERS:
            if isinstance(value, kind):
                return {tag: self._all(items(value), depth)}
        if isinstance(value, dict):
            return {"d": [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in dict.items(value)]}
        return {"u": type(value).__name__[:100]}

    def _all(self, items: Iterable[object], depth: int) -> list[Any]:
        return [self.encode(item, depth + 1) for item in items]


def _integer(value: int) -> Any:  # noqa: ANN401 - JSON has no narrower type
    plain = int.__int__(value)
    return plain if -_PLAIN_INTEGERS < plain < _PLAIN_INTEGERS else {"i": hex(plain)}


_SCALARS: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, _integer),
    (float, lambda value: {"f": float.__repr__(value)}),
    (complex, lambda value: {"c": [float.__repr__(value.real), float.__repr__(value.imag)]}),
    (bytes, lambda value: {"y": bytes.hex(value)}),
    (bytearray, lambda value: {"y": bytearray.hex(value)}),
    (range, lambda value: {"r": [_integer(value.start), _integer(value.stop), _integer(value.step)]}),
    (decimal.Decimal, lambda value: {"m": decimal.Decimal.__str__(value)}),
    (fractions.Fraction, lambda value: {"n": [_integer(value.numerator), _integer(value.denominator)]}),
)
_CONTAINERS: Final[tuple[tuple[type, str, Callable[[Any], Iterable[object]]], ...]] = (
    (tuple, "t", tuple.__iter__),
    (set, "s", set.__iter__),
    (frozenset, "s", frozenset.__iter__),
    (type({}.keys()), "s", iter),
    (collections.deque, "q", collections.deque.__iter__),
)
