"""Plans from results in other units, and of means that weigh benchmarks differently."""

from __future__ import annotations

import math

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.cli import power
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.planning.advice import advise, power_curves
from talan_eval.planning.floors import floor_of_mean
from talan_eval.planning.forecast import MEAN, WEIGHTED, make_plan
from talan_eval.planning.verdicts import KnownNoise, VerdictPlan
from talan_eval.requests.power import PowerRequest
from talan_eval.result.schema import Measure
from talan_eval.stats.variance import Components

LOSS = Measure(unit="nats", higher_is_better=False, lower=None, upper=None)
SEEDS, ITEMS = 7, 60


def made(measure=None, weights=(), looks=(), width=1.0, spreads=(0.02, 0.03), noise=0.02):
    """Compare two benchmarks whose arms differ by an effect of the seed and by noise of each item."""
    rng, matrices = np.random.default_rng(1), []
    for number, spread in enumerate(spreads):
        items = ItemTable(f"t{number}", "m", tuple(f"i{n:02}" for n in range(ITEMS)), "0" * 12,
                          measure=measure or Measure())  # fmt: skip
        base = 0.3 + 0.4 * rng.random((SEEDS, ITEMS))
        shift = rng.normal(-0.05, spread, size=(SEEDS, 1)) + rng.normal(0, noise, size=(SEEDS, ITEMS))
        for arm, scores in (("base", base), ("treat", np.clip(base + shift, 0, 1))):
            matrices.append(ScoreMatrix("b", arm, items, tuple(range(SEEDS)), width * scores))
    settings = StatisticsSettings(resamples=60, weights=weights, earlier_looks=looks)
    return compare(matrices, [ContrastSpec("base", "treat")], Origin({"made": "here"}), settings)


@pytest.fixture
def plan(tmp_path):
    def of(result, **words):
        (tmp_path / "result.json").write_text(result.to_json())
        return make_plan(PowerRequest(from_=tmp_path, **words))

    return of


def test_a_plan_from_a_loss_is_in_its_unit_and_knows_no_floor_of_shares(plan):
    result = made(LOSS)
    cells, found = result.contrasts[0].cells, plan(result, delta=0.05)
    assert found.unit == "nats"
    for row, cell in zip(found.rows, cells, strict=False):
        assert row.seed_sd == pytest.approx(np.std(cell.deltas, ddof=1), rel=1e-6)
        assert row.t_mde < row.mde
    mean = found.rows[-1]
    assert mean.mde == pytest.approx(result.contrasts[0].aggregate.mde80, rel=1e-6)  # the same plan of the same noise
    shares = plan(made(width=1.0)).rows[-1]  # the control: equal scores as shares have a floor, in points
    assert shares.seed_sd == pytest.approx(100 * mean.seed_sd, rel=1e-6)
    with pytest.raises(UserError, match="nan nats"):
        plan(result, delta=math.nan)
    assert plan(result, delta=250.0).rows[-1].power == 1.0  # tokens and seconds differ by more than 100


def test_a_metric_with_other_bounds_is_planned_as_the_same_scores_in_points(plan):
    points, bleu = plan(made(), delta=2.0), plan(made(Measure(unit="BLEU", lower=0, upper=20), width=20), delta=0.4)
    for one, other in zip(points.rows, bleu.rows, strict=True):
        assert other.mde == pytest.approx(one.mde / 5, rel=1e-9)
        assert (other.power, other.seeds) == (pytest.approx(one.power, abs=1e-9), one.seeds)
    with pytest.raises(UserError, match="25 BLEU"):
        plan(made(Measure(unit="BLEU", lower=0, upper=20), width=20), delta=25.0)


def test_the_mean_is_planned_with_its_weights(plan):
    result = made(weights=("t1=3",))
    row = plan(result).rows[-1]
    deltas = np.average([cell.deltas for cell in result.contrasts[0].cells], axis=0, weights=(1, 3))
    assert row.name == WEIGHTED
    assert row.seed_sd == pytest.approx(np.std(deltas, ddof=1), rel=1e-6)
    assert row.mde == pytest.approx(result.contrasts[0].aggregate.mde80, rel=1e-6)
    alike = plan(made()).rows[-1]
    assert alike.name == MEAN
    assert alike.seed_sd != pytest.approx(row.seed_sd, rel=1e-3)  # the control


def test_the_floor_of_a_weighted_mean_is_that_of_its_comparison(plan):
    result = made(weights=("t1=9",), spreads=(0.0, 0.0))
    terms = {term.name: term.se for term in result.contrasts[0].aggregate.e1.terms}
    want = 90 * math.sqrt(2 * 2 / (SEEDS * ITEMS + 2) ** 2)
    assert terms["floor"] == pytest.approx(want, rel=1e-9)
    noise = VerdictPlan(KnownNoise("mean", (ITEMS, ITEMS), (), floor=floor_of_mean(result, result.contrasts[0])),
                        Components(0.0, 0.0, 0.0), 0.05, 0.8).noise(SEEDS, 1)  # fmt: skip
    assert 100 * noise.least == pytest.approx(1.959964 * want, rel=1e-6)
    assert plan(result).rows[-1].mde > 1.959964 * want


def test_the_plan_of_a_loss_is_printed_in_its_unit(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "result.json").write_text(made(LOSS).to_json())
    power.perform(PowerRequest(from_=tmp_path, delta=0.01))
    shown = capsys.readouterr().out
    assert "Gains, whatever their direction, are in nats." in shown
    assert "MDE 80% of the verdict, nats" in shown
    assert "points" not in shown


def test_what_to_do_next_is_planned_without_a_floor_where_scores_have_no_bounds():
    result = made(LOSS)
    known = advise(result, 0.05)
    assert known.seeds is not None
    assert known.seeds < 30
    assert power_curves(result, (0.05,))[0].power[-1] > 0.9


def test_seeds_added_to_a_comparison_of_losses_are_judged_without_the_floor_of_shares():
    alike = {"looks": ((0, 1, 2, 3, 4),), "spreads": (0.0, 0.0), "noise": 0.001}  # so that the guard decides
    loss, share = (made(measure, **alike).contrasts[0].aggregate for measure in (LOSS, Measure()))
    terms = {term.name: term.se for term in share.e1.terms}
    assert terms["floor"] > 20 * max(terms["t"], terms["flip"])
    assert np.ptp(share.anytime.ci) / 100 > 10 * np.ptp(loss.anytime.ci)
    tiny = made(LOSS, width=1e-4, **alike).contrasts[0].aggregate.anytime
    assert tiny.e_value == pytest.approx(loss.anytime.e_value, rel=1e-6)  # a unit changes no test
    assert tiny.ci == pytest.approx([1e-4 * end for end in loss.anytime.ci], rel=1e-6)
