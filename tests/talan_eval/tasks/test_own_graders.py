"""A YAML file of the user's over data of the user's, judged by one of our graders."""

from __future__ import annotations

import json

import pytest
import yaml

from talan_core.errors import UserError
from talan_eval.generation_settings import GenerationSettings
from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.lm_eval_task import load_lm_eval_task

SETTINGS = GenerationSettings(few_shot=None, template_date=None)
SUMS = [{"id": f"sum-{n}", "question": f"What is {n} plus 2?", "result": str(n + 2)} for n in range(3)]
PROGRAMS = [{"task": "Double it.", "checks": ["assert double(2) == 4", "assert double(0) == 0"]}]


@pytest.fixture
def task(tmp_path):
    def load(rows, metadata, limit=None, metric=None, **changes):
        (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        field = "question" if "question" in rows[0] else "task"
        described = {
            "task": "mine", "dataset_path": "json", "test_split": "test", "doc_to_text": f"{{{{{field}}}}}",
            "dataset_kwargs": {"data_files": {"test": str(tmp_path / "items.jsonl")}}, "doc_to_target": "so it is",
            "output_type": "generate_until", "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 32},
            "metadata": {"version": 1, **metadata}, **changes,
        }  # fmt: skip
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(described), encoding="utf-8")
        return load_lm_eval_task("mine", file, limit=limit, settings=SETTINGS, metric=metric)

    return load


def graded(benchmark, *answers):
    docs = [item.doc for item in benchmark.items]
    return [grade.score for grade in grade_answers(benchmark.spec.grader, docs, answers)]


def test_numbers_are_judged_by_our_grader(task):
    mine = task(SUMS, {"grader": "number", "fields": {"answer": "result"}, "item_id": "id"})
    assert [item.item_id for item in mine.items] == ["sum-0", "sum-1", "sum-2"]
    assert (mine.spec.grader, mine.spec.metric, mine.spec.n_items, mine.spec.runs_code) == (
        "number",
        "number",
        3,
        False,
    )
    assert graded(mine, "It is 2.", "#### 4", "1,000") == [1, 0, 0]
    assert mine.items[0].prompt == "What is 0 plus 2?"


def test_programs_run_in_the_sandbox_even_where_the_file_allows_them_to_run_anywhere(task):
    mine = task(PROGRAMS, {"grader": "code", "fields": {"tests": "checks"}, "metric": "pass_at_1"}, unsafe_code=True)
    assert (mine.spec.runs_code, mine.spec.metric) == (True, "pass_at_1")
    assert graded(mine, "```python\ndef double(n):\n    return 2 * n\n```") == [1]
    assert graded(mine, "```python\ndef double(n):\n    return n\n```") == [0]


def test_another_grader_or_field_is_another_task(task):
    known = {
        task([{**row, "answer": row["result"]} for row in SUMS], metadata).spec.items_hash
        for metadata in (
            {"grader": "number"},
            {"grader": "latex"},
            {"grader": "number", "fields": {"answer": "id"}},
            {},
        )
    }
    assert len(known) == 4


@pytest.mark.parametrize(
    ("rows", "metadata", "changes", "said"),
    [
        (SUMS, {"grader": "nunber"}, {}, "Did you mean 'number'"),
        (SUMS, {"grader": "number"}, {}, "item 0: there is no field 'answer' in it; it has id, question, result"),
        (SUMS, {"grader": "number", "fields": {"answer": "x"}}, {}, "no field 'x'"),
        (SUMS, {"grader": "number", "fields": ["x"]}, {}, "no table"),
        (SUMS, {"grader": "number", "fields": {"answer": "result"}, "item_id": "x"}, {}, "no field 'x'"),
        ([SUMS[0]] * 2, {"grader": "number", "fields": {"answer": "result"}, "item_id": "id"}, {}, "two items have"),
        (PROGRAMS, {"grader": "code", "fields": {"tests": "task"}}, {}, "its test is no Python"),
        ([{"task": "?", "tests": []}], {"grader": "code"}, {}, "no list of assertions"),
        ([{"task": "?", "tests": [1]}], {"grader": "code"}, {}, "no list of assertions"),
        (SUMS, {"grader": "number", "fields": {"answer": "result"}}, {"metric": "exact_match"}, "has one metric"),
        (PROGRAMS, {}, {"unsafe_code": True}, r"metadata: \{grader: code\}"),
    ],
)
def test_mistakes_are_named(task, rows, metadata, changes, said):
    with pytest.raises(UserError, match=said):
        task(rows, metadata, **changes)


def test_a_grader_needs_words(task):
    with pytest.raises(UserError, match="there are no words to grade"):
        task(SUMS, {"grader": "number"}, output_type="multiple_choice", doc_to_choice=["a", "b"], doc_to_target=0)
