"""The simulated experiments are what they say they are: the study is worth no more than its truths."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.calibration.world import World, draw_items, run_experiments, seed_effects


@pytest.mark.parametrize(
    "world",
    [
        World(4, 60, tau=0.02, lean=0.1, delta=0.03),
        World(4, 60, tau=0.01, open_share=0.3, agreement=0.8, k=3),
        World(4, 60, tau=0.02, law="skewed"),
        World(4, 60, lean=0.25, cluster=7),
    ],
)
def test_truths_are_the_means_of_what_is_simulated(world):
    rng, runs = np.random.default_rng(0), 3000
    got = run_experiments(world, runs, rng)
    deltas = got.treat - got.base
    error = deltas.mean(axis=(1, 2)).std() / np.sqrt(runs)
    assert deltas.mean() == pytest.approx(got.truth_e2, abs=4 * error)
    assert (deltas.mean(axis=(1, 2)) - got.truth_e1).mean() == pytest.approx(0, abs=4 * error)
    # given the items, the same experiment run again keeps its truth
    items = draw_items(world, 1, rng)
    again = [run_experiments(world, 1, rng, items=items) for _ in range(runs)]
    mean = np.mean([one.treat.mean() - one.base.mean() for one in again])
    assert mean == pytest.approx(again[0].truth_e1[0], abs=4 * error)


def test_tau_is_the_spread_of_the_seeds_true_gains():
    world = World(2000, 20, tau=0.03)
    for law in ("normal", "skewed"):
        effects = seed_effects(World(**{**vars(world), "law": law}), 50, np.random.default_rng(1))
        assert effects.mean() == pytest.approx(0, abs=0.02)
        assert effects.std() == pytest.approx(1, abs=0.02)
    got = run_experiments(world, 1, np.random.default_rng(2))
    assert got.truth_e0.std() == pytest.approx(0.03, abs=0.002)


def test_agreement_and_settled_items_make_flips_rare():
    def flips(**options):
        got = run_experiments(World(5, 200, **options), 20, np.random.default_rng(3))
        return (got.base != got.treat).mean()

    assert flips() > 0.4
    assert flips(agreement=0.8) < 0.15
    assert flips(open_share=0.05, agreement=0.8) < 0.01


def test_items_of_a_cluster_share_what_they_are():
    items = draw_items(World(3, 20, lean=0.2, cluster=6), 5, np.random.default_rng(4))
    assert items.base.shape == (5, 20)
    assert (items.base[:, :6] == items.base[:, :1]).all()
    assert (items.shift[:, 6:12] == items.shift[:, 6:7]).all()


def test_worlds_without_an_exact_truth_are_refused():
    with pytest.raises(ValueError, match="leave the range"):
        World(5, 100, tau=0.1, lean=0.2)
