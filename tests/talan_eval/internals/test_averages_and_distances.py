"""Means over seeds have the guarded t interval, bands the whole range, and distances predict what they are made to."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from talan_core.analysis.audit import BlockAudit, EnsembleAudit, GateAudit, GroupAudit, TensorAudit
from talan_core.config import TalanConfig
from talan_eval.internals.configurations import configuration_distances, relate, settings_of
from talan_eval.internals.findings import SeedMean
from talan_eval.internals.material import evenly_spread
from talan_eval.internals.over_seeds import ALIKE, FEW, band, depth_curve, estimate, of_seeds
from talan_eval.internals.quantities import (
    ABOVE,
    NO_BASE,
    NO_BFLOAT16,
    NO_BLOCK,
    NOTHING,
    QUANTITIES,
    why_missing,
)
from talan_eval.internals.weighing import KeptWeights
from talan_eval.internals.weight_findings import CONSTANT, NO_RATES, weight_findings
from talan_eval.result.reading import read_result
from talan_eval.result.schema import ContrastName, Selection

ROOT = Path(__file__).parents[3]
MICRO = TalanConfig(layer=0)
DRAW = np.random.default_rng(5)
FAR = 40 + 5 * DRAW.standard_normal((7, 1)) + 0.1 * DRAW.standard_normal((7, 30))


def test_the_interval_is_that_of_the_t_over_seeds_where_seeds_differ_most():
    found = estimate([FAR], 0.05, "")
    low, high = stats.t.interval(0.95, 6, FAR.mean(), stats.sem(FAR.mean(axis=1)))
    assert found.mean == pytest.approx(FAR.mean())
    assert found.ci == (pytest.approx(low), pytest.approx(high))
    assert found.by_seed == pytest.approx(FAR.mean(axis=1))


def test_seeds_that_are_alike_by_luck_do_not_narrow_it_below_the_noise_of_examples():
    noisy = DRAW.standard_normal((7, 30))
    noisy -= noisy.mean(axis=1, keepdims=True)  # all seeds have the mean 0
    noisy += 1e-3 * DRAW.standard_normal((7, 1)) + 2
    found = estimate([noisy], 0.05, "")
    half = (found.ci[1] - found.ci[0]) / 2
    assert half > 5 * stats.t.ppf(0.975, 6) * stats.sem(noisy.mean(axis=1))
    assert half == pytest.approx(stats.norm.ppf(0.975) * noisy.std() / math.sqrt(7 * 30), rel=0.15)


def test_benchmarks_count_alike_whatever_their_size():
    other = np.full((7, 3), 10.0) + np.arange(7)[:, None]
    found = estimate([FAR, other], 0.05, "")
    assert found.mean == pytest.approx((FAR.mean() + other.mean()) / 2)


def test_examples_without_a_value_are_left_out_on_all_seeds_and_none_left_is_null():
    holed = FAR.copy()
    holed[2, 5] = np.nan
    found = estimate([holed], 0.05, "why")
    assert found.mean == pytest.approx(np.delete(FAR, 5, axis=1).mean())
    holed[3] = np.nan
    nothing = estimate([FAR, holed], 0.05, "why")
    assert (nothing.mean, nothing.ci, nothing.by_seed, nothing.reason) == (None, None, (), "why")


def test_two_seeds_have_no_interval_and_equal_numbers_neither():
    assert estimate([FAR[:2]], 0.05, "").reason == FEW
    equal = estimate([np.zeros((7, 30))], 0.05, "")
    assert (equal.mean, equal.ci, equal.reason) == (0.0, None, ALIKE)
    assert of_seeds([1.0, None, 2.0], 0.05, "gone").reason == "gone"
    assert of_seeds([1.0, 2.0, 4.0], 0.05, "").mean == pytest.approx(7 / 3)


def circle(draw, seeds):
    """One number for each seed and its next: as a distance between the two has it, a part of each of them."""
    own = draw.standard_normal(seeds)
    return own + np.roll(own, -1)


@pytest.mark.parametrize("seeds", [3, 4, 7])
def test_intervals_of_pairs_hold_the_mean_as_often_as_they_say_though_neighbours_share_a_seed(seeds):
    draw = np.random.default_rng(11)
    held = {True: 0, False: 0}
    for _ in range(600):
        values = circle(draw, seeds)[:, None]
        for of_pairs in held:
            ci = estimate([values], 0.05, "", of_pairs=of_pairs).ci
            held[of_pairs] += ci[0] < 0 < ci[1]
    assert held[True] / 600 > 0.92
    assert held[False] / 600 < 0.9


def test_those_of_pairs_are_the_ones_to_the_next_seed():
    assert {one.name for one in QUANTITIES if one.of_pairs} == {
        "seed_cosine",
        "reseeding_divergence",
        "reseeding_growth",
    }
    cells = np.repeat(FAR[:, :, None], 2, axis=2)
    wide, narrow = (depth_curve([cells], 0.05, ["", ""], of_pairs=of_pairs).points[1] for of_pairs in (True, False))
    assert wide.mean == narrow.mean
    assert wide.ci == estimate([FAR], 0.05, "", of_pairs=True).ci
    assert wide.ci[0] < narrow.ci[0] < narrow.ci[1] < wide.ci[1]


@pytest.mark.parametrize(("count", "most"), [(200, 64), (127, 64), (7, 4), (3, 64), (64, 64), (5, 1)])
def test_examples_are_spread_over_all_of_a_benchmark(count, most):
    chosen = evenly_spread(count, most)
    assert len(chosen) == min(count, most)
    assert chosen[0] == 0
    gaps = np.diff([*chosen, count])
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


def test_a_curve_has_a_reason_for_each_layer_without_a_value():
    cells = np.stack([np.full((7, 30), np.nan), FAR], axis=2)
    points = depth_curve([cells], 0.05, ["first", "second"]).points
    assert (points[0].mean, points[0].reason) == (None, "first")
    assert points[1] == estimate([FAR], 0.05, "")


def test_a_band_is_the_range_over_seeds_and_draws_of_the_mean_over_benchmarks():
    one, other = DRAW.random((7, 5, 3)), DRAW.random((7, 5, 3))
    found = band([one, other])
    means = ((one + other) / 2).reshape(35, 3)
    assert found.lower == pytest.approx(means.min(axis=0))
    assert found.upper == pytest.approx(means.max(axis=0))
    assert found.draws == 5
    one[3, 2, 1] = np.nan
    assert band([one]).lower[1] is None


def test_the_reason_is_the_one_that_holds():
    assert why_missing("block_kl", None, "float32") == NO_BLOCK
    assert why_missing("adapter_kl", None, "float32") == NOTHING
    assert why_missing("run_divergence", 2, "float32", at=3) == NO_BASE
    assert why_missing("rounding", 2, "bfloat16") == NO_BFLOAT16
    assert why_missing("growth", 2, "float32", at=1) == ABOVE
    assert why_missing("growth", 2, "float32", at=2) == NOTHING


def test_a_configuration_has_thirteen_features():
    features = settings_of(TalanConfig(layer=3, slots=4, mixer="ensemble", grad_scale=10.0), 6)
    assert len(features) == 13
    assert features["insertion"] == 0.5
    assert features["log2 slots"] == 2
    assert features["log10 gradient scale"] == 1
    assert features["components"] == 3
    assert (features["mixer ensemble"], features["mixer glu"], features["scope all"]) == (1, 0, 1)
    assert settings_of(TalanConfig(layer=0.25), 6)["insertion"] == 0.25
    assert settings_of(TalanConfig(), 6)["components"] == 1
    assert settings_of(TalanConfig(lr_scale=100.0), 6)["log10 gradient scale"] == 2


def gains_of(count):
    return {f"arm{n}": -float(n) for n in range(count)}


def grid(gain_of):
    features = {
        f"arm{n}": {"a": float(n), "b": float(n % 3), "same": 1.0, "some": None if n == 4 else n / 2} for n in range(8)
    }
    return features, {name: gain_of(one) for name, one in features.items()}


def test_a_gain_that_falls_with_distance_is_seen_and_one_that_does_not_is_not():
    features, gains = grid(lambda one: -one["a"])
    found = relate("micro", "settings", features, gains)
    assert found.best == "arm0"
    assert found.features == ("a", "b", "some")
    assert [one.left_out for one in found.others] == [0, 0, 0, 1, 0, 0, 0]
    assert found.spearman < -0.7
    assert found.p < 0.05
    assert "No order of 7 others has a p below 0.0004." in found.caution
    tied = relate("micro", "settings", {f"arm{n}": {"a": float(n > 0) + (n > 3)} for n in range(6)}, gains_of(6))
    assert "No order of 5 others has a p below 0.2." in tied.caution  # three of five at one distance, two at the other
    scattered = relate("micro", "settings", *grid(lambda one: -float((0, 4, 1, 6, 2, 7, 3, 5)[int(one["a"])])))
    assert scattered.best == "arm0"
    assert abs(scattered.spearman) < 0.5
    assert scattered.p > 0.2


def compared(treatments, means, **changes):
    """A result in which arms with these names gained so much over lora on micro, whatever their cells say."""
    result = read_result(ROOT / "results" / "micro_lora_vs_talan+lora")
    contrast = result.contrasts[0]
    contrasts = []
    for name, mean in zip(treatments, means, strict=True):
        e1 = contrast.aggregate.e1.model_copy(update={"ci": (mean - 1, mean + 1)})
        own = contrast.aggregate.backbones[0].model_copy(update={"delta": mean, "e1": e1})
        aggregate = contrast.aggregate.model_copy(update={"backbones": (own,)})
        contrasts.append(contrast.model_copy(update={"treatment": name, "aggregate": aggregate}))
    return result.model_copy(update={"contrasts": tuple(contrasts), **changes})


ARMS = tuple(f"talan[slots={n}]+lora" for n in (1, 2, 4, 8))


def findings(arm):
    nothing = SeedMean(mean=None, ci=None, by_seed=(), reason="none")
    task = SimpleNamespace(values=defaultdict(lambda: nothing))
    return SimpleNamespace(arm=arm, backbone="micro", layers=6, tasks=(task,), weights=None)


def test_gains_are_the_declared_means_of_the_backbone():
    found = configuration_distances(compared(ARMS, (1.0, 0.5, 0.25, 0.1)), [*map(findings, ARMS)], {"micro": MICRO})
    assert [one.kind for one in found] == ["settings", "settings and trained statistics"]
    assert (found[0].best, found[0].best_gain) == (ARMS[0], 1.0)
    assert found[0].best_ci == (0.0, 2.0)
    assert {one.arm: one.ci for one in found[0].others}[ARMS[1]] == (-0.5, 1.5)
    assert {one.arm: one.gain for one in found[0].others} == dict(zip(ARMS[1:], (0.5, 0.25, 0.1), strict=True))
    assert [round(one.distance, 6) for one in found[0].others] == pytest.approx([0.894427, 1.788854, 2.683282])
    assert "--confirm" in found[0].caution


def test_what_fresh_seeds_said_of_the_best_is_said():
    result = compared(ARMS, (1.0, 0.5, 0.25, 0.1))
    mean = result.contrasts[0].aggregate.model_copy(update={"delta": 0.21})
    chosen = Selection(
        tried=4,
        best=ContrastName(base="lora", treatment=ARMS[0]),
        selection_seeds=(0, 1, 2),
        selection_gain=1.0,
        expected_exaggeration=None,
        exaggeration_if_equal=None,
        confirmation_seeds=(3, 4, 5, 6),
        confirmed=mean,
    )
    arms = [*map(findings, ARMS)]
    confirmed = result.model_copy(update={"selection": chosen})
    found = configuration_distances(confirmed, arms, {"micro": MICRO})
    ends = mean.e1.ci
    said = f"On 4 fresh seeds {ARMS[0]} gained +0.21 ({ends[0]:+.2f} to {ends[1]:+.2f}) points."
    assert said in found[0].caution
    assert "--confirm" not in found[0].caution
    for other in (ContrastName(base="lora", treatment=ARMS[1]), ContrastName(base="noise+lora", treatment=ARMS[0])):
        elsewhere = chosen.model_copy(update={"best": other})
        found = configuration_distances(result.model_copy(update={"selection": elsewhere}), arms, {"micro": MICRO})
        assert "+0.21" not in found[0].caution
        assert (
            f"Fresh seeds confirmed {other.treatment} against {other.base} over it, not this gain." in found[0].caution
        )


def test_distances_are_euclidean_over_standardised_features_that_vary():
    features, gains = grid(lambda one: -one["a"])
    found = relate("micro", "settings", features, gains)
    a, b = np.arange(8.0), np.arange(8) % 3
    some = np.array([n / 2 for n in range(8) if n != 4])
    expected = math.sqrt((5 / a.std()) ** 2 + (2 / b.std()) ** 2 + (2.5 / some.std()) ** 2)
    at = {one.arm: one.distance for one in found.others}
    assert at["arm5"] == pytest.approx(expected)
    assert at["arm4"] == pytest.approx(math.sqrt(3 / 2 * ((4 / a.std()) ** 2 + (1 / b.std()) ** 2)))
    distances = [one.distance for one in found.others]
    rho = stats.spearmanr(distances, [one.gain for one in found.others]).statistic
    assert found.spearman == pytest.approx(rho)


def kept_weights(seed, cosine):
    draw = np.random.default_rng(seed)
    ensemble = EnsembleAudit(cosine, tuple(draw.random(20)), 0.9, 1.2)
    moved = TensorAudit("memory.themes", "theme queries", 4.0, 0.5 + seed, 1.1, 1.0, 0.1, None)
    gate = TensorAudit("writeback.gate", "gate", 1.0, None, None, None, 0.02, 0.2)
    groups = (
        GroupAudit("theme queries", 0.8, 0.5 + seed, 1.1, None),
        GroupAudit("gate", 0.2, None, None, 0.2),
    )
    block = BlockAudit((moved, gate), groups, GateAudit(0.02 + 0.01 * seed, 0.04, None, None), ensemble)
    return KeptWeights(block=block, update={"q_proj": 1.0 + seed, "all": 2.0}, parameters=7)


def test_audits_are_averaged_over_seeds_and_components_stand_beside_random_matrices():
    kept = [kept_weights(seed, 0.1 * seed) for seed in range(4)]
    found = weight_findings(kept, 0.05)
    assert found.tensors[0].from_start.mean == pytest.approx(2.0)
    assert found.tensors[1].from_start.reason == CONSTANT
    assert found.tensors[1].rms_of_ceiling.mean == pytest.approx(0.2)
    assert found.groups[0].share.mean == pytest.approx(0.8)
    assert found.gate_rms.by_seed == pytest.approx((0.02, 0.03, 0.04, 0.05))
    assert found.gate_of_ceiling.reason == NO_RATES
    assert found.update["q_proj"].mean == pytest.approx(2.5)
    assert found.ensemble.cosine.by_seed == pytest.approx((0, 0.1, 0.2, 0.3))
    every = [value for one in kept for value in one.block.ensemble.random]
    assert found.ensemble.random.lower == pytest.approx((min(every),))
    assert found.ensemble.random.upper == pytest.approx((max(every),))
    unknown = KeptWeights(block=None, update=None, parameters=0)
    assert weight_findings([*kept, unknown], 0.05).tensors == ()
    assert weight_findings([], 0.05) is None
