"""Every number of the vector file, which was computed with independent software, that a function here covers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from talan_eval.stats.aggregate import interquartile_mean, probability_of_improvement
from talan_eval.stats.anytime import looks, t_e_value
from talan_eval.stats.arrays import lower_quantile, upper_quantile
from talan_eval.stats.cmh import cmh
from talan_eval.stats.guard import ErrorTerm
from talan_eval.stats.guarded_t import guarded_t, paired_t
from talan_eval.stats.mcnemar import mcnemar_exact, mcnemar_midp
from talan_eval.stats.mean_squares import MeanSquares, mean_squares
from talan_eval.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm, max_t
from talan_eval.stats.noninferiority import GuardedDifference, equivalence, one_sided_bounds, one_sided_p
from talan_eval.stats.seed_bootstrap import BootstrapMethod, bootstrap_interval, exact_law, expanded_tail
from talan_eval.stats.signflip import SeedSums, hartigan_interval, sign_flip
from talan_eval.stats.wilcoxon import signed_rank

FILE = Path(__file__).parents[2] / "data" / "statistics_vectors.json"
VECTORS = {vector["id"]: vector for vector in json.loads(FILE.read_text())}


def deltas(name: str) -> np.ndarray:
    return np.array(VECTORS[name]["inputs"]["d"])


def expected(name: str) -> dict[str, float]:
    return VECTORS[name]["expected"]


def sums(values: np.ndarray) -> SeedSums:
    return SeedSums(np.rint(values * 10).astype(np.int64), 10, 0)


def test_paired_t():
    want, got = expected("V01_paired_t"), paired_t(deltas("V01_paired_t"), 0.05)
    assert (got.delta, got.se, got.p) == pytest.approx((want["mean"], want["se"], want["p_two"]), abs=1e-9)
    assert got.df == want["df"]
    assert got.ci == pytest.approx((want["ci_lo"], want["ci_hi"]), abs=1e-9)
    assert probability_of_improvement(deltas("V01_paired_t")[None, :]) == pytest.approx(want["poi_paired"])


def seed_term(values: np.ndarray) -> tuple[ErrorTerm, ...]:
    return (ErrorTerm("t", float(values.std(ddof=1)) / np.sqrt(len(values)), len(values) - 1),)


def test_one_sided_t():
    want, values = expected("V01_paired_t"), deltas("V01_paired_t")
    assert one_sided_p(values.mean(), seed_term(values)) == pytest.approx(want["p_greater"], abs=1e-12)


def test_noninferiority_and_equivalence():
    want, values = expected("V10_noninferiority"), deltas("V10_noninferiority")
    margin, terms = VECTORS["V10_noninferiority"]["inputs"]["margin"], seed_term(values)
    assert one_sided_p(values.mean() + margin, terms) == pytest.approx(want["p"], rel=1e-9)
    assert one_sided_bounds(values.mean(), terms).lower == pytest.approx(want["lower95"], abs=1e-9)
    assert equivalence(GuardedDifference(values.mean(), terms), margin).p == pytest.approx(want["tost_p"], abs=1e-9)


def test_anytime_valid_e_value():
    inputs, want = VECTORS["V12_evalue_t"]["inputs"], expected("V12_evalue_t")
    assert t_e_value(inputs["t"], inputs["n"], inputs["g"]) == pytest.approx(want["e_by_quadrature"], rel=1e-9)
    (look,) = looks(deltas("V01_paired_t"), [7], 0.05)
    assert look.p == pytest.approx(want["anytime_p"], rel=1e-9)


@pytest.mark.parametrize(("continuity", "suffix"), [(False, ""), (True, "_cc")])
def test_cochran_mantel_haenszel(continuity, suffix):
    want = expected("V05_cmh")
    got = cmh(np.array(VECTORS["V05_cmh"]["inputs"]["tables"]), continuity=continuity)
    assert got.statistic == pytest.approx(want["stat" + suffix], abs=1e-9)
    assert got.p == pytest.approx(want["p" + suffix], abs=1e-9)
    assert got.odds_ratio == pytest.approx(want["or_pooled"], abs=1e-9)


def test_signed_rank():
    want, got = expected("V02_signflip_exact"), signed_rank(sums(deltas("V02_signflip_exact")))
    assert (got.statistic, got.p) == (want["wilcoxon_W"], want["wilcoxon_p_two"])


def test_sign_flip_and_its_interval():
    want, values = expected("V02_signflip_exact"), deltas("V02_signflip_exact")
    assert sign_flip(sums(values)).p == want["p_two"]
    assert sign_flip(sums(values)).floor == want["min_p_two"]
    assert hartigan_interval(values, 0.05) == pytest.approx((want["ci_lo"], want["ci_hi"]), abs=1e-12)


def test_sign_flip_floor_and_what_holm_makes_of_it():
    want, values = expected("V03_signflip_floor"), deltas("V03_signflip_floor")
    p = sign_flip(sums(values)).p
    assert p == want["p_two"]
    assert holm(np.full(4, p)).tolist() == want["holm4"]
    assert holm(np.full(3, p)).tolist() == want["holm3"]
    assert max_t([sums(values)] * 4).tolist() == [p] * 4


@pytest.mark.parametrize("table", ["small", "large", "zero"])
def test_mcnemar(table):
    (_, lost), (gained, _) = VECTORS["V04_mcnemar"]["inputs"]["tables"][table]
    want = expected("V04_mcnemar")[table]
    assert mcnemar_exact(lost, gained) == pytest.approx(want["exact_p"], rel=1e-10)
    assert mcnemar_midp(lost, gained) == pytest.approx(want["midp"], rel=1e-10)


@pytest.mark.parametrize(("method", "key"), [(holm, "holm"), (benjamini_hochberg, "bh"), (benjamini_yekutieli, "by")])
def test_adjusted_p_values(method, key):
    got = method(np.array(VECTORS["V06_multiplicity"]["inputs"]["p"]))
    assert got == pytest.approx(np.array(expected("V06_multiplicity")[key]), abs=1e-12)


def test_five_of_sixteen_cells_at_the_floor_pass_the_false_discovery_rate():
    p = np.array([1 / 64] * 5 + [1.0] * 11)
    assert benjamini_hochberg(p)[:5].tolist() == expected("V03_signflip_floor")["bh16_five_at_floor"]


@pytest.mark.parametrize(
    ("method", "key"),
    [
        (BootstrapMethod.PERCENTILE, "pct"),
        (BootstrapMethod.BASIC, "basic"),
        (BootstrapMethod.EXPANDED, "expanded"),
        (BootstrapMethod.BCA, "bca"),
        (BootstrapMethod.BOOTSTRAP_T, "boot_t"),
    ],
)
def test_exact_bootstrap_of_five_seeds(method, key):
    values, want = deltas("V08_enumerated_bootstrap"), expected("V08_enumerated_bootstrap")
    got = bootstrap_interval(values, exact_law(5), method, 0.05)
    if method is BootstrapMethod.EXPANDED:
        # Not offered below seven seeds, where it under-covers; the tail that it would use is still the published one.
        assert got.ci is None
        assert expanded_tail(5, 0.05) == pytest.approx(want["expanded_alpha_half"], rel=1e-9)
    else:
        assert got.ci == pytest.approx(tuple(want[key]), abs=1e-9)


def test_exact_law_of_seven_seeds():
    law, want = exact_law(7), expected("V18_exact_seed_bootstrap_S7")
    assert len(law.weights) == want["n_multisets"]
    assert law.weights.sum() == want["total_weight"]
    means = law.counts @ deltas("V18_exact_seed_bootstrap_S7") / 7
    quantiles = (lower_quantile(means, law.weights, 0.025), upper_quantile(means, law.weights, 0.025))
    assert quantiles == pytest.approx(tuple(want["pct"]), abs=1e-12)
    below = law.weights[means <= 1e-12].sum() / law.weights.sum()
    assert below == pytest.approx(want["prob_mean_le_0"], rel=1e-12)


def test_interquartile_mean_and_probability_of_improvement():
    table, want = np.array(VECTORS["V14_iqm"]["inputs"]["D"]), expected("V14_iqm")
    assert interquartile_mean(table) == pytest.approx(want["iqm"], abs=1e-12)
    assert probability_of_improvement(table) == pytest.approx(want["poi_paired"], abs=1e-12)


def test_two_seeds():
    want = expected("V15_edge")["two_seeds"]
    got = paired_t(np.array([1.0, 2.0]), 0.05)
    assert got.p == pytest.approx(want["p_two"], abs=1e-9)
    assert got.ci == pytest.approx(tuple(want["ci"]), abs=1e-9)


def test_constant_deltas_take_their_width_from_the_items():
    squares = MeanSquares(n_seeds=3, n_items=100, seed=0.0, item=0.02, error=0.05)
    got = guarded_t(np.full(3, 0.01), [squares], 0.05)
    half = norm.ppf(0.975) * np.sqrt(0.05 / 300)
    assert got.plain.p is None
    assert got.guard.binding == "flip"
    assert got.guard.ci == pytest.approx((0.01 - half, 0.01 + half), rel=1e-12)
    assert got.guard.p == pytest.approx(2 * norm.sf(0.01 / np.sqrt(0.05 / 300)), rel=1e-12)


def test_all_zero_deltas_keep_the_floor_width():
    got = guarded_t(np.zeros(5), [mean_squares(np.zeros((5, 40)))], 0.05)
    half = norm.ppf(0.975) * np.sqrt(2) / 202
    assert got.guard.p == 1.0
    assert got.guard.binding == "floor"
    assert got.guard.ci == pytest.approx((-half, half), rel=1e-12)
