"""Calculations in a line of text, by their value: ``4 weeks * 5``, ``2*(3+4)``, ``50% of 40``, ``5 million``, ``10^3``.

Grammar, with words behind a number as its unit where an operator follows::

    sum     = product (("+" | "-") product)*
    product = power (("*" | "/" | "of" behind a percentage or a fraction) power)*
    power   = (number scale* | "(" sum ")") ("^" integer)?
    scale   = "thousand" | "million" | "dozen" | "k" | ... | "and a half"

A scale is a factor and is never dropped, except where the question asks in it ("how many dozen eggs"). Size, depth and
the number of steps are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from talan_eval.grading.number_text import MAX_DIGITS, NUMBER, number_of

_MAX_STEPS: Final = 40
_MAX_DEPTH: Final = 8
_LARGEST_POWER: Final = 400
_LARGEST: Final = 10**MAX_DIGITS
_UNIT: Final = (
    r"(?:[ \t]*(?!x\b|of\b|and\b|or\b|to\b|is\b|plus\b|minus\b|times\b)[A-Za-z%]{1,20}(?:/[A-Za-z]{1,20})?){0,4}"
)
_STEP: Final = re.compile(
    rf"(?P<unit>{_UNIT})[ \t]*\\?(?P<operator>\*\*(?=[ \t]*[0-9(])|[-+*/x\u00d7\u00f7\u2013]|times|cdot|div|plus\b"
    r"|minus\b|multiplied by\b|divided by\b)[ \t]*(?=[-+]?[$(]?[.0-9])"
)
_SHARE: Final = re.compile(r"[ \t]*(?:(?P<percent>%|percent\b)[ \t]*)?of[ \t]+(?:the[ \t]+)?(?=[$(]?[.0-9])")
_POWER: Final = re.compile(
    r"[ \t]*(?:\^|\*\*)[ \t]*(?:\([ \t]*(?P<inside>[-+]?[0-9]{1,12})[ \t]*\)"
    r"|\{?[ \t]*(?P<bare>[-+]?[0-9]{1,12})[ \t]*\}?)(?![0-9.])|[ \t](?P<word>squared|cubed)\b"
)
_OPERATORS: Final = {
    "-": "-", "\u2013": "-", "minus": "-", "+": "+", "plus": "+", "*": "*", "x": "*", "\u00d7": "*", "times": "*",
    "cdot": "*", "multiplied by": "*", "/": "/", "\u00f7": "/", "div": "/", "divided by": "/",
}  # fmt: skip
SCALES: Final = {
    "hundred": Fraction(100),
    "thousand": Fraction(10**3),
    "million": Fraction(10**6),
    "billion": Fraction(10**9),
    "trillion": Fraction(10**12),
    "lakh": Fraction(10**5),
    "crore": Fraction(10**7),
    "dozen": Fraction(12),
    "score": Fraction(20),
    "gross": Fraction(144),
    "tenth": Fraction(1, 10),
    "hundredth": Fraction(1, 100),
    "thousandth": Fraction(1, 1000),
    "millionth": Fraction(1, 10**6),
}
_ONLY_SINGULAR: Final = frozenset(("score", "gross"))
"""Their plurals are nouns: "85 scores"."""
_GLUED: Final = {
    "k": Fraction(10**3), "K": Fraction(10**3), "M": Fraction(10**6), "MM": Fraction(10**6), "mn": Fraction(10**6),
    "mln": Fraction(10**6), "mil": Fraction(10**6), "B": Fraction(10**9), "bn": Fraction(10**9), "bln": Fraction(10**9),
    "tn": Fraction(10**12), "\u4e07": Fraction(10**4), "\u4ebf": Fraction(10**8),
}  # fmt: skip
_SCALE: Final = re.compile(
    r"(?:[ \t]?(?P<glued>mln|mil|mn|bln|bn|tn|MM|\u4e07|\u4ebf)|(?P<letter>[kKMB]))(?![A-Za-z0-9^])"
    rf"|[ \t-]{{0,3}}(?:\\text\{{[ ]?)?\(?(?P<word>(?i:{'|'.join(SCALES)}))(?P<plural>s|es)?\b\)?"
)
_PART: Final = re.compile(
    r"[ \t]+and[ \t]+(?P<top>[1-9])/(?P<bottom>[1-9][0-9]?)(?![0-9/])"
    r"|(?:(?:[ \t]+[A-Za-z]{1,20})?[ \t]+and[ \t]+(?:an?|one|(?P<many>two|three))[ \t-]|[ \t]+and[ \t]+(?=half))"
    r"(?P<part>half|halves|third|quarter|fourth|fifth|eighth|tenth)s?\b(?![ \t]+(?:of|as|times))",
    re.IGNORECASE,
)
_PARTS: Final = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "eighth": 8, "tenth": 10}
_WORD: Final = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Calculation:
    """A calculation or a number in a line.

    Attributes:
        value: Its value; None where it has none that is known, such as a quotient by zero.
        start: Where it begins.
        end: Where it ends.
        steps: How many operators it holds; 0 for a number.
        units: The words in it.
        places: Decimal places that its last number shows.
    """

    value: Fraction | None
    start: int
    end: int
    steps: int = 0
    units: frozenset[str] = frozenset()
    places: int = 0


def expression_at(line: str, start: int, asked: frozenset[str] = frozenset(), depth: int = 0) -> Calculation | None:
    """Return the longest calculation that begins at a place of a line, or None where none does.

    Args:
        line: From ``talan_eval.grading.number_text.plain_text``.
        start: Where it is looked for.
        asked: Scales that are units here, because the question asks in them.
        depth: How many brackets are open.
    """
    first = _power(line, start, asked, depth)
    if first is None:
        return None
    terms, current, end = [], first.value, first
    steps, units, known = first.steps, set(first.units), first.value is not None
    while steps < _MAX_STEPS:
        share = _SHARE.match(line, end.end)
        step = None if share is not None and _is_share(line, end, share) else _STEP.match(line, end.end)
        place = share.end() if step is None and share is not None and _is_share(line, end, share) else None
        if step is None and place is None:
            break
        following = _power(line, step.end() if step is not None else place or 0, asked, depth)
        if following is None:
            break
        sign = "*" if step is None else _OPERATORS.get(step["operator"], "^")
        value = following.value
        if value is None or current is None or sign == "^" or (sign == "/" and value == 0):
            known, value, current = False, Fraction(0), Fraction(0)
        if sign in "+-":
            terms.append(current)
            current = value if sign == "+" else -value
        else:
            current = current * value if sign != "/" else current / value if value else Fraction(0)
            if share is not None and step is None and share["percent"]:
                current /= 100
        known = known and abs(current.numerator) < _LARGEST and current.denominator < _LARGEST
        steps += 1 + following.steps
        if step is not None:
            units |= words(step["unit"])
        units |= following.units
        end = following
    total = sum(terms, current or Fraction(0)) if known else None
    return Calculation(total, start, end.end, steps, frozenset(units), end.places)


def _is_share(line: str, before: Calculation, share: re.Match[str]) -> bool:
    """Tell whether "of" multiplies: behind a percentage or a fraction, not in "18 of 20"."""
    return share["percent"] is not None or "/" in line[before.start : before.end]


def words(text: str) -> frozenset[str]:
    """Return the words of a text as units: in lower case and without the s of a plural."""
    return frozenset(word.casefold().rstrip("s") for word in _WORD.findall(text))


def _power(line: str, start: int, asked: frozenset[str], depth: int) -> Calculation | None:
    if line.startswith("(", start):
        base = None if depth == _MAX_DEPTH else expression_at(line, start + 1, asked, depth + 1)
        if base is None or not line.startswith(")", base.end):
            return None
        base = replace(base, start=start, end=base.end + 1)
    else:
        base = _atom(line, start, asked)
        if base is None:
            return None
    power = _POWER.match(line, base.end)
    if power is None:
        return base
    exponent = {"squared": 2, "cubed": 3}.get(power["word"] or "") or int(power["inside"] or power["bare"] or 0)
    value = base.value
    if value is None or abs(exponent) > _LARGEST_POWER or (value == 0 and exponent <= 0):
        return replace(base, value=None, end=power.end(), steps=base.steps + 1)
    if value.numerator.bit_length() * abs(exponent) > 4 * MAX_DIGITS or "/" in line[base.start : base.end]:
        value = None
    elif value < 0 and line[base.start] != "(":
        value = -((-value) ** exponent)
    else:
        value = value**exponent
    return replace(base, value=value, end=power.end(), steps=base.steps + 1)


def _atom(line: str, start: int, asked: frozenset[str]) -> Calculation | None:
    number = NUMBER.match(line, start)
    if number is None:
        return None
    found = number_of(number)
    decimals = (number["plain"] or "").partition(".")[2]
    value, end, units, smallest = found.value, number.end(), frozenset[str](), None
    for _ in range(4):
        scale = _SCALE.match(line, end)
        if scale is None:
            break
        name = (scale["word"] or "").lower()
        if name in _ONLY_SINGULAR and (scale["plural"] or "$" in number.group()):
            break
        end = scale.end()
        if name in asked:
            units |= {name}
        else:
            smallest = SCALES[name] if name else _GLUED[scale["glued"] or scale["letter"]]
            value = None if value is None else value * smallest
    part = _PART.match(line, end)
    if part is not None and value is not None and value.denominator == 1 and smallest is None:
        value, end = value + _part(part) * (-1 if value < 0 else 1), part.end()
    lower = None if smallest is None or value is None else _lower_group(line, end, smallest, asked)
    if lower is not None and lower.value is not None and value is not None:
        return Calculation(value + lower.value, start, lower.end, 0, units, 0)
    return Calculation(value, start, end, 0, units, len(decimals))


def _part(part: re.Match[str]) -> Fraction:
    if part["top"]:
        return Fraction(int(part["top"]), int(part["bottom"]))
    many = {"two": 2, "three": 3}.get((part["many"] or "").lower(), 1)
    return Fraction(many, _PARTS[part["part"].lower()])


def _lower_group(line: str, end: int, scale: Fraction, asked: frozenset[str]) -> Calculation | None:
    """Return the rest of a number in words and digits: "200 thousand" behind "1 million"."""
    gap = re.compile(r"[ ](?:and[ ])?(?=[0-9])").match(line, end)
    rest = None if gap is None or scale <= 1 else _atom(line, gap.end(), asked)
    smaller = rest is not None and rest.value is not None and 0 < rest.value < scale
    return rest if smaller and rest is not None and not line[end : rest.end].endswith("%") else None
