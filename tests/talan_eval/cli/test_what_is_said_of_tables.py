"""Tables of scores whose right answer is known: what the commands say of them, in words and numbers."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[3]


def run(*words, cwd):
    environment = {**os.environ, "COLUMNS": "220", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "talan_eval.cli.main", *words],
        capture_output=True, text=True, check=False, cwd=cwd, env=environment,
    )  # fmt: skip


def differences(n_items, *changes, start=0):
    """Return base and treatment of one seed: changes are (number of items, base score, treatment score)."""
    base, treat = np.zeros(n_items), np.zeros(n_items)
    place = start
    for count, before, after in changes:
        where = np.arange(place, place + count) % n_items
        base[where], treat[where] = before, after
        place += count
    return base, treat


def flips(n_items, lost, gained, right, start=0):
    """A seed that loses and gains so many items, with so many right answers of the base arm in all."""
    return differences(n_items, (lost, 1, 0), (gained, 0, 1), (right - lost, 1, 1), start=start)


def write(path, tables):
    """Write both arms of one or several tasks: {task: [(base, treatment) of each seed]}."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["arm", "seed", "task", "item", "score"])
        for task, seeds in tables.items():
            for seed, pair in enumerate(seeds):
                for arm, scores in zip(("lora", "talan"), pair, strict=True):
                    out.writerows([arm, seed, task, item, score] for item, score in enumerate(scores))
    return path


