"""The means of several contrasts: one rule for their adjusted p, whatever the number of seeds."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.stats.multiplicity import holm

QUICK = StatisticsSettings(resamples=50)


def matrices(seeds, gains, backbones=("micro",), items=80):
    made = []
    for place, backbone in enumerate(backbones):
        rng = np.random.default_rng(place)
        table = ItemTable("t", "acc", tuple(f"i{n:02}" for n in range(items)), "0" * 12)
        for arm, gain in gains.items():
            scores = (rng.random((seeds, items)) < 0.3 + gain).astype(float)
            made.append(ScoreMatrix(backbone, arm, table, tuple(range(seeds)), scores))
    return made


def means(seeds, gains):
    arms = list(gains)
    result = compare(matrices(seeds, gains), [ContrastSpec(arms[0], arm) for arm in arms[1:]], Origin({}), QUICK)
    return [contrast.aggregate for contrast in result.contrasts]


@pytest.mark.parametrize("seeds", [3, 4, 5])
def test_where_sign_flips_do_not_count_holm_alone_decides(seeds):
    weak, strong = means(seeds, {"lora": 0.0, "dora": 0.0, "talan+lora": 0.5})
    adjusted = holm(np.array([weak.e1.p, strong.e1.p]))
    assert strong.family_p == pytest.approx(adjusted[1], rel=1e-9)
    assert (strong.verdict, strong.verdict_basis) == ("better", "normality-based")


def test_sign_flips_of_twenty_five_seeds_count_too():
    _, strong = means(25, {"lora": 0.0, "dora": 0.0, "talan+lora": 0.5})
    assert strong.e1.signflip.p == 2**-24  # every seed gains
    assert strong.adjusted_p == strong.e1.signflip.p
    assert (strong.verdict, strong.verdict_basis) == ("better", "confirmed")


def test_where_they_count_the_larger_of_both_decides():
    weak, strong = means(7, {"lora": 0.0, "dora": 0.0, "talan+lora": 0.5})
    assert strong.family_p == pytest.approx(2 / 2**7)
    assert (strong.verdict, strong.verdict_basis) == ("better", "confirmed")
    assert weak.family_p >= weak.adjusted_p


def test_one_backbone_under_two_names_is_told():
    gains = {"lora": 0.0, "dora": 0.1}
    once = matrices(5, gains, backbones=("a",))
    twice = [*once, *(ScoreMatrix("b", m.arm, m.items, m.seeds, m.scores) for m in once)]
    said = compare(twice, [ContrastSpec("lora", "dora")], Origin({}), QUICK).warnings
    assert any("the backbones a and b have the same scores everywhere" in text for text in said)
    apart = compare(matrices(5, gains, backbones=("a", "b")), [ContrastSpec("lora", "dora")], Origin({}), QUICK)
    assert not any("same scores everywhere" in text for text in apart.warnings)
