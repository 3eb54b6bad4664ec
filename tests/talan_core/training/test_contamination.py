"""Test items in training data are found whatever their spacing and typography, and refused by default."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talan_core.errors import UserError
from talan_core.training.contamination import normalise, screen
from talan_core.training.data import Dialogue, Example, Turn

TEST_ITEMS = ["What is 2+3?", "Who wrote \u201cEmma\u201d?"]
CLEAN = Example("What is 2-3?", "-1", "mine")
COPIES = [
    Example("what is  2 + 3 ?\n", "5", "mine"),
    Example("\uff37hat is 2+3\u200b?", "5", "mine"),
    Example('Who wrote "Emma"?', "Jane Austen", "mine"),
    Example("What is", " 2+3?", "mine"),
    Dialogue((Turn("system", "Be brief."), Turn("user", "What is 2+3?"), Turn("assistant", "5")), "mine"),
]


@pytest.mark.parametrize("copy", COPIES, ids=range(len(COPIES)))
def test_a_copy_of_a_test_item_is_refused_and_counted(copy):
    with pytest.raises(UserError, match="1 of 3 training items are also test items:\n  item 1 of mine"):
        screen([CLEAN, copy, CLEAN], TEST_ITEMS)
    dropped = screen([CLEAN, copy, CLEAN], TEST_ITEMS, policy="drop")
    assert (dropped.examples, dropped.contaminated, dropped.test_items) == ((CLEAN, CLEAN), (1,), 2)
    kept = screen([CLEAN, copy, CLEAN], TEST_ITEMS, policy="keep")
    assert (len(kept.examples), kept.contaminated) == (3, (1,))


def test_other_numbers_other_signs_and_answers_are_no_contamination():
    clean = [
        CLEAN,
        Example("What is 2+4?", "6", "mine"),
        Example("Name a question.", "What is 2+3?", "mine"),
        Dialogue((Turn("user", "Ask me."), Turn("assistant", "What is 2+3?")), "mine"),
        Example("", "", "empty"),
    ]
    assert screen(clean, [*TEST_ITEMS, ""]).examples == tuple(clean)


def test_nothing_left_is_an_error():
    with pytest.raises(UserError, match="All training items"):
        screen(COPIES[:1], TEST_ITEMS, policy="drop")
    assert screen([], TEST_ITEMS).examples == ()


@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.text("abc+-1", min_size=1), min_size=1))
def test_spacing_never_tells_two_texts_apart(words):
    assert normalise(" ".join(words)) == normalise("\n\t".join(words)) == "".join(words)
