"""What trains and what answers are separate: another lm-eval, grader or backend trains nothing again."""

from __future__ import annotations

import importlib.metadata

import pytest

from talan_eval import identity
from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec, TrainingSource, TunedBackbone
from talan_eval.grid import plan
from talan_eval.identity import AnsweringIdentity, TrainingIdentity, installed
from talan_eval.result.contrast import ContrastSpec

BACKEND = {"name": "transformers", "version": "5", "dtype": "float32", "attention": "sdpa"}


def experiment(training, answering):
    return Experiment(
        backbones=(
            TunedBackbone(
                identity=BackboneIdentity(name="micro", commit=None, sha256="0", note=""), training={"steps": 3},
                operating_point={}, eval_batch=8, answering=answering.versions(),
            ),
        ),
        arms=("lora", "talan+lora"),
        contrasts=(ContrastSpec("lora", "talan+lora"),),
        seeds=(0, 1),
        tasks=(
            TaskSpec(
                name="a", version="1:0", metric="m", grader="number", n_items=5, n_train=9, items_hash="i",
                train_hash="t", runs_code=False,
            ),
        ),
        train=(TrainingSource(name="a", n_train=9, train_hash="t"),),
        device="cpu",
        versions=training.versions(),
    )  # fmt: skip


def names(some):
    runs = plan(some)
    return {run.cell_id for run in runs}, {cell.cell_id for run in runs for cell in run.evaluations}


def here(grading="1", **backend):
    return experiment(TrainingIdentity.here(), AnsweringIdentity.here(grading, {**BACKEND, **backend}))


@pytest.fixture
def other_version(monkeypatch):
    """A factory: makes a package have another version."""

    def change(package):
        monkeypatch.setattr(identity, "version", lambda n: "99" if n == package else importlib.metadata.version(n))

    return change


@pytest.mark.parametrize("package", ["lm-eval", "math-verify", "sympy"])
def test_another_version_of_what_answers_keeps_the_trainings_and_no_answer(other_version, package):
    trainings, answers = names(here())
    other_version(package)
    assert names(here())[0] == trainings
    assert not names(here())[1] & answers


@pytest.mark.parametrize(
    "change", [{"grading": "2"}, {"name": "vllm"}, {"version": "6"}, {"dtype": "bfloat16"}, {"attention": "eager"}]
)
def test_another_grader_or_backend_keeps_the_trainings_and_no_answer(change):
    trainings, answers = names(here())
    assert names(here(**change))[0] == trainings
    assert not names(here(**change))[1] & answers
    assert here(**change).digest != here().digest


@pytest.mark.parametrize("package", ["talan-eval", "torch", "transformers", "peft", "tokenizers", "numpy"])
def test_another_version_of_what_trains_keeps_nothing(other_version, package):
    trainings, answers = names(here())
    other_version(package)
    assert not names(here())[0] & trainings
    assert not names(here())[1] & answers


def test_every_part_of_an_identity_is_named_once():
    training, answering = TrainingIdentity.here().versions(), AnsweringIdentity.here("1", BACKEND).versions()
    assert not training.keys() & answering.keys()
    assert training["python"]
    assert answering["backend.name"] == "transformers"
    assert "absent" not in {*training.values(), *answering.values()}
    assert installed(("no-such-package",)) == {"no-such-package": "absent"}