@pytest.fixture
def said(tmp_path):
    """Return a function that compares tables: what is printed, and the result."""

    def compare(tables, *words):
        write(tmp_path / "x.csv", tables)
        done = run("compare-logs", "lora=x.csv", "talan=x.csv", "--json", "r.json", "--explain", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        text = " ".join(done.stdout.split())
        return text, json.loads((tmp_path / "r.json").read_text()), tmp_path

    return compare


def of(document):
    (contrast,) = document["contrasts"]
    return contrast["cells"], contrast["aggregate"]


def test_one_pair_gets_a_verdict_with_its_scope_and_a_paragraph_of_what_was_run(said):
    text, document, place = said({"gsm": [flips(1319, 40, 25, 640)]})
    last = text.rpartition("E0: this pair of checkpoints; nothing about re-training. ")[2]
    assert last.startswith("No significant difference")
    assert last.endswith("points.")
    cells, mean = of(document)
    for one in (cells[0], mean):
        assert (one["verdict"], one["verdict_estimand"]) == ("inconclusive", "E0")
        assert one["e0_mean"]["p"] == pytest.approx(0.0665, abs=1e-4)  # the larger of Wald and mid-p
        assert one["e0_mean"]["ci"] == pytest.approx([-2.35, 0.08], abs=0.005)
    assert cells[0]["e0"][0]["mcnemar_p"] == pytest.approx(0.0817, abs=1e-4)
    paragraph = run("report", "r.json", "--format", "methods", cwd=place).stdout
    assert "items random" in paragraph
    assert "Bonett and Price, 2012" in paragraph
    for never in ("over seeds", "declared before", "sign-flip test must", "crossed", "Holm"):
        assert never not in paragraph.partition("Signature")[0], never


def test_partial_credit_is_tested_by_its_mean_and_the_sign_test_stands_beside_by_name(said):
    text, document, _ = said({"gsm": [differences(200, (10, 1, 0), (40, 0.5, 0.625), (150, 0.5, 0.5))]})
    (cell,), _ = of(document)
    assert cell["delta"] == pytest.approx(-2.5)
    row = np.repeat([-1.0, 0.125, 0.0], [10, 40, 150])
    want = stats.ttest_1samp(row, 0)
    assert cell["e0_mean"]["p"] == pytest.approx(want.pvalue, rel=1e-9)
    assert cell["e0_mean"]["ci"] == pytest.approx([100 * end for end in want.confidence_interval(0.95)], rel=1e-9)
    assert cell["e0"][0]["mcnemar_p"] < 1e-4  # it points the other way, and decides nothing
    assert cell["verdict"] == "inconclusive"
    assert "(McNemar) p" in text


def test_nineteen_points_lost_by_a_pair_are_worse_and_fail_the_gate(said):
    text, document, place = said({"gsm": [flips(1000, 200, 10, 200)]})
    assert "talan is worse than lora: -19.00 points on gsm" in text
    assert {one["verdict"] for part in of(document) for one in (part if isinstance(part, list) else [part])} == {
        "worse"
    }
    for words in (("--estimand", "E0"), ()):
        done = run("gate", "r.json", *words, cwd=place)
        assert done.returncode == 1
        assert done.stdout.startswith("FAIL: talan against lora (E0: these checkpoints on items of this kind")
    about_training = run("gate", "r.json", "--estimand", "e1", cwd=place)
    assert about_training.returncode == 3
    assert "(E1: re-training" in about_training.stdout


LOST = (57, 55, 57, 240, 64, 53, 59)
GAINED = (74, 83, 78, 4, 61, 63, 69)


def test_a_training_that_collapsed_is_a_red_flag_with_its_seed(said):
    tables = {"gsm": [flips(500, *both, 250, 40 * n) for n, both in enumerate(zip(LOST, GAINED, strict=True))]}
    text, document, place = said(tables)
    assert "RED FLAG: seed 3 stands apart, -47.20 points where the median is +2.00" in text
    (cell,), mean = of(document)
    for one in (cell, mean):
        assert one["outlying"]["seed"] == 3
        assert one["outlying"]["distance"] > one["outlying"]["threshold"] > 5
        bootstrap = one["e1"]["bootstrap"]["ci"]
        assert bootstrap == pytest.approx([-132.46, 6.08], abs=0.01)  # as computed, beyond what scores can reach
    gate = run("gate", "r.json", "--margin", "30", cwd=place)
    assert gate.returncode == 3
    assert "Seed 3 stands apart with -47.20 points" in " ".join(gate.stdout.split())
    assert "Without it: +2.77 points" in " ".join(gate.stdout.split())
    without = {"gsm": [pair for n, pair in enumerate(tables["gsm"]) if n != 3]}
    _, sound, _ = said(without)
    assert of(sound)[1]["outlying"] is None
    assert run("gate", "r.json", "--margin", "30", cwd=place).returncode == 0  # the control


def test_an_untrained_base_is_refused_by_name_and_taken_as_fixed_where_that_is_typed(said, tmp_path):
    gains = ((51, 72), (55, 69), (54, 71), (51, 68), (50, 71), (54, 67), (56, 82))
    base = flips(500, *gains[0], 250)[0]
    tables = {"gsm": [(base, changed(base, lost, gained, n)) for n, (lost, gained) in enumerate(gains)]}
    write(tmp_path / "x.csv", tables)
    refused = run("compare-logs", "lora=x.csv", "talan=x.csv", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--fixed lora" in refused.stderr
    text, document, _ = said(tables, "--fixed", "lora")
    _, mean = of(document)
    deltas = np.array([(gained - lost) / 5 for lost, gained in gains])
    assert mean["deltas"] == pytest.approx(deltas)
    assert mean["e1"]["t"]["p"] == pytest.approx(stats.ttest_1samp(deltas, 0).pvalue, rel=1e-9)
    assert mean["verdict"] == "better"
    assert "lora has no seeds" in text
    other = {"gsm": [(1 - pair[0], pair[1]) if n == 2 else pair for n, pair in enumerate(tables["gsm"])]}
    write(tmp_path / "x.csv", other)
    assert (
        "different scores" in run("compare-logs", "lora=x.csv", "talan=x.csv", "--fixed", "lora", cwd=tmp_path).stderr
    )


def changed(base, lost, gained, seed):
    treat = base.copy()
    rng = np.random.default_rng(seed)
    treat[rng.choice(np.flatnonzero(base == 1), lost, replace=False)] = 0
    treat[rng.choice(np.flatnonzero(base == 0), gained, replace=False)] = 1
    return treat


def test_equal_numbers_get_equal_words(said):
    rng = np.random.default_rng(0)
    for seeds in (3, 5, 7):
        pairs = []
        for _ in range(seeds):
            base = (rng.random(1000) < 0.3).astype(float)
            pairs.append((base, changed(base, 100, 400, int(rng.integers(1000)))))
        text, document, _ = said({"gsm": pairs})
        (cell,), mean = of(document)
        assert cell["e1"]["ci"] == mean["e1"]["ci"]
        assert (cell["verdict"], cell["verdict_basis"]) == (mean["verdict"], mean["verdict_basis"])
        assert mean["verdict"] == "better"
        assert text.count("gsm (primary)") == 1
        assert "mean (primary)" not in text  # one benchmark is its mean: no second row repeats the first


def test_two_seeds_have_no_interval_and_no_p_beside_not_estimable(said):
    seeds = [flips(1000, 115, 387, 310), flips(1000, 128, 423, 316, 500)]
    text, document, place = said({"gsm": seeds})
    (cell,), mean = of(document)
    for one in (cell, mean):
        assert (one["verdict"], one["e1"], one["e2"], one["mde80"]) == ("not estimable", None, None, None)
    assert "+28.35" in text
    for never in ("E1 95 % CI", "E1 p", "E2 95 % CI"):
        assert never not in text
    gate = run("gate", "r.json", cwd=place)
    assert gate.returncode == 3
    assert "bounds" not in gate.stdout.partition("One-sided 95 % bounds of")[0]


def test_below_five_seeds_no_benchmark_among_several_is_judged(said):
    seeds = [flips(1000, 100, 400 + 10 * n, 300, 37 * n) for n in range(3)]
    text, document, _ = said({"gsm": seeds, "mmlu": seeds[::-1]})
    cells, mean = of(document)
    assert [cell["verdict"] for cell in cells] == ["not judged", "not judged"]
    assert mean["verdict"] == "better"
    assert "not judged Below five seeds no claim" in text
