"""Equivalence and the correction of Benjamini and Yekutieli, asked for by name; no verdict rests on them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from talan_core.errors import UserError
from talan_eval.comparison import StatisticsSettings

QUICK = StatisticsSettings(resamples=200)


def asked(**changes):
    return dataclasses.replace(QUICK, **changes)


def spread(cell, **changes):
    """Seeds that differ so much that the t over seeds sets every width."""
    treat = np.zeros((7, 60))
    for seed, right in enumerate((4, 10, 1, 13, 6, 3, 9)):
        treat[seed, :right] = 1
    base = np.zeros((7, 60))
    base[:, :6] = 1
    return cell(base=base, treat=treat, **changes)


@pytest.mark.parametrize("margin", [3.0, 5.0, 8.0, 30.0])
def test_equivalence_is_that_of_other_software_where_the_seeds_set_the_width(cell, result, margin):
    got = result([spread(cell)], settings=asked(also=("tost",), margin=margin))
    assert got.cells[0].e1.binding == "t"
    (test,) = got.cells[0].also
    p, _, _ = DescrStatsW(np.array(got.cells[0].deltas)).ttost_mean(-margin, margin)
    assert test.p == pytest.approx(p, rel=1e-9)
    assert (test.p < 0.05) == (-margin < test.ci[0] and test.ci[1] < margin)
    assert got.aggregate.also == (test,)
    assert "margin" in test.caution  # which one, the settings and the words about margins say
    assert got.aggregate.margin_test.margin == margin


def test_equivalence_is_guarded_where_seeds_agree_by_luck(cell, result):
    treat = np.zeros((7, 60))
    treat[np.arange(7), 5 * np.arange(7)] = 1  # one gain in every seed, on another item each time
    got = result([cell(base=np.zeros((7, 60)), treat=treat)], settings=asked(also=("tost",), margin=2.0))
    assert got.cells[0].e1.t.p is None  # the seeds do not differ at all
    assert got.cells[0].also[0].p > 0.1


def test_the_mean_is_tested_for_equivalence_too(cell, result):
    got = result([spread(cell), cell("mbpp_micro")], settings=asked(also=("tost",), margin=3.0))
    (test,) = got.aggregate.also
    bounds = got.aggregate.e1.one_sided
    assert test.ci == (bounds.lower, bounds.upper)
    assert got.settings.margin == 3.0
    assert "tost" in {method.code for method in got.methods}
    assert result([spread(cell)]).aggregate.also == ()


def test_one_seed_has_no_equivalence_test(cell, result):
    got = result([cell(seeds=1)], settings=asked(also=("tost", "benjamini-yekutieli"), margin=3.0))
    assert [test.p for test in (*got.cells[0].also, *got.aggregate.also) if test.name == "tost"] == [None, None]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"also": ("tost",)}, r"--also tost --margin 1$"),
        ({"also": ("tost",), "margin": 0.0}, "is not a number above 0"),
        ({"also": ("tost",), "margin": float("nan")}, "is not a number above 0"),
        ({"also": ("tost",), "margin": -1.0}, "is not a number above 0"),
    ],
)
def test_a_margin_is_declared_with_the_test_that_needs_it(changes, says):
    with pytest.raises(UserError, match=says):
        asked(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"resamples": 0}, "0 resamples are too few.*--resamples 10000"),
        ({"resamples": 10**12}, "1,000,000,000,000 resamples are too many"),
        ({"rng_seed": -1}, "--rng-seed 0"),
        ({"alpha": 1e-300}, "alpha is 1e-300, smaller than 1e-12.*--alpha 0.05"),
        ({"alpha": float("nan")}, "alpha is nan, not between 0 and 1"),
        ({"variants_tried": 0}, "--variants-tried 5"),
    ],
)
def test_bad_numbers_end_in_what_to_type(changes, says):
    with pytest.raises(UserError, match=f"(?s){says}"):
        asked(**changes)


def test_the_smallest_error_rate_still_gives_finite_numbers(cell, result):
    found = result([cell(seeds=3)], settings=asked(alpha=1e-12)).cells[0]
    assert np.isfinite(found.e1.ci).all()
    assert found.e1.ci[1] > 100


def test_benjamini_yekutieli_is_that_of_other_software_over_the_family(cell, result):
    cells = [cell(task, gain=gain) for task, gain in (("a", 0.0), ("b", 0.1), ("c", 0.2), ("d", 0.3))]
    got = result(cells, settings=asked(also=("benjamini-yekutieli",)))
    raw = [one.e1.p for one in got.cells]
    want = multipletests(raw, method="fdr_by")[1]
    assert [one.also[0].p for one in got.cells] == pytest.approx(want)
    assert all(one.also[0].p >= one.bh_p for one in got.cells)
    picked = result(cells, settings=asked(also=("benjamini-yekutieli",), variants_tried=3))
    assert [one.also[0].p for one in picked.cells] == pytest.approx(np.minimum(1, 3 * want))
    assert [one.verdict for one in got.cells] == [one.verdict for one in result(cells).cells]
