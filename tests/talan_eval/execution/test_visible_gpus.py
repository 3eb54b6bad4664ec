"""Each worker process sees its own GPUs, from before torch is imported; on mocked GPUs, with real processes."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers

from talan_core.backbones.load import Revision, load_model
from talan_core.errors import UserError
from talan_eval.execution.attempts import Attempts
from talan_eval.execution.local_executor import LocalExecutor
from talan_eval.execution.visible import VARIABLE, seeing, share_of, visible_gpus
from talan_eval.grid import Evaluation, Run
from talan_eval.intake.prepare import _gpus
from talan_eval.intake.room import Room
from talan_eval.requests.compare import CompareRequest
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store


@pytest.fixture
def sees(tmp_path, monkeypatch):
    """Run three workers side by side; gives what each saw, and whether torch was there before it was loaded."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "fakes")  # spawned processes inherit it
    fakes = importlib.import_module("fake_worker")
    store = Store.open(tmp_path / "out", Manifest({}, "now"))

    def go(**options):
        runs = [Run(f"train-{n}", "lora", "micro", n, (Evaluation(f"a-{n}", "a"),)) for n in range(3)]
        deeds = {f"train-{n}": ["wait"] for n in range(3)}  # so that every worker gets one
        started = []

        def release(event):
            started.append(event.stage)
            if started.count("start") == 3:
                (store.directory / "go").touch()

        attempts = Attempts(store, runs, 0, release)
        executor = LocalExecutor(3, fakes.FakeWorker, **options)
        executor.perform_all((fakes.Plan(store.directory, deeds),), attempts, release)
        return [(store.directory / f"sees-{n}").read_text() for n in range(3)]

    return go


def test_workers_take_the_gpus_in_turn_and_torch_comes_later(sees, monkeypatch):
    monkeypatch.setenv(VARIABLE, "2,5")
    assert sees(gpus=visible_gpus()) == ["2 False", "5 False", "2 False"]
    assert os.environ[VARIABLE] == "2,5"


def test_a_worker_of_several_gpus_sees_them_all(sees):
    assert sees(gpus=("0", "1", "2", "3"), gpus_each=2) == ["0,1 False", "2,3 False", "0,1 False"]
    assert VARIABLE not in os.environ


def test_on_the_cpu_nothing_is_hidden(sees, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert sees() == ["None False"] * 3


def test_gpus_are_named_as_the_environment_names_them(monkeypatch):
    monkeypatch.setenv(VARIABLE, "GPU-8932f937, MIG-2")
    assert visible_gpus() == ("GPU-8932f937", "MIG-2")
    monkeypatch.setenv(VARIABLE, "")
    assert visible_gpus() == ()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert visible_gpus() == ("0", "1")


def test_what_is_left_over_is_not_divided():
    gpus = tuple("01234")
    assert [share_of(gpus, number, 2) for number in range(3)] == ["0,1", "2,3", "0,1"]
    assert share_of(("0",), 3, 2) == "0"


def test_the_environment_comes_back_also_after_an_error(monkeypatch):
    monkeypatch.setenv(VARIABLE, "7")

    def fail():
        with seeing("0"):
            assert os.environ[VARIABLE] == "0"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.environ[VARIABLE] == "7"


def test_more_gpus_than_there_are_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _gpus(CompareRequest(gpus_per_run=2.0), "cuda") == 2
    with pytest.raises(UserError, match=r"torch sees 2 GPU\(s\).*\n.*--gpus-per-run 2"):
        _gpus(CompareRequest(gpus_per_run=3.0), "cuda")
    with pytest.raises(UserError, match=r"torch sees 0 GPU\(s\) for runs on cpu"):
        _gpus(CompareRequest(gpus_per_run=2.0), "cpu")
    assert _gpus(CompareRequest(gpus_per_run=0.5, executor="ray"), "cuda") == 1


def test_several_gpus_have_their_memory_together(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80))
    assert Room.here("cuda", 4, 2, 1.0).limit == 160
    assert Room.here("cuda", 4, 1, 1.0).limit == 80
    assert Room.here("cuda", 4, 1, 0.25).limit == 20
    assert Room.here("cpu", 2, 1, 1.0).limit == pytest.approx(Room.here("cpu", 1, 1, 1.0).limit / 2, rel=0.2)


def test_layers_are_divided_by_accelerate_and_not_moved_afterwards(monkeypatch):
    asked = {}
    model = torch.nn.Linear(1, 1)
    model.config = SimpleNamespace()
    monkeypatch.setattr(torch.nn.Module, "to", lambda *_: pytest.fail("a divided model must stay where it is"))
    loader = transformers.AutoModelForCausalLM
    monkeypatch.setattr(loader, "from_pretrained", lambda *_, **options: asked.update(options) or model)
    load_model(Revision("x", None, None), "bfloat16", torch.device("cuda"), divided=True)
    assert asked["device_map"] == "balanced"
