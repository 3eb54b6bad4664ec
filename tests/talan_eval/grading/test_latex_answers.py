from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.grading.grade import Verdict
from talan_eval.grading.latex_answer import grade_latex, last_boxed

_EQUAL = [
    (r"\frac{1}{2}", r"\frac{1}{2}"),
    (r"\dfrac{1}{2}", r"\frac{1}{2}"),
    (r"\tfrac12", r"\frac{1}{2}"),
    (r"\frac 34", r"\frac{3}{4}"),
    (r"\frac9{19}", r"\frac{9}{19}"),
    ("1/2", r"\frac{1}{2}"),
    ("0.5", r"\frac{1}{2}"),
    (".5", "0.5"),
    ("+5", "5"),
    ("5.0", "5"),
    ("5.", "5"),
    (r"-\frac{3}{8}", r"\frac{-3}{8}"),
    (r"\frac{4}{8}", r"\frac12"),
    (r"1\frac{4}{5}", r"\frac{9}{5}"),
    (r"10,\!080", "10080"),
    ("58,500", "58500"),
    ("58{,}500", "58,500"),
    (r"\$18.90", "18.90"),
    (r"50\%", "50"),
    (r"30^\circ", "30"),
    (r"30^{\circ}", r"30^\circ"),
    ("30\u00b0", r"30^\circ"),
    (r"\left( \frac{3}{2}, -13 \right)", r"(3/2,-13)"),
    (r"\bigl(1, 2\bigr)", "(1,2)"),
    (r"(-\infty, 0]", r"\left(-\infty,0\right]"),
    (r"15", r"15\mbox{ cm}^2"),
    (r"5.4 \text{ cents}", "5.4"),
    (r"\frac{270}{7}", r"\frac{270}7\text{ degrees}"),
    (r"\text{(B)}", "B"),
    ("(B)", r"\text{B}"),
    (r"\text{even}", "Even"),
    (r"\textbf{Evelyn}", r"\text{Evelyn}"),
    (r"2 \sqrt{5}", r"2\sqrt5"),
    (r"\sqrt{0.50}", r"\sqrt{1/2}"),
    (r"\sqrt[3]{2}", r"\sqrt[3]2"),
    (r"x^{2}+1", "x^2 + 1"),
    ("4210_5", "4210_{5}"),
    (r"x=5", "5"),
    (r"[-2,7]", r"x \in [-2,7]"),
    (r"x \leq 3", r"x \le 3"),
    ("$5$", "5"),
    (r"\(5\)", "5"),
    (r"6 - 5i", "6-5i"),
    ("2\u03c0", r"2\pi"),
    (
        r"\begin{bmatrix} \frac{1}{5} \\ -\frac{18}{5} \end{bmatrix}",
        r"\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix}",
    ),
    (r"\{1,2\}", r"\left\{1, 2\right\}"),
]
_UNEQUAL = [
    ("2", "3"),
    (r"\frac{1}{2}", r"\frac{2}{1}"),
    (r"\frac{2\sqrt{3}}{2}", r"\sqrt{3}"),
    ("2x+1", "1+2x"),
    ("1,2", "2,1"),
    ("(1,2)", "[1,2]"),
    ("y=2x", "x=2x"),
    ("x^{12}", "x^12"),
    ("4210_5", "4210"),
    ("-5", "5"),
    ("1000", "1,001"),
    (r"\text{even}", r"\text{odd}"),
    (r"\pi", "3.14"),
    ("A", "B"),
]


@pytest.mark.parametrize(("left", "right"), _EQUAL)
def test_equal_forms_match_in_both_directions(left, right):
    assert grade_latex(f"So the answer is $\\boxed{{{left}}}$.", right).verdict == Verdict.MATCH
    assert grade_latex(f"\\boxed{{{right}}}", f"It is \\boxed{{{left}}}.").verdict == Verdict.MATCH


@pytest.mark.parametrize(("left", "right"), _UNEQUAL)
def test_different_forms_do_not_match(left, right):
    assert grade_latex(f"\\boxed{{{left}}}", right).verdict == Verdict.MISMATCH
    assert grade_latex(f"\\boxed{{{right}}}", left).verdict == Verdict.MISMATCH


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (r"\boxed{4} then \boxed{5}", "match"),
        (r"\boxed{5} then \boxed{", "match"),
        (r"<think>\boxed{4}</think> \boxed{5}", "match"),
        (r"\fbox{5}", "match"),
        (r"\boxed 5", "match"),
        (r"$\boxed5$", "match"),
        (r"<think>\boxed{5}</think> Done.", "unparsed"),
        ("5", "unparsed"),
        (r"\boxed{}", "unparsed"),
        (r"\boxed{" + "{" * 3000, "unparsed"),
        (r"\boxed{" + "{" * 1500 + "5" + "}" * 1501, "unparsed"),
        (r"\boxed{" + "^" * 3000 + "}", "unparsed"),
        (r"\boxed{" + "5" * 100_000 + "}", "unparsed"),
        (r"\boxed{10^{10^{10^{10}}}}", "mismatch"),
        (r"\boxed{\frac{5}{0}}", "mismatch"),
        (r"\boxed{" + "9" * 3000 + "}", "mismatch"),
    ],
)
def test_boxes(answer, verdict):
    assert grade_latex(answer, "5").verdict == verdict


def test_an_unreadable_target_is_an_error_and_not_a_wrong_answer():
    assert grade_latex(r"\boxed{5}", "").verdict == Verdict.ERROR
    assert grade_latex(r"\boxed{5}", "{" * 3000).verdict == Verdict.ERROR


def test_escaped_braces_do_not_close_a_box():
    assert last_boxed(r"\boxed{\{1,2\}} and }") == r"\{1,2\}"
    assert last_boxed(r"\boxed{\left\{1,2\right.}") == r"\left\{1,2\right."


@given(st.text() | st.text(alphabet="\\{}^_ fracsqtboxed[]()12,.&$"), st.text())
@settings(deadline=None, max_examples=300, derandomize=True)
def test_no_text_raises(inner, target):
    assert isinstance(grade_latex(f"\\boxed{{{inner}}}", target).verdict, Verdict)
    assert isinstance(grade_latex(inner, f"{target}1").verdict, Verdict)
    assert isinstance(grade_latex("\\boxed{1}", inner).verdict, Verdict)


@given(st.text(alphabet="abcxyz0123456789+-*/^_,.()[] ", min_size=1))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_an_answer_matches_itself(inner):
    assert grade_latex(f"\\boxed{{{inner}}}", inner).verdict in {Verdict.MATCH, Verdict.ERROR}


@pytest.mark.speed
@pytest.mark.parametrize("unit", ["\\boxed{", "\\boxed{1", "{", "\\frac", "^{", "\\text{a}", " ", "1,", "\\\\", "$"])
def test_hostile_repetition_takes_linear_time(unit):
    def seconds(length):
        text = unit * (length // len(unit))
        start = time.process_time()
        assert isinstance(grade_latex(text, "1").verdict, Verdict)
        assert isinstance(grade_latex(f"\\boxed{{{text[:3900]}}}", "1").verdict, Verdict)
        return time.process_time() - start

    # three times the length takes three times as long, with squares nine times; on a busy machine both take longer
    assert seconds(300_000) < max(1.0, 6 * seconds(100_000))
