from __future__ import annotations

import json

import pytest

from talan_eval.grading.code import extract_program, wanted_function
from talan_eval.grading.latex_answer import grade_latex
from talan_eval.grading.number import grade_number


@pytest.fixture
def rows(real_data):
    """Return a function that reads a file of the real benchmarks."""
    return lambda name: [json.loads(line) for line in real_data(name).read_text(encoding="utf-8").splitlines()]


def test_every_gsm8k_solution_is_right_and_wrong_with_its_answer_changed(rows):
    items = rows("gsm8k/test.jsonl")
    assert len(items) == 1319
    for row in items:
        steps, _, final = row["answer"].rpartition("####")
        assert grade_number(row["answer"], final).score == 1.0, row
        changed = int(final.replace(",", "")) + 1
        assert grade_number(f"{steps}#### {changed}", final).verdict == "mismatch", row


def test_every_math500_solution_is_right_and_wrong_with_its_answer_changed(rows):
    items = rows("math/math500_test.jsonl")
    assert len(items) == 500
    for row in items:
        assert grade_latex(row["solution"], row["answer"]).score == 1.0, row["answer"]
        assert grade_latex(f"\\boxed{{{row['answer']}+1}}", row["answer"]).verdict == "mismatch", row["answer"]


def test_every_mbpp_solution_is_extracted_whole_from_a_fence(rows):
    items = rows("mbpp/mbpp.jsonl")
    assert len(items) == 974
    for row in items:
        code = row["code"].replace("\r\n", "\n")
        name = wanted_function(row["test_list"])
        answer = f"Sure:\n```python\n{code}\n```\nExample:\n```python\nprint(f(1))\n```"
        found = extract_program(answer, name)
        assert found is not None
        assert found.rstrip() == code.rstrip(), row["task_id"]
