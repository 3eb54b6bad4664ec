"""What is estimated is what is published, and what is drawn for one part is drawn for no other."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare

SETTINGS = StatisticsSettings(resamples=400)
ITEMS = tuple(f"i{number:02}" for number in range(24))


def compared(base, treatment, *, k=1, pairing="paired"):
    items = ItemTable("t", "acc", ITEMS, "hash")
    matrices = [
        ScoreMatrix("micro", arm, items, tuple(range(len(scores))), scores, k)
        for arm, scores in (("a", base), ("b", treatment))
    ]
    result = compare(matrices, [ContrastSpec("a", "b", pairing)], Origin({}), SETTINGS)
    (contrast,) = result.contrasts
    return result, contrast.cells[0]


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return lambda k=1: rng.integers(0, k + 1, (6, len(ITEMS))) / k


def test_the_two_way_bootstrap_stands_beside_e2_where_it_has_a_width(scores):
    result, cell = compared(scores(), scores())
    for of in (cell, result.contrasts[0].aggregate):
        low, high = of.e2.pigeonhole_ci
        assert low < of.delta < high
        assert of.e2.method == "guarded_crossed"
    assert not any("has no width" in text for text in result.warnings)
    base = scores()
    result, cell = compared(base, base)
    assert cell.e2.pigeonhole_ci is None
    assert any("has no width" in text for text in result.warnings)


def test_independent_seeds_are_published_as_such(scores):
    base, treatment = scores(), scores()
    _, cell = compared(base, treatment, pairing="independent")
    assert (cell.e1.method, cell.e2.method) == ("guarded_welch", "guarded_crossed_independent")
    assert (cell.e1.signflip, cell.e1.bootstrap, cell.e2.pigeonhole_ci) == (None, None, None)
    assert cell.e1.permutation is not None
    _, cell = compared(base, treatment)
    assert cell.e1.method == "guarded_t"
    assert cell.e1.permutation is None


def test_means_of_several_samples_are_exact_multiples_and_others_are_said(scores):
    base, treatment = scores(3), scores(3)
    said = "scores are no multiples of 1/k"
    assert not any(said in text for text in compared(base, treatment, k=3)[0].warnings)
    assert any(said in text for text in compared(base, treatment)[0].warnings)


def test_each_part_of_a_comparison_draws_by_its_own_name():
    first = SETTINGS.generator("micro/t").random(4).tolist()
    assert SETTINGS.generator("micro/t").random(4).tolist() == first
    assert SETTINGS.generator("micro/u").random(4).tolist() != first
    assert StatisticsSettings(rng_seed=1).generator("micro/t").random(4).tolist() != first
