r"""MATH answers by the normaliser and math-verify together: what each adds, and hostile ones within their limit."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.grading.grade import Verdict
from talan_eval.grading.graders import score_document
from talan_eval.grading.math_answer import grade_math
from talan_eval.grading.symbolic import SymbolicComparer, SymbolicError, shared_comparer

# Answer, target, and the three verdicts: of both, of the normaliser, of math-verify.
_FORMS = [
    (r"\frac{1}{2}", "0.5", "match match match"),
    (r"\frac{2\sqrt{3}}{2}", r"\sqrt{3}", "match mismatch match"),
    ("1+2x", "2x+1", "match mismatch match"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}", "match mismatch match"),
    ("(x-1)(x+1)", "x^2-1", "match mismatch match"),
    ("2,1", "1,2", "match mismatch match"),
    (r"\{3,1\}", r"\{1,3\}", "match mismatch match"),
    ("2^{10}", "1024", "match mismatch match"),
    (r"\sqrt{4}", "2", "match mismatch match"),
    (r"3\cdot 7", "21", "match mismatch match"),
    (r"e^{\ln 3}", "3", "match mismatch match"),
    ("x=5", "5", "match match match"),
    ("5.", "5", "match match unparsed"),
    (r"50\%", "50", "match match match"),
    ("30\u00b0", r"30^\circ", "match match match"),
    (r"\text{Evelyn}", r"\text{evelyn}", "match match match"),
    ("2", "3", "mismatch mismatch mismatch"),
    ("-5", "5", "mismatch mismatch mismatch"),
    ("(1,2)", "[1,2]", "mismatch mismatch mismatch"),
    ("(2,1)", "(1,2)", "mismatch mismatch mismatch"),
    (r"\pi", "3.14", "match mismatch match"),
    (r"\pi", "3.15", "mismatch mismatch mismatch"),
    ("3.14", r"\pi", "mismatch mismatch mismatch"),
    (r"\text{even}", r"\text{odd}", "mismatch mismatch None"),
    ("12_5", "12_7", "mismatch mismatch mismatch"),
    ("4210", "4210_{5}", "mismatch mismatch mismatch"),
    ("4210_5", "4210_{5}", "match match match"),
    (r"\frac{1}{0}", "5", "mismatch mismatch mismatch"),
    ("x^2", "x^3", "mismatch mismatch mismatch"),
    ("3.33", r"\frac{10}{3}", "mismatch mismatch mismatch"),
    ("1 < x < 2", "(1,2)", "match mismatch match"),
    ("1 < x < 3", "(1,2)", "mismatch mismatch mismatch"),
]


def test_forms_in_one_batch():
    grades = grade_math([f"It is $\\boxed{{{a}}}$." for a, _, _ in _FORMS], [target for _, target, _ in _FORMS])
    said = [
        (answer, target, f"{grade.verdict} {grade.strict} {grade.symbolic}")
        for (answer, target, _), grade in zip(_FORMS, grades, strict=True)
    ]
    assert said == _FORMS


def test_without_a_box_nothing_is_compared():
    (grade,) = grade_math(["The answer is 5."], ["5"])
    assert (grade.verdict, grade.strict, grade.symbolic) == (Verdict.UNPARSED, Verdict.UNPARSED, None)


def test_an_expression_of_the_question_is_no_answer_to_it():
    question = "Factor $ab + 5b+2a+10$."
    echo, factored, other = (r"\boxed{ab+5b+2a+10}", r"\boxed{(b+2)(a+5)}", r"\boxed{10+5b+2a+ab}")
    grades = grade_math([echo, factored, other], ["(a+5)(b+2)"] * 3, questions=[question] * 3)
    assert [grade.verdict.value for grade in grades] == ["mismatch", "match", "match"]
    assert {grade.symbolic for grade in grades} == {Verdict.MATCH}
    assert grades[0].reason == "repeats an expression of the question"
    # What equals the target strictly is right even where the question holds it, and so is a short one.
    same, short = grade_math([r"\boxed{x^2+1}", r"\boxed{.5}"], ["x^2+1", r"\frac12"], questions=["x^2+1 or .5?"] * 2)
    assert same.score == short.score == 1


_HOSTILE = [
    "10^{10^{10^{10}}}",
    "(" * 500 + "1" + ")" * 500,
    r"\frac{1}{" * 38 + "2" + "}" * 38,
    r"\sum_{i=1}^{10000000} \frac{1}{i}",
    "9" * 3900,
]


def test_hostile_answers_end_at_the_limit_and_cost_their_neighbours_nothing():
    with SymbolicComparer(2, cpu_seconds=1, wall_seconds=20) as comparer:
        answers = [f"\\boxed{{{text}}}" for text in [*_HOSTILE, r"\frac{2}{4}"]]
        before = time.monotonic()
        grades = grade_math(answers, ["5"] * len(_HOSTILE) + [r"2^{-1}"], comparer)
        took = time.monotonic() - before
    assert all(grade.score == 0 for grade in grades[:-1])
    assert grades[0].verdict is Verdict.TIMEOUT
    assert (grades[-1].verdict, grades[-1].symbolic) == (Verdict.MATCH, Verdict.MATCH)
    assert took < 20 * len(answers)


def test_a_comparison_does_not_depend_on_those_before_it():
    pairs = [(r"\frac{1}{2}", "0.5"), ("x", "y"), ("10^{10^{10}}", "7"), (r"\sqrt{8}", r"2\sqrt{2}")]
    with SymbolicComparer(1, cpu_seconds=1) as comparer:
        forward = comparer.compare(pairs)
        backward = comparer.compare(pairs[::-1])
        assert comparer.compare([]) == []
    assert forward == backward[::-1]


def test_a_worker_that_ends_is_an_error_of_ours():
    with SymbolicComparer(1) as comparer:
        comparer.compare([("1", "1")])
        comparer._processes[0].kill()
        comparer._processes[0].wait()
        with pytest.raises(SymbolicError, match="ended with status -9"):
            comparer.compare([("1", "1")])


def test_lm_eval_scores_one_answer_at_a_time_with_the_same_workers():
    score_document("math", "exact_match", {"answer": "5"}, [r"\boxed{5}"])
    workers = list(shared_comparer()._processes)
    assert score_document("math", "exact_match", {"answer": r"\sqrt{8}"}, [r"\boxed{2\sqrt2}"]) == {
        "exact_match": 1.0,
        "unparsed": 0.0,
    }
    assert shared_comparer()._processes == workers


@given(
    st.lists(st.text(alphabet="0123456789abx+-*/^_{}()[],.=<> \\fracsqrtpi$&%", max_size=30), min_size=1, max_size=20)
)
@settings(deadline=None, max_examples=8, derandomize=True)
def test_no_text_raises(contents):
    for grade in grade_math([f"\\boxed{{{text}}}" for text in contents], ["5"] * len(contents)):
        assert isinstance(grade.verdict, Verdict)


@given(
    st.integers(-999, 999),
    st.integers(1, 99),
    st.sampled_from(["\\frac{%d}{%d}", "\\dfrac{%d}{%d}", "%d/%d", "%d \\div %d"]),
)
@settings(deadline=None, max_examples=15, derandomize=True)
def test_the_way_a_fraction_is_written_never_changes_the_verdict(top, bottom, form):
    right, wrong = grade_math(
        [f"\\boxed{{{form % (top, bottom)}}}", f"\\boxed{{{form % (top + 1, bottom)}}}"],
        [f"\\frac{{{2 * top}}}{{{2 * bottom}}}"] * 2,
    )
    assert (right.verdict, wrong.verdict) == (Verdict.MATCH, Verdict.MISMATCH)
