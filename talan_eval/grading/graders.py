"""Graders by name, as the tasks' YAML names them: one way for lm-eval, for talan-eval and for every benchmark."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Final, Protocol

from talan_core.extensions import Extended
from talan_eval.grading.choice import DEFAULT_LETTERS, grade_choice
from talan_eval.grading.code import extract_program, grade_program, wanted_function
from talan_eval.grading.grade import Grade, Verdict
from talan_eval.grading.latex_answer import grade_latex
from talan_eval.grading.math_answer import grade_math
from talan_eval.grading.number import grade_number
from talan_eval.grading.thinking import NEVER_ENDED, final_part
from talan_eval.sandbox.job import Job, Limits
from talan_eval.sandbox.runner import run_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from talan_eval.sandbox.job import ProgramOutcome
    from talan_eval.sandbox.tiers import Tier


class GradesText(Protocol):
    """A grader that takes one answer at a time, as other packages add them."""

    def __call__(self, answer: str, doc: Mapping[str, Any], *, thinking: bool) -> Grade:
        """Grade an answer.

        Args:
            answer: What the model wrote.
            doc: The item.
            thinking: Whether the answer begins inside the thinking.
        """


def _of_answer(grade: Callable[..., Grade]) -> GradesText:
    def graded(answer: str, doc: Mapping[str, Any], *, thinking: bool) -> Grade:
        return grade(answer, str(doc["answer"]), thinking=thinking)

    return graded


def _of_options(answer: str, doc: Mapping[str, Any], *, thinking: bool) -> Grade:
    """Grade a letter among as many as the item has ``options``; among four where it does not say."""
    options = doc.get("options")
    letters = ascii_uppercase[: len(options)] if isinstance(options, list) and len(options) > 1 else DEFAULT_LETTERS
    return grade_choice(answer, str(doc["answer"]), letters=letters, thinking=thinking)


_BY_TEXT: Final[dict[str, GradesText]] = {
    "latex": _of_answer(grade_latex),
    "choice": _of_options,
}
GRADING_VERSION: Final = "3"
"""Part of the identity of every score; raised whenever a grader may judge any answer differently."""
NUMBER: Final = "number"
CODE: Final = "code"
MATH: Final = "math"
OWN_GRADERS: Final = (NUMBER, *_BY_TEXT, MATH, CODE)
EXPLANATIONS: Final = {
    "number": "The number or the calculation behind the first '####' counts, else the last number of the answer. It "
    "must equal the target exactly; separators, currency, units and the way of writing a fraction do not matter, "
    "a million is a factor, and several values earn nothing.",
    "latex": "The content of the last \\boxed{...} counts. It must have the same strict normal form as the target.",
    "math": "The content of the last \\boxed{...} counts. It must have the same strict normal form as the target, or "
    "be equal to it by math-verify with nothing that speaks against it; both verdicts are kept.",
    "choice": "The last line 'Answer: B' decides, else the one letter that the answer claims, as in \\boxed{B}. "
    "Several letters, or one that is taken back or denied, earn nothing.",
    "code": "The program is taken from the fenced block that defines the wanted function, else from the plain text. It "
    "must pass all assertions within the limits of the runner.",
}
"""How each grader works, for a person."""


def _one_by_one(name: str) -> GradesText:
    def graded(answer: str, doc: Mapping[str, Any], *, thinking: bool) -> Grade:
        return grade_answers(name, [doc], [answer], thinking=[thinking])[0]

    return graded


GRADERS: Final[Extended[GradesText]] = Extended(
    "talan_eval.graders",
    {name: _one_by_one(name) for name in OWN_GRADERS},
    lambda _, found: "" if callable(found) else "it cannot be called with an answer and its item",
)
"""All graders by name, those of other packages among them; :func:`grade_answers` is the way for many answers."""


def grade_answers(
    grader: str,
    docs: Sequence[Mapping[str, Any]],
    answers: Sequence[str],
    tier: Tier | None = None,
    *,
    thinking: Sequence[bool] | None = None,
) -> list[Grade]:
    """Grade a batch of answers.

    Args:
        grader: One of ``GRADERS``.
        docs: One document per answer. "number", "latex", "math" and "choice" read its ``answer``, "math" also
            its ``problem`` and "number" its ``question`` if there is one; "code" reads
            ``tests`` (a list of assertions) and, if there is one, ``test_setup_code``.
        answers: What the model wrote, in the same order.
        tier: The boundary around programs, for "code"; the highest that holds here when None.
        thinking: Whether each answer begins inside the thinking, because its prompt opened it or the model was told to
            think: then it is unparsed where the thinking never ends. None where none does.

    Returns:
        One grade per answer, in order.

    Raises:
        SandboxError: No boundary holds here, or it fails: nothing is known about the programs then.
        KeyError: The grader does not exist, or a document lacks its field: a mistake in a task, not in an answer.
    """
    opened = [False] * len(answers) if thinking is None else thinking
    if grader == CODE:
        return _grade_programs(docs, answers, opened, tier)
    if grader == MATH:
        questions = [str(doc.get("problem", "")) for doc in docs]
        return grade_math(answers, [str(doc["answer"]) for doc in docs], questions=questions, thinking=opened)
    if grader == NUMBER:
        return [
            grade_number(answer, str(doc["answer"]), question=str(doc.get("question", "")), thinking=begins)
            for doc, answer, begins in zip(docs, answers, opened, strict=True)
        ]
    grade = _BY_TEXT[grader] if grader in _BY_TEXT else GRADERS[grader]
    return [grade(answer, doc, thinking=begins) for doc, answer, begins in zip(docs, answers, opened, strict=True)]


def score_document(grader: str, metric: str, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Score one document as lm-eval's ``process_results`` does.

    Args:
        grader: One of ``GRADERS``.
        metric: Name of the score in lm-eval's tables.
        doc: The document.
        results: The filtered responses; the first counts.

    Returns:
        The score and whether nothing could be read from the answer, each 0 or 1.
    """
    grade = grade_answers(grader, [doc], [results[0]])[0]
    return {metric: grade.score, "unparsed": float(grade.verdict is Verdict.UNPARSED)}


def _grade_programs(
    docs: Sequence[Mapping[str, Any]], answers: Sequence[str], opened: Sequence[bool], tier: Tier | None
) -> list[Grade]:
    programs = [
        extract_program(answer, wanted_function(doc["tests"]), thinking=begins)
        for doc, answer, begins in zip(docs, answers, opened, strict=True)
    ]
    jobs = [
        Job(program, tuple(doc["tests"]), str(doc.get("test_setup_code") or ""))
        for doc, program in zip(docs, programs, strict=True)
        if program is not None
    ]
    outcomes = iter(run_programs(jobs, Limits(), workers=1, tier=tier))
    return [
        _unfinished() if final_part(answer, opened=begins) is None else _graded(program, outcomes)
        for program, answer, begins in zip(programs, answers, opened, strict=True)
    ]


def _unfinished() -> Grade:
    return Grade(Verdict.UNPARSED, None, NEVER_ENDED)


def _graded(program: str | None, outcomes: Iterator[ProgramOutcome]) -> Grade:
    return grade_program(program, None if program is None else next(outcomes))
