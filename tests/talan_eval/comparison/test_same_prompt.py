"""One prompt under several item ids is a red flag: the question counts twice."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.comparison import ScoredItem, StatisticsSettings, columns_of, score_matrices

FLAG = "have a prompt that another item has as well"


def flags(cell, result, prompts):
    rows = [ScoredItem("lora", "micro", "t", seed, f"i{n:02}", prompt, float((n + seed) % 2), 0.0)
            for seed in range(2) for n, prompt in enumerate(prompts)]  # fmt: skip
    (matrix,) = score_matrices(columns_of(rows, "again"), metrics={"t": "acc"})
    ids, n = matrix.items.item_ids, len(prompts)
    scores = np.arange(2 * n).reshape(2, n) % 2
    got = result([cell("t", seeds=2, items=n, item_ids=ids, base=scores, treat=scores,
                       same_prompt=matrix.items.same_prompt)])  # fmt: skip
    return [warning for warning in got.warnings if FLAG in warning], got.cells[0].items.same_prompt


def test_items_that_share_their_prompt_are_counted_and_named(cell, result):
    said, count = flags(cell, result, ["a", "b", "a", "c", "b"])
    assert count == 4
    (line,) = said
    assert line.startswith("t: 4 of 5 items have a prompt that another item has as well (such as 'i00', 'i01')")


def test_other_expected_answers_do_not_make_it_another_prompt(cell, result):
    said, count = flags(cell, result, ["a:1", "a:2", "b:1"])
    assert (len(said), count) == (1, 2)


@pytest.mark.parametrize(("prompts", "count"), [(["a", "b", "c"], 0), (["a:1", "b:1", "c:1"], 0), (["", "", ""], None)])
def test_different_or_unknown_prompts_are_no_flag(cell, result, prompts, count):
    assert flags(cell, result, prompts) == ([], count)


def test_slices_do_not_repeat_the_flag(cell, result):
    one = cell(same_prompt=("i0", "i1"), labels={"level": ("1",) * 30 + ("2",) * 30})
    got = result([one], settings=StatisticsSettings(resamples=50, slices=("level",)))
    assert sum(FLAG in warning for warning in got.warnings) == 1
