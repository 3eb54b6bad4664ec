"""Answers that are unparsed, or credited by one grader alone: told where the arms differ by more than chance."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.comparison.arm_records import ArmFacts
from talan_eval.comparison.scored_items import SYMBOLIC_ONLY, UNPARSED

QUICK = StatisticsSettings(resamples=50)
SEEDS, ITEMS = 7, 200


def matrix(arm, **shares):
    """Make scores that are alike in all arms, and marks on the first so many items of each seed."""
    rng = np.random.default_rng(0)
    items = ItemTable("t", "acc", tuple(f"i{n:03}" for n in range(ITEMS)), "0" * 12)
    scores = (rng.random((SEEDS, ITEMS)) < 0.5).astype(float)
    marks = {}
    for name, counts in shares.items():
        marked = np.zeros((SEEDS, ITEMS))
        for row, count in zip(marked, counts, strict=True):
            row[:count] = 1
        marks[{"unparsed": UNPARSED, "symbolic": SYMBOLIC_ONLY}[name]] = marked
    if arm != "lora":
        scores = scores[:, ::-1]
    return ScoreMatrix("micro", arm, items, tuple(range(SEEDS)), scores, marks=marks)


def said(*matrices):
    arms = [one.arm for one in matrices]
    got = compare(matrices, [ContrastSpec(arms[0], arm) for arm in arms[1:]], Origin({}), QUICK)
    return [text for text in got.warnings if "part of the difference may be format" in text]


@pytest.mark.parametrize("mark", ["unparsed", "symbolic"])
def test_a_share_that_differs_by_more_than_chance_is_told_with_both_shares(mark):
    few, many = [4, 5, 3, 4, 6, 4, 5], [24, 25, 22, 26, 27, 25, 24]
    (text,) = said(matrix("lora", **{mark: few}), matrix("dora", **{mark: many}))
    assert "(base 2.2%, treat 12.4%, p = " in text
    assert said(matrix("lora", **{mark: few}), matrix("dora", **{mark: few})) == []


def test_chance_is_not_told_though_the_gap_is_large():
    assert said(matrix("lora", unparsed=[0] * 7), matrix("dora", unparsed=[0, 80, 0, 0, 0, 0, 0])) == []


def test_a_share_is_judged_among_all_that_are_looked_at():
    base = [10, 11, 9, 10, 12, 10, 9]
    near = [count + more for count, more in zip(base, (2, 4, 1, 3, 0, 5, 1), strict=True)]
    assert len(said(matrix("lora", unparsed=base), matrix("dora", unparsed=near))) == 1
    others = [matrix(f"lora[r={rank}]", unparsed=base) for rank in range(1, 9)]
    assert said(matrix("lora", unparsed=base), matrix("dora", unparsed=near), *others) == []


def test_the_contrast_is_named_where_there_are_several():
    base, more = [4] * 7, [40, 41, 42, 40, 41, 40, 42]
    arms = (matrix("lora", unparsed=base), matrix("dora", unparsed=more), matrix("ia3", unparsed=base))
    assert said(*arms)[0].startswith("dora against lora: t: unparsed answers differ")


def test_answers_by_reason_are_published_with_their_arm():
    facts = {("dora", "micro"): ArmFacts("trained", reasons={"t": {"right": 3, "wrong": 4}})}
    got = compare([matrix("lora"), matrix("dora")], [ContrastSpec("lora", "dora")], Origin({}, arms=facts), QUICK)
    assert [arm.scores[0].reasons for arm in got.arms] == [{}, {"right": 3, "wrong": 4}]
