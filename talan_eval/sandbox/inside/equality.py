"""Compares a value from an untrusted program with an expected one, along the expected one.

Both sides are type-tagged JSON (``inside.values``). No object of the program's is ever made, no method of its is ever
called, and an unknown type equals nothing. Work is bounded by the size of the expected value times that of one value in
it, however the other side was built.
"""

from __future__ import annotations

import decimal
import fractions
from typing import Any, Final

Number = bool | int | float | complex | decimal.Decimal | fractions.Fraction

_UNREADABLE: Final = (ValueError, TypeError, ArithmeticError, LookupError)
"""What numbers raise that nobody encoded but a program made up."""
_NUMBER_TAGS: Final = frozenset("ifcmn")


def same(expected: Any, value: Any) -> bool:  # noqa: ANN401 - JSON has no narrower type
    """Tell whether ``value`` equals ``expected`` as Python's ``==`` between builtin types has it.

    Args:
        expected: Type-tagged JSON from a trusted process.
        value: Anything that JSON can hold.
    """
    number = _number(expected)
    if number is not None:
        other = _number(value)
        return other is not None and bool(number == other)
    if isinstance(expected, list):
        return isinstance(value, list) and _same_items(expected, value)
    if isinstance(expected, dict):
        ((tag, inner),) = expected.items()
        return isinstance(value, dict) and value.keys() == {tag} and _same_tagged(tag, inner, value[tag])
    return type(expected) is type(value) and bool(expected == value)


def _same_tagged(tag: str, expected: Any, value: Any) -> bool:  # noqa: ANN401 - JSON has no narrower type
    """Compare what stands behind the same tag on both sides."""
    if tag in {"y", "w", "o"}:
        return bool(expected == value)
    if tag == "u" or not isinstance(value, list):
        return False
    if tag == "s":
        return _same_pairs([[item, None] for item in expected], [[item, None] for item in value])
    if tag == "d":
        return _same_pairs(expected, value)
    if tag == "r":
        return _range(expected) == _range(value)
    return _same_items(expected, value)


def _same_items(expected: list[Any], value: list[Any]) -> bool:
    return len(expected) == len(value) and all(map(same, expected, value))


def _same_pairs(expected: list[Any], value: list[Any]) -> bool:
    """Compare mappings as lists of pairs in any order; only expected keys are ever stored in a table."""
    if len(expected) != len(value):
        return False
    table = {_key(key): position for position, (key, _) in enumerate(expected) if _key(key) is not None}
    others = [position for position, (key, _) in enumerate(expected) if _key(key) is None]
    found: set[int] = set()
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004 - a key and its value
            return False
        key = _key(pair[0])
        position = (
            next((place for place in others if same(expected[place][0], pair[0])), None)
            if key is None
            else table.get(key)
        )
        if position is None or not same(expected[position][1], pair[1]):
            return False
        found.add(position)
    return len(found) == len(expected)


def _key(value: Any) -> tuple[str, object] | None:  # noqa: ANN401 - JSON has no narrower type
    """Return a hashable stand-in for a key that is a number, a string or None; None for the others."""
    if value is None or isinstance(value, str):
        return "text", value
    number = _number(value)
    return None if number is None else ("number", number)


def _number(value: Any) -> Number | None:  # noqa: ANN401 - JSON has no narrower type
    """Return the number that type-tagged JSON stands for, or None where it is none."""
    if isinstance(value, bool | int):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((tag, inner),) = value.items()
    if tag not in _NUMBER_TAGS:
        return None
    try:
        return _tagged_number(tag, inner)
    except _UNREADABLE:
        return None


def _tagged_number(tag: str, inner: Any) -> Number | None:  # noqa: ANN401 - JSON has no narrower type
    if tag == "i":
        return int(inner, 16)
    if tag == "f":
        return float(inner)
    if tag == "c":
        return complex(float(inner[0]), float(inner[1]))
    if tag == "m":
        exact = decimal.Decimal(inner)
        return None if exact.is_snan() else exact
    top, bottom = (_number(part) for part in inner)
    if not isinstance(top, int) or not isinstance(bottom, int):
        return None
    return fractions.Fraction(top, bottom)


def _range(inner: list[Any]) -> range | None:
    numbers = [number for number in map(_number, inner) if isinstance(number, int)]
    if len(numbers) != 3 or numbers[2] == 0:  # noqa: PLR2004 - start, stop and step
        return None
    return range(*numbers)
