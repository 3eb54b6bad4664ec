"""The documented rules are the code's: each example earns what it says, and the page holds the table as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from talan_eval.grading.graders import GRADERS, grade_answers
from talan_eval.grading.rule_list import RULES, rules_table
from talan_eval.grading.thinking import MARKS

_PAGE = Path(__file__).parents[3] / "docs" / "grading.md"


def test_every_rule_holds_in_its_example():
    for grader in ("number", "choice", "math"):
        rules = [rule for rule in RULES if rule.grader in (grader, "all" if grader == "number" else grader)]
        docs = [{"answer": rule.target, "problem": rule.question, "question": rule.question} for rule in rules]
        grades = grade_answers(grader, docs, [rule.written for rule in rules])
        wrong = [
            (rule.text, grade.reason) for rule, grade in zip(rules, grades, strict=True) if grade.score != rule.score
        ]
        assert wrong == []


def test_every_grader_of_answers_has_rules_and_no_other():
    assert {rule.grader for rule in RULES} - {"all"} <= set(GRADERS)


@pytest.mark.skipif(not _PAGE.exists(), reason="the pages are not beside the tests here")
def test_the_page_holds_the_rules_and_the_marks_as_the_code_has_them():
    text = _PAGE.read_text(encoding="utf-8")
    assert rules_table() in text
    for marks in MARKS:
        assert f"`{marks.opening.replace('|', chr(92) + '|')}`" in text
