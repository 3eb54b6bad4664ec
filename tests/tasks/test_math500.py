"""MATH-500 through the task: counts, disjoint training, references right and changed answers wrong."""

from __future__ import annotations

import pytest

from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.benchmark import load_benchmark

# Neighbours whose answers are equal although they are written differently ("5" and "x=5").
SAME_VALUE = {("5", "x=5")}


@pytest.fixture(scope="module")
def math500(data_dir):
    return load_benchmark("math500", data_dir=data_dir, limit=None)


def test_it_has_500_items_and_4500_others_to_train_on(math500):
    assert (math500.spec.n_items, math500.spec.n_train) == (500, 4500)
    assert not {prompt for prompt, _ in math500.training} & {item.prompt for item in math500.items}
    assert len({item.item_id for item in math500.items}) == 500
    assert len({prompt for prompt, _ in math500.training}) == 4500


def test_reference_solutions_are_right_by_both_graders(math500):
    docs = [item.doc for item in math500.items]
    grades = grade_answers("math", docs, [doc["worked"] for doc in docs])
    both = (Verdict.MATCH, Verdict.MATCH, Verdict.MATCH)
    assert [
        item.item_id for item, g in zip(math500.items, grades, strict=True) if (g.verdict, g.strict, g.symbolic) != both
    ] == []


def test_solutions_with_another_answer_are_wrong(math500):
    docs = [item.doc for item in math500.items[:120]]
    others = [*docs[1:], docs[0]]
    grades = grade_answers("math", docs, [f"So it is \\boxed{{{other['answer']}}}." for other in others])
    credited = {
        (doc["answer"], other["answer"])
        for doc, other, grade in zip(docs, others, grades, strict=True)
        if grade.score and doc["answer"] != other["answer"]
    }
    assert credited <= SAME_VALUE


@pytest.mark.slow
def test_no_changed_answer_among_all_500_is_right(math500):
    docs = [item.doc for item in math500.items]
    for change in ("{}+1", "1+({})^2", "-7-{}"):
        answers = [f"\\boxed{{{change.format(doc['answer'])}}}" for doc in docs]
        credited = [d["id"] for d, g in zip(docs, grade_answers("math", docs, answers), strict=True) if g.score]
        assert credited == [], change


def test_few_shot_examples_are_short_training_problems(math500):
    examples = math500.task.sampler.df
    assert len(examples) == 8
    assert all(doc["id"].startswith("train/") and "[asy]" not in doc["problem"] for doc in examples)
