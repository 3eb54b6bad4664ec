"""An own YAML file, trained and compared: the task's questions, its scores, its mean in the table."""

from __future__ import annotations

import json

import pytest
import yaml

import talan_eval

ACC = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
MATCH = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    place = tmp_path_factory.mktemp("tasks")
    rows = {
        name: [{"q": f"What is {n} plus {shift}?", "gold": n % 2, "want": str(n + shift)} for n in range(8)]
        for name, shift in (("train", 3), ("test", 2))
    }
    for name, content in rows.items():
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    usual = {
        "dataset_path": "json", "test_split": "test", "training_split": "train", "doc_to_text": "{{q}}",
        "dataset_kwargs": {"data_files": {name: str(place / f"{name}.jsonl") for name in rows}},
    }  # fmt: skip
    chosen = {"output_type": "multiple_choice", "doc_to_choice": ["even", "odd"], "doc_to_target": "gold",
              "metric_list": [ACC]}  # fmt: skip
    said = {"output_type": "generate_until", "doc_to_target": "{{want}}", "metric_list": [MATCH],
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4}}  # fmt: skip
    for name, own in (("parity", chosen), ("sums", said)):
        (place / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **usual, **own}), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def result(tasks, tmp_path_factory):
    return talan_eval.compare(
        base="lora", treat="talan+lora", seeds=[0], tasks=["parity", str(tasks / "sums.yaml")], include_path=[tasks],
        steps=4, workers=1, resamples=50, recipe={"batch_size": 2}, out=tmp_path_factory.mktemp("out") / "own",
        quiet=True,
    )  # fmt: skip


def test_both_tasks_are_cells_with_the_metrics_of_their_files(result):
    cells = result.contrasts[0].cells
    assert [(cell.task, cell.metric, cell.n_items) for cell in cells] == [
        ("parity", "acc", 8),
        ("sums", "exact_match", 8),
    ]
    assert result.contrasts[0].aggregate.n_cells == 2


def test_the_loss_on_their_solutions_is_measured(result):
    assert [cell.task for cell in result.loss.contrasts[0].cells] == ["parity", "sums"]


def test_what_was_asked_is_in_the_provenance(result):
    first, second = result.provenance["experiment"]["tasks"]
    assert (first["grader"], first["max_tokens"], second["max_tokens"], second["stop"]) == ("lm-eval", 0, 4, ["\n"])
    assert first["n_train"] == second["n_train"] == 8


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tasks": "parity", "metric": "parity=f1"}, "Unknown metric of parity 'f1'"),
        ({"tasks": "parity", "metric": "sums=exact_match"}, "Unknown task in --metric 'sums'"),
        ({"tasks": "parity", "metric": "acc"}, "--metric acc names no metric of a task"),
        ({"tasks": "gsm8k_micro", "metric": "gsm8k_micro=acc"}, "gsm8k_micro has one metric, by our own grader"),
        ({"tasks": "parity", "samples_per_item": 2}, "scored by likelihoods, which have no samples"),
        ({"tasks": "parity", "few_shot": -1}, "--few-shot -1: must be 0 or more"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(tasks, tmp_path, options, says):
    with pytest.raises(talan_eval.UserError, match=says):
        talan_eval.compare(include_path=[tasks], seeds=[0], out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_training_items_that_are_asked_are_noticed(tasks, tmp_path):
    text = (tasks / "sums.yaml").read_text("utf-8").replace("training_split: train", "training_split: test")
    (tmp_path / "leak.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(talan_eval.UserError, match="8 of 8 training items are also evaluated items"):
        talan_eval.compare(tasks=[str(tmp_path / "leak.yaml")], seeds=[0], out=tmp_path / "out")
