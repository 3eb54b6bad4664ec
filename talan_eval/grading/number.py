r"""Numeric answers in the style of GSM8K (Cobbe et al., 2021, arXiv:2110.14168).

Which number of the answer counts:

1. The number right behind the first ``####``. The first, because text behind it is usually the model going on to
   another problem; lm-eval's ``strict-match`` filter does the same. A Markdown heading ("#### Step 1", "#### 1. Add")
   is no answer. Where a calculation stands there ("#### 3 * 6 = 18"), the last number of that line counts.
2. Otherwise the last number of the text, as lm-eval's ``flexible-extract``. "The answer is n" has no rule of its own: a
   phrase list would favour the arm that happens to use its phrases, and the last number is nearly always the same one.

What is one number: digits with thousands separators (``1,234``, ``1{,}234``, ``1 234`` with a no-break space), a sign,
a currency sign or code in front, a decimal part, an exponent (``1.5e3``), a fraction (``3/4``, ``\frac{3}{4}``) or a
mixed number (``1 1/2``). Units and percent signs behind it are dropped: "50%" is 50. Digits that belong to a word, an
index or an exponent ("H2O", "x_2", "cm^2") are none. Values are compared exactly, as fractions.

Not covered: numbers in words ("twelve", "2 million"), arithmetic left undone ("10^2"), European decimal commas, Indian
grouping.
"""

from __future__ import annotations

import re
from collections import deque
from fractions import Fraction
from typing import Final, NamedTuple

from talan_eval.grading.text import final_part, quoted
from talan_eval.grading.verdict import Grade, Verdict

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
_CALCULATION: Final = re.compile(r"[ \t]*(?:[-+*/=x\u00d7\u00f7]|\\times|\\cdot)[ \t]*[$(]?[0-9]")
_FRACTION_COMMAND: Final = re.compile(r"\\[dtc]?frac\s?\{\s?([-+]?[0-9.,]{1,40})\s?\}\s?\{\s?([0-9.,]{1,40})\s?\}")
_REPLACED: Final = (
    ("\\$", "$"),
    ("{,}", ","),
    (",\\!", ","),
    ("\u2212", "-"),
    ("^{", "^"),
    ("_{", "_"),
)
_THIN_GROUP: Final = re.compile(r"(?<=[0-9])(?:\\,|[\u00a0\u2009\u202f])(?=[0-9]{3}(?![0-9]))")


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
        match = _NUMBER.match(plain, marker.end())
        if match is not None and _HEADING.match(plain, match.end()) is None:
            calculated = _CALCULATION.match(plain, match.end()) is not None
            return _found((_last_number(plain[match.end() :].partition("\n")[0]) if calculated else None) or match)
    last = _last_number(plain)
    return None if last is None else _found(last)


def _last_number(text: str) -> re.Match[str] | None:
    return next(iter(deque(_NUMBER.finditer(text), maxlen=1)), None)


def grade_number(answer_text: str, target_text: str) -> Grade:
    """Grade an answer against a target by exact comparison of two numbers.

    Args:
        answer_text: What the model wrote.
        target_text: The bare target, or a whole reference solution that ends in ``#### n``.

    Returns:
        The grade; ``ERROR`` where the target holds no number.
    """
    target = find_number(target_text)
    if target is None or target.value is None:
        return Grade(Verdict.ERROR, None, f"the target {quoted(target_text)} holds no number")
    found = find_number(final_part(answer_text))
    if found is None:
        return Grade(Verdict.UNPARSED, None, "no number in the answer")
    if found.value is None:
        return Grade(Verdict.UNPARSED, found.text, "not a finite number of reasonable length")
    if found.value == target.value:
        return Grade(Verdict.MATCH, found.text, "equal numbers")
    return Grade(Verdict.MISMATCH, found.text, f"differs from {target.text}")


def _plain(text: str) -> str:
    """Return ``text`` with the ways of typesetting one number brought to one."""
    for old, new in _REPLACED:
        text = text.replace(old, new)
    text = _FRACTION_COMMAND.sub(r" \1/\2 ", text)
    return _THIN_GROUP.sub(",", text)


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
        value = _decimal(match["plain"]) * Fraction(10) ** int(match["exponent"] or 0)
    return FoundNumber(value if value is None or not negative else -value, text)


def _ratio(top: str, bottom: str) -> Fraction | None:
    divisor = _decimal(bottom)
    return None if divisor == 0 else _decimal(top) / divisor


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))
