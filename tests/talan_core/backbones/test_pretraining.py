"""Backbones that are trained here: interrupted runs end alike, and what was built is found by its name."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3ForCausalLM

from talan_core.backbones.load import load_model, load_tokenizer, locate
from talan_core.backbones.micro import pretrain as module
from talan_core.backbones.micro.pretrain import export, model_config, pretrain, read_losses
from talan_core.backbones.micro.recipe import RECIPES, Architecture, Recipe
from talan_core.backbones.names import BY_NAME, MICRO_WEIGHTS
from talan_core.errors import UserError

TINY = Recipe(
    Architecture(2, 16, 24, heads=2, key_value_heads=1, head=8), steps=5, learning_rate=1e-3, batch=2, length=32
)


def parameters(recipe):
    with torch.device("meta"):
        return sum(p.numel() for p in Qwen3ForCausalLM(model_config(recipe.architecture)).parameters())


def test_sizes_are_what_the_pages_say():
    assert 1.25e6 < parameters(RECIPES["micro"]) < 1.35e6
    assert 10.9e6 < parameters(RECIPES["mini"]) < 11.1e6
    shipped = load_file(MICRO_WEIGHTS / "model.safetensors")
    assert sum(value.numel() for value in shipped.values()) == parameters(RECIPES["micro"])


def test_a_run_that_was_killed_ends_as_one_that_was_not_and_is_found_by_its_name(tmp_path, monkeypatch):
    whole = pretrain(tmp_path / "whole", TINY, save_every=2)
    genuine = module.batch_at

    def killed(step, *args):
        if step == 3:
            raise KeyboardInterrupt
        return genuine(step, *args)

    monkeypatch.setattr(module, "batch_at", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tmp_path / "killed", TINY, save_every=2)
    monkeypatch.setattr(module, "batch_at", genuine)
    pretrain(tmp_path / "killed", TINY, save_every=9, until=4)
    with pytest.raises(ValueError, match="at step 4 of 5"):
        export(tmp_path / "killed", "mini", TINY, tmp_path / "out")
    again = pretrain(tmp_path / "killed", TINY, save_every=2)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
    assert [step for step, _ in read_losses(tmp_path / "killed" / "loss.csv")] == [0]

    spec = dataclasses.replace(BY_NAME["mini"], location=str(tmp_path / "out"))
    with pytest.raises(UserError, match="mini is not shipped, and was not built here yet") as caught:
        locate(spec)
    assert "make mini" in caught.value.fix
    export(tmp_path / "killed", "mini", TINY, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "# mini\n" in card
    assert "pretrain --name mini --work DIR" in card
    found = load_model(locate(spec), "float32", torch.device("cpu"))
    assert torch.equal(found.model.embed_tokens.weight, again.model.embed_tokens.weight)
    assert load_tokenizer(locate(spec)).padding_side == "left"
