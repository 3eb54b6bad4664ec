"""Grading keeps pace: processor time, so that a busy machine changes nothing."""

from __future__ import annotations

import resource
import time

import pytest

from talan_eval.grading.graders import grade_answers
from talan_eval.grading.math_answer import grade_math
from talan_eval.grading.symbolic import SymbolicComparer

_WORDS = "She sells 9 eggs at $2 each, so she makes 9 * 2 = $18 a day, and that is 126 dollars a week. "


@pytest.mark.speed
def test_1319_numbers_in_less_than_a_second():
    docs = [{"answer": str(number)} for number in range(1319)]
    answers = [f"{_WORDS * 6}\n#### {number:,}" for number in range(1319)]
    began = time.process_time()
    grades = grade_answers("number", docs, answers)
    assert time.process_time() - began < 1.0
    assert all(grade.score for grade in grades)


def test_math_answers_in_a_twentieth_of_a_second_each():
    forms = [r"\frac{%d}{%d}", r"%d\sqrt{%d}", r"(%d,%d)", r"x^2+%dx+%d", r"[%d,%d)"]
    targets = [forms[n % 5] % (n, n + 1) for n in range(60)]
    # Every second answer differs, which is the slower case: math-verify tries all it knows.
    answers = [f"\\boxed{{{target if n % 2 else targets[n - 5]}}}" for n, target in enumerate(targets)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with SymbolicComparer(2) as comparer:
        grades = grade_math(answers, targets, comparer)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert [bool(grade.score) for grade in grades] == [n % 2 == 1 for n in range(60)]
    # 30 s of 2 processors for 500 are 7.2 s for 60; two starts of a worker come on top.
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 7.2 + 6
