"""An evaluation that runs out of memory starts all of them again with fewer prompts at a time."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from talan_eval.cli.main import app
from talan_eval.execution import executors
from talan_eval.execution.attempts import TooManyPromptsError, perform_safely
from talan_eval.execution.local_executor import load_worker
from talan_eval.generation.transformers_backend import TransformersGenerator
from talan_eval.intake import prepare as intake
from talan_eval.pipeline.session import IncompleteGridError
from talan_eval.pipeline.smaller_batches import in_batches_that_fit
from talan_eval.requests.compare import CompareRequest

WORDS = (
    "compare", "--base", "lora", "--treat", "talan+lora", "--seeds", "1", "--steps", "4", "--limit", "4", "--tasks",
    "gsm8k_micro", "--max-tokens", "8", "--workers", "1", "--no-loss",
)  # fmt: skip


def prepared_with(*batches, backend="transformers", directory="out"):
    """What `prepare` makes, as far as it is looked at here."""
    return intake.Prepared(
        experiment=SimpleNamespace(backbones=[SimpleNamespace(eval_batch=batch) for batch in batches]),
        assignments=(SimpleNamespace(backend=backend, directory=directory),),
        workers=1,
        retries=0,
        statistics=None,
        lengths=None,
    )


class Fitting:
    """Work whose evaluations fit with so many prompts at a time; keeps what it was asked."""

    def __init__(self, most):
        self.most = most
        self.asked = []

    def __call__(self, request, prepared):
        (backbone,) = prepared.experiment.backbones
        self.asked.append((backbone.eval_batch, request.eval_batch, request.out, prepared.may_stop))
        if backbone.eval_batch > self.most and prepared.may_stop:
            raise TooManyPromptsError("lora seed 0 on gsm8k")
        return backbone.eval_batch


@pytest.fixture
def preparing(monkeypatch):
    def prepare(request):
        return prepared_with(request.eval_batch, directory=request.out)

    monkeypatch.setattr(intake, "prepare", prepare)


@pytest.mark.usefixtures("preparing")
def test_the_batch_is_halved_until_it_fits_each_time_in_a_directory_of_its_own(tmp_path):
    said, work = [], Fitting(16)
    request = CompareRequest(out=tmp_path / "run")
    assert in_batches_that_fit(work, request, prepared_with(64), said.append) == 16
    assert work.asked == [
        (64, None, tmp_path / "run", True),
        (32, 32, tmp_path / "run-32", True),
        (16, 16, tmp_path / "run-16", True),
    ]
    assert len(said) == 2
    assert said[0].startswith("lora seed 0 on gsm8k: out of memory with 64 prompts at a time. All arms are asked again")
    assert str(tmp_path / "run-32") in said[0]
    assert said[0].endswith("type --eval-batch 64")


@pytest.mark.usefixtures("preparing")
def test_no_backbone_gets_a_larger_batch_than_it_had(tmp_path):
    two = prepared_with(64, 30, directory=tmp_path)
    asked, said = [], []

    def work(asking, prepared):
        batches = [one.eval_batch for one in prepared.experiment.backbones]
        asked.append((asking.eval_batch, batches, prepared.may_stop))
        if len(asked) == 1:
            raise TooManyPromptsError("lora seed 0 on gsm8k")
        return "done"

    assert in_batches_that_fit(work, CompareRequest(out=tmp_path), two, said.append) == "done"
    assert asked == [(None, [64, 30], True), (15, [15], True)]
    assert "out of memory with 64 or 30 prompts at a time" in said[0]


@pytest.mark.usefixtures("preparing")
def test_the_directory_beside_one_without_a_name_is_found(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    work = Fitting(32)
    in_batches_that_fit(work, CompareRequest(out=Path()), prepared_with(64), lambda _: None)
    assert work.asked[1][2] == tmp_path / "here-32"


@pytest.mark.usefixtures("preparing")
def test_one_prompt_at_a_time_is_not_halved(tmp_path):
    work = Fitting(0)
    in_batches_that_fit(work, CompareRequest(out=tmp_path), prepared_with(2), lambda _: None)
    assert [may_stop for *_, may_stop in work.asked] == [True, False]


@pytest.mark.parametrize(
    ("request_", "prepared"),
    [(CompareRequest(eval_batch=64), prepared_with(64)), (CompareRequest(), prepared_with(256, backend="vllm"))],
    ids=["typed", "a backend of its own batches"],
)
def test_a_batch_that_is_not_ours_to_choose_is_kept(request_, prepared):
    work = Fitting(1)
    in_batches_that_fit(work, request_, prepared, pytest.fail)
    assert [may_stop for *_, may_stop in work.asked] == [False]


class InThisProcess:
    """Performs runs here, where the backend can be replaced."""

    def perform_all(self, assignments, attempts, report):
        while (run := attempts.next()) is not None:
            attempts.ended(run, perform_safely(lambda: load_worker(assignments, 0), run, report))


@pytest.fixture
def starving(monkeypatch):
    """More than 16 prompts at a time do not fit; returns how many were asked for at each evaluation."""
    asked = []
    generate = TransformersGenerator.generate

    def of_little_memory(self, prompts, settings):
        asked.append(self._batch_size)
        if self._batch_size > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(self, prompts, settings)

    monkeypatch.setattr(TransformersGenerator, "generate", of_little_memory)
    monkeypatch.setitem(vars(executors), "EXECUTORS", {"local": lambda _, __: InThisProcess()})
    return asked


def compare(*words):
    return CliRunner().invoke(app, [*WORDS, *words], env={"COLUMNS": "300"}, catch_exceptions=False)


def batches_of(directory):
    (backbone,) = json.loads((directory / "manifest.json").read_text())["experiment"]["backbones"]
    return backbone["eval_batch"]


def test_a_comparison_ends_in_a_table_and_all_its_arms_were_answered_in_equal_batches(starving, tmp_path):
    out = tmp_path / "run"
    done = compare("--out", str(out))
    assert done.exit_code == 0, done.output
    asked = [64, 64, 64, 32, 32, 32, 16, 16]  # two arms, and the first one once more before it is given up
    assert starving == asked
    assert "All arms are asked again with 32" in done.stdout
    assert "All arms are asked again with 16" in done.stdout
    assert f"Written to {out}-16:" in done.stdout
    assert not (out / "result.json").exists()
    assert [batches_of(tmp_path / name) for name in ("run", "run-32", "run-16")] == [64, 32, 16]
    checkpoints = [{path.name for path in (tmp_path / name / "checkpoints").iterdir()} for name in ("run", "run-16")]
    assert checkpoints[0] == checkpoints[1]
    assert len(checkpoints[0]) == 2
    for taken in checkpoints[0]:
        weights = f"checkpoints/{taken}/adapter_model.safetensors"
        one, other = out / weights, tmp_path / "run-16" / weights
        assert one.stat().st_ino == other.stat().st_ino, "trained again"

    again = compare("--out", str(out))
    assert again.exit_code == 0
    assert starving == asked, "what is known not to fit is not asked again, what is there neither"

    with pytest.raises(IncompleteGridError) as typed:
        compare("--out", str(tmp_path / "typed"), "--eval-batch", "64")
    assert f"--eval-batch 32 --out {tmp_path / 'typed'}-32" in typed.value.fix
