"""MBPP through the task: splits, and every published solution passes its own tests."""

from __future__ import annotations

import pytest

from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.benchmark import load_benchmark


@pytest.fixture(scope="module")
def mbpp(data_dir):
    return load_benchmark("mbpp", data_dir=data_dir, limit=None)


def test_the_splits_are_the_authors(mbpp):
    dataset = mbpp.task.dataset
    assert {split: len(dataset[split]) for split in dataset} == {
        "examples": 10,
        "test": 500,
        "validation": 90,
        "train": 374,
    }
    assert [item.item_id for item in mbpp.items] == [str(number) for number in range(11, 511)]
    assert [doc["id"] for doc in mbpp.task.sampler.df][:3] == ["2", "3", "4"]
    assert not {prompt for prompt, _ in mbpp.training} & {item.prompt for item in mbpp.items}


def test_prompts_show_all_tests_and_no_solution(mbpp):
    for item in mbpp.items:
        assert all(test in item.prompt for test in item.doc["tests"])
        assert item.doc["worked"] not in item.prompt


def not_passing(docs, answers):
    grades = grade_answers("code", docs, answers)
    return [(doc["id"], g.reason) for doc, g in zip(docs, grades, strict=True) if g.verdict is not Verdict.MATCH]


def test_solutions_pass_and_other_programs_do_not(mbpp):
    docs = [item.doc for item in mbpp.items[:40]]
    assert not_passing(docs, [doc["worked"] for doc in docs]) == []
    others = [*docs[1:], docs[0]]
    assert len(not_passing(docs, [doc["worked"] for doc in others])) == len(docs)


@pytest.mark.slow
def test_all_974_solutions_pass_their_tests(mbpp):
    docs = [dict(doc) for split in mbpp.task.dataset.values() for doc in split]
    assert len(docs) == 974
    assert not_passing(docs, [doc["worked"] for doc in docs]) == []
