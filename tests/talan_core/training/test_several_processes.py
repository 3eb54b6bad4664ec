"""Two processes that share a step train what one trains, replicated or sharded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from talan_core.errors import UserError
from talan_core.training.arguments import training_arguments
from talan_core.training_settings import TrainingSettings

WORKER = Path(__file__).parent / "worker_of_several.py"


def launch(mode, out):
    out.mkdir()
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if mode != "one" else []
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, *several, str(WORKER), mode, str(out)],
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((out / "result.json").read_text())


def tensors(directory):
    files = ("adapter_model.safetensors", "talan_model.safetensors")
    return {f"{file}:{name}": value for file in files for name, value in load_file(directory / file).items()}


def check_equal(directory, expected):
    found = tensors(directory)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: name + text)


@pytest.mark.slow
def test_two_processes_equal_one_replicated_and_sharded_and_sharded_runs_resume(tmp_path):
    one = launch("one", tmp_path / "one")
    expected = tensors(tmp_path / "one" / "arm")
    for mode in ("replicated", "sharded"):
        two = launch(mode, tmp_path / mode)
        assert two["sharded"] == (mode == "sharded")
        assert two["steps"] == one["steps"] == [1, 2, 3, 4]
        assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
        check_equal(tmp_path / mode / "arm", expected)  # the state is saved whole
        check_equal(tmp_path / mode / "run" / "checkpoint-4", expected)
    assert two["resumed_steps"] == [3, 4]
    assert two["resumed_losses"] == two["losses"]
    whole, resumed = tensors(tmp_path / "sharded" / "arm"), tensors(tmp_path / "sharded" / "resumed")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_processes_that_cannot_share_a_step_evenly_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.TrainingArguments.world_size", 2)
    settings = TrainingSettings(steps=1, accumulation=3)
    with pytest.raises(UserError, match=r"2 processes cannot share accumulation=3.*\n.*accumulation=4"):
        training_arguments(settings, seed=0, work_dir=tmp_path, device=torch.device("cpu"))
    shared = TrainingSettings(steps=1, accumulation=4)
    args = training_arguments(shared, seed=0, work_dir=tmp_path, device=torch.device("cpu"))
    assert args.gradient_accumulation_steps == 2
