"""GSM8K from a data directory, and what happens without one."""

from __future__ import annotations

import json

import pytest

from talan_core.errors import UserError
from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.benchmark import load_benchmark


def test_a_wrong_data_directory_says_what_to_type(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_benchmark("gsm8k", data_dir=tmp_path / "none", limit=None)
    with pytest.raises(UserError, match=r"train.jsonl is missing; it should hold 7473 items"):
        load_benchmark("gsm8k", data_dir=tmp_path, limit=None)


def test_a_changed_file_is_refused(tmp_path):
    (tmp_path / "gsm8k").mkdir()
    row = json.dumps({"question": "q", "answer": "a\n#### 1"})
    (tmp_path / "gsm8k" / "train.jsonl").write_text(row + "\n")
    with pytest.raises(UserError, match=r"train.jsonl was changed: sha256 \w{12}, expected 17f347dc5147"):
        load_benchmark("gsm8k", data_dir=tmp_path, limit=None)


@pytest.fixture(scope="module")
def gsm8k(data_dir):
    return load_benchmark("gsm8k", data_dir=data_dir, limit=None)


def test_all_reference_solutions_are_graded_right(gsm8k):
    docs = [item.doc for item in gsm8k.items]
    grades = grade_answers("number", docs, [doc["worked"] for doc in docs])
    assert len(docs) == 1319
    assert [item.item_id for item, g in zip(gsm8k.items, grades, strict=True) if g.verdict is not Verdict.MATCH] == []


def test_changed_answers_are_graded_wrong(gsm8k):
    docs = [item.doc for item in gsm8k.items]
    changed = [doc["worked"].rpartition("####")[0] + f"#### {int(doc['answer'].replace(',', '')) + 1}" for doc in docs]
    assert {g.verdict for g in grade_answers("number", docs, changed)} == {Verdict.MISMATCH}


def test_training_solutions_carry_no_calculator_marks(gsm8k):
    assert len(gsm8k.training) == 7473
    assert not any("<<" in completion for _, completion in gsm8k.training)
    assert all(completion.splitlines()[-1].startswith("#### ") for _, completion in gsm8k.training)
    assert not {prompt for prompt, _ in gsm8k.training} & {item.prompt for item in gsm8k.items}
