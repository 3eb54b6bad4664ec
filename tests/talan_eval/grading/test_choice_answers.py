from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.grading.choice import grade_choice
from talan_eval.grading.grade import Verdict

_CLAIMS_B = [
    "B",
    "B.",
    "(B)",
    "b",
    "(b)",
    "**B**",
    "B)",
    "B: it oxidises",
    "B) It oxidises",
    "(B) because it oxidises",
    "Answer: B",
    "Answer: (B)",
    "Answer:B",
    "ANSWER: **B**",
    "**Answer:** B",
    "The answer is B",
    "The answer is (b).",
    "The correct answer is B.",
    "The correct answer is **(B) 42**.",
    "The correct option is B",
    "The final answer is: $\\boxed{B}$",
    "\\boxed{B}",
    "\\boxed{\\text{B}}",
    "\\boxed{\\text{(B)}}",
    "\\boxed{(B)}",
    "Answer: \\textbf{B}",
    "So the answer must be option B.",
    "B is the correct answer.",
    "Therefore (B) is correct answer",
    "I choose B.",
    "I would choose option B",
    "Option A is wrong because it is heavy. Option C too. The answer is B.",
    "A) 3\nB) 4\nC) 5\nThe answer is B",
    "A cell divides.\nAnswer: B",
    "<think>Answer: A</think>Answer: B",
    "It is heavy, so:\n\nB",
    "The answer is B and the reason is simple.",
    "Answer: B\nAnswer: B",
]
_NOT_B = [
    ("The answer is A.", "mismatch"),
    ("Answer: (D)", "mismatch"),
    ("Answer: A or B", "mismatch"),
    ("Answer: A, B and C", "mismatch"),
    ("The answer is (A), (B), (C) or (D).", "mismatch"),
    ("Answer: A. No, wait. Answer: B", "mismatch"),
    ("\\boxed{A} \\boxed{B}", "mismatch"),
    ("\\boxed{A, B}", "mismatch"),
    ("A) 3\nB) 4\nC) 5", "mismatch"),
    ("The answer is A because it is light.", "mismatch"),
    ("Answer: A", "mismatch"),
    ("", "unparsed"),
    ("I do not know", "unparsed"),
    ("A cell divides.", "unparsed"),
    ("The answer is a cell.", "unparsed"),
    ("The answer is A cell.", "unparsed"),
    ("The answer is Boron.", "unparsed"),
    ("The answer is not clear", "unparsed"),
    ("Answer: E", "unparsed"),
    ("Option B is wrong.", "unparsed"),
    ("B-cells and B+ and B2", "unparsed"),
]


@pytest.mark.parametrize("answer", _CLAIMS_B)
def test_claims_of_b(answer):
    assert grade_choice(answer, "B").verdict == Verdict.MATCH
    assert grade_choice(answer, "(C)").verdict == Verdict.MISMATCH


@pytest.mark.parametrize(("answer", "verdict"), _NOT_B)
def test_other_answers(answer, verdict):
    assert grade_choice(answer, "B").verdict == verdict


def test_the_article_is_no_claim_even_where_a_is_right():
    for answer in ("A cell divides.", "The answer is a cell.", "The answer is A cell that divides."):
        assert grade_choice(answer, "A").verdict == Verdict.UNPARSED


def test_more_letters_can_be_valid():
    assert grade_choice("Answer: (F)", "F", "ABCDEFGHIJ").score == 1.0
    assert grade_choice("I think the answer is I", "I", "ABCDEFGHIJ").score == 1.0
    assert grade_choice("The answer is I think", "I", "ABCDEFGHIJ").verdict == Verdict.UNPARSED


def test_a_target_outside_the_letters_is_an_error():
    assert grade_choice("A", "E").verdict == Verdict.ERROR
    assert grade_choice("A", "").verdict == Verdict.ERROR


@given(st.text() | st.text(alphabet="ABCDabcd ()*:.,\nanswer is or and boxed{}\\"))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_no_text_raises_and_at_most_one_letter_is_right(answer):
    grades = [grade_choice(answer, letter) for letter in "ABCD"]
    assert sum(grade.score for grade in grades) <= 1.0
    assert len({grade.verdict for grade in grades} & {Verdict.UNPARSED}) in {0, 1}


@pytest.mark.speed
@pytest.mark.parametrize(
    "unit",
    [
        "A",
        "A or ",
        "Answer: ",
        "answer is ",
        "(A)\n",
        "\\boxed{",
        "is ",
        " ",
        "\n",
        "**",
        "Answer: B, wait ",
        "Answer: A\nWait, ",
        "B -> ",
        "*A ",
    ],
)
def test_hostile_repetition_takes_linear_time(unit):
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    assert isinstance(grade_choice(text, "A").verdict, Verdict)
    assert time.process_time() - start < 1.0
