"""Where thinking ends and the answer begins, for each family's marks."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.grading.graders import grade_answers
from talan_eval.grading.thinking import (
    MARKS,
    cut_at_stops,
    final_part,
    mark_tokens,
    mentions_thinking,
    opens_thinking,
)

_PARTS = [
    ("<think>a</think>C", "C"),
    ("<THINK>a</THINK>C", "C"),
    ("a</think>C", "C"),
    ("a\n</think>\n\nC", "C"),
    ("C", "C"),
    ("<think>x</think>\nC. (I close with </think>)", "C. (I close with </think>)"),
    ("C. (I close with </think>)", "C. (I close with </think>)"),
    ("C. I end with </think> as you asked.", "C. I end with </think> as you asked."),
    ("I close with `</think>` always. C", "I close with `</think>` always. C"),
    ("<think>a `</think>` b</think>C", "C"),
    ("I use <think> tags. C", "I use <think> tags. C"),
    ("C. My <think> and </think> were short.", "C. My \n were short."),
    ("<|im_start|>assistant\n<think>B</think>C", "<|im_start|>assistant\n\nC"),
    ("<think>a</think>B\n<think>b</think>C", "B\n\nC"),
    ("<think>a <think> b</think>C", "C"),
    ("<think>a</thinking>b</think>C", "C"),
    ("<|channel|>analysis<|message|>B<|end|><|start|>assistant<|channel|>final<|message|>C<|return|>", "C"),
    ("<|channel|>analysis<|message|>B<|end|><|channel|>final <|constrain|>json<|message|>C", "C"),
    ("analysisThe answer is B.assistantfinalC", "C"),
    ("Analysis of the problem: C", "Analysis of the problem: C"),
    ("<|channel>thought\nB<channel|>C", "C"),
    ("<think>a <think>b</think> B </think> C", "C"),
    ("<think>a</think> B </think> C", "B </think> C"),
    ("<|think|>B<|end|><|begin|>assistant<|content|>C", "<|begin|>assistant<|content|>C"),
    ("C<|end|>", "C<|end|>"),
    ("<|thought|>B<|/thought|>C", "C"),
    ("I put that in <think> tags, as asked. C", "I put that in <think> tags, as asked. C"),
]
_UNFINISHED = [
    "<think>\nC",
    "<think>a</think>C\n<think>or B",
    "[THINK]C",
    "<think>a</think>C <think>or B",
    "<think>a</think><think>C",
    "C. <think>Hmm, or B",
    "C <think>",
    "<|channel|>analysis<|message|>C",
    "analysisThe answer is C",
    "<think>a</thinking>C",
    "  <think>\nI would write '</think>' but",
]


@pytest.mark.parametrize(("answer", "part"), _PARTS)
def test_final_parts(answer, part):
    found = final_part(answer)
    assert found is not None
    assert found.strip() == part.strip()


@pytest.mark.parametrize("answer", _UNFINISHED)
def test_thinking_that_never_ended_has_no_final_part_and_earns_nothing(answer):
    assert final_part(answer) is None
    for grader, target in (("choice", "C"), ("number", "5"), ("latex", "5"), ("math", "5")):
        (grade,) = grade_answers(grader, [{"answer": target}], [f"{answer} #### 5 \\boxed{{5}}"])
        assert (grade.verdict, grade.reason) == ("unparsed", "the thinking never ended")
    (grade,) = grade_answers(
        "code", [{"tests": ["assert f(1) == 1"]}], [f"{answer}\n```python\ndef f(x): return x\n```"]
    )
    assert (grade.verdict, grade.reason) == ("unparsed", "the thinking never ended")


def test_what_the_prompt_opened_has_to_be_closed():
    assert final_part("C", opened=True) is None
    assert final_part("<think>a</think>C", opened=True) == "\nC"
    assert final_part("a</think>C", opened=True) == "\nC"
    assert final_part("a </think> b</think>C", opened=True) == "\n b</think>C"
    (grade,) = grade_answers("number", [{"answer": "41"}], ["6*7 = 42. Wait, or 41"], thinking=[True])
    assert grade.verdict == "unparsed"
    (grade,) = grade_answers("number", [{"answer": "41"}], ["6*7 = 42. Wait, or 41"], thinking=[False])
    assert grade.verdict == "match"


@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.opening)
def test_every_family(marks):
    answer = f"{marks.opening}\nThe answer is B.\n{marks.closing}\nThe answer is C."
    for text in (answer, answer.upper().replace("THE ANSWER IS", "The answer is")):
        (grade,) = grade_answers("choice", [{"answer": "C"}], [text])
        assert grade.verdict == "match", text
    assert final_part(answer.partition(marks.closing)[0]) is None
    assert opens_thinking(f"prompt{marks.opening}\n")
    assert mentions_thinking(f"x {marks.closing} y")


def test_prompts_and_templates():
    assert not opens_thinking("<think>\n\n</think>\n\n")
    assert not opens_thinking("prompt")
    assert not mentions_thinking("{{ messages }}")
    assert mark_tokens(("<s>", "</s>", "[THINK]", "[/THINK]")) == {"[THINK]", "[/THINK]"}
    assert mark_tokens(("<s>", "<|end|>")) == frozenset()
    assert "<|end|>" in mark_tokens(("<|channel|>", "<|end|>", "<|message|>"))
    assert mark_tokens(("<|think|>", "<|end|>", "<|user|>")) == {"<|think|>", "<|end|>"}


@pytest.mark.parametrize(
    ("answer", "opened", "kept"),
    [
        ("C\n\nQ: d", False, "C"),
        ("<think>a\n\nQ: b</think>C\n\nQ: d", False, "<think>a\n\nQ: b</think>C"),
        ("<think>a\n\nQ: b", False, "<think>a\n\nQ: b"),
        ("a\n\nQ: b</think>C\n\nQ: d", True, "a\n\nQ: b</think>C"),
        ("a\n\nQ: b", True, "a\n\nQ: b"),
        ("C", False, "C"),
        ("<|channel|>analysis<|message|>\n\nQ: <|channel|>final<|message|>C\n\nQ: ", False, None),
    ],
)
def test_stop_strings_act_outside_the_thinking(answer, opened, kept):
    expected = answer.removesuffix("\n\nQ: ") if kept is None else kept
    assert cut_at_stops(answer, ["\n\nQ:", ""], opened=opened) == expected


@given(st.text() | st.text(alphabet="<>/think[THINK]|channel()\"'` \n"), st.booleans())
@settings(deadline=None, max_examples=300, derandomize=True)
def test_no_text_raises(answer, opened):
    part = final_part(answer, opened=opened)
    assert part is None or isinstance(part, str)
    assert isinstance(cut_at_stops(answer, ["x"], opened=opened), str)


@pytest.mark.parametrize(
    "unit", ["<think>", "</think>", "a <think> ", "<think></think>", "\n<think>\n", "<|channel|>", "<"]
)
def test_hostile_repetition_takes_linear_time(unit):
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    final_part(text)
    cut_at_stops(text, ["zz", "<"])
    assert time.process_time() - start < 2.0
