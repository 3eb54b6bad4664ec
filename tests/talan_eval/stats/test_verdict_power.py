"""The planned power of a verdict, against counts of it that share no code with the plan."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from talan_eval.stats.gate_power import GateNoise, pass_power, passing_margin
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.noninferiority import GateOutcome, GuardedDifference, SeedDifference, gate_numbers
from talan_eval.stats.outliers import outlying_seed
from talan_eval.stats.planner import Design, guarded_detectable
from talan_eval.stats.variance import Components
from talan_eval.stats.verdict_power import (
    ALONE,
    FamilySize,
    SeedNoise,
    cell_detectable,
    cell_power,
    lattice_step,
    mean_detectable,
    mean_power,
)

ALPHA = 0.05
ROOT = Path(__file__).parents[3]


def flip_p(values):
    signs = np.array(list(itertools.product((1, -1), repeat=len(values) - 1)))
    totals = np.abs(values[0] + signs @ values[1:])
    return float(np.mean(totals >= abs(values.sum()) * (1 - 1e-12)))


def t_p(values, least):
    """The guarded p of one row, or of each row."""
    n_seeds = values.shape[-1]
    mean, se = np.abs(values.mean(axis=-1)), values.std(axis=-1, ddof=1) / math.sqrt(n_seeds)
    return np.maximum(2 * special.stdtr(n_seeds - 1, -mean / se), 2 * special.ndtr(-1.959964 * mean / least))


@pytest.mark.parametrize(("n_seeds", "want"), [(5, 0.80), (6, 0.615), (7, 0.75), (8, 0.765), (10, 0.79)])
def test_at_the_gain_that_the_guarded_t_finds_in_80_percent_the_verdict_is_reached_less_often(n_seeds, want):
    parts, items = Components(0.02**2, 0.1, 0.0), 1000
    gain = guarded_detectable(parts, Design(n_seeds, items))
    least = 1.959964 * max(math.sqrt(0.1 / (n_seeds * items)), math.sqrt(2) / (n_seeds * items + 2))
    noise = SeedNoise(math.sqrt(parts.seed_variance(items, 1)), least)
    assert mean_power(noise, n_seeds, ALPHA, gain) == pytest.approx(want, abs=0.01)
    assert mean_power(noise, n_seeds, ALPHA, mean_detectable(noise, n_seeds, ALPHA)) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("n_seeds", "least"), [(3, 0.01), (4, 0.8), (6, 0.3), (7, 0.9)])
def test_the_power_of_the_mean_is_the_share_of_drawn_experiments_that_reject(n_seeds, least):
    rng, gain = np.random.default_rng(n_seeds), 1.6
    drawn = rng.normal(gain, 1.0, size=(3000, n_seeds))
    need_flip = 2.0 ** (1 - n_seeds) < ALPHA
    found = [
        max(t_p(values, least), flip_p(values) if need_flip else 0.0) < ALPHA and values.mean() > 0 for values in drawn
    ]
    assert mean_power(SeedNoise(1.0, least), n_seeds, ALPHA, gain) == pytest.approx(np.mean(found), abs=0.028)


def joint_p(rows):
    """Step-down max-T of all rows by plain enumeration."""
    n_seeds = rows.shape[1]
    signs = np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=n_seeds - 1)])
    norms = np.sqrt((rows**2).sum(axis=1))
    flipped = np.abs(signs @ rows.T) / norms
    observed, running, p = np.abs(rows.sum(axis=1)) / norms, 0.0, np.empty(len(rows))
    order = np.argsort(-observed)
    for place, row in enumerate(order):
        running = max(running, float(np.mean(flipped[:, order[place:]].max(axis=1) >= observed[row] * (1 - 1e-9))))
        p[row] = running
    return p


@pytest.mark.parametrize("family", [FamilySize(4), FamilySize(2, 3)])
@pytest.mark.parametrize("n_seeds", [5, 7])
def test_the_power_of_one_benchmark_is_that_of_holm_and_max_t_together(n_seeds, family):
    rng, gain, least, hits, runs = np.random.default_rng(n_seeds), 2.4, 0.5, 0, 1200
    for _ in range(runs):
        arms = rng.normal(size=(family.contrasts + 1, family.cells, n_seeds))
        rows = arms[1] if family.contrasts == 1 else (arms[1:] - arms[0]) / math.sqrt(2)
        rows = rows.reshape(family.size, n_seeds)
        rows[0] += gain
        p = t_p(rows, least)
        # Holm's rule, read out: all that are smaller were rejected, and so is this one
        holm = all(value < ALPHA / (family.size - place) for place, value in enumerate(sorted(p)) if value <= p[0])
        hits += holm and (2.0 ** (1 - n_seeds) >= ALPHA or joint_p(rows)[0] < ALPHA)
    got = cell_power(SeedNoise(1.0, least), n_seeds, ALPHA, gain, family)
    assert got == pytest.approx(hits / runs, abs=0.045)  # three standard errors
    assert got < mean_power(SeedNoise(1.0, least), n_seeds, ALPHA, gain)


def test_more_rivals_more_seeds_and_larger_gains_move_the_power_the_right_way():
    noise = SeedNoise(1.0, 0.5)
    one, four, many = (cell_power(noise, 7, ALPHA, 2.0, family) for family in (ALONE, FamilySize(4), FamilySize(4, 5)))
    assert one > four > many > 0
    powers = [mean_power(noise, n_seeds, ALPHA, 1.0) for n_seeds in (7, 8, 10, 15, 20, 30)]
    assert powers == sorted(powers)
    assert mean_power(noise, 6, ALPHA, 1.5) < mean_power(noise, 5, ALPHA, 1.5)  # sign flips begin to count
    gain = cell_detectable(noise, 7, ALPHA, 0.8, FamilySize(4))
    assert cell_power(noise, 7, ALPHA, gain, FamilySize(4)) == pytest.approx(0.8, abs=0.01)
    assert mean_power(noise, 2, ALPHA, 5.0) == cell_power(noise, 4, ALPHA, 5.0, FamilySize(2)) == 0
    assert math.isinf(mean_detectable(noise, 2, ALPHA))
    assert math.isinf(cell_detectable(noise, 4, ALPHA, 0.8, FamilySize(2)))


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("verdict_power_check", ROOT / "benchmarks" / "verdict_power.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_comparison_itself_reaches_its_verdict_as_often_as_is_planned(check):
    gain = check.detectable(6, 1)
    got = check.counted(6, (gain,), 300)
    assert got.first == got.mean  # one benchmark is its mean
    assert got.first / 300 == pytest.approx(0.8, abs=0.07)  # three standard errors
    assert got.passed >= got.first  # a gate that has to exclude a loss of the same size passes as often
    none = check.counted(6, (0.0,), 100)  # the control
    assert none.first < 10
    assert none.passed < 15


def test_counted_pieces_are_pooled_and_a_line_cut_short_is_left_out(check, tmp_path):
    pieces = [check.Counted(7, 1, 0.063, piece, 500, hits, hits, hits + 20) for piece, hits in enumerate((400, 410))]
    lines = [json.dumps(dataclasses.asdict(piece)) + "\n" for piece in pieces]
    (tmp_path / "counts.jsonl").write_text("".join(lines) + lines[0][:40])
    assert check.read(tmp_path / "counts.jsonl") == pieces
    shown = check.tables(pieces).splitlines()[-1].split(" | ")
    assert shown[0] == "| 7"
    assert shown[3] == "81.0"  # 810 of 1,000
    assert shown[6] == "1,000"
    assert shown[8] == "85.0"  # passes
    assert shown[9] == f"{85.0 - float(shown[7]):+.1f} |"
    assert shown[5] == "1.3"  # of a share near 0.8


@pytest.mark.parametrize("n_seeds", [6, 7])
def test_ties_of_right_or_wrong_answers_cost_what_is_planned(n_seeds):
    items, tau, runs, rng = 100, 0.03, 12_000, np.random.default_rng(n_seeds)
    gain = 0.12
    low, high = 0.5 - gain / 2, 0.5 + gain / 2
    noise = low * (1 - low) + high * (1 - high)
    right = rng.binomial(items, np.clip(high + tau * rng.normal(size=(runs, n_seeds)), 0, 1))
    sums = right - rng.binomial(items, low, size=(runs, n_seeds))  # whole numbers of items, so ties are ties
    signs = np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=n_seeds - 1)])
    flips = (np.abs(sums @ signs.T) >= np.abs(sums.sum(axis=1))[:, None]).mean(axis=1)
    least = 1.959964 * math.sqrt(noise / items / n_seeds)
    seeds = SeedNoise(math.hypot(tau, math.sqrt(noise / items)), least, lattice_step((items,), 1))
    with np.errstate(divide="ignore"):  # seeds that are all equal
        found = np.maximum(t_p(sums / items, least), flips) < ALPHA
    share = float(np.mean(found & (sums.sum(axis=1) > 0)))
    assert mean_power(seeds, n_seeds, ALPHA, gain) == pytest.approx(share, abs=0.012)  # three standard errors
    smooth = mean_power(dataclasses.replace(seeds, step=0.0), n_seeds, ALPHA, gain)
    assert smooth > share + 0.012  # what differences without ties would promise


def test_the_step_of_a_mean_is_that_of_all_its_answers():
    assert lattice_step((400,), 1) == pytest.approx(1 / 400)
    assert lattice_step((400, 400), 4) == pytest.approx(1 / 3200)
    assert lattice_step((200, 300), 1) == pytest.approx(1 / 1200)


@pytest.mark.parametrize("n_seeds", [3, 5, 6, 8])
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_a_gate_passes_as_often_as_is_planned(n_seeds, tau):
    rng, sigma, runs = np.random.default_rng(n_seeds), math.hypot(tau, 1.0) * 0.01, 500
    se = 0.01 / math.sqrt(n_seeds)
    noise = GateNoise(sigma, se, se / 50)
    margin = passing_margin(noise, n_seeds, ALPHA)
    assert pass_power(noise, n_seeds, ALPHA, margin) == pytest.approx(0.8, abs=1e-6)
    gain, passed, gained = 1.5 * margin, 0, 0
    for values in rng.normal(0, sigma, size=(runs, n_seeds)):
        passed += passes(values, se, margin)
        gained += passes(values + gain, se, 0.0)
    assert passed / runs == pytest.approx(0.8, abs=0.055)  # three standard errors
    assert gained / runs == pytest.approx(pass_power(noise, n_seeds, ALPHA, 0.0, gain), abs=0.055)


def passes(values, se, margin):
    """Gate one drawn mean as the gate does."""
    n_seeds = len(values)
    spread = ErrorTerm("t", values.std(ddof=1) / math.sqrt(n_seeds), n_seeds - 1)
    terms = (spread, ErrorTerm("flip", se), ErrorTerm("floor", se / 50))
    known = SeedDifference(GuardedDifference(values.mean(), terms), tuple(values))
    seed = outlying_seed(values, se * math.sqrt(n_seeds))
    apart = seed is not None and seed.stands_apart
    return gate_numbers(known, n_seeds, margin).outcome is GateOutcome.PASS and not apart


def test_a_gate_with_two_seeds_or_a_chance_beyond_its_errors_has_no_margin_to_plan():
    noise = GateNoise(0.01, 0.005, 0.0001)
    assert pass_power(noise, 2, ALPHA, 0.5) == 0
    assert math.isinf(passing_margin(noise, 2, ALPHA))
    assert math.isinf(passing_margin(noise, 7, ALPHA, 0.995))  # what did not change fails more often
    margins = [passing_margin(noise, n_seeds, ALPHA) for n_seeds in (6, 7, 8, 10, 14)]
    assert margins == sorted(margins, reverse=True)
