r"""Answers to MATH: the strict normaliser and math-verify side by side, on the same ``\boxed{...}``.

The answer is right where either says so: each is wrong in its own direction only. The normaliser knows no algebra
(``2\sqrt{3}/2``), math-verify cannot read some words and forms (``\text{Evelyn}``). Where the normaliser sees a
difference and math-verify does not finish, the verdict is ``TIMEOUT``, which earns nothing. Both verdicts are kept, so
that their disagreements can be counted and read.

An expression that the question itself holds earns nothing for being equal to the target: "factor ab+5b+2a+10" is not
answered by ab+5b+2a+10. Not covered: other forms that a question may ask for; an expanded product, an unsimplified root
or a decimal for a fraction is right where it is equal.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from talan_eval.grading.latex import grade_latex, last_boxed
from talan_eval.grading.symbolic import Comparison, SymbolicComparer, shared_comparer
from talan_eval.grading.verdict import Grade, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

_READ: Final = (Verdict.MATCH, Verdict.MISMATCH)
_SHORTEST: Final = 3  # characters; a shorter expression stands in a question by chance


def grade_math(
    answers: Sequence[str],
    targets: Sequence[str],
    comparer: SymbolicComparer | None = None,
    *,
    questions: Sequence[str] | None = None,
) -> list[Grade]:
    r"""Grade a batch of answers.

    Args:
        answers: What the model wrote, with ``\boxed{...}``.
        targets: The bare targets, or reference solutions with ``\boxed{...}``, in the same order.
        comparer: Where math-verify runs; None for this process's own.
        questions: What was asked, in the same order; None where that is not known.

    Returns:
        One grade per answer, in order.
    """
    strict = [grade_latex(answer, target) for answer, target in zip(answers, targets, strict=True)]
    bare = [_bare(target) for target in targets]
    readable = [place for place, grade in enumerate(strict) if grade.verdict in _READ and grade.extracted is not None]
    pairs = [(bare[place], strict[place].extracted or "") for place in readable]
    compared = (comparer or shared_comparer()).compare(pairs) if pairs else []
    symbolic = dict(zip(readable, compared, strict=True))
    asked = [""] * len(strict) if questions is None else questions
    return [
        _joined(grade, symbolic.get(place), question)
        for place, (grade, question) in enumerate(zip(strict, asked, strict=True))
    ]


def _bare(target: str) -> str:
    boxed = last_boxed(target)
    return target if boxed is None else boxed


def _repeats(answer: str, question: str) -> bool:
    """Tell whether an answer of some length stands in the question, spaces apart."""
    bare = "".join(answer.split())
    return len(bare) >= _SHORTEST and bare in "".join(question.split())


def _joined(strict: Grade, symbolic: Comparison | None, question: str) -> Grade:
    if symbolic is None:
        return dataclasses.replace(strict, strict=strict.verdict)
    opinions = {"strict": strict.verdict, "symbolic": symbolic.verdict}
    if strict.verdict is Verdict.MATCH:
        return dataclasses.replace(strict, **opinions)
    if symbolic.verdict is Verdict.MATCH and _repeats(strict.extracted or "", question):
        return Grade(Verdict.MISMATCH, strict.extracted, "repeats an expression of the question", **opinions)
    if symbolic.verdict in (Verdict.MATCH, Verdict.TIMEOUT):
        return Grade(symbolic.verdict, strict.extracted, symbolic.reason, **opinions)
    return dataclasses.replace(strict, **opinions)
