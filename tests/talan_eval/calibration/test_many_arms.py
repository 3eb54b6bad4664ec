"""The study of many arms with Monte Carlo bounds, beside controls that must fail."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.calibration.averages import Average, Tally
from talan_eval.calibration.contrasts import ContrastsSetting, SelectionSetting
from talan_eval.calibration.counting import Share
from talan_eval.calibration.effects import draw_effects
from talan_eval.calibration.full_study import full_study
from talan_eval.calibration.study import simulate
from talan_eval.calibration.study_tables import all_tables
from talan_eval.calibration.table_text import Record
from talan_eval.calibration.unpaired import FixedSetting, IndependentSetting
from talan_eval.calibration.world import World


def run(setting, runs=400):
    return setting.run(runs, np.random.default_rng(0))


@pytest.mark.parametrize("law", ["normal", "exponential", "t3", "failed"])
def test_effects_have_mean_zero_and_variance_one(law):
    drawn = draw_effects(law, (400_000,), np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    # the cut at ten takes a little of the tails of t3
    assert drawn.std() == pytest.approx(0.95 if law == "t3" else 1, abs=0.02)
    if law == "failed":
        assert (drawn < -1.5).mean() == pytest.approx(0.1, abs=0.005)
    if law == "exponential":
        assert drawn.min() >= -1


def test_averages_carry_their_error():
    tally = Tally()
    for value in (1.0, 2.0, 3.0):
        tally.average("x", value)
    tally.note("y", happened=True)
    got = tally.outcome()
    assert got.averages["x"] == Average(6.0, 14.0, 3)
    assert got.averages["x"].value == 2.0
    assert got.averages["x"].error == pytest.approx(np.std([1, 2, 3]) / np.sqrt(3))
    assert got.shares == {"y": Share(1, 1)}


def test_drawn_answers_of_a_comparator_are_covered_and_ignoring_them_is_not():
    got = run(FixedSetting(World(10, 198, tau=0.004), answers=4)).shares
    for name in ("E1 fixed: guarded t", "E2 fixed: guarded crossed"):
        assert not got[name].falls_below(0.95), name
    assert got["E1 fixed: answers' noise ignored"].falls_below(0.95)


def test_greedy_comparator_is_covered_and_sign_flips_keep_their_level():
    got = run(FixedSetting(World(7, 198, tau=0.02, lean=0.1))).shares
    for name in ("E1 fixed: guarded t", "E2 fixed: guarded crossed"):
        assert not got[name].falls_below(0.95), name
    assert not got["claims fixed: sign-flip"].exceeds(0.05)
    assert got["claims fixed: sign-flip"].value > 0


def test_independent_seeds_are_covered_and_means_alone_are_no_permutation_test():
    got = run(IndependentSetting(3, 7, 1319, 0.06, 0.015), 600).shares
    for name in ("E1 independent: guarded Welch", "E2 independent: guarded crossed"):
        assert not got[name].falls_below(0.93), name
    assert got["claims independent: permutation of means"].exceeds(0.05)
    assert (
        got["claims independent: studentised permutation"].hits < got["claims independent: permutation of means"].hits
    )


def test_equal_arms_keep_the_level_of_both_tests():
    got = run(IndependentSetting(5, 5, 198)).shares
    for name in ("guarded Welch", "studentised permutation", "both"):
        assert not got[f"claims independent: {name}"].exceeds(0.05), name


def test_pairing_gains_where_arms_move_together_and_costs_where_they_do_not():
    low, high = (run(IndependentSetting(7, 7, 400, 0.06, 0.06, r=r)).averages for r in (0.0, 0.7))
    assert low["unpaired width over paired"].value < 1 < high["unpaired width over paired"].value
    assert high["r measured"].value > low["r measured"].value + 0.4


@pytest.mark.parametrize("pairs", ["base", "all"])
def test_families_keep_their_level_and_unadjusted_cells_do_not(pairs):
    got = run(ContrastsSetting(4, 7, pairs, n_items=60, n_benchmarks=3), 300)
    for name in ("cells: Holm", "cells: adjusted", "means: adjusted", "cells: joint flips"):
        assert not got.shares[f"any false {name}"].exceeds(0.05), name
    assert got.shares["any false cells: no adjustment"].exceeds(0.05)
    assert not got.shares["all cells covered: simultaneous"].falls_below(0.95)
    assert got.shares["all cells covered: plain"].falls_below(0.95)
    for name in ("mean", "any cell"):
        assert not got.shares[f"global claims: {name}"].exceeds(0.05), name
    luck = [got.averages[f"G1 rate, {name}"] for name in ("arm", "re-seeded base")]
    assert luck[0].value == pytest.approx(luck[1].value, abs=4 * (luck[0].error + luck[1].error))


def test_arms_that_are_better_are_found_and_the_others_are_not():
    got = run(ContrastsSetting(4, 7, n_items=200, n_benchmarks=2, tau=0.005, gains=1, gain=0.15), 100).shares
    assert got["found cells: adjusted"].value > 0.8
    assert not got["any false cells: adjusted"].exceeds(0.05)
    assert not got["all cells covered: simultaneous"].falls_below(0.95)
    assert "global claims: mean" not in got


def test_the_best_arm_exaggerates_and_fresh_seeds_do_not():
    got = run(SelectionSetting(8, 5), 600)
    selected, fresh = (got.averages[f"exaggeration: {name}"] for name in ("selected", "confirmed"))
    assert selected.value > 10 * selected.error
    assert abs(fresh.value) < 4 * fresh.error
    assert got.shares["selected: its own interval"].falls_below(0.95)
    assert not got.shares["confirmed: interval of fresh seeds"].falls_below(0.95)
    assert got.shares["claims best: its own p"].exceeds(0.05)
    assert got.averages["expected: all arms equal"].value == pytest.approx(selected.value, rel=0.2)


def test_effects_without_an_exact_truth_are_refused():
    with pytest.raises(ValueError, match="leave the range"):
        IndependentSetting(3, 3, 50, tau_treat=0.2)
    with pytest.raises(ValueError, match="leave the range"):
        ContrastsSetting(3, 3, tau=0.02, gain=0.2)


def test_every_kind_of_setting_is_in_the_tables():
    kinds = {}
    for setting in full_study():
        kinds.setdefault(type(setting), setting)
    cheap = [
        FixedSetting(World(3, 50, tau=0.02), answers=4),
        IndependentSetting(3, 4, 60),
        IndependentSetting(3, 3, 60, 0.06, 0.06, r=0.2),
        ContrastsSetting(3, 3, n_items=20, n_benchmarks=2),
        ContrastsSetting(3, 3, "all", n_items=20, n_benchmarks=2, gains=1, gain=0.08),
        SelectionSetting(3, 3),
    ]
    assert {type(setting) for setting in cheap} < set(kinds)
    text = all_tables([simulate(setting, 100, 0) for setting in cheap])
    for heading in (
        "A comparator without seeds",
        "Independent seeds: coverage",
        "Independent seeds: false claims",
        "What pairing is worth",
        "any false claim among the cells",
        "the global test",
        "all cells covered at once",
        "true gains of 8 points found",
        "The best of several arms",
    ):
        assert heading in text
    assert "| 3 | 2, with the base | 3 | normal |" in text
    assert "| 3 | 3, all pairs | 3 | normal, 1 arms better |" in text


def test_tables_print_the_shares_and_averages_of_their_setting():
    setting = SelectionSetting(12, 7)
    averages = {"exaggeration: selected": Average(61.7, 50.0, 100), "exaggeration: confirmed": Average(-2.0, 9.0, 100)}
    record = Record(setting, {"selected: its own interval": Share(87, 100)}, 0.1, averages)
    assert "| 12 | 7 | all 0 | 0.62 | -0.02 | - | - | 87.0 | - | - | - |" in all_tables([record])
