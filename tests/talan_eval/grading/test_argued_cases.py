"""Answers where people argue: each kind of case with its right score, and pairs of other graders and their users."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import grade_answers
from talan_eval.grading.math_answer import grade_math
from talan_eval.grading.question import asked_expressions, repeats
from talan_eval.grading.relations import as_interval, read
from talan_eval.grading.symbolic import Pair, SymbolicComparer
from talan_eval.grading.units import contradict, split_unit

_KINDS = json.loads(Path(__file__).with_name("argued_cases.json").read_text(encoding="utf-8"))
_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def pairs_module(monkeypatch):
    path = _BENCHMARKS / "grading_pairs.py"
    if not path.exists():
        pytest.skip("the benchmarks are not beside the tests here")
    spec = importlib.util.spec_from_file_location("grading_pairs", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "grading_pairs", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", [kind["kind"] for kind in _KINDS])
def test_every_case_of_the_kind(kind):
    (of_kind,) = [entry for entry in _KINDS if entry["kind"] == kind]
    cases = of_kind["cases"]
    asked = [case[3] if len(case) > 3 else "" for case in cases]
    docs = [{"answer": case[1], "question": text, "problem": text} for case, text in zip(cases, asked, strict=True)]
    grades = grade_answers(of_kind["grader"], docs, [case[0] for case in cases])
    wrong = [(case, grade.reason) for case, grade in zip(cases, grades, strict=True) if grade.score != case[2]]
    assert wrong == []
    assert all(grade.reason for grade in grades)


@pytest.mark.slow
def test_every_pair_of_other_graders_has_the_recorded_verdict(pairs_module):
    pairs = pairs_module.read_pairs()
    other = [(pair.answer, pair.target) for pair, score in pairs_module.graded(pairs).items() if score != pair.ours]
    assert other == []


def test_no_pair_that_was_right_is_wrong_and_every_disagreement_is_judged(pairs_module):
    pairs = pairs_module.read_pairs()
    assert len(pairs) >= 400
    assert sum(pair.source.startswith("reported: ") for pair in pairs) >= 100
    assert [pair for pair in pairs if pair.before == pair.right != pair.ours] == []
    assert all((pair.why != "") == (pair.ours != pair.theirs) for pair in pairs)
    assert {pair.kind for pair in pairs} == {"", "judged", "limit"}


def test_a_unit_is_dropped_compared_or_kept():
    assert split_unit("5\\text{ cm}^2") == ("5", "cm^2")
    assert split_unit("5\\text{ square centimeters}") == ("5", "cm^2")
    assert split_unit("\\$5") == split_unit("5 dollars") == ("5", "dollar")
    assert split_unit("5\\text{ squared}") == ("5\\text{ squared}", None)
    assert contradict("dollar", "cent")
    assert not contradict("dollar", None)
    assert not contradict("degree", "celsius")


def test_what_an_equation_claims():
    assert read("x=5").value == "5"
    assert read("2x=10").equation == ("2x", "10")
    assert read("x=2+3=5").equal == ("2+3",)
    assert read("m+n=5", {"m+n"}).value == "5"
    assert read("m+n=5").value is None
    assert read("x\\approx 3").reason
    assert as_interval("1<x\\le 2") == "(1, 2]"
    assert as_interval("x^2<9") is None


def test_an_expression_of_the_question_is_compared_as_a_whole():
    question = "Simplify $\\sqrt{50}+\\sqrt{18}$."
    assert repeats("\\sqrt{50}+\\sqrt{18}", question)
    assert repeats("\\sqrt{50} + \\left(\\sqrt{18}\\right)", question) is False
    assert not repeats("\\sqrt{50}", question)
    assert repeats("ab+5b+2a+10", "Factor ab+5b+2a+10.")
    assert repeats("x^2+1", "Let $y=x^2+1$. Find y.")
    assert not repeats("2^{10}", "Which is larger, $2^{10}$ or $10^3$?")
    assert not repeats("3/4", "Choose one of (A) $3/4$ (B) $1/2$")
    assert not repeats("120", "If $n!=120$, what is $n!$?")
    assert asked_expressions("Find $m+n$.") == {"m+n"}


def test_a_repetition_earns_nothing_and_a_choice_does():
    answers = ["\\boxed{2^{10}}", "\\boxed{2^{10}}", "\\boxed{\\sqrt{50}}"]
    questions = [
        "Compute $2^{10}$.",
        "Which is larger, $2^{10}$ or $10^3$?",
        "Simplify $\\sqrt{50}+\\sqrt{18}$ and so on.",
    ]
    grades = grade_math(answers, ["1024", "1024", "5\\sqrt2"], questions=questions)
    assert [grade.score for grade in grades] == [0.0, 1.0, 1.0]


def test_what_the_worker_is_told_decides():
    with SymbolicComparer(1) as comparer:
        said = comparer.compare(
            [
                Pair("0.33", "\\frac{1}{3}", digits=2),
                Pair("0.33", "\\frac{1}{3}"),
                Pair("0.13", "0.125", digits=2),
                Pair("0.12", "0.125", digits=2),
                Pair("-0.13", "-0.125", digits=2),
                Pair("5", "2x", solve="10"),
                Pair("5", "2x+y", solve="10"),
                Pair("5", "5", equal=("2+3",)),
                Pair("5", "5", equal=("2+2",)),
                Pair("(-\\infty,3)", "2x<6", inequality=True),
                Pair("(-\\infty,3)", "2x<6"),
                Pair("(0.29,1)", "(0.2902,1)"),
                Pair("(0.29,1)", "(0.297,1)"),
            ]
        )
    match, mismatch = Verdict.MATCH, Verdict.MISMATCH
    assert [comparison.verdict for comparison in said] == [
        match, mismatch, match, mismatch, match, match, mismatch, match, mismatch, match, mismatch, match, mismatch,
    ]  # fmt: skip


def _mutated(answer: str, draw: random.Random) -> str | None:
    """Return an answer with one of its digits, signs or letters changed, or None where it has none of them."""
    places = [place for place, sign in enumerate(answer) if sign.isdigit()]
    if not places:
        return None
    place = draw.choice(places)
    digit = str((int(answer[place]) + draw.randint(1, 8)) % 10)
    return answer[:place] + digit + answer[place + 1 :]


@pytest.mark.slow
def test_a_thousand_mutated_answers_to_math_earn_nothing():
    data = os.environ.get("TALAN_EVAL_DATA_DIR")
    path = (Path(data) if data else _BENCHMARKS.parents[1] / "shared" / "data") / "math" / "math500_test.jsonl"
    if not path.exists():
        pytest.skip(f"the benchmark's data is not on this machine: {path}")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    draw = random.Random(0)  # noqa: S311 - a fixed choice of mutations
    wrong = [(row["answer"], text) for row in rows * 3 if (text := _mutated(row["answer"], draw)) is not None][:1000]
    assert len(wrong) == 1000
    grades = grade_math([f"\\boxed{{{text}}}" for _, text in wrong], [target for target, _ in wrong])
    credited = [pair for pair, grade in zip(wrong, grades, strict=True) if grade.score]
    assert [pair for pair in credited if pair[0] != pair[1]] == []
    assert Counter(grade.verdict for grade in grades)[Verdict.TIMEOUT] <= 2
