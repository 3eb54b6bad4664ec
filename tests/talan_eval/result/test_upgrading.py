"""Results of the first schema: every number arrives, and what was published then can be gated and diffed today."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from talan_eval.comparison import ContrastSpec, StatisticsSettings, family_hash
from talan_eval.gate import CheckOutcome, GateSettings, decide
from talan_eval.gate.difference import difference_tables
from talan_eval.result.reading import read_result
from talan_eval.result.schema import json_schema

ROOT = Path(__file__).parents[3]
FIRST_SCHEMA = json.loads((ROOT / "docs" / "schema" / "result-1.json").read_text())
BUNDLED = json.loads((ROOT / "tests" / "data" / "result_schema_1.json").read_text())
NEW_IN_CELLS = {"base_seeds", "diverged_seeds", "treat_by_seed", "pairedness", "simultaneous_ci", "dropped_items"}


LATER = {
    "e0_mean", "outlying", "verdict_estimand", "margin_test", "dropped_items", "pairing_hash",
}  # fmt: skip


def first_form(result):
    """Write a result with one contrast as the first schema did."""
    document = json.loads(result.to_json())
    (contrast,) = document["contrasts"]

    def without(part, names):
        if isinstance(part, dict):
            return {key: without(value, names) for key, value in part.items() if key not in names}
        return [without(value, names) for value in part] if isinstance(part, list) else part

    later = {"permutation", "family_p", "positive", *NEW_IN_CELLS, *LATER}
    aggregate = without(contrast["aggregate"], later | {"base_mean", "treat_mean"})
    for part in (aggregate, *contrast["cells"], *contrast["slices"]):
        if part["e2"] is not None:
            part["e2"] = without(part["e2"], {"one_sided", "terms"})
        for pair in part.get("e0", []):
            del pair["p"]
    for entry in aggregate["backbones"]:
        del entry["e1"]
    return {
        "schema": 1,
        "base": contrast["base"],
        "treat": contrast["treatment"],
        "seeds": sorted({seed for cell in contrast["cells"] for seed in cell["seeds"]}),
        "primary": without(document["primary"], {"contrast", "weights"}),
        "cells": without(contrast["cells"], later),
        "slices": without(contrast["slices"], later),
        "aggregate": aggregate,
        "live_probes": [],
        **{name: document[name] for name in ("signature", "settings", "methods", "provenance", "sandbox", "warnings")},
    }


def numbers(part, place=""):
    """List every number of a document with its place."""
    if isinstance(part, dict):
        return {key: value for name, one in part.items() for key, value in numbers(one, f"{place}.{name}").items()}
    if isinstance(part, list):
        return {key: value for name, one in enumerate(part) for key, value in numbers(one, f"{place}.{name}").items()}
    return {place: part}


@pytest.fixture
def stored(tmp_path):
    def store(document, name="result.json"):
        (tmp_path / name).write_text(document if isinstance(document, str) else json.dumps(document))
        return tmp_path / name

    return store


def test_the_example_follows_the_schema_that_was_published():
    jsonschema.validate(BUNDLED, FIRST_SCHEMA)
    assert BUNDLED["schema"] == FIRST_SCHEMA["properties"]["schema"]["const"] == 1


@pytest.mark.parametrize("part", ["cells", "aggregate"])
def test_every_number_of_the_first_schema_is_copied(stored, part):
    result = read_result(stored(BUNDLED))
    jsonschema.validate(json.loads(result.to_json()), json_schema())
    now = numbers(json.loads(result.to_json())["contrasts"][0][part])
    then = numbers(BUNDLED[part])
    assert len(then) > 50
    assert {place: now[place] for place in then} == then


def test_whatever_else_the_first_schema_says_is_there(stored):
    result = read_result(stored(BUNDLED))
    (contrast,) = result.contrasts
    assert (contrast.base, contrast.treatment, contrast.pairing) == (BUNDLED["base"], BUNDLED["treat"], "paired")
    assert list(contrast.seeds) == BUNDLED["seeds"]
    assert (result.primary.contrast.base, result.primary.contrast.treatment) == (BUNDLED["base"], BUNDLED["treat"])
    now = json.loads(result.to_json())
    for name in ("signature", "settings", "methods", "provenance", "sandbox", "warnings"):
        assert now[name] == BUNDLED[name], name
    assert {**now["primary"], "contrast": None} == {**BUNDLED["primary"], "contrast": None, "weights": {}}
    unknown = ("block_max_logit_change", "relative_write", "bf16_survival", "adapter_kl", "block_kl", "merged_survival")
    later = {"backbone": "", **dict.fromkeys(unknown)}
    assert [{**probe, **later} for probe in BUNDLED["live_probes"]] == now["probes"]
    assert [{**cell, "backbone": ""} for cell in BUNDLED["failed_cells"]] == now["failed_cells"]


def test_the_arms_have_the_scores_of_the_cells(stored):
    result = read_result(stored(BUNDLED))
    base, treatment = result.arms
    assert (base.name, treatment.name, base.kind) == (BUNDLED["base"], BUNDLED["treat"], "trained")
    assert base.trained_parameters == BUNDLED["provenance"]["times"]["by_arm"]["lora"]["trained_parameters"]
    assert treatment.trained_parameters == BUNDLED["provenance"]["times"]["by_arm"]["talan+lora"]["trained_parameters"]
    for cell, one, other in zip(BUNDLED["cells"], base.scores, treatment.scores, strict=True):
        assert (one.task, one.metric, one.n_items, one.k) == (cell["task"], cell["metric"], cell["n_items"], cell["k"])
        assert (one.mean, other.mean) == (cell["base_mean"], cell["treat_mean"])
        assert (one.unparsed, other.unparsed) == (cell["base_unparsed"], cell["treat_unparsed"])
        assert list(one.by_seed) == cell["base_by_seed"]
        sums = [start + delta for start, delta in zip(cell["base_by_seed"], cell["deltas"], strict=True)]
        assert other.by_seed == pytest.approx(sums)
        assert sum(other.by_seed) / len(other.by_seed) == pytest.approx(cell["treat_mean"])


def test_the_cells_that_gained_are_counted_as_a_comparison_counts_them(stored, cell, result):
    gains = {"a": 0.2, "b": 0.0, "c": -0.2}
    found = result([cell(task, gain=gain) for task, gain in gains.items()])
    first = first_form(found)
    mean = read_result(stored(first)).contrasts[0].aggregate
    assert mean.positive == found.contrasts[0].aggregate.positive
    assert mean.backbones[0].positive == found.contrasts[0].aggregate.backbones[0].positive
    assert mean.positive.p is not None
    many = first_form(result([cell(seeds=17)]))
    assert read_result(stored(many)).contrasts[0].aggregate.positive.p is None  # not enumerated, counted all the same


def test_families_are_those_of_one_contrast(stored):
    scores, means = read_result(stored(BUNDLED)).families
    assert (scores.name, scores.contrasts, scores.cells) == ("scores", 1, len(BUNDLED["cells"]))
    assert (means.name, means.contrasts, means.cells) == ("means", 1, 1)
    assert scores.hash == means.hash == BUNDLED["primary"]["family_hash"]


def test_the_family_hash_of_one_paired_contrast_is_that_of_the_first_schema(stored):
    contrast = read_result(stored(BUNDLED)).contrasts[0]
    cells = [(cell.backbone, cell.task, cell.metric, cell.slice or "") for cell in contrast.cells]
    declared = ContrastSpec(contrast.base, contrast.treatment)
    assert family_hash([declared], cells) == BUNDLED["primary"]["family_hash"]
    other = ContrastSpec(contrast.base, contrast.treatment, "independent")
    assert family_hash([other], cells) != BUNDLED["primary"]["family_hash"]


def test_a_result_made_today_and_written_in_the_first_form_reads_back(cell, result, stored):
    labels = {"subject": tuple("ab"[number % 2] for number in range(80))}
    cells = [cell(seeds=7, items=80, labels=labels), cell("mbpp_micro", seeds=7, items=80, labels=labels)]
    one = result(cells, settings=StatisticsSettings(resamples=100, slices=("subject",)))
    document = first_form(one)
    assert len(document["slices"]) == 4
    jsonschema.validate(document, FIRST_SCHEMA)
    again = read_result(stored(document))
    assert again.primary == one.primary
    parts = [(*contrast.cells, *contrast.slices) for contrast in (*again.contrasts, *one.contrasts)]
    for now, was in zip(*parts, strict=True):
        assert now.treat_by_seed == pytest.approx(was.treat_by_seed)
        lost = NEW_IN_CELLS | LATER | {"e0", "e2"}
        assert now.model_dump(exclude=lost) == was.model_dump(exclude=lost)
        assert (now.e2.ci, now.e2.p, now.e2.df) == (was.e2.ci, was.e2.p, was.e2.df)
        assert [pair.ci for pair in now.e0] == [pair.ci for pair in was.e0]
    # the first form adjusted cells and slices together, and does not say that today's are two families
    assert [(family.name, family.cells) for family in again.families] == [("scores", 6), ("means", 1)]
    now, was = again.contrasts[0].aggregate, one.contrasts[0].aggregate
    assert (now.base_mean, now.treat_mean) == pytest.approx((was.base_mean, was.treat_mean))
    assert now.backbones[0].treat_mean == pytest.approx(was.backbones[0].treat_mean)
    assert now.family_p == was.family_p


def test_backbones_keep_their_own_means_and_parameters_are_not_shared_out(cell, result, stored):
    document = first_form(result([cell(), cell(backbone="other", gain=0.2)]))
    document["provenance"]["times"] = {"by_arm": {"lora": {"trained_parameters": 5}}}
    again = read_result(stored(document))
    assert [(arm.name, arm.backbone) for arm in again.arms] == [
        ("lora", "micro"), ("talan+lora", "micro"), ("lora", "other"), ("talan+lora", "other"),
    ]  # fmt: skip
    assert {arm.trained_parameters for arm in again.arms} == {None}
    assert {arm.kind for arm in again.arms} == {"logged"}
    for entry, one in zip(again.contrasts[0].aggregate.backbones, again.contrasts[0].cells, strict=True):
        assert (entry.base_mean, entry.treat_mean) == (one.base_mean, one.treat_mean)


def test_a_baseline_of_the_first_schema_gates_a_result_of_the_present_one(cell, result, stored):
    before, after = result([cell(items=400)]), result([cell(items=400, treat=cell(items=400).base)])
    old = read_result(stored(first_form(before)))
    assert "nothing changed" in decide(before, GateSettings(1.0), baseline=old).checks[0].text
    report = decide(after, GateSettings(1.0), baseline=old)
    change = after.contrasts[0].aggregate.delta - before.contrasts[0].aggregate.delta
    assert report.checks[0].delta == pytest.approx(change)
    assert report == decide(after, GateSettings(1.0), baseline=before)
    assert difference_tables(after, old) == difference_tables(after, before)


def test_a_committed_result_gates_against_itself_in_both_schemas(stored):
    old = read_result(stored(BUNDLED))
    new = read_result(stored(old.to_json(), "new.json"))
    assert json.loads(new.to_json())["schema"] == 2
    assert decide(new, GateSettings(1.5), baseline=old).outcome is CheckOutcome.PASS
    assert new == old
