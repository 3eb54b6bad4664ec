"""Scores that a program holds: every form of them gives the comparison that the same scores in a file give."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import talan_eval

QUICK = {"resamples": 50}


def drawn(arms=("lora", "dora", "ia3"), seeds=4, items=30, tasks=("a", "b")):
    draw = np.random.default_rng(0)
    return {arm: {task: (draw.random((seeds, items)) < 0.5).astype(float) for task in tasks} for arm in arms}


def rows_of(arrays):
    return [
        {"arm": arm, "seed": seed, "task": task, "item": f"q{item}", "score": score}
        for arm, tasks in arrays.items()
        for task, values in tasks.items()
        for seed, row in enumerate(values.tolist())
        for item, score in enumerate(row)
    ]


def columns_of(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def numbers(result):
    return [
        (contrast.name, cell.task, cell.delta, cell.e1.ci, cell.e1.p, cell.adjusted_p)
        for contrast in result.contrasts
        for cell in contrast.cells
    ]


@pytest.fixture(scope="module")
def from_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "scores.csv"
    rows = rows_of(drawn())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return talan_eval.compare_logs({arm: f"{path}:{arm}" for arm in drawn()}, **QUICK)


@pytest.mark.parametrize(
    "form",
    [
        pd.DataFrame,
        pl.DataFrame,
        pa.Table.from_pylist,
        columns_of,
        lambda rows: {name: np.array(values) for name, values in columns_of(rows).items()},
        lambda rows: {name: pd.Series(values) for name, values in columns_of(rows).items()},
        lambda rows: pd.DataFrame(rows).set_index("item"),
    ],
    ids=["pandas", "polars", "pyarrow", "lists", "numpy columns", "series", "an index that is the item"],
)
def test_tables_of_every_library_say_what_the_file_says(form, from_file):
    found = talan_eval.compare_scores(form(rows_of(drawn())), **QUICK)
    assert numbers(found) == numbers(from_file)


def test_arrays_by_arm_and_task_are_seeds_and_items(from_file):
    found = talan_eval.compare_scores(drawn(), **QUICK)
    assert numbers(found) == numbers(from_file)
    (first, *_) = found.contrasts[0].cells
    arrays = drawn()
    assert first.delta == pytest.approx(100 * (arrays["dora"]["a"] - arrays["lora"]["a"]).mean())
    assert first.deltas == pytest.approx(100 * (arrays["dora"]["a"] - arrays["lora"]["a"]).mean(axis=1))


def test_the_base_is_chosen_by_name_and_the_others_keep_their_order():
    found = talan_eval.compare_scores(drawn(), base="ia3", **QUICK)
    assert [one.name for one in found.contrasts] == ["lora against ia3", "dora against ia3"]


def test_arrays_of_one_dimension_are_one_checkpoint_each():
    arrays = {arm: values["a"][0] for arm, values in drawn().items()}
    found = talan_eval.compare_scores(arrays, **QUICK)
    assert found.contrasts[0].aggregate.verdict_estimand == "E0"
    assert found.contrasts[0].seeds == (0,)


def test_a_frame_without_seeds_is_one_checkpoint_of_each_arm():
    rows = [{name: row[name] for name in ("arm", "item", "score")} for row in rows_of(drawn(seeds=1, tasks=("a",)))]
    assert talan_eval.compare_scores(pd.DataFrame(rows), **QUICK).contrasts[0].seeds == (0,)


def test_missing_scores_are_refused_or_left_out_of_all_arms():
    arrays = {arm: values["a"] for arm, values in drawn().items()}
    arrays["dora"][2, 5] = np.nan
    with pytest.raises(talan_eval.UserError, match=r"item '5' \(row \d+: score is nan\)"):
        talan_eval.compare_scores(arrays, **QUICK)
    found = talan_eval.compare_scores(arrays, allow_unpaired="drop", **QUICK)
    assert found.contrasts[0].cells[0].dropped_items == ("5",)
    frame = pd.DataFrame(rows_of(drawn()))
    frame.loc[3, "score"] = None
    with pytest.raises(talan_eval.UserError, match="no score"):
        talan_eval.compare_scores(frame, **QUICK)


def test_scores_of_another_unit_are_declared():
    draw = np.random.default_rng(1)
    arrays = {arm: draw.normal(3, 1, (4, 25)) for arm in ("lora", "dora")}
    with pytest.raises(talan_eval.UserError, match="not a score from 0 to 1"):
        talan_eval.compare_scores(arrays, **QUICK)
    found = talan_eval.compare_scores(arrays, unit="score=nats", less_is_better="score", **QUICK)
    assert (found.measure.unit, found.measure.higher_is_better) == ("nats", False)


def test_the_same_scores_have_the_same_hash_and_other_scores_another():
    def hashed(arrays):
        return talan_eval.compare_scores(arrays, **QUICK).provenance["files_sha256"]

    other = drawn()
    other["lora"]["a"][0, 0] = 1 - other["lora"]["a"][0, 0]
    assert hashed(drawn()) == hashed(drawn()) != hashed(other)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (3, "no table and no arrays"),
        ([0.5, 0.5], "no table and no arrays"),
        ({}, "no table and no arrays"),
        ({"lora": np.zeros((2, 3))}, "name lora; a comparison needs two"),
        ({"lora": np.zeros((2, 3)), "dora": "high"}, "dora in scores are no array of numbers"),
        ({"lora": np.zeros((2, 3)), "dora": np.zeros((2, 3, 4))}, r"shape \(2, 3, 4\)"),
        ({"lora": np.zeros((0, 3)), "dora": np.zeros((0, 3))}, r"shape \(0, 3\)"),
        ({"arm": ["lora", "dora"], "item": ["a"], "score": [1.0, 0.0]}, "unequal lengths: arm has 2, item has 1"),
        ({"arm": "lora", "score": [1.0]}, "column arm is 'lora', no list"),
        (pd.DataFrame({"item": ["a"], "score": [1.0]}), "name no arm"),
        (pd.DataFrame({"arm": ["x", "y"], "score": [1.0, 0.0]}), "no value for item"),
        (pd.DataFrame({"arm": ["x", "y"], "item": [1, "b"], "score": [1.0, 0.0]}), "data frame cannot be read"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_give(scores, says):
    with pytest.raises(talan_eval.UserError, match=says) as error:
        talan_eval.compare_scores(scores)
    assert error.value.fix


def test_an_unknown_base_is_refused():
    with pytest.raises(talan_eval.UserError, match="Unknown arm 'full'"):
        talan_eval.compare_scores(drawn(), base="full")


def test_reports_are_written_where_they_are_asked_for(tmp_path):
    found = talan_eval.compare_scores(drawn(), out=tmp_path / "out", json=tmp_path / "own.json", **QUICK)
    assert talan_eval.load_result(tmp_path / "out").to_json() == found.to_json()
    assert (tmp_path / "own.json").read_text("utf-8") == found.to_json()
