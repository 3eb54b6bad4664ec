r"""Numbers as people write them, brought to exact fractions.

One number is: digits with thousands separators (``1,234``, ``1{,}234``, ``1'234``, ``1 234``), a sign, a currency sign
or code in front, a decimal part, an exponent (``1.5e3``), a fraction (``3/4``, ``\frac{3}{4}``, ``½``) or a mixed
number (``1 1/2``). Full-width digits are digits, superscripts are powers. Digits that belong to a word, an index or an
exponent ("H2O", "x_2", "cm^2") are none. A full hour is its hour ("7:00 pm").
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final, NamedTuple

from talan_eval.grading.text import half_width

MAX_DIGITS: Final = 400
"""Longer digit strings are refused: no answer needs them, and converting them takes more than linear time."""
UNREADABLE: Final = "not a finite number of reasonable length"

# Possessive quantifiers (++, ?+) and bounded repeats keep every pattern linear on hostile text.
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,12}+(?![0-9])|[0-9]++)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]++)?+|\.[0-9]++)"
_CURRENCY = r"(?:[$€£¥₹]|(?:USD|EUR|GBP|Rs\.?)[ ]?)"
_BEFORE = r"(?<![A-Za-z0-9_^])"
_SIGN = r"(?:(?<![A-Za-z0-9)\]}])[-+])?+"
NUMBER: Final = re.compile(
    rf"""{_BEFORE}{_SIGN}{_CURRENCY}?+(?P<inner>[-+])?+
    (?: (?P<whole>[0-9]{{1,9}})[ ](?P<mixed_top>[0-9]{{1,9}})/(?P<mixed_bottom>[0-9]{{1,9}})(?![0-9/])
      | (?P<top>{_DECIMAL})[ ]?/[ ]?(?P<bottom>{_DECIMAL})(?![0-9/])
      | (?P<plain>{_DECIMAL})(?:[eE](?P<exponent>[-+]?[0-9]{{1,3}})(?![0-9A-Za-z.]))?+
    )""",
    re.VERBOSE,
)
_FRACTION_COMMAND: Final = re.compile(r"\\[dtc]?frac\s?\{\s?([-+]?[0-9.,]{1,40})\s?\}\s?\{\s?([0-9.,]{1,40})\s?\}")
_REPLACED: Final = (
    ("\\$", "$"),
    ("{,}", ","),
    (",\\!", ","),
    ("\u2212", "-"),
    ("^{", "^"),
    ("_{", "_"),
)
_THIN_GROUP: Final = re.compile(r"(?<=[0-9])(?:\\,|[\u00a0\u2009\u202f'\u2019])(?=[0-9]{3}(?![0-9]))")
# A plain space groups digits only where the whole number is grouped: "1 000 000", but not "12 1000" or "5 100/3".
_SPACED: Final = re.compile(
    r"(?<![0-9.,/^_A-Za-z])(?<![0-9] )[1-9][0-9]{0,2}(?:[ ][0-9]{3}){1,12}(?![0-9/]|[ ][0-9]|,[0-9])"
)
_FULL_HOUR: Final = re.compile(r"(?<![0-9:.])([0-9]{1,2}):00(?![0-9:])")
_VULGAR: Final = {
    "\u00bd": "1/2",
    "\u2153": "1/3",
    "\u2154": "2/3",
    "\u00bc": "1/4",
    "\u00be": "3/4",
    "\u2155": "1/5",
    "\u2156": "2/5",
    "\u2157": "3/5",
    "\u2158": "4/5",
    "\u2159": "1/6",
    "\u215a": "5/6",
    "\u215b": "1/8",
    "\u215c": "3/8",
    "\u215d": "5/8",
    "\u215e": "7/8",
}
_SUPERSCRIPTS: Final = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b", "0123456789-"
)
_SUPERSCRIPT: Final = re.compile("(?<=[0-9)])[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]{1,3}")
_VULGAR_FRACTION: Final = re.compile(f"(?:([0-9])[ ]?)?([{''.join(_VULGAR)}])")


class FoundNumber(NamedTuple):
    """A number in a text."""

    value: Fraction | None
    """None where the text gives no single value; ``reason`` says why."""
    text: str
    reason: str = ""


def plain_text(text: str) -> str:
    """Return ``text`` with the ways of typesetting one number brought to one."""
    text = half_width(text)
    for old, new in _REPLACED:
        text = text.replace(old, new)
    if not text.isascii():
        text = _SUPERSCRIPT.sub(lambda run: "^" + run.group().translate(_SUPERSCRIPTS), text)
        text = _VULGAR_FRACTION.sub(_vulgar, text)
    if "\\" in text:
        text = _FRACTION_COMMAND.sub(r" \1/\2 ", text)
    if ":00" in text:
        text = _FULL_HOUR.sub(r"\1", text)
    text = _SPACED.sub(lambda grouped: grouped.group().replace(" ", ","), text)
    return _THIN_GROUP.sub(",", text)


def _vulgar(match: re.Match[str]) -> str:
    return f"{match[1] or ''} {_VULGAR[match[2]]}" if match[1] else _VULGAR[match[2]]


def number_of(match: re.Match[str]) -> FoundNumber:
    """Read the value of one match of the number pattern."""
    text = match.group().strip()
    if len(text) > MAX_DIGITS:
        return FoundNumber(None, f"{text[:20]}…", UNREADABLE)
    negative = text.startswith("-") or match["inner"] == "-"
    if match["whole"] is not None:
        value = _ratio(match["mixed_top"], match["mixed_bottom"])
        value = None if value is None else value + int(match["whole"])
    elif match["top"] is not None:
        value = _ratio(match["top"], match["bottom"])
    else:
        value = _decimal(match["plain"])
        if match["exponent"] is not None:
            value *= Fraction(10) ** int(match["exponent"])
    if value is None:
        return FoundNumber(None, text, UNREADABLE)
    return FoundNumber(-value if negative else value, text)


def _ratio(top: str, bottom: str) -> Fraction | None:
    divisor = _decimal(bottom)
    return None if divisor == 0 else _decimal(top) / divisor


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))
