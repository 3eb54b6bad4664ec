"""``talan-eval power``: plans from assumptions and from stored runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.cli import power
from talan_eval.planning.forecast import MEAN, TABLE_SEEDS, make_plan
from talan_eval.requests.power import PowerRequest
from talan_eval.stats.mean_squares import mean_squares


def stored_run(path: Path, n_seeds: int = 7, names: tuple[str, ...] = ("one", "two"), k: int = 1) -> Path:
    """A result with only what a plan reads, plus something that it must not mind."""
    rng = np.random.default_rng(0)
    cells = []
    for name in names:
        matrix = rng.choice([-1.0, 0, 1], size=(n_seeds, 120), p=[0.1, 0.75, 0.15])
        squares = mean_squares(matrix) if n_seeds > 1 else None
        cells.append(
            {
                "backbone": "micro",
                "task": name,
                "slice": None,
                "n_items": 120,
                "n_seeds": n_seeds,
                "k": k,
                "deltas": (100 * matrix.mean(axis=1)).tolist(),
                "mean_squares": None
                if squares is None
                else {"seed": 1e4 * squares.seed, "item": 1e4 * squares.item, "error": 1e4 * squares.error},
                "of_a_later_version": 1,
            }
        )
    path.mkdir(parents=True, exist_ok=True)
    (path / "result.json").write_text(json.dumps({"schema": 1, "cells": cells}))
    return path


def test_assumed_components_reproduce_the_specification():
    (row,) = make_plan(PowerRequest(items=198, delta=1.4)).rows
    assert row.mde == pytest.approx(4.2, abs=0.1)
    assert row.guarded_mde > row.mde
    assert row.seeds == pytest.approx(46, abs=2)
    assert row.table[TABLE_SEEDS.index(7)][0] == pytest.approx((row.mde,))
    assert make_plan(PowerRequest(items=198, samples=8)).rows[0].mde == pytest.approx(1.9, abs=0.1)


def test_a_stored_run_gives_its_own_spread_back(tmp_path):
    run = stored_run(tmp_path / "run")
    plan = make_plan(PowerRequest(from_=run, delta=2.0))
    assert [row.name for row in plan.rows] == ["one", "two", MEAN]
    cells = json.loads((run / "result.json").read_text())["cells"]
    for row, cell in zip(plan.rows, cells, strict=False):
        squares = cell["mean_squares"]
        # a spread below the noise of the items is raised to it
        want = np.sqrt(max(squares["seed"], squares["error"]) / 120)
        assert row.seed_sd == pytest.approx(want)
    gains = np.mean([cell["deltas"] for cell in cells], axis=0)
    assert plan.rows[-1].seed_sd >= gains.std(ddof=1) - 1e-9
    assert plan.rows[-1].mde < min(row.mde for row in plan.rows[:-1])
    assert (plan.n_seeds, plan.k, plan.n_cells) == (7, 1, 2)


def test_samples_are_a_range_where_decoding_was_not_measured(tmp_path):
    plan = make_plan(PowerRequest(from_=stored_run(tmp_path)))
    low, high = plan.rows[0].table[0][-1]
    assert low < high
    assert plan.rows[0].table[0][0] == pytest.approx((high, high))


def test_options_override_the_stored_run(tmp_path):
    run = stored_run(tmp_path)
    plan = make_plan(PowerRequest(from_=run, seeds=14, items=480, samples=4, cells=16))
    assert (plan.n_seeds, plan.k, plan.n_cells) == (14, 4, 16)
    assert {row.n_items for row in plan.rows} == {480}
    assert plan.holm_floor == pytest.approx(16 * 2**-13)


def test_sign_flip_sentences_say_what_holm_can_never_do():
    seven = power.floors(make_plan(PowerRequest(items=500, cells=4)))
    assert "no p below 0.01562" in seven[0]
    assert "can never reject; it could from 8 seeds on" in seven[1]
    assert "nothing can be confirmed" in power.floors(make_plan(PowerRequest(items=500, seeds=5)))[0]
    assert "never" not in power.floors(make_plan(PowerRequest(items=500, seeds=9, cells=4)))[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "--items 500"),
        ({"items": 500, "seeds": 1}, "--seeds is 1"),
        ({"items": 0}, "--items is 0"),
        ({"items": 500, "samples": 0}, "--samples is 0"),
        ({"items": 500, "alpha": 1.0}, "--alpha is 1"),
        ({"items": 500, "power": 0.01}, "--power 0.8"),
        ({"items": 500, "delta": 0.0}, "--delta 1.4"),
        ({"items": 500, "delta": float("nan")}, "--delta 1.4"),
        ({"items": 10**400}, "--items is more than 1,000,000,000"),
        ({"items": -(10**400)}, "--items is below minus 1,000,000,000"),
        ({"items": 500, "alpha": 1e-300}, "--alpha is 1e-300, not between"),
        ({"items": 500, "power": float("nan")}, "such as --power 0.8"),
        ({"items": 500, "phi_decode": 3.0}, "--phi-decode is 3"),
        ({"items": 500, "tau": -1.0}, "--tau is -1"),
        ({"from_": Path("nowhere")}, "cannot be read"),
    ],
)
def test_mistakes_end_in_what_to_type(options, says):
    with pytest.raises(UserError, match=says):
        make_plan(PowerRequest(**options))


def test_files_that_are_no_basis_for_a_plan_are_refused(tmp_path):
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(UserError, match="no result of talan-eval compare"):
        make_plan(PowerRequest(from_=tmp_path / "list.json"))
    with pytest.raises(UserError, match="single seed"):
        make_plan(PowerRequest(from_=stored_run(tmp_path / "one", n_seeds=1)))


def test_the_plan_is_printed_and_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    power.perform(PowerRequest(from_=stored_run(tmp_path), delta=1.0, json=tmp_path / "new" / "plan.json"))
    shown = capsys.readouterr().out
    for words in ("MDE 80%", "at +1  needed   needed", "k = 8", MEAN, "Sign flips of 7 seeds"):
        assert words in shown
    assert json.loads((tmp_path / "new" / "plan.json").read_text())["n_cells"] == 2


def test_eighty_columns_cut_no_heading_and_no_name(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    run = stored_run(tmp_path, names=("gpqa_diamond_micro", "math500_micro"))
    power.perform(PowerRequest(from_=run, delta=1.0))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    for words in ("gpqa_diamond_micro  ", f"{MEAN}  ", "guarded", "stated", "Left out at this width: sd of a seed."):
        assert words in shown


def test_samples_are_shown_as_a_range():
    assert power._range((5, 9)) == "5-9"
    assert power._range((5, 5)) == "5"
    assert power._range((27, None)) == "27+"
    assert power._range((None, None)) == "never"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a directory") as caught:
        power.perform(PowerRequest(items=500, json=tmp_path / "file" / "plan.json"))
    assert caught.value.fix.endswith("--json FILE")
