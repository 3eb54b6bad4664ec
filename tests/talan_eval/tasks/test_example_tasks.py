"""MMLU-Pro, HumanEval+ and MBPP+ as YAML files over local data in their published layout; the data here are ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from talan_core.errors import UserError
from talan_eval.generation_settings import GenerationSettings
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.lm_eval_task import load_lm_eval_task
from talan_eval.tasks.published_tests import assertions_of, helpers_of

EXAMPLES = Path(__file__).parents[3] / "examples" / "tasks"
SETTINGS = GenerationSettings(few_shot=None, template_date=None)
LOOP = """
import numpy as np

def assertion(out, exp, atol):
    assert out == exp

def check(candidate):
    inputs = [[1, [2.5]], [3, []]]
    results = [3.5, 3]
    for i, (inp, exp) in enumerate(zip(inputs, results)):
        assertion(candidate(*inp), exp, 0)
"""
PLAIN = """
inputs = [[[1, 2]], [[]], [(3, inf)]]
results = [[1.0, 2.0], [], {3, -inf}]
for i, (inp, exp) in enumerate(zip(inputs, results)):
    assertion(halves(*inp), exp, 0)
"""
FINITE = PLAIN.replace(", [(3, inf)]", "").replace(", {3, -inf}", "")
ADD = '''from typing import List

def one():
    return 1

def add(a, b: List[float]):
    """Add a and the sum of b."""
'''


@pytest.fixture
def load(tmp_path, monkeypatch):
    def loaded(name, rows, change=lambda text: text):
        suffix = "parquet" if name == "mmlu_pro" else "jsonl"
        place = tmp_path / "data" / name / f"test.{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if suffix == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), place)
        else:
            place.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        shutil.copy(EXAMPLES / f"{name}.yaml", tmp_path)
        file = tmp_path / f"{name}.yaml"
        file.write_text(change(file.read_text()))
        monkeypatch.chdir(tmp_path)
        return load_lm_eval_task(f"{name}_local", file, limit=None, settings=SETTINGS)

    return loaded


def graded(benchmark, *answers):
    docs = [item.doc for item in benchmark.items]
    return [grade.score for grade in grade_answers(benchmark.spec.grader, docs, answers)]


def test_mmlu_pro_has_as_many_letters_as_options_and_is_sliced_by_category(load):
    rows = [
        {"question_id": 70 + n, "question": f"Which is {n}?", "options": [str(k) for k in range(10 - n)],
         "answer": "ABCDEFGHIJ"[n], "answer_index": n, "cot_content": "", "category": "math", "src": "ours"}
        for n in (4, 9 - 5)
    ]  # fmt: skip
    rows[1] |= {"question_id": 99, "options": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "answer": "J"}
    mine = load("mmlu_pro", rows)
    assert [item.item_id for item in mine.items] == ["74", "99"]
    assert mine.items[0].prompt.startswith("Which is 4?\n\n(A) 0\n(B) 1\n")
    assert "(J) 9\n\nThink" in mine.items[1].prompt
    assert graded(mine, "So it is.\nAnswer: E", "Answer: J") == [1, 1]
    assert graded(mine, "Answer: J", "Answer: I") == [0, 0]
    assert mine.items[0].doc["subject"] == "math"
    assert (mine.spec.metric, mine.spec.runs_code) == ("accuracy", False)


def test_humaneval_plus_runs_every_input_in_the_sandbox(load):
    row = {
        "task_id": "HumanEval/0",
        "prompt": ADD,
        "canonical_solution": "    return a + sum(b)\n",
        "entry_point": "add",
        "test": LOOP,
    }
    mine = load("humaneval_plus", [row])
    assert (mine.spec.metric, mine.spec.runs_code, mine.items[0].item_id) == ("pass_at_1", True, "HumanEval/0")
    assert ADD in mine.items[0].prompt
    right = mine.solutions[0][1]
    assert graded(mine, right) == [1]
    assert graded(mine, right.replace("a + sum(b)", "a + sum(b) + 1e-9")) == [0]  # 3 is whole, and must be met exactly
    assert graded(mine, right.replace("a + sum(b)", "a + sum(b) + (1e-9 if b else 0)")) == [1]
    assert graded(mine, right.replace("a + sum(b)", "a + sum(b) + (1e-3 if b else 0)")) == [0]
    helped = "```python\ndef add(a, b):\n    return (a + sum(b)) * one()\n```"
    assert graded(mine, helped) == [1]  # what the prompt defines may be called


def test_mbpp_plus_finds_its_function_and_leaves_out_what_is_named(load):
    rows = [
        {"task_id": 2, "prompt": "Return the values.", "code": "def halves(x):\n    return [float(v) for v in x]",
         "test_imports": [], "test_list": ["assert halves([1, 2]) == [1.0, 2.0]"], "test": FINITE},
        {"task_id": 7, "prompt": "?", "code": "", "test_imports": [], "test_list": [],
         "test": "for inp in inputs:\n    assertion(f(*inp), ref_func(*inp), 0)"},
    ]  # fmt: skip
    with pytest.raises(UserError, match="item 1: its test has no one list of inputs") as caught:
        load("mbpp_plus", rows)
    assert "leave_out" in caught.value.fix
    mine = load("mbpp_plus", rows, lambda text: text + "  leave_out: [7]\n")
    assert [item.item_id for item in mine.items] == ["2"]
    assert len(mine.requests(None)) == 1
    assert graded(mine, mine.solutions[0][1]) == [1]
    with pytest.raises(UserError, match="leave out 8"):
        load("mbpp_plus", rows, lambda text: text + "  leave_out: [8]\n")


def test_published_tests_become_assertions():
    assert assertions_of(LOOP, "add") == (
        "assert abs(add(1, [2.5]) - (3.5)) <= 1e-06 + 1e-07 * abs(3.5)",
        "assert add(3, []) == 3",
    )
    near = "abs(a - b) <= 1e-06 + 1e-07 * abs(b)"
    assert assertions_of(PLAIN, None) == (
        f"assert all({near} for a, b in zip(halves([1, 2]), [1.0, 2.0], strict=True))",
        "assert halves([]) == []",
        "assert halves((3, float('inf'))) == {3, -float('inf')}",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("inputs = [", "no Python"),
        ("inputs = [[1]]\nassertion(f(*inp), exp, 0)", "no one list of results"),
        ("inputs = [[1]]\nresults = [1, 2]\nassertion(f(*inp), exp, 0)", "1 inputs and 2 results"),
        ("inputs = [[1]]\nresults = [ref(1)]\nassertion(f(*inp), exp, 0)", "is computed"),
        ("inputs = [[1]]\nresults = [nan]\nassertion(f(*inp), exp, 0)", "is computed"),
        ("inputs = [1]\nresults = [1]\nassertion(f(*inp), exp, 0)", "no list"),
        ("inputs = [[1]]\nresults = [1]\nassert f(1) == 1", "does not compare what one function returns"),
        ("inputs = [[1]]\nresults = [1]\nassertion(candidate(*inp), exp, 0)", "no entry_point"),
    ],
)
def test_other_texts_are_refused(text, said):
    with pytest.raises(ValueError, match=said):
        assertions_of(text, None)


def test_helpers_are_what_a_prompt_defines_beside_its_function():
    assert helpers_of(ADD, "add") == "from typing import List\ndef one():\n    return 1"
    assert helpers_of("def add(", "add") == ""
