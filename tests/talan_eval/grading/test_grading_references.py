from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from talan_eval.grading.code import extract_program, wanted_function
from talan_eval.grading.latex import grade_latex
from talan_eval.grading.number import grade_number

_ROOT = Path(__file__).parents[3]
_DATA = Path(os.environ.get("TALAN_EVAL_DATA_DIR", _ROOT.parent / "shared" / "data"))


def _rows(name: str) -> list[dict[str, str]]:
    path = _DATA / name
    if not path.exists():
        pytest.skip(f"the benchmark's data is not on this machine: {path} (set TALAN_EVAL_DATA_DIR)")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_gsm8k_solution_is_right_and_wrong_with_its_answer_changed():
    rows = _rows("gsm8k/test.jsonl")
    assert len(rows) == 1319
    for row in rows:
        steps, _, final = row["answer"].rpartition("####")
        assert grade_number(row["answer"], final).score == 1.0, row
        changed = int(final.replace(",", "")) + 1
        assert grade_number(f"{steps}#### {changed}", final).verdict == "mismatch", row


def test_every_math500_solution_is_right_and_wrong_with_its_answer_changed():
    rows = _rows("math/math500_test.jsonl")
    assert len(rows) == 500
    for row in rows:
        assert grade_latex(row["solution"], row["answer"]).score == 1.0, row["answer"]
        assert grade_latex(f"\\boxed{{{row['answer']}+1}}", row["answer"]).verdict == "mismatch", row["answer"]


def test_every_mbpp_solution_is_extracted_whole_from_a_fence():
    rows = _rows("mbpp/mbpp.jsonl")
    assert len(rows) == 974
    for row in rows:
        code = row["code"].replace("\r\n", "\n")
        name = wanted_function(row["test_list"])
        answer = f"Sure:\n```python\n{code}\n```\nExample:\n```python\nprint(f(1))\n```"
        found = extract_program(answer, name)
        assert found is not None
        assert found.rstrip() == code.rstrip(), row["task_id"]
