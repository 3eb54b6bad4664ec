"""What a line of an answer says: one number, or none.

A line says one number where it holds one value: a number or a calculation, with a unit and remarks. Equal values are
one. Another value beside it ("5 or 6", "3 hours 20 minutes", "3:20", "5, wait, 6"), sides of a calculation that differ
("24 = 4*6 = 20") or a denial ("5 is wrong", "not 5", "less than 5") leave none. A value that is only spoken of counts
nothing ("18 of the 20", "20 because 4*5 = 20", "6, not 5"), and what follows "so" or "=" is the result.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from talan_eval.grading.claims import (
    ABOUT,
    DENIED_BEFORE,
    DENIED_BEHIND,
    NUMBER_WORD,
    SO,
    TAKEN_BACK,
    says_why,
    standing,
)
from talan_eval.grading.number_expression import Expression, expression_at
from talan_eval.grading.number_text import NUMBER, UNREADABLE, FoundNumber, number_of

if TYPE_CHECKING:
    from fractions import Fraction

SEVERAL: Final = "several values are given"
SIDES: Final = "the sides of the calculation differ"
DENIED: Final = "the answer denies the value that it names"
UNDONE: Final = "an operation that is not done, or a bound"
_LONGEST: Final = 2000
_MOST: Final = 60
_NEXT: Final = re.compile(r"[(\[]|(?=[-+$\u20ac\u00a3\u00a5\u20b9.0-9]|(?:USD|EUR|GBP|Rs)[ .]?[0-9])")
_BRACKET: Final = {"(": ")", "[": "]"}
_UNKNOWN_ADDED: Final = re.compile(
    r"[ \t]*(?:[+\u00d7\u00f7]|\*(?!\*)|\\times|\\cdot)[ \t]*[A-Za-z(\\]|[ \t]*[-+][ \t]*[a-z](?![A-Za-z])"
    r"|[ \t]*[a-z][ \t]*[-+*/=][ \t]*[0-9a-z](?![A-Za-z])|[ \t]*(?:\u00b1|\\pm|\+/-|\+-)"
)
_OR_WORD: Final = re.compile(
    rf"[\w\s%,;.?-]{{0,30}}?\b(?:or|to|through|versus|vs|no|wait|actually|maybe)[,.]?\s+(?:rather|maybe|perhaps|possibly|even)?\s*{NUMBER_WORD}\b",
    re.IGNORECASE,
)
_UNDONE: Final = re.compile(
    r"(?:\b(?:half(?: of)?|twice|double|triple|thrice|quadruple|a (?:third|quarter|fifth) of|square root of|cube root of"
    r"|sqrt|log|ln|sin|cos|tan|factorial of|square of|cube of|(?:less|more|fewer|greater|smaller|larger|bigger|higher"
    r"|lower|other) than|under|over|above|below|beyond|exceeds|nearly|almost)\b|\\sqrt|\\log|\\ln|\u221a"
    r"|\\[lg]t\b|(?<![<>-])[<>])[\s({$]*\Z",
    re.IGNORECASE,
)
_BELOW_ZERO: Final = re.compile(r"[^.,;\n0-9]{0,30}\bbelow (?:zero|freezing)\b", re.IGNORECASE)
_MINUS: Final = re.compile(r"(?:\b(?i:minus|negative)\s+)\Z")
_BREAK: Final = re.compile(r"[.!?](?=\s|\*|\")")
_RANGE: Final = re.compile(
    r"\A\s?(?:[:\u2013\u2014]|:\s)\s?\Z|\A\s?(?:[A-Za-z%\u00b0'\"]{1,12}\s?)?[-\u2013\u2014~]\s?\Z"
)
_BESIDE_IN_PROSE: Final = re.compile(
    r"(?:\s?[A-Za-z%$]{1,12}){0,2}?[\s,;.?!(\u2026]*"
    r"(?:(?:\bor\b|\bnor\b|\bversus\b|\bvs\b\.?|\bthrough\b|[-=]>|\u2192|\u21d2|\u00b1|\\pm)"
    r"[\s,]*(?:(?:maybe|perhaps|possibly|rather|even|is it|it is|it's|about|around|just)[\s,]*){0,2})[\s$]*"
    r"|(?:\s?[A-Za-z%$]{1,12})?\s?\bto\b[\s$]*"
)
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
    r"\s?(?:minutes?|mins?|m|seconds?|secs?|s|inch(?:es)?|in|\"|cents?|ounces?|oz|days?|hours?|hrs?|weeks?|months?|feet|ft"
    r"|quarts?|pints?|cm|centimeters?|grams?|g|pence)\b"
)


def read_line(line: str, start: int = 0, asked: frozenset[str] = frozenset()) -> FoundNumber | None:
    """Return the number that a line says from a place on, or None where it holds none.

    Args:
        line: One line, from :func:`talan_eval.grading.number_text.plain_text`.
        start: Where it begins.
        asked: As for :func:`talan_eval.grading.number_expression.expression_at`.
    """
    line = line[: start + _LONGEST]
    reader = _LineReader(line, asked)
    reader.read(start)
    return reader.said()


class _LineReader:
    """Reads one line from left to right and keeps the values that it claims."""

    def __init__(self, line: str, asked: frozenset[str]) -> None:
        self._line = line
        self._asked = asked
        self._values: list[Expression] = []
        self._problem = ""
        self._why = False
        self._open = False

    def said(self) -> FoundNumber | None:
        if not self._values:
            return None
        first = self._values[0]
        text = self._line[first.start : first.end].strip()
        if self._problem:
            return FoundNumber(None, text, self._problem)
        if len({value.value for value in self._values}) > 1:
            listed = " and ".join(self._line[value.start : value.end].strip() for value in self._values[:4])
            return FoundNumber(None, listed, SEVERAL)
        value = first.value
        if value is None:
            return FoundNumber(None, text[:20], UNREADABLE)
        if _BELOW_ZERO.match(self._line, self._values[-1].end) is not None:
            value = -abs(value)
        return FoundNumber(value, text)

    def read(self, start: int) -> None:
        place = gap = start
        for _ in range(_MOST):
            found = _NEXT.search(self._line, place)
            if found is None:
                break
            bracket = found.group()
            if bracket and self._values:
                place = self._bracket(found.start(), self._line[gap : found.start()])
                gap = place if place > found.end() else gap
                continue
            value = expression_at(self._line, found.start(), self._asked)
            if value is None:
                place = found.start() + 1
                continue
            if not self._take(value, self._line[gap : value.start]):
                break
            place = gap = value.end
        if self._values and not self._problem:
            self._end(gap)

    def _take(self, value: Expression, gap: str) -> bool:
        """Take one value; return whether the line goes on."""
        if not self._values:
            self._values = [value]
            self._begin(gap)
            return True
        broken = _BREAK.search(gap)
        if broken is not None:
            # Another sentence: only what takes the value back still counts.
            again = TAKEN_BACK.search(gap) or re.match(r"[\s\W]*or\b", gap[broken.end() :], re.IGNORECASE)
            if again is not None and not self._why:
                self._values.append(value)
            return False
        before = self._line[: value.start]
        if DENIED_BEFORE.search(before, max(0, value.start - 40)) is not None:
            return True
        if gap.strip() == "%" or self._is_quotient(gap):
            return True
        how = standing(gap)
        self._why = self._why or says_why(gap)
        if how in SO and not self._why:
            return self._result(value, gap)
        if how in ABOUT or self._why:
            return True
        self._open = self._open or how not in {None, "and", "also", "plus"}
        self._values.append(value)
        return True

    def _is_quotient(self, gap: str) -> bool:
        """Tell whether a slash of a unit stands before a value: "60 km/2"."""
        return re.fullmatch(r"[ ]?[A-Za-z]{1,12}/", gap) is not None

    def _begin(self, gap: str) -> None:
        first = self._values[0]
        if DENIED_BEFORE.search(gap) is not None:
            self._problem = DENIED
        elif _UNDONE.search(gap) is not None:
            self._problem = UNDONE
        elif _MINUS.search(gap) is not None and first.value is not None:
            self._values = [Expression(-first.value, first.start, first.end, 1, first.units, first.places)]

    def _result(self, value: Expression, gap: str) -> bool:
        """Take the result of what stands before; it must not contradict it."""
        before = self._values[-1]
        unit = frozenset(word.casefold().rstrip("s") for word in re.findall("[A-Za-z]+", re.split("[=\u2248]", gap)[0]))
        stated = (
            re.fullmatch(r"[^=\u2248]*(?:[=\u2248]|[-=]{1,2}>|[\u2192\u21d2]|\\to|\\rightarrow|\\approx)[\s$(]*", gap)
            is not None
        )
        behind = re.match(r"\s?([A-Za-z]{1,20})?", self._line[value.end : value.end + 22])
        units = (
            before.units
            | unit
            | value.units
            | frozenset([behind[1].casefold().rstrip("s")] if behind and behind[1] else [])
        )
        plain = before.steps == value.steps == 0
        comparable = stated and (len(units) == 0 if plain else len(units) <= 1)
        if comparable and not _agree(before, value):
            self._problem = SIDES
        # "5 boys and 6 girls, so 11" sums up; "5 or 6, so 6" stays open.
        self._values = [*self._values, value] if self._open else [value]
        return True

    def _bracket(self, start: int, gap: str) -> int:
        """Read a remark in brackets; return where the line goes on."""
        end = self._line.find(_BRACKET[self._line[start]], start)
        inside = self._line[start + 1 : end if end >= 0 else None]
        if _BREAK.search(gap) is None and not self._why:
            number = NUMBER.search(inside)
            bare = re.fullmatch(r"[\s$]*[-+]?[\d.,/]+[\s%]*", inside) is not None
            beside = number is not None and re.match(
                r"\W*(?:or|maybe|perhaps|possibly|alternatively|actually|no|wait)\b", inside, re.IGNORECASE
            )
            if number is not None and (bare or beside):
                value = expression_at(inside, number.start(), self._asked)
                if value is not None:
                    self._values.append(Expression(value.value, start + 1, start + 1 + value.end))
            elif DENIED_BEHIND.match(self._line, start) is not None:
                self._problem = DENIED
        return len(self._line) if end < 0 else end + 1

    def _end(self, gap: int) -> None:
        """Read what stands behind the last value."""
        last = self._values[-1]
        tail = self._line[last.end : last.end + 200]
        unit = re.match(r"(?:[ \t]?[A-Za-z%$\u00b0.}*]{1,20}){0,2}?", tail)
        for begin in {0, *(space.start() for space in re.finditer(r"[ ,.?!]", tail[:40]))}:
            if unit is not None and DENIED_BEHIND.match(tail, begin) is not None:
                self._problem = DENIED
                return
        if _UNKNOWN_ADDED.match(tail) is not None:
            self._problem = UNDONE
        elif _OR_WORD.match(tail) is not None and not self._why:
            self._problem = SEVERAL


def _agree(one: Expression, other: Expression) -> bool:
    """Tell whether two sides are equal, or one is the other rounded to the places that it shows."""
    if one.value is None or other.value is None:
        return True
    if one.value == other.value:
        return True
    rounded, exact = (other, one) if other.steps == 0 else (one, other)
    if rounded.steps or rounded.value is None or exact.value is None:
        return False
    unit = 10**rounded.places
    return (exact.value * unit).denominator != 1 and abs(exact.value - rounded.value) * unit < 1


def last_claim(text: str, asked: frozenset[str] = frozenset()) -> FoundNumber | None:
    """Return the last number that a text claims, or None where it holds none.

    Args:
        text: From :func:`talan_eval.grading.number_text.plain_text`.
        asked: As for :func:`read_line`.
    """
    end = None
    for end in NUMBER.finditer(text):
        pass
    if end is None:
        return None
    start = max(text.rfind("\n", 0, end.start()) + 1, end.end() - _LONGEST)
    line = text[start:].partition("\n")[0][:_LONGEST]
    numbers = list(NUMBER.finditer(line))[-_MOST:]
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


def _claimed_in_prose(line: str, numbers: list[re.Match[str]], place: int, value: Expression) -> FoundNumber:
    text = line[value.start : value.end].strip()
    before = line[: value.start]
    if DENIED_BEFORE.search(before, max(0, value.start - 40)) is not None or _denied_there(line, value.end):
        return FoundNumber(None, text, DENIED)
    if _UNDONE.search(before, max(0, value.start - 30)) is not None and not re.search(
        "over|above|below|under", before[-8:]
    ):
        return FoundNumber(None, text, UNDONE)
    if place and _beside(line, numbers[place - 1], numbers[place]):
        return FoundNumber(None, line[numbers[place - 1].start() : value.end].strip(), SEVERAL)
    if value.value is None:
        return FoundNumber(None, text[:20], UNREADABLE)
    negative = _MINUS.search(before) is not None or _BELOW_ZERO.match(line, value.end) is not None
    return FoundNumber(-value.value if negative else value.value, text)


def _same(one: Fraction | None, other: Fraction | None) -> bool:
    """Tell whether two numbers are one, also as a share and its percentage: "0.60 or 60 %"."""
    return one == other or (one is not None and other is not None and one * 100 == other)


def _denied_there(line: str, end: int) -> bool:
    return DENIED_BEHIND.match(line, end) is not None


def _beside(line: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Tell whether the last number of a text belongs to the one before it: a choice, a range, hours and minutes."""
    gap = line[one.end() : other.start()]
    if _BESIDE_IN_PROSE.fullmatch(gap) is not None:
        return not _same(number_of(one).value, number_of(other).value) and not _AGAIN.match(line, other.end())
    lead = line[max(0, one.start() - 20) : one.start()].casefold()
    if re.search(r"\b(?:between|from)\s\$?\Z", lead) is not None:
        return _RANGE.search(gap) is not None or re.fullmatch(r"[\s\w$]{0,20}\b(?:and|to)\b[\s$]*", gap) is not None
    if re.search(r"\b(?:both|either)\s\$?\Z", lead) is not None:
        return re.fullmatch(r"[\s\w$]{0,20}\b(?:and|or)\b[\s$]*", gap) is not None
    if re.fullmatch(r":|\s:\s", gap) is not None:
        return re.search(r"\b[A-Z][a-z]+ \Z", line[: one.start()]) is None  # "Week 3:210" is a label
    if _LABEL.search(lead) and _LABELLED.fullmatch(gap):
        return True
    return _COMPOUND.fullmatch(gap) is not None and _COMPOUND_END.match(line, other.end()) is not None
