"""Training on what is evaluated is refused before anything is trained; where it is allowed, the result says so."""

from __future__ import annotations

import dataclasses

import pytest

from talan_core.errors import UserError
from talan_eval.generation_settings import GenerationSettings
from talan_eval.intake.prepare import _contaminated
from talan_eval.intake.training_data import load_training_data
from talan_eval.intake.training_names import of_benchmarks
from talan_eval.records.notes import contamination
from talan_eval.requests.compare import CompareRequest
from talan_eval.tasks.benchmark import load_benchmark


@pytest.fixture(scope="module")
def clean():
    return load_benchmark("gsm8k_micro", data_dir=None, limit=5)


@pytest.fixture(scope="module")
def leaky(clean):
    copies = tuple((f"  {item.prompt.upper()} ", "whatever") for item in clean.items[:2])
    return dataclasses.replace(clean, training=(*clean.training[:3], *copies))


def learned(benchmark):
    return load_training_data(of_benchmarks(["one"]), {"one": benchmark}, GenerationSettings())


def test_the_bundled_benchmarks_are_clean(clean):
    assert _contaminated(CompareRequest(), learned(clean), [clean]) == 0


def test_training_on_evaluated_items_is_refused_with_their_count(clean, leaky):
    with pytest.raises(UserError, match=r"2 of 5 training items.*\n.*--train-tasks"):
        _contaminated(CompareRequest(), learned(leaky), [clean])


def test_where_it_is_allowed_the_result_says_how_many(clean, leaky):
    found = _contaminated(CompareRequest(allow_contaminated=True), learned(leaky), [clean])
    assert found == 2
    experiment = type("Asked", (), {"contaminated": found, "contrasts": ("talan+lora against lora",)})()
    assert contamination(experiment) == ["2 training items are also evaluated items; a gain could be memory."]
    experiment.contrasts = ()
    assert contamination(experiment) == ["2 training items are also evaluated items; the score could be memory."]
    experiment.contaminated = 0
    assert contamination(experiment) == []
