"""From sealed samples to scores: several samples are averaged, and disagreements of two graders are said."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from talan_eval.execution.run_worker import sample_name
from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec, TrainingSource, TunedBackbone
from talan_eval.generation.evaluate import EvaluatedAnswers
from talan_eval.generation_settings import GenerationSettings
from talan_eval.grid import Evaluation, plan
from talan_eval.pipeline.collect import collect
from talan_eval.records.notes import mixed_checkpoints
from talan_eval.records.samples import Sample, write_samples
from talan_eval.result.contrast import ContrastSpec
from talan_eval.store.failures import Failure
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

K = 2


def experiment():
    task = TaskSpec(
        name="math500",
        version="1:abc[k=2,t=0.7]",
        metric="exact_match",
        grader="math",
        n_items=3,
        n_train=9,
        items_hash="i",
        train_hash="t",
        runs_code=False,
        generation=GenerationSettings(samples=K, temperature=0.7),
        max_tokens=9,
        stop=("x",),
    )
    return Experiment(
        backbones=(
            TunedBackbone(
                identity=BackboneIdentity(name="micro", commit=None, sha256="0", note=""),
                training={},
                operating_point={},
                eval_batch=8,
            ),
        ),
        arms=("lora", "talan+lora"),
        contrasts=(ContrastSpec("lora", "talan+lora"),),
        seeds=(0, 1, 2),
        tasks=(task,),
        train=(TrainingSource(name="math500", n_train=9, train_hash="t"),),
        device="cpu",
        versions={},
    )


def samples(arm, seed):
    """Item 0 is right in every sample, item 1 in one of two in the treat arm, item 2 is unparsed in one of two."""
    for number in range(K):
        for item in range(3):
            right = item == 0 or (item == 1 and arm != "lora" and number == seed % 2)
            unparsed = item == 2 and number == 0
            verdict = "match" if right else "unparsed" if unparsed else "mismatch"
            symbolic = None if unparsed else "match" if right else "mismatch"
            strict = "mismatch" if item == 0 and arm == "lora" and number == 0 else verdict
            yield Sample(f"i{item}", "p", float(right), verdict, None, "", "", number, strict, symbolic)


def sealed(directory, asked, runs):
    """Seal the answers of some runs."""
    store = Store.open(directory, Manifest(asked.to_json(), "2026-01-01T00:00:00+00:00"))
    for run in runs:
        for cell in run.evaluations:
            evaluation = EvaluatedAnswers(tuple(samples(run.arm, run.seed)), {})
            record = {
                "kind": "evaluation",
                "arm": run.arm,
                "backbone": run.backbone,
                "seed": run.seed,
                "task": cell.task,
                "max_logit_change": 1.0,
                "seconds": 1.0,
                "disagreements": evaluation.disagreements,
            }
            store.seal(cell.cell_id, record, {sample_name(cell): write_samples(evaluation.samples)})
    return store


@pytest.fixture
def result(tmp_path):
    asked = experiment()
    return collect(sealed(tmp_path / "out", asked, plan(asked)), asked, plan(asked))


def test_an_item_scores_the_mean_of_its_samples(result):
    (cell,) = result.contrasts[0].cells
    assert cell.k == K
    assert cell.base_mean == pytest.approx(100 / 3)
    assert cell.treat_mean == pytest.approx(50)
    assert "k:2|" in result.signature
    assert "math500@1:abc[k=2,t=0.7]" in result.signature


def test_disagreements_of_the_two_graders_are_said(result):
    (said,) = [text for text in result.warnings if "graders disagree" in text]
    assert "lora / talan+lora: 0 / 0 are right by the normaliser alone and 3 / 0 by math-verify alone" in said


def test_generation_settings_read_back_from_json():
    asked = experiment()
    assert Experiment.model_validate(json.loads(json.dumps(asked.to_json()))) == asked


def test_what_is_missing_is_named_with_its_backbone_where_there_are_several(tmp_path):
    one = experiment()
    other = one.backbones[0].model_copy(
        update={"identity": BackboneIdentity(name="other", commit=None, sha256="1", note="")}
    )
    several = one.model_copy(update={"backbones": (one.backbones[0], other)})
    for asked, said in (
        (one, ["math500: no result of lora at seed 1, so"]),
        (several, [f"math500: no result of lora on {name} at seed 1, so" for name in ("micro", "other")]),
    ):
        runs = plan(asked)
        gone = [run for run in runs if (run.arm, run.seed) == ("lora", 1)]
        store = sealed(tmp_path / str(len(said)), asked, [run for run in runs if run not in gone])
        failures = {
            run.cell_id: Failure(run.cell_id, run.arm, run.seed, "", "memory", "no memory", "", 1) for run in gone
        }
        found = collect(store, asked, runs, failures)
        assert [text.split(" the pair")[0] for text in found.warnings if "no result" in text] == said
        assert len(found.failed_cells) == len(gone)


def test_a_run_that_was_trained_twice_is_named_with_its_backbone_and_without_the_seed_it_has_not():
    asked = experiment()
    runs = plan(asked)
    records = {cell.cell_id: SimpleNamespace(data={"weights": "a"}) for run in runs for cell in run.evaluations}
    assert mixed_checkpoints(asked, runs, records) == []
    twice = [replace(run, evaluations=(*run.evaluations, Evaluation("again", "other"))) for run in runs]
    records["again"] = SimpleNamespace(data={"weights": "b"})
    assert mixed_checkpoints(asked, twice, records)[0].startswith("lora at seed 0 was trained more than once")
    fixed = asked.model_copy(update={"fixed": ("lora",)})
    assert mixed_checkpoints(fixed, twice, records)[0].startswith("lora was trained more than once")
