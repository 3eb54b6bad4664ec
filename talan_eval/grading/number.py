r"""Numeric answers in the style of GSM8K (Cobbe et al., 2021, arXiv:2110.14168).

Which number of the answer counts:

1. The number right behind the first ``####``. The first, because text behind it is usually the model going on to
   another problem; lm-eval's ``strict-match`` filter does the same. A Markdown heading ("#### Step 1", "#### 1. Add")
   is no answer. Where a calculation stands there, it counts by its value: the result that it states ("#### 3 weeks * 6
   = 18", "#### 18 = 3 * 6", "#### x = 18"), else what it comes to ("#### 3 * 6"). Words between its numbers are units.
2. Otherwise the last number of the text, as lm-eval's ``flexible-extract``. "The answer is n" has no rule of its own: a
   phrase list would favour the arm that happens to use its phrases, and the last number is nearly always the same one.

What is one number: digits with thousands separators (``1,234``, ``1{,}234``, ``1'234``, ``1 234``), a sign, a
currency sign or code in front, a decimal part, an exponent (``1.5e3``), a fraction (``3/4``, ``\frac{3}{4}``, ``½``)
or a mixed number (``1 1/2``). Full-width digits are digits. Units and percent signs behind it are dropped: "50%" is
50. Digits that belong to a word, an index or an exponent ("H2O", "x_2", "cm^2") are none. Values are compared
exactly, as fractions.

Not covered: numbers in words ("twelve", "2 million"), powers and brackets left undone ("10^2", "2*(3+4)"), European
decimal commas, Indian grouping.
"""

from __future__ import annotations

import re
from collections import deque
from fractions import Fraction
from typing import Final, NamedTuple

from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.text import half_width, quoted
from talan_eval.grading.thinking import NEVER_ENDED, final_part

MAX_DIGITS: Final = 400
"""Longer digit strings are refused: no answer needs them, and converting them takes more than linear time."""

# Possessive quantifiers (++, ?+) and bounded repeats keep every pattern linear on hostile text.
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,12}+(?![0-9])|[0-9]++)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]++)?+|\.[0-9]++)"
_CURRENCY = r"(?:[$€£¥₹]|(?:USD|EUR|GBP|Rs\.?)[ ]?)"
_BEFORE = r"(?<![A-Za-z0-9_^])"
_SIGN = r"(?:(?<![A-Za-z0-9)\]}])[-+])?+"
_NUMBER: Final = re.compile(
    rf"""{_BEFORE}{_SIGN}{_CURRENCY}?+(?P<inner>[-+])?+
    (?: (?P<whole>[0-9]{{1,9}})[ ](?P<mixed_top>[0-9]{{1,9}})/(?P<mixed_bottom>[0-9]{{1,9}})(?![0-9/])
      | (?P<top>{_DECIMAL})[ ]?/[ ]?(?P<bottom>{_DECIMAL})(?![0-9/])
      | (?P<plain>{_DECIMAL})(?:[eE](?P<exponent>[-+]?[0-9]{{1,3}})(?![0-9A-Za-z.]))?+
    )""",
    re.VERBOSE,
)
_MARKER: Final = re.compile(
    r"####[ \t]*(?:(?:the[ ])?(?:final[ ])?answer(?:[ ]is)?[ ]?:?[ \t]*)?(?:[*_`=(\s]|\\\(|\\boxed\{|\$(?=\\))*+",
    re.IGNORECASE,
)
_HEADING: Final = re.compile(r"[.:)](?:\*\*)?[ \t]+\S")
_OPERATOR: Final = r"(?:[-+*/x\u00d7\u00f7\u2013]|\\times|\\cdot|\\div)"
_UNIT: Final = r"(?:[ \t]*(?!x\b)[A-Za-z%]{1,20}(?:/[A-Za-z]{1,20})?){0,4}"
_STEP: Final = re.compile(rf"{_UNIT}[ \t]*(?P<operator>{_OPERATOR})[ \t]*(?=[$(]?[.0-9])[(]?")
_UNKNOWN: Final = re.compile(r"[A-Za-z][A-Za-z_ ]{0,30}[ ]?=[ ]?")
_OPERATORS: Final = {
    "-": "-",
    "\u2013": "-",
    "+": "+",
    "*": "*",
    "x": "*",
    "\u00d7": "*",
    "\\times": "*",
    "\\cdot": "*",
    "/": "/",
    "\u00f7": "/",
    "\\div": "/",
}
_MAX_STEPS: Final = 40
_LARGEST: Final = 10**MAX_DIGITS
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
_VULGAR_FRACTION: Final = re.compile(f"(?:([0-9])[ ]?)?([{''.join(_VULGAR)}])")


