"""Logs of HELM, lighteval, OpenAI evals, promptfoo and W&B tables, as their released versions wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from talan_core.errors import UserError

DATA = Path(__file__).parent / "data"
QUICK = {"resamples": 50}
DELTA = 100 * 2 / 6
"""Four of six sums are right in the treatment, two in the base, at both seeds."""

WORDS = {
    "helm": ("base={}/helm/base", "treat={}/helm/treat"),
    "lighteval": ("base={}/lighteval/base", "treat={}/lighteval/treat"),
    "openai-evals": ("base={}/openai_evals/base", "treat={}/openai_evals/treat"),
    "promptfoo": ("base={}/promptfoo", "treat={}/promptfoo"),
    "table": ("base={}/wandb_table/scores.table.json", "treat={}/wandb_table/scores.table.json"),
}
METRICS = {
    "helm": ("sums:kind=plus", "exact_match"),
    "lighteval": ("sums|0", "em"),
    "openai-evals": ("sums.dev.v0", "correct"),
    "promptfoo": ("sums", "score"),
    "table": ("sums", "score"),
}


@pytest.fixture
def data(tmp_path):
    shutil.copytree(DATA, tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("harness", WORDS)
def test_the_scores_are_those_that_the_harness_wrote(harness, compare_words):
    done = compare_words(*(word.format(DATA) for word in WORDS[harness]), **QUICK)
    (cell,) = done.result.contrasts[0].cells
    assert (cell.task, cell.metric) == METRICS[harness]
    assert (cell.seeds, cell.n_items) == ((0, 1), 6)
    assert cell.deltas == pytest.approx((DELTA, DELTA))
    assert cell.base_by_seed == pytest.approx((100 / 3, 100 / 3))
    assert done.result.provenance["harness"] == harness


@pytest.mark.parametrize("harness", ["helm", "lighteval", "openai-evals", "promptfoo"])
def test_the_same_item_under_another_question_does_not_pair(harness, compare_words, data):
    """The question of one item is changed in one arm."""
    if harness == "lighteval":
        for file in data.glob("lighteval/treat/*/*/*.parquet"):
            rows = pq.read_table(file).to_pylist()
            rows[0]["doc"]["query"] += "!"
            pq.write_table(pa.Table.from_pylist(rows), file)
    else:
        pattern = {"helm": "helm/treat/*/*/instances.json", "openai-evals": "openai_evals/treat/*/*.jsonl",
                   "promptfoo": "promptfoo/*/out.json"}[harness]  # fmt: skip
        for file in data.glob(pattern):
            if harness == "promptfoo":
                content = json.loads(file.read_text())
                for one in content["results"]["results"]:
                    if one["provider"]["id"] == "treat":
                        one["prompt"]["raw"] = one["prompt"]["raw"].replace("What is 0", "What was 0")
                file.write_text(json.dumps(content))
            else:
                file.write_text(file.read_text().replace("What is 0", "What was 0"))
    words = [word.format(data) for word in WORDS[harness]]
    with pytest.raises(UserError, match="Scores do not pair"):
        compare_words(*words, **QUICK)
    done = compare_words(*words, **QUICK, allow_unpaired="drop")
    assert done.result.contrasts[0].cells[0].n_items == 5


def test_helm_leaves_perturbed_instances_and_costs_aside_and_takes_trials_as_samples(compare_words, data):
    for file in data.glob("helm/*/*/*/per_instance_stats.json"):
        stats = json.loads(file.read_text())
        trials = [{**one, "train_trial_index": 1} for one in stats]
        perturbed = [{**one, "perturbation": {"name": "typos"}} for one in stats]
        file.write_text(json.dumps([*stats, *trials, *perturbed]))
    done = compare_words(*(word.format(data) for word in WORDS["helm"]), **QUICK)
    (cell,) = done.result.contrasts[0].cells
    assert (cell.k, cell.metric, cell.n_items) == (2, "exact_match", 6)
    assert cell.deltas == pytest.approx((DELTA, DELTA))
    assert any(
        "6 answers to perturbed instances are left aside" in text for text in (*done.notes, *done.result.warnings)
    )


def test_helm_names_the_models_of_a_suite(compare_words, data):
    for seed in (0, 1):
        for arm in ("base", "treat"):
            (run,) = (data / "helm" / arm / f"seed{seed}").iterdir()
            shutil.copytree(run, data / "suites" / f"seed{seed}" / run.name)
    with pytest.raises(UserError, match="holds several arms: 'ours/base', 'ours/treat'"):
        compare_words(f"{data}/suites/seed0", f"{data}/suites/seed1")
    done = compare_words(f"ours/base={data}/suites", f"ours/treat={data}/suites", **QUICK)
    assert done.result.contrasts[0].cells[0].deltas == pytest.approx((DELTA, DELTA))


def test_lighteval_takes_the_newest_details_of_a_model(compare_words, data):
    for file in data.glob("lighteval/*/*/*/*.parquet"):
        rows = pq.read_table(file).to_pylist()
        time = file.parent.name
        older = time.replace("2026", "2025")
        for row in rows:
            row["metric"]["em"] = 0.0
        (file.parent.parent / older).mkdir()
        target = file.parent.parent / older / file.name.replace(time, older)
        pq.write_table(pa.Table.from_pylist(rows), target)
    done = compare_words(*(word.format(data) for word in WORDS["lighteval"]), **QUICK)
    assert done.result.contrasts[0].cells[0].deltas == pytest.approx((DELTA, DELTA))
    assert any("1 older left aside" in text for text in (*done.notes, *done.result.warnings))


@pytest.mark.parametrize(
    ("harness", "file", "change", "said"),
    [
        ("helm", "helm/base/seed0/*/per_instance_stats.json", lambda text: text[:-40], "is not JSON or was cut off"),
        ("helm", "helm/base/seed0/*/run_spec.json", lambda _: "{}", "run_spec.json: there is no 'name'"),
        ("helm", "helm/base/seed0/*/per_instance_stats.json", lambda text: text.replace('"sum-0"', "[]"),
         r"per_instance_stats.json, \[0\].instance_id: it is \[\], no text"),
        ("helm", "helm/base/seed0/*/per_instance_stats.json", lambda text: text.replace('"sum": 1.0', '"sum": "x"'),
         "its sum is no number"),
        ("openai-evals", "openai_evals/base/seed0/*.jsonl", lambda text: text[:-30],
         "sums.jsonl, line 14: it is not JSON"),
        ("openai-evals", "openai_evals/base/seed0/*.jsonl", lambda text: text.replace('t": true', 't": 7'),
         "correct is 7"),
        ("openai-evals", "openai_evals/base/seed0/*.jsonl", lambda text: text.replace('"match"', '"raw"'),
         "scores no sample"),
        ("promptfoo", "promptfoo/seed0/out.json", lambda text: text.replace('"testIdx": 0', '"testIdx": "a"'),
         r"results.results\[\d+\].testIdx: it is 'a', no whole number"),
        ("promptfoo", "promptfoo/seed0/out.json", lambda text: text[:900], "is not JSON or was cut off"),
        ("table", "wandb_table/scores.table.json", lambda text: text.replace('["base",0,', '["base",', 1),
         r"scores.table.json, data\[0\]: it has 5 values, and there are 6 columns"),
        ("table", "wandb_table/scores.table.json", lambda text: text.replace('"prompt"]', '"item"]'), "called 'item'"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_named_with_file_and_place(harness, file, change, said, compare_words, data):
    (path,) = data.glob(file)
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=said):
        compare_words(*(word.format(data) for word in WORDS[harness]), **QUICK)


def test_a_run_of_helm_without_its_scores_is_named(compare_words, data):
    (run,) = (data / "helm" / "base" / "seed0").iterdir()
    (run / "run_spec.json").unlink()
    with pytest.raises(UserError, match=r"has no run_spec\.json"):
        compare_words(f"base={run}/per_instance_stats.json", f"treat={data}/helm/treat/seed0")


def test_two_logs_of_one_evaluation_are_not_one_run(compare_words, data):
    log = data / "openai_evals" / "base" / "seed0" / "sums.jsonl"
    shutil.copy(log, log.with_name("again.jsonl"))
    with pytest.raises(UserError, match=r"are both logs of sums\.dev\.v0"):
        compare_words(*(word.format(data) for word in WORDS["openai-evals"]))


def test_a_call_that_promptfoo_could_not_make_is_no_wrong_answer(compare_words, data):
    for file in data.glob("promptfoo/*/out.json"):
        content = json.loads(file.read_text())
        failed = next(one for one in content["results"]["results"] if one["provider"]["id"] == "treat")
        failed |= {"score": 0, "success": False, "failureReason": 2, "error": "API error: 503"}
        file.write_text(json.dumps(content))
    words = [word.format(data) for word in WORDS["promptfoo"]]
    with pytest.raises(UserError, match=r"an error was logged|only in the first"):
        compare_words(*words, **QUICK)
    done = compare_words(*words, **QUICK, allow_unpaired="drop")
    assert done.result.contrasts[0].cells[0].n_items == 5
