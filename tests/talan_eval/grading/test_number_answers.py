from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.grading.grade import Verdict
from talan_eval.grading.number import find_number, grade_number

_FORMS = [
    ("So 3 * 6 = 18.\n#### 18", "18", "match"),
    ("#### 18", "She sells 9 * 2 = <<9*2=18>>18.\n#### 18", "match"),
    ("####18", "18", "match"),
    ("#### 18\n\nQuestion: 4 apples and 5 pears?\n#### 9", "18", "match"),
    ("#### Step 1: add 2 and 3\n#### 5", "5", "match"),
    ("#### 1. Add the numbers\nThis gives 12.", "12", "match"),
    ("#### $1,450,000", "1450000", "match"),
    ("#### **42**", "42", "match"),
    ("#### \\boxed{42}", "42", "match"),
    ("#### The answer is 42", "42", "match"),
    ("#### 18 dollars", "18", "match"),
    ("#### 18.", "18", "match"),
    ("#### none, or 7", "7", "match"),
    ("#### 3 * 6 = 18", "18", "match"),
    ("#### 3 * 6 = $18.", "18", "match"),
    ("#### 15 + 1 = 20\n#### 15", "15", "mismatch"),
    ("#### 5 \\times 4 = 20", "20", "match"),
    ("#### 2x3=6", "6", "match"),
    ("#### 18 - as computed above", "18", "match"),
    ("The answer is 18", "18", "match"),
    ("The total is 18.00 dollars.", "18", "match"),
    ("18", "18", "match"),
    ("-5", "-5", "match"),
    ("It is \u22125 degrees", "-5", "match"),
    ("He lost -$5.", "-5", "match"),
    ("He lost $-5.", "-5", "match"),
    ("so 10-5", "5", "match"),
    ("between 5-10", "10", "mismatch"),
    ("2,125", "2125", "match"),
    ("2{,}125", "2125", "match"),
    ("2\u202f125 people", "2125", "match"),
    ("2\\,125", "2125", "match"),
    ("USD 30", "30", "match"),
    ("\u20ac30", "30", "match"),
    ("Rs.500", "500", "match"),
    ("50%", "50", "match"),
    (".5", "1/2", "match"),
    ("1/2", "0.5", "match"),
    ("It takes 1 1/2 hours", "1.5", "match"),
    ("\\frac{3}{4} of it", "0.75", "match"),
    ("1.5e3", "1500", "match"),
    ("16/2 = 8", "8", "match"),
    ("the area is 20 cm^2", "20", "match"),
    ("the area is 20 cm\u00b2", "20", "match"),
    ("18 kg of CO2", "18", "match"),
    ("5kg", "5", "match"),
    ("<think>it is 7, no 9</think>It is 7.", "7", "match"),
    ("The answer is 19", "18", "mismatch"),
    ("18.5", "18", "mismatch"),
    ("-18", "18", "mismatch"),
    ("3.33", "10/3", "mismatch"),
    ("1,2,3", "123", "mismatch"),
    ("18 of the 20", "18", "mismatch"),
    ("", "18", "unparsed"),
    ("eighteen", "18", "unparsed"),
    ("H2O", "2", "unparsed"),
    ("<think>18</think>", "18", "unparsed"),
    ("1/0", "1", "unparsed"),
    ("9" * 5000, "9", "unparsed"),
    ("18", "eighteen", "error"),
    ("18", "#### 5 or 6", "error"),
    ("#### 5 or 6", "5", "mismatch"),
    ("#### not 5", "5", "unparsed"),
    ("#### half of 10", "10", "unparsed"),
    ("#### 24 = 4*6 = 20", "20", "mismatch"),
    ("#### 2^1000000", "2", "unparsed"),
    ("#### " + "(" * 20 + "5" + ")" * 20, "5", "match"),
]


@pytest.mark.parametrize(("answer", "target", "verdict"), _FORMS)
def test_forms(answer, target, verdict):
    assert grade_number(answer, target).verdict == verdict


@given(st.text(), st.text())
@settings(deadline=None, max_examples=200, derandomize=True)
def test_no_text_raises(answer, target):
    assert isinstance(grade_number(answer, target).verdict, Verdict)


@given(st.text(alphabet="0123456789.,-+/$%#eE \\{}frac^_\n"))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_no_text_made_of_number_characters_raises(answer):
    assert isinstance(grade_number(answer, "1").verdict, Verdict)


@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from(
        ["{}", "#### {}", "#### ${}", "The answer is {}.", "**{}**", "so x = {} apples", "${}$", "\\boxed{{{}}}"]
    ),
    st.sampled_from(["{:d}", "{:,d}", "{:d}.0", "{:,d}.00"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=200, derandomize=True)
def test_the_way_a_number_is_written_never_changes_the_verdict(value, frame, form, wrong):
    answer = frame.format(form.format(value))
    grade = grade_number(answer, str(value + wrong))
    assert grade.verdict == (Verdict.MISMATCH if wrong else Verdict.MATCH)


@given(st.integers(1, 999), st.integers(1, 999))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_fractions_are_compared_exactly(top, bottom):
    found = find_number(f"{top}/{bottom}")
    assert found is not None
    assert found.value == Fraction(top, bottom)
    assert grade_number(f"{top}/{bottom}", f"{top * 7}/{bottom * 7}").score == 1.0


def test_a_scale_that_the_question_asks_in_is_a_unit_and_a_factor_elsewhere():
    for question, target in (("How many dozen eggs?", "4"), ("How many eggs?", "48"), ("", "48")):
        assert grade_number("#### 4 dozen", target, question=question).score == 1.0
        assert grade_number("It is 4 dozen.", target, question=question).score == 1.0
    assert grade_number("#### 4 dozen", "4").score == 0.0


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.sampled_from(["or", "to", "and", "or maybe", ", wait,", "->", "vs", ";", ":", ", no,", "? No,"]),
    st.sampled_from(["", " apples", " dollars"]),
)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_two_values_beside_each_other_are_no_answer(one, other, joint, unit):
    for target in (one, other):
        grade = grade_number(f"#### {one}{unit} {joint} {other}{unit}", str(target))
        assert grade.verdict == (Verdict.MATCH if one == other else Verdict.MISMATCH)


@pytest.mark.speed
@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1,111",
        "1,",
        "####",
        "#### ",
        "-",
        "1/",
        "1 ",
        ".",
        "\\frac{1",
        "$",
        "1e",
        "#### (",
        "#### 1 + ",
        "#### 1 or ",
        "#### not 1 ",
    ],
)
def test_hostile_repetition_takes_linear_time(unit):
    text = unit * (300_000 // len(unit))
    start = time.process_time()
    assert isinstance(grade_number(text, "1").verdict, Verdict)
    assert time.process_time() - start < 1.0
