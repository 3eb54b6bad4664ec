"""Why answers are right, wrong or neither, in classes that can be counted: one row per class and arm in a report.

A grade's own reason names the case ("differs from '5'"); its class is the same for all such cases.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.grading.grade import Verdict
from talan_eval.grading.thinking import NEVER_ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable

MATH_VERIFY_ONLY: Final = "right, by math-verify alone"
NORMALISER_ONLY: Final = "right, by the normaliser alone"
RIGHT: Final = "right"
WRONG: Final = "wrong"
UNFINISHED: Final = "unparsed, the thinking never ended"
DENIED: Final = "unparsed, the answer denies what it names or leaves it undone"
UNPARSED: Final = "unparsed, no answer in a form that the grader knows"
TIMED_OUT: Final = "over the limit"
FAILED: Final = "the grader could not do its work"

# The first pattern that a mismatch's reason holds gives its class.
_WRONG_BECAUSE: Final = (
    (re.compile(r"repeats an expression"), "wrong, repeats the question"),
    (re.compile(r"several (?:letters|values)|stands beside the box"), "wrong, several answers claimed"),
    (re.compile(r"the unit .* is not "), "wrong, another unit"),
    (re.compile(r"stands on one side only|dots on one side|does not read dots"), "wrong, words or dots that count"),
    (
        re.compile(
            r"no exact value|no value|no assignment|sides are not equal|sides of the calculation differ"
            r"|names no unknown|half an equation|not solved|more than values|another relation|no unknown"
        ),
        "wrong, an equation or relation that is no value",
    ),
    (re.compile(r"different bases"), "wrong, another base"),
    (re.compile(r"\A(?:invalid|crashed|memory|failed)"), "wrong, the program fails"),
)
_DENIES: Final = re.compile(r"\Athe answer denies|\Aan operation that is not done")


@dataclass(frozen=True, slots=True)
class Said:
    """What is kept of a grade in ``samples/``: the fields of the same names."""

    verdict: str
    reason: str
    strict: str | None = None
    symbolic: str | None = None


def reason_class(said: Said) -> str:
    """Return the class of one graded answer."""
    if said.verdict == Verdict.MATCH:
        if said.symbolic is None or said.strict == said.symbolic:
            return RIGHT
        return MATH_VERIFY_ONLY if said.symbolic == Verdict.MATCH else NORMALISER_ONLY
    if said.verdict == Verdict.UNPARSED:
        denied = DENIED if _DENIES.search(said.reason) is not None else UNPARSED
        return UNFINISHED if said.reason == NEVER_ENDED else denied
    if said.verdict == Verdict.TIMEOUT:
        return TIMED_OUT
    if said.verdict == Verdict.ERROR:
        return FAILED
    return next((name for pattern, name in _WRONG_BECAUSE if pattern.search(said.reason)), WRONG)


def count_reasons(answers: Iterable[Said]) -> dict[str, int]:
    """Count the classes of answers, the most frequent first; classes of equal count by name."""
    counted = Counter(map(reason_class, answers))
    return dict(sorted(counted.items(), key=lambda entry: (-entry[1], entry[0])))


def is_unparsed(said: Said) -> bool:
    """Tell whether an answer belongs to the share of unparsed ones."""
    return said.verdict == Verdict.UNPARSED


def is_by_math_verify_alone(said: Said) -> bool:
    """Tell whether an answer belongs to the share that only math-verify credits."""
    return reason_class(said) == MATH_VERIFY_ONLY
