"""Cases in which other tools for logs give a wrong answer, rebuilt as logs."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from scipy.stats import binomtest, norm, ttest_1samp

from talan_core.errors import UserError


def paired_rows(right, lost, gained, n):
    """Base and treat scores: so many right in the base arm, so many of them lost, so many others gained."""
    base = np.zeros(n)
    base[:right] = 1
    treat = base.copy()
    treat[:lost] = 0
    treat[right : right + gained] = 1
    return base.tolist(), treat.tolist()


def test_an_unpaired_test_misses_what_mcnemar_sees(compared, run):
    # EleutherAI/lm-evaluation-harness#3868: n = 220, unpaired p .080, McNemar p .008. These margins give both numbers.
    n, right, lost, gained = 220, 81, 12, 30
    base, treat = paired_rows(right, lost, gained, n)
    p1, p2 = np.mean(base), np.mean(treat)
    unpaired = 2 * norm.sf(abs(p2 - p1) / np.sqrt(p1 * (1 - p1) / n + p2 * (1 - p2) / n))
    pair = compared(run("base", {"task": base}), run("treat", {"task": treat})).result.contrasts[0].cells[0].e0[0]
    assert unpaired == pytest.approx(0.080, abs=5e-4)
    assert pair.mcnemar_p == pytest.approx(0.008, abs=5e-4)
    assert pair.mcnemar_p == pytest.approx(binomtest(lost, lost + gained).pvalue)
    assert (pair.lost, pair.gained) == (lost, gained)


def test_seeds_are_not_nested_in_items(compared, run, tmp_path):
    # Seed differences of +6.1 -4.5 +5.3 -2.3 +4.5 +1.5 -1.5 points: pooling all answers as if they were independent
    # calls this certain, the paired t over seeds does not.
    n, points = 1319, (6.1, -4.5, 5.3, -2.3, 4.5, 1.5, -1.5)
    lost = gained = 0
    for seed, point in enumerate(points):
        change = round(abs(point) * n / 100)
        base, treat = paired_rows(700, 0 if point > 0 else change, change if point > 0 else 0, n)
        lost, gained = lost + (0 if point > 0 else change), gained + (change if point > 0 else 0)
        run(f"base/seed{seed}", {"task": np.roll(base, seed).tolist()})
        run(f"treat/seed{seed}", {"task": np.roll(treat, seed).tolist()})
    cell = compared(tmp_path / "base", tmp_path / "treat").result.contrasts[0].cells[0]
    assert binomtest(lost, lost + gained).pvalue < 1e-5
    assert cell.deltas == pytest.approx(points, abs=0.05)
    assert cell.e1.t.p == pytest.approx(ttest_1samp(cell.deltas, 0).pvalue)
    assert cell.e1.p == pytest.approx(0.44, abs=0.005)
    assert cell.verdict == "inconclusive"


def test_copies_of_a_run_are_refused_and_would_not_help(compared, run, tmp_path):
    # Pooled over seven copies McNemar's p falls from .137 to 3e-5.
    lost, gained = 37, 52
    base, treat = paired_rows(150, lost, gained, 400)
    assert binomtest(lost, lost + gained).pvalue == pytest.approx(0.137, abs=5e-4)
    assert binomtest(7 * lost, 7 * (lost + gained)).pvalue == pytest.approx(3e-5, abs=5e-6)
    one = (run("one/base", {"task": base}), run("one/treat", {"task": treat}))
    alone = compared(*one).result.contrasts[0].cells[0].e0[0]
    for seed in range(7):
        for arm in ("base", "treat"):
            shutil.copytree(tmp_path / "one" / arm, tmp_path / arm / f"seed{seed}")
    with pytest.raises(UserError, match="a copy is no new seed"):
        compared(tmp_path / "base", tmp_path / "treat")
    # Copies whose files differ in something else are known by their scores.
    for arm, scores in (("base", base), ("treat", treat)):
        for seed in range(7):
            rows = [{"acc": value, "seconds": seed / 8} for value in scores]
            run(f"{arm}2/seed{seed}", {"task": rows})
    with pytest.raises(UserError, match="the same score on every item of every task"):
        compared(tmp_path / "base2", tmp_path / "treat2")
    assert alone.mcnemar_p == pytest.approx(binomtest(lost, lost + gained).pvalue)


def test_the_mean_over_samples_is_not_whether_all_pass(compared, run, tmp_path):
    # Of two answers per item base has one right, treat has both or none: equal means, while treat alone ever has both.
    answers = {"base": ("1010", "0101"), "treat": ("1100", "1100")}
    for arm, texts in answers.items():
        for sample, text in enumerate(texts):
            items = [{"acc": float(letter), "seconds": float(sample)} for letter in text]
            run(f"{arm}/try{sample}", {"task": items})
    cell = compared(tmp_path / "base", tmp_path / "treat", trial_axis="sample").result.contrasts[0].cells[0]
    assert (cell.base_mean, cell.treat_mean, cell.delta, cell.k) == (50, 50, 0, 2)
    assert (cell.e0[0].lost, cell.e0[0].gained) == (2, 2)  # items, each of them by half an answer


def test_equal_arms_give_no_difference_and_p_1(compared, run, tmp_path):
    for seed, text in enumerate(("0011", "0110", "1100")):
        run(f"base/seed{seed}", task=text)
        run(f"treat/seed{seed}", task=text)
    cell = compared(tmp_path / "base", tmp_path / "treat").result.contrasts[0].cells[0]
    assert (cell.delta, cell.e1.p) == (0, 1)
    assert all(pair.mcnemar_p == 1 for pair in cell.e0)


def test_swapping_the_arms_mirrors(compared, run, tmp_path):
    for seed, (one, other) in enumerate((("0011", "0111"), ("0110", "1111"), ("1100", "1010"))):
        run(f"base/seed{seed}", task=one)
        run(f"treat/seed{seed}", task=other)
    there, back = (compared(*pair).result.contrasts[0].cells[0] for pair in
                   ((tmp_path / "base", tmp_path / "treat"), (tmp_path / "treat", tmp_path / "base")))  # fmt: skip
    assert there.deltas == tuple(-delta for delta in back.deltas)
    assert (there.e1.p, there.e2.p) == (back.e1.p, back.e2.p)
