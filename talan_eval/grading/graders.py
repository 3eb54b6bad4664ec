"""Graders by name, as the tasks' YAML names them: one way for lm-eval, for talan-eval and for every benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from talan_eval.grading.choice import grade_choice
from talan_eval.grading.code import extract_program, grade_program, wanted_function
from talan_eval.grading.latex import grade_latex
from talan_eval.grading.math_answer import grade_math
from talan_eval.grading.number import grade_number
from talan_eval.grading.verdict import Grade, Verdict
from talan_eval.sandbox.job import Job, Limits
from talan_eval.sandbox.runner import run_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from talan_eval.sandbox.tiers import Tier

_BY_TEXT: Final[dict[str, Callable[[str, str], Grade]]] = {
    "number": grade_number,
    "latex": grade_latex,
    "choice": grade_choice,
}
GRADING_VERSION: Final = "1"
"""Part of the identity of every score; raised whenever a grader may judge any answer differently."""
CODE: Final = "code"
MATH: Final = "math"
GRADERS: Final = (*_BY_TEXT, MATH, CODE)
EXPLANATIONS: Final = {
    "number": "The number behind the first '####' counts, else the last number of the answer. It must equal the "
    "target exactly; separators, currency, units, trailing zeros and the way of writing a fraction do not matter.",
    "latex": "The content of the last \\boxed{...} counts. It must have the same strict normal form as the target.",
    "math": "The content of the last \\boxed{...} counts. It must have the same strict normal form as the target, or "
    "be equal to it by math-verify without repeating the question; both verdicts are kept.",
    "choice": "The one letter that the answer claims counts, as in 'Answer: B' or \\boxed{B}. Several letters earn "
    "nothing.",
    "code": "The program is taken from the fenced block that defines the wanted function, else from the plain text. It "
    "must pass all assertions within the limits of the runner.",
}
"""How each grader works, for a person."""


def grade_answers(
    grader: str, docs: Sequence[Mapping[str, Any]], answers: Sequence[str], tier: Tier | None = None
) -> list[Grade]:
    """Grade a batch of answers.

    Args:
        grader: One of :data:`GRADERS`.
        docs: One document per answer. "number", "latex", "math" and "choice" read its ``answer``, "math" also
            its ``problem`` if there is one; "code" reads
            ``tests`` (a list of assertions) and, if there is one, ``test_setup_code``.
        answers: What the model wrote, in the same order.
        tier: The boundary around programs, for "code"; the highest that holds here when None.

    Returns:
        One grade per answer, in order.

    Raises:
        SandboxError: No boundary holds here, or it fails: nothing is known about the programs then.
        KeyError: The grader does not exist, or a document lacks its field: a mistake in a task, not in an answer.
    """
    if grader == CODE:
        return _grade_programs(docs, answers, tier)
    if grader == MATH:
        questions = [str(doc.get("problem", "")) for doc in docs]
        return grade_math(answers, [str(doc["answer"]) for doc in docs], questions=questions)
    grade = _BY_TEXT[grader]
    return [grade(answer, str(doc["answer"])) for doc, answer in zip(docs, answers, strict=True)]


def score_document(grader: str, metric: str, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Score one document as lm-eval's ``process_results`` does.

    Args:
        grader: One of :data:`GRADERS`.
        metric: Name of the score in lm-eval's tables.
        doc: The document.
        results: The filtered responses; the first counts.

    Returns:
        The score and whether nothing could be read from the answer, each 0 or 1.
    """
    grade = grade_answers(grader, [doc], [results[0]])[0]
    return {metric: grade.score, "unparsed": float(grade.verdict is Verdict.UNPARSED)}


def _grade_programs(docs: Sequence[Mapping[str, Any]], answers: Sequence[str], tier: Tier | None) -> list[Grade]:
    programs = [
        extract_program(answer, wanted_function(doc["tests"])) for doc, answer in zip(docs, answers, strict=True)
    ]
    jobs = [
        Job(program, tuple(doc["tests"]), str(doc.get("test_setup_code") or ""))
        for doc, program in zip(docs, programs, strict=True)
        if program is not None
    ]
    outcomes = iter(run_programs(jobs, Limits(), workers=1, tier=tier))
    return [grade_program(program, None if program is None else next(outcomes)) for program in programs]