class FoundNumber(NamedTuple):
    """A number in a text."""

    value: Fraction | None
    """None where the text looks like a number but has no value: a zero denominator, or too many digits."""
    text: str


def find_number(text: str) -> FoundNumber | None:
    """Return the number that counts as the answer in ``text``, or None where there is none.

    Args:
        text: A model's answer, a reference solution or a bare number.
    """
    plain = _plain(text)
    for marker in _MARKER.finditer(plain):
        unknown = _UNKNOWN.match(plain, marker.end())
        start = marker.end() if unknown is None else unknown.end()
        match = _NUMBER.match(plain, start)
        if match is not None and _HEADING.match(plain, match.end()) is None:
            return _calculated(plain[start:].partition("\n")[0]) or _found(match)
    last = _last_number(plain)
    return None if last is None else _found(last)


def _calculated(line: str) -> FoundNumber | None:
    """Return the value of a calculation that begins a line; None where the line is none."""
    sides = line.split("=")
    if len(sides) == 1:
        return _evaluated(line)
    # A result stands alone on its side: the last one does in "4 * 5 = 20", the first one in "20 = 4 * 5".
    for side in (sides[-1], *sides[:-1]):
        first = _NUMBER.search(side)
        if first is not None and _STEP.match(side, first.end()) is None:
            return _found(first)
    return _evaluated(sides[-1])


def _evaluated(text: str) -> FoundNumber | None:
    """Return what a chain of numbers and operators comes to, products first; None where it is no chain."""
    match = _NUMBER.match(text.lstrip(" $("))
    text = text.lstrip(" $(")
    terms: list[Fraction] = []
    sign, steps, end = "+", 0, 0
    while match is not None and steps < _MAX_STEPS:
        value = _found(match).value
        if value is None or (sign == "/" and value == 0):
            return None
        if sign in "*/":
            terms[-1] = terms[-1] * value if sign == "*" else terms[-1] / value
        else:
            terms.append(value if sign == "+" else -value)
        end = match.end()
        step = _STEP.match(text, end)
        if step is None:
            break
        sign, steps = _OPERATORS[step["operator"]], steps + 1
        match = _NUMBER.match(text, step.end())
    if steps == 0 or match is None or any(abs(term.numerator) > _LARGEST for term in terms):
        return None
    return FoundNumber(sum(terms, Fraction(0)), text[:end])


def _last_number(text: str) -> re.Match[str] | None:
    return next(iter(deque(_NUMBER.finditer(text), maxlen=1)), None)


def grade_number(answer_text: str, target_text: str, *, thinking: bool = False) -> Grade:
    """Grade an answer against a target by exact comparison of two numbers.

    Args:
        answer_text: What the model wrote.
        target_text: The bare target, or a whole reference solution that ends in ``#### n``.
        thinking: Whether the answer begins inside the thinking.

    Returns:
        The grade; ``ERROR`` where the target holds no number.
    """
    target = find_number(target_text)
    if target is None or target.value is None:
        return Grade(Verdict.ERROR, None, f"the target {quoted(target_text)} holds no number")
    final = final_part(answer_text, opened=thinking)
    if final is None:
        return Grade(Verdict.UNPARSED, None, NEVER_ENDED)
    found = find_number(final)
    if found is None:
        return Grade(Verdict.UNPARSED, None, "no number in the answer")
    if found.value is None:
        return Grade(Verdict.UNPARSED, found.text, "not a finite number of reasonable length")
    if found.value == target.value:
        return Grade(Verdict.MATCH, found.text, "equal numbers")
    return Grade(Verdict.MISMATCH, found.text, f"differs from {target.text}")


def _plain(text: str) -> str:
    """Return ``text`` with the ways of typesetting one number brought to one."""
    text = half_width(text)
    for old, new in _REPLACED:
        text = text.replace(old, new)
    if not text.isascii():
        text = _VULGAR_FRACTION.sub(_vulgar, text)
    if "\\" in text:
        text = _FRACTION_COMMAND.sub(r" \1/\2 ", text)
    text = _SPACED.sub(lambda grouped: grouped.group().replace(" ", ","), text)
    return _THIN_GROUP.sub(",", text)


def _vulgar(match: re.Match[str]) -> str:
    return f"{match[1] or ''} {_VULGAR[match[2]]}" if match[1] else _VULGAR[match[2]]


def _found(match: re.Match[str]) -> FoundNumber:
    """Read the value of one match of the number pattern."""
    text = match.group().strip()
    if len(text) > MAX_DIGITS:
        return FoundNumber(None, f"{text[:20]}…")
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
    return FoundNumber(value if value is None or not negative else -value, text)


def _ratio(top: str, bottom: str) -> Fraction | None:
    divisor = _decimal(bottom)
    return None if divisor == 0 else _decimal(top) / divisor


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))
