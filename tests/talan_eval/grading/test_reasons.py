from __future__ import annotations

import numpy as np
import pytest

from talan_eval.grading.graders import grade_answers
from talan_eval.grading.reasons import (
    DENIED,
    MATH_VERIFY_ONLY,
    RIGHT,
    UNFINISHED,
    UNPARSED,
    Said,
    count_reasons,
    is_by_math_verify_alone,
    is_unparsed,
    reason_class,
)
from talan_eval.stats.shares import more_than_chance, share_difference


def _said(grader, target, answer, **doc):
    (grade,) = grade_answers(grader, [{"answer": target, **doc}], [answer])
    return Said(
        grade.verdict.value,
        grade.reason,
        None if grade.strict is None else grade.strict.value,
        None if grade.symbolic is None else grade.symbolic.value,
    )


@pytest.mark.parametrize(
    ("grader", "target", "answer", "name"),
    [
        ("math", "5", "\\boxed{5}", RIGHT),
        ("math", "\\sqrt3", "\\boxed{\\frac{2\\sqrt3}{2}}", MATH_VERIFY_ONLY),
        ("math", "5", "it is 5", UNPARSED),
        ("math", "5", "<think>\\boxed{5}", UNFINISHED),
        ("math", "5", "\\boxed{6}", "wrong"),
        ("math", "5", "\\boxed{4=5}", "wrong, an equation or relation that is no value"),
        ("math", "3", "\\boxed{x\\approx 3}", "wrong, an equation or relation that is no value"),
        ("math", "5.4\\text{ cents}", "\\boxed{5.4\\text{ dollars}}", "wrong, another unit"),
        ("math", "5", "\\boxed{5\\text{ squared}}", "wrong, words or dots that count"),
        ("choice", "B", "Answer: A or B", "wrong, several answers claimed"),
        ("choice", "B", "Answer: A", "wrong"),
        ("number", "5", "#### 6", "wrong"),
        ("number", "5", "#### 5 or 6", "wrong, several answers claimed"),
        ("number", "20", "#### 24 = 4*6 = 20", "wrong, an equation or relation that is no value"),
        ("number", "5", "#### not 5", DENIED),
        ("number", "10", "#### half of 10", DENIED),
        ("math", "5", "It is not \\boxed{5}.", DENIED),
        ("math", "5", "\\boxed{5} or maybe \\boxed{6}", "wrong, several answers claimed"),
        ("number", "5", "none", UNPARSED),
    ],
)
def test_classes(grader, target, answer, name):
    assert reason_class(_said(grader, target, answer)) == name


def test_a_repeated_question_is_a_class_of_its_own():
    said = _said("math", "1024", "\\boxed{2^{10}}", problem="Compute $2^{10}$.")
    assert reason_class(said) == "wrong, repeats the question"


def test_programs_have_their_classes():
    assert reason_class(Said("mismatch", "failed: assertion 1")) == "wrong, the program fails"
    assert reason_class(Said("timeout", "timeout: 3 s")) == "over the limit"
    assert reason_class(Said("error", "the program was not run")) == "the grader could not do its work"


def test_counts_name_every_answer_once():
    answers = (
        [Said("match", "equal numbers")] * 3
        + [Said("unparsed", "no number in the answer")] * 2
        + [Said("mismatch", "differs from 5")] * 2
    )
    counted = count_reasons(answers)
    assert list(counted.items()) == [("right", 3), (UNPARSED, 2), ("wrong", 2)]
    assert [is_unparsed(answer) for answer in answers].count(True) == 2
    assert not any(map(is_by_math_verify_alone, answers))


def _arms(rng, n_seeds, n_items, gap):
    base = (rng.random((n_seeds, n_items)) < 0.1).astype(float)
    treat = (rng.random((n_seeds, n_items)) < 0.1 + gap).astype(float)
    return base, treat


@pytest.mark.parametrize("n_seeds", [1, 3, 7])
def test_a_clear_difference_of_shares_is_more_than_chance_and_none_is_not(n_seeds):
    rng = np.random.default_rng(0)
    same = share_difference(*_arms(rng, n_seeds, 400, 0.0))
    other = share_difference(*_arms(rng, n_seeds, 400, 0.3))
    assert more_than_chance([same, other]) == (False, True)
    assert other.treat - other.base > 0.2
    equal = np.ones((n_seeds, 20))
    assert share_difference(equal, equal).p == 1.0
    assert more_than_chance([]) == ()


@pytest.mark.parametrize(("n_seeds", "clustered"), [(1, False), (1, True), (5, False)])
def test_false_alarms_stay_below_the_level(n_seeds, clustered):
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(30), 4)
    alarms = 0
    for _ in range(400):
        if clustered:
            # Whole clusters are unparsed together, in either arm.
            base, treat = (np.repeat((rng.random((n_seeds, 30)) < 0.3).astype(float), 4, axis=1) for _ in range(2))
        else:
            base, treat = _arms(rng, n_seeds, 120, 0.0)
        alarms += share_difference(base, treat, clusters=labels if clustered else None).p < 0.05
    assert alarms <= 400 * 0.05 + 3 * (400 * 0.05 * 0.95) ** 0.5


def test_without_its_clusters_the_same_data_raise_false_alarms():
    rng = np.random.default_rng(1)
    arms = [[np.repeat((rng.random((1, 30)) < 0.3).astype(float), 4, axis=1) for _ in range(2)] for _ in range(400)]
    assert sum(share_difference(base, treat).p < 0.05 for base, treat in arms) > 400 * 0.05 + 3 * 19**0.5


def test_arms_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        share_difference(np.zeros((1, 2)), np.zeros((1, 3)))
