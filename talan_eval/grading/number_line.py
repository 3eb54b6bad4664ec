"""What a line of an answer says: one number, or none.

A line says one number where it holds one value: a number or a calculation, with a unit and remarks. Equal values are
one. Another value beside it ("5 or 6", "3 hours 20 minutes", "3:20", "5, wait, 6"), sides of a calculation that differ
("24 = 4*6 = 20") or a denial ("5 is wrong", "not 5", "less than 5") leave none. A value that is only spoken of counts
nothing ("18 of the 20", "20 because 4*5 = 20", "6, not 5"), and what follows "so" or "=" is the result.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import Final

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
from talan_eval.grading.number_expression import Calculation, expression_at, words
from talan_eval.grading.number_text import NUMBER, UNREADABLE, FoundNumber

SEVERAL: Final = "several values are given"
SIDES: Final = "the sides of the calculation differ"
DENIED: Final = "the answer denies the value that it names"
UNDONE: Final = "an operation that is not done, or a bound"
LONGEST_LINE: Final = 2000
MOST_VALUES: Final = 60
_NEXT: Final = re.compile(r"[(\[]|(?=[-+$\u20ac\u00a3\u00a5\u20b9.0-9]|(?:USD|EUR|GBP|Rs)[ .]?[0-9])")
_BRACKET: Final = {"(": ")", "[": "]"}
_UNKNOWN_ADDED: Final = re.compile(
    r"[ \t]*(?:[+\u00d7\u00f7]|\*(?!\*)|\\times|\\cdot)[ \t]*[A-Za-z(\\]|[ \t]*[-+][ \t]*[a-z](?![A-Za-z])"
    r"|[ \t]*[a-z][ \t]*[-+*/=][ \t]*[0-9a-z](?![A-Za-z])|[ \t]*(?:\u00b1|\\pm|\+/-|\+-)"
)
_OR_WORD: Final = re.compile(
    r"[\w\s%,;.?-]{0,30}?\b(?:or|to|through|versus|vs|no|wait|actually|maybe)[,.]?\s+"
    rf"(?:rather|maybe|perhaps|possibly|even)?\s*{NUMBER_WORD}\b",
    re.IGNORECASE,
)
UNDONE_BEFORE: Final = re.compile(
    r"(?:\b(?:half(?: of)?|twice|double|triple|thrice|quadruple|a (?:third|quarter|fifth) of|square root of"
    r"|cube root of|sqrt|log|ln|sin|cos|tan|factorial of|square of|cube of|(?:less|more|fewer|greater|smaller|larger"
    r"|bigger|higher|lower|other) than|under|over|above|below|beyond|exceeds|nearly|almost)\b|\\sqrt|\\log|\\ln|\u221a"
    r"|\\[lg]t\b|(?<![<>-])[<>])[\s({$]*\Z",
    re.IGNORECASE,
)
_FACTORS: Final = {
    "half": Fraction(1, 2), "twice": Fraction(2), "double": Fraction(2), "triple": Fraction(3), "thrice": Fraction(3),
    "quadruple": Fraction(4), "a third": Fraction(1, 3), "a quarter": Fraction(1, 4), "a fifth": Fraction(1, 5),
    "one third": Fraction(1, 3), "one quarter": Fraction(1, 4), "one fourth": Fraction(1, 4),
}  # fmt: skip
_FACTOR_BEFORE: Final = re.compile(
    rf"\b(?P<factor>{'|'.join(_FACTORS)})(?: of)?(?: the)?[\s$]*\Z".replace("one ", "one[ -]"), re.IGNORECASE
)
"""Before a number: a factor in words, which is applied where the line states the result."""
_NOT_BUT: Final = re.compile(r"[\s,]*\bbut(?: rather)?[\s$]*", re.IGNORECASE)
BELOW_ZERO: Final = re.compile(r"[^.,;\n0-9]{0,30}\bbelow (?:zero|freezing)\b", re.IGNORECASE)
MINUS_BEFORE: Final = re.compile(r"(?<![0-9] )\b(?:minus|negative)\s+\Z", re.IGNORECASE)
_UNIT_SLASH: Final = re.compile(r"[ ]?[A-Za-z]{1,12}/")
_EQUALS: Final = re.compile(r"[=\u2248]|[-=]{1,2}>|[\u2192\u21d2]|\\(?:to|rightarrow|approx)")
_STATED: Final = re.compile(r"[^=\u2248]*(?:[=\u2248]|[-=]{1,2}>|[\u2192\u21d2]|\\to|\\rightarrow|\\approx)[\s$(]*")
_WORD_BEHIND: Final = re.compile(r"\s?[A-Za-z]{1,20}")
_BARE_IN_BRACKET: Final = re.compile(r"[\s$]*[-+]?[\d.,/]+[\s%]*")
_OTHER_IN_BRACKET: Final = re.compile(
    r"\W*(?:or|maybe|perhaps|possibly|alternatively|actually|no|wait)\b", re.IGNORECASE
)
_FACTOR_OR_POWER: Final = re.compile(r"[0-9)^]\(")
_RESULT_BEHIND: Final = re.compile(r"[\s$]*=")
_BREAK: Final = re.compile(r"[.!?](?=\s|\*|\")")


def read_line(line: str, start: int = 0, asked: frozenset[str] = frozenset()) -> FoundNumber | None:
    """Return the number that a line says from a place on, or None where it holds none.

    Args:
        line: One line, from ``talan_eval.grading.number_text.plain_text``.
        start: Where it begins.
        asked: As for ``talan_eval.grading.number_expression.expression_at``.
    """
    line = line[: start + LONGEST_LINE]
    reader = _LineReader(line, asked)
    reader.read(start)
    return reader.said()


class _LineReader:
    """Reads one line from left to right and keeps the values that it claims."""

    def __init__(self, line: str, asked: frozenset[str]) -> None:
        self._line = line
        self._asked = asked
        self._values: list[Calculation] = []
        self._problem = ""
        self._why = False
        self._open = False
        self._multiplied = False

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
        if BELOW_ZERO.match(self._line, self._values[-1].end) is not None:
            value = -abs(value)
        return FoundNumber(value, text)

    def read(self, start: int) -> None:
        place = gap = start
        for _ in range(MOST_VALUES):
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
            self._end()

    def _take(self, value: Calculation, gap: str) -> bool:
        """Take one value; return whether the line goes on."""
        if not self._values:
            self._values = [value]
            self._begin(gap)
            return True
        broken = _BREAK.search(gap)
        if broken is not None:
            # Another sentence: only what takes the value back still counts.
            again = TAKEN_BACK.search(gap) or re.match(r"[\s\W]*or\b", gap[broken.end() :], re.IGNORECASE)
            self._values += [value] if again is not None and not self._why else []
            return False
        before = self._line[: value.start]
        # What is denied, a percentage of nothing and the slash of a unit ("km/2") leave the value as it is.
        if DENIED_BEFORE.search(before, max(0, value.start - 40)) or gap.strip() == "%" or _UNIT_SLASH.fullmatch(gap):
            return True
        if self._problem == DENIED and _NOT_BUT.fullmatch(gap) is not None:  # "not 42 but 43"
            self._values, self._problem = [value], ""
            return True
        how = standing(gap)
        self._why = self._why or says_why(gap)
        if how in SO and not self._why:
            self._result(value, gap)
        elif how not in ABOUT and not self._why:
            self._open = self._open or how not in {None, "and", "also", "plus"}
            self._values.append(value)
        return True

    def _begin(self, gap: str) -> None:
        first = self._values[0]
        factor = _FACTOR_BEFORE.search(gap)
        if DENIED_BEFORE.search(gap) is not None:
            self._problem = DENIED
        elif factor is not None and first.value is not None and first.steps == 0:
            # "half of 84 = 42" is calculated; "half of 84" alone stays undone.
            value = first.value * _FACTORS[factor["factor"].lower().replace("-", " ")]
            self._values, self._problem = [replace(first, value=value, steps=1)], UNDONE
        elif UNDONE_BEFORE.search(gap) is not None:
            self._problem = UNDONE
        elif MINUS_BEFORE.search(gap) is not None and first.value is not None:
            self._values = [replace(first, value=-first.value)]

    def _result(self, value: Calculation, gap: str) -> None:
        """Take the result of what stands before; it must not contradict it."""
        before = self._values[-1]
        behind = _WORD_BEHIND.match(self._line, value.end)
        left, right = before.units | words(_EQUALS.split(gap)[0]), value.units | words(behind.group() if behind else "")
        # "3 weeks = 21 days" converts: sides in different units are not compared.
        comparable = left == right if before.steps == value.steps == 0 else len(left | right) <= 1
        comparable = comparable and len(self._values) == 1 and not self._multiplied
        if self._problem == UNDONE and before.steps == 1:
            self._problem = ""
        if comparable and _STATED.fullmatch(gap) is not None and not _agree(before, value):
            self._problem = SIDES
        # "5 boys and 6 girls, so 11" sums up; "5 or 6, so 6" stays open.
        self._values = [*self._values, value] if self._open else [value]

    def _bracket(self, start: int, gap: str) -> int:
        """Read a remark in brackets; return where the line goes on."""
        end = self._line.find(_BRACKET[self._line[start]], start)
        inside = self._line[start + 1 : end if end >= 0 else None]
        if _FACTOR_OR_POWER.match(self._line, start - 1) and _RESULT_BEHIND.match(self._line, end + 1):
            # "2(20+1) = 42" and "1764^(1/2) = 42" are calculations that are not read: their stated result counts.
            self._multiplied = True
            return end + 1
        if _BREAK.search(gap) is None and not self._why:
            number = NUMBER.search(inside)
            # A bare number in square brackets is a reference.
            bare = self._line[start] == "(" and _BARE_IN_BRACKET.fullmatch(inside)
            other = bare or _OTHER_IN_BRACKET.match(inside)
            value = None if number is None or not other else expression_at(inside, number.start(), self._asked)
            if value is not None:
                self._values.append(replace(value, start=start + 1, end=start + 1 + value.end))
            elif DENIED_BEHIND.match(self._line, start) is not None:
                self._problem = DENIED
        return len(self._line) if end < 0 else end + 1

    def _end(self) -> None:
        """Read what stands behind the last value."""
        last = self._values[-1]
        tail = self._line[last.end : last.end + 200]
        begins = {0, *(space.start() for space in re.finditer(r"[ ,.?!]", tail[:40]))}  # a unit may stand between
        if any(DENIED_BEHIND.match(tail, begin) is not None for begin in begins):
            self._problem = DENIED
        elif _UNKNOWN_ADDED.match(tail) is not None:
            self._problem = UNDONE
        elif _OR_WORD.match(tail) is not None and not self._why:
            self._problem = SEVERAL


def _agree(one: Calculation, other: Calculation) -> bool:
    """Tell whether two sides are equal, or one is the other rounded to the places that it shows."""
    if one.value is None or other.value is None or one.value == other.value:
        return True
    rounded, exact = (other, one) if other.steps == 0 else (one, other)
    if rounded.steps or rounded.value is None or exact.value is None:
        return False
    unit = Fraction(10) ** rounded.places
    return (exact.value * unit).denominator != 1 and abs(exact.value - rounded.value) * unit < 1
