"""The last number that a text claims, where no line is marked as its answer.

Prose is read with more patience than a marked line: numbers follow each other in it for many reasons. The last number
is no single answer only where it is joined with the one before it ("5 or 6", "5 to 6", "between 5 and 6", "3 hours
and 20 minutes", "3:20", "a = 5, b = 6"). A number that is denied is passed over ("6, not 5"); an operation that is
not done ("half of 10") leaves none.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from talan_eval.grading.claims import DENIED_BEFORE, DENIED_BEHIND
from talan_eval.grading.number_expression import Calculation, expression_at
from talan_eval.grading.number_line import (
    BELOW_ZERO,
    DENIED,
    LONGEST_LINE,
    MINUS_BEFORE,
    MOST_VALUES,
    SEVERAL,
    UNDONE,
    UNDONE_BEFORE,
)
from talan_eval.grading.number_text import NUMBER, UNREADABLE, FoundNumber, number_of

if TYPE_CHECKING:
    from fractions import Fraction

_RANGE: Final = re.compile(
    r"\A\s?(?:[:\u2013\u2014]|:\s)\s?\Z|\A\s?(?:[A-Za-z%\u00b0'\"]{1,12}\s?)?[-\u2013\u2014~]\s?\Z"
)
_BESIDE_IN_PROSE: Final = re.compile(
    r"(?:\s?[A-Za-z%$]{1,12}){0,2}?[\s,;.?!(\u2026]*"
    r"(?:(?:\bor\b|\bnor\b|\bversus\b|\bvs\b\.?|\bthrough\b|[-=]>|\u2192|\u21d2|\u00b1|\\pm)"
    r"[\s,]*(?:(?:maybe|perhaps|possibly|rather|even|is it|it is|it's|about|around|just)[\s,]*){0,2})[\s$]*"
    r"|(?:\s?[A-Za-z%$]{1,12})?\s?\bto\b[\s$]*"
)
_PLACE_BEFORE: Final = re.compile(r"\b(?:over|above|below|under)\s\$?\Z")
_BETWEEN: Final = re.compile(r"\b(?:between|from)\s\$?\Z")
_BOTH: Final = re.compile(r"\b(?:both|either)\s\$?\Z")
_AND: Final = re.compile(r"[\s\w$]{0,20}\b(?:and|to|or)\b[\s$]*")
_COLON: Final = re.compile(r":|\s:\s")
_NAMED_STEP: Final = re.compile(r"\b[A-Z][a-z]+ \Z")
_AGAIN: Final = re.compile(r"\s?=")
"""Behind a value: what states it of something, so that "or" before it says the same in other words."""
_LABEL: Final = re.compile(r"(?:\A|[\s#,;])[a-z]{1,12}\s?[:=]\s?\$?\Z")
_LABELLED: Final = re.compile(
    r"(?:\s?[A-Za-z%]{1,12})?[,;]\s*(?:and\s)?(?!total|sum|answer|so\b)[A-Za-z]{1,12}\s?[:=]\s?\$?"
)
_COMPOUND: Final = re.compile(
    r"\s?(?:hours?|hrs?|h|minutes?|mins?|feet|foot|ft|dollars?|pounds?|lbs?|weeks?|days?|years?|months?|yards?|gallons?"
    r"|meters?|m|kg|')\.?,?\s?(?:and\s)?\s?"
)
_COMPOUND_END: Final = re.compile(
    r"\s?(?:minutes?|mins?|m|seconds?|secs?|s|inch(?:es)?|in|\"|cents?|ounces?|oz|days?|hours?|hrs?|weeks?|months?|feet"
    r"|ft|quarts?|pints?|cm|centimeters?|grams?|g|pence)\b"
)


def last_claim(text: str, asked: frozenset[str] = frozenset()) -> FoundNumber | None:
    """Return the last number that a text claims, or None where it holds none.

    Args:
        text: From ``talan_eval.grading.number_text.plain_text``.
        asked: As for ``read_line``.
    """
    end = next(iter(deque(NUMBER.finditer(text), maxlen=1)), None)
    if end is None:
        return None
    start = max(text.rfind("\n", 0, end.start()) + 1, end.end() - LONGEST_LINE)
    line = text[start:].partition("\n")[0][:LONGEST_LINE]
    numbers = list(NUMBER.finditer(line))[-MOST_VALUES:]
    denied = None
    for place in range(len(numbers) - 1, -1, -1):
        number = numbers[place]
        value = expression_at(line, number.start(), asked)
        if value is None:
            continue
        said = _claimed_in_prose(line, numbers, place, value)
        if said.reason != DENIED:
            return said
        denied = said
    return denied


def _claimed_in_prose(line: str, numbers: list[re.Match[str]], place: int, value: Calculation) -> FoundNumber:
    text = line[value.start : value.end].strip()
    before = line[: value.start]
    if DENIED_BEFORE.search(before, max(0, value.start - 40)) or DENIED_BEHIND.match(line, value.end):
        return FoundNumber(None, text, DENIED)
    undone = UNDONE_BEFORE.search(before, max(0, value.start - 30))
    if undone is not None and _PLACE_BEFORE.search(before) is None:
        return FoundNumber(None, text, UNDONE)
    if place and _beside(line, numbers[place - 1], numbers[place]):
        return FoundNumber(None, line[numbers[place - 1].start() : value.end].strip(), SEVERAL)
    if value.value is None:
        return FoundNumber(None, text[:20], UNREADABLE)
    negative = MINUS_BEFORE.search(before) is not None or BELOW_ZERO.match(line, value.end) is not None
    return FoundNumber(-value.value if negative else value.value, text)


def _same(one: Fraction | None, other: Fraction | None) -> bool:
    """Tell whether two numbers are one, also as a share and its percentage: "0.60 or 60 %"."""
    return one == other or (one is not None and other is not None and one * 100 == other)


def _beside(line: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Tell whether the last number of a text belongs to the one before it: a choice, a range, hours and minutes."""
    gap = line[one.end() : other.start()]
    if _BESIDE_IN_PROSE.fullmatch(gap) is not None:
        return not _same(number_of(one).value, number_of(other).value) and not _AGAIN.match(line, other.end())
    lead = line[max(0, one.start() - 20) : one.start()]
    if _BETWEEN.search(lead.casefold()) is not None:
        return _RANGE.search(gap) is not None or _AND.fullmatch(gap) is not None
    if _COLON.fullmatch(gap) is not None:
        return _NAMED_STEP.search(lead) is None  # "Week 3:210" is a label
    both = _BOTH.search(lead.casefold()) is not None and _AND.fullmatch(gap) is not None
    labels = _LABEL.search(lead.casefold()) is not None and _LABELLED.fullmatch(gap) is not None
    compound = _COMPOUND.fullmatch(gap) is not None and _COMPOUND_END.match(line, other.end()) is not None
    return both or labels or compound
