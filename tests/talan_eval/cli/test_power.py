"""``talan-eval power``: plans from assumptions and from stored runs."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.cli import power
from talan_eval.cli.output import terminal
from talan_eval.comparison import ContrastSpec
from talan_eval.planning.advice import advise, power_curves
from talan_eval.planning.forecast import MEAN, TABLE_SEEDS, make_plan
from talan_eval.requests.power import PowerRequest
from talan_eval.result.reading import read_result

ROOT = Path(__file__).parents[3]


@pytest.fixture
def stored_run(many):
    """Return a function that writes a result of one or several contrasts."""

    def store(path, n_seeds=7, names=("one", "two"), k=1, arms=None, **grid):
        made = many(arms=arms or {"lora": 0.0, "talan+lora": 0.05}, tasks=names, seeds=n_seeds, items=120, **grid)
        contrasts = [
            one.model_copy(update={"cells": tuple(cell.model_copy(update={"k": k}) for cell in one.cells)})
            for one in made.contrasts
        ]
        path.mkdir(parents=True, exist_ok=True)
        (path / "result.json").write_text(made.model_copy(update={"contrasts": tuple(contrasts)}).to_json())
        return path

    return store


def test_assumed_components_reproduce_the_specification():
    (row,) = make_plan(PowerRequest(items=198, delta=1.4)).rows
    assert row.t_mde == pytest.approx(4.2, abs=0.1)
    assert row.mde > row.t_mde
    assert row.t_seeds == pytest.approx(46, abs=2)
    assert row.seeds >= row.t_seeds - 1
    assert row.table[TABLE_SEEDS.index(7)][0] == pytest.approx((row.mde,))
    assert make_plan(PowerRequest(items=198, samples=8)).rows[0].t_mde == pytest.approx(1.9, abs=0.1)


def test_one_of_four_benchmarks_is_found_seldom_and_their_mean_often():
    one, mean = make_plan(PowerRequest(items=500, delta=1.4, cells=4)).rows
    assert one.power == pytest.approx(0.085, abs=0.015)
    assert mean.power == pytest.approx(0.78, abs=0.015)
    assert one.t_power > 3 * one.power  # what other planners promise
    assert one.seeds > one.t_seeds
    more = make_plan(PowerRequest(items=500, delta=1.4, cells=4, contrasts=3)).rows
    assert more[0].power < one.power
    assert more[1].power == mean.power  # the first contrast's mean has an error rate of its own


def test_the_pass_of_a_gate_is_planned_for_what_a_gate_decides_on():
    one, mean = make_plan(PowerRequest(items=500, delta=1.4, cells=4)).rows
    assert (one.gate_margin, one.gate_pass) == (None, None)  # one benchmark among several never passes
    assert make_plan(PowerRequest(items=500, delta=mean.gate_margin, cells=4)).rows[1].gate_pass == pytest.approx(0.8)
    five, six = (make_plan(PowerRequest(items=500, seeds=seeds, delta=4.0)) for seeds in (5, 6))
    assert five.rows[0].gate_pass < five.rows[0].power - 0.05  # the bootstrap-t, which no verdict asks for
    assert six.rows[0].gate_pass > six.rows[0].power
    shown = power.main_table(five)
    (row,) = shown.rows
    assert row[[column.name for column in shown.columns].index("PASS at 4")] == f"{five.rows[0].gate_pass:.0%}"
    assert any("PASS at 4: the same chance with a margin of 4." in line for line in power.legend(five))
    assert make_plan(PowerRequest(items=500, alpha=0.6, power=0.9)).rows[0].gate_margin is None
    (two,) = make_plan(PowerRequest(items=500, seeds=2, delta=1.0)).rows
    assert (two.gate_margin, two.gate_pass) == (None, 0.0)


def test_two_seeds_and_single_benchmarks_of_four_seeds_have_no_verdict_to_plan():
    (row,) = make_plan(PowerRequest(items=500, seeds=2, delta=1.0)).rows
    assert (row.mde, row.power) == (None, 0.0)
    one, mean = make_plan(PowerRequest(items=500, seeds=4, cells=2, delta=2.0)).rows
    assert (one.mde, one.power) == (None, 0.0)
    assert mean.mde is not None


def test_a_stored_run_gives_its_own_spread_back(tmp_path, stored_run):
    run = stored_run(tmp_path / "run")
    plan = make_plan(PowerRequest(from_=run, delta=2.0))
    assert [row.name for row in plan.rows] == ["one", "two", MEAN]
    cells = json.loads((run / "result.json").read_text())["contrasts"][0]["cells"]
    for row, cell in zip(plan.rows, cells, strict=False):
        squares = cell["mean_squares"]
        # a spread below the noise of the items is raised to it
        want = np.sqrt(max(squares["seed"], squares["error"]) / 120)
        assert row.seed_sd == pytest.approx(want)
    gains = np.mean([cell["deltas"] for cell in cells], axis=0)
    assert plan.rows[-1].seed_sd >= gains.std(ddof=1) - 1e-9
    assert plan.rows[-1].mde < min(row.mde for row in plan.rows[:-1])
    assert (plan.n_seeds, plan.k, plan.n_cells) == (7, 1, 2)


def test_samples_are_a_range_where_decoding_was_not_measured(tmp_path, stored_run):
    plan = make_plan(PowerRequest(from_=stored_run(tmp_path)))
    low, high = plan.rows[0].table[0][-1]
    assert low < high
    assert plan.rows[0].table[0][0] == pytest.approx((high, high))


def test_options_override_the_stored_run(tmp_path, stored_run):
    run = stored_run(tmp_path)
    plan = make_plan(PowerRequest(from_=run, seeds=14, items=480, samples=4, cells=8, contrasts=2))
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
        ({"from_": Path("nowhere")}, "such as: talan-eval power --from results/NAME"),
        ({"items": 500, "contrast": "a:b"}, "--from RESULT --contrast 'a:b'"),
    ],
)
def test_mistakes_end_in_what_to_type(options, says):
    with pytest.raises(UserError, match=says):
        make_plan(PowerRequest(**options))


def test_files_that_are_no_basis_for_a_plan_are_refused(tmp_path, stored_run):
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(UserError, match="no result of talan-eval"):
        make_plan(PowerRequest(from_=tmp_path / "list.json"))
    with pytest.raises(UserError, match="single seed"):
        make_plan(PowerRequest(from_=stored_run(tmp_path / "one", n_seeds=1)))


def on_terminal(monkeypatch, columns):
    """Let the command find a terminal of so many columns, without colours, in place of a pipe."""
    console = partial(terminal, width=columns, force_terminal=True, color_system=None)
    monkeypatch.setattr(power, "terminal", console)


def test_in_a_pipe_the_plan_has_every_column_and_no_padding(tmp_path, stored_run, capsys):
    power.perform(PowerRequest(from_=stored_run(tmp_path), delta=1.0))
    shown = capsys.readouterr().out
    header = next(line for line in shown.splitlines() if line.startswith("benchmark\t"))
    assert {"sd of a seed", "overstated", "seeds needed by the t"} <= set(header.split("\t"))
    assert "Left out" not in shown
    assert "  " not in shown


def test_the_plan_is_printed_and_written(tmp_path, stored_run, capsys, monkeypatch):
    on_terminal(monkeypatch, 140)
    power.perform(PowerRequest(from_=stored_run(tmp_path), delta=1.0, json=tmp_path / "new" / "plan.json"))
    shown = capsys.readouterr().out
    for words in ("MDE 80%", "needed  the t   needed", "k = 8", MEAN, "Sign flips of 7 seeds"):
        assert words in shown
    assert json.loads((tmp_path / "new" / "plan.json").read_text())["n_cells"] == 2


def test_eighty_columns_cut_no_heading_and_no_name(tmp_path, stored_run, capsys, monkeypatch):
    on_terminal(monkeypatch, 80)
    run = stored_run(tmp_path, names=("gpqa_diamond_micro", "math500_micro"))
    power.perform(PowerRequest(from_=run, delta=1.0))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    for words in ("gpqa_diamond_micro  ", f"{MEAN}  ", "of the t", "Left out at this width: "):
        assert words in shown


def test_a_contrast_is_chosen_by_name_and_the_primary_one_is_the_default(tmp_path, stored_run):
    arms = {"lora": 0.0, "talan+lora": 0.05, "dora": -0.1}
    run = stored_run(tmp_path, arms=arms)
    primary, first, second = (
        make_plan(PowerRequest(from_=run, contrast=name)) for name in (None, "talan+lora:lora", "dora:lora")
    )
    assert primary.rows == first.rows != second.rows
    stored = json.loads((run / "result.json").read_text())["contrasts"]
    for plan, contrast in ((first, stored[0]), (second, stored[1])):
        for row, cell in zip(plan.rows, contrast["cells"], strict=False):
            squares = cell["mean_squares"]
            assert row.seed_sd == pytest.approx(np.sqrt(max(squares["seed"], squares["error"]) / 120))
        assert (plan.n_cells, plan.n_contrasts) == (4, 2)
        assert plan.holm_floor == pytest.approx(4 * 2**-6)
    assert "for talan+lora against lora (one of 2 contrasts; --contrast chooses another)" in primary.basis
    assert "for dora against lora (one of 2 contrasts) with 7 seeds" in second.basis
    assert "Holm over the 4 cells of 2 contrasts gives" in power.floors(second)[1]
    with pytest.raises(UserError, match="Did you mean --contrast 'dora:lora'"):
        make_plan(PowerRequest(from_=run, contrast="dorra:lora"))


def test_a_plan_from_the_first_schema_is_that_of_the_same_numbers_today(tmp_path):
    first = ROOT / "tests" / "data" / "result_schema_1.json"
    (tmp_path / "result.json").write_text(read_result(first).to_json())
    old, new = make_plan(PowerRequest(from_=first, delta=1.0)), make_plan(PowerRequest(from_=tmp_path, delta=1.0))
    assert old.rows == new.rows
    assert [row.name for row in old.rows] == [
        "gpqa_diamond_micro", "gsm8k_micro", "math500_micro", "mbpp_micro", MEAN,
    ]  # fmt: skip


def test_benchmarks_with_other_seeds_have_no_mean_to_plan(tmp_path, cell, result):
    shifted = cell("mbpp_micro", seeds=7)
    same = result([cell(seeds=7), shifted])
    other = result([cell(seeds=7), dataclasses.replace(shifted, seeds=tuple(range(1, 8)))])
    names = []
    for one in (same, other):
        (tmp_path / "result.json").write_text(one.to_json())
        names.append([row.name for row in make_plan(PowerRequest(from_=tmp_path)).rows])
    assert [MEAN in found for found in names] == [True, False]


def test_independent_seeds_are_no_basis_for_a_plan(tmp_path, many):
    made = many(arms={"lora": 0.0, "dora": 0.1}, contrasts=[ContrastSpec("lora", "dora", "independent")])
    (tmp_path / "result.json").write_text(made.to_json())
    with pytest.raises(UserError, match="are independent, and a plan needs differences by seed"):
        make_plan(PowerRequest(from_=tmp_path))
    assert advise(made) is None
    assert power_curves(made) == ()


def test_advice_is_about_the_contrast_that_is_asked_for(many):
    made = many(arms={"lora": 0.0, "talan+lora": 0.02, "dora": 0.3})
    first, second = made.contrasts
    assert advise(made) == advise(made, 1.0, first)
    assert power_curves(made) == power_curves(made, contrast=first)
    assert power_curves(made) != power_curves(made, contrast=second)
    assert advise(made, 1.0, first).seeds != advise(made, 1.0, second).seeds


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
