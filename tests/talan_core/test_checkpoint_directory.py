"""One directory holds partner and block, loads bit-equal, and stays honest to plain PEFT."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.errors import UserError
from talan_core.probe import adapter_is_live
from talan_core.quiet import library_warnings_silenced


def trained(backbone, arm="talan[layer=1]+lora"):
    """An arm with random values everywhere, as after training."""
    model = build(backbone, parse_arm(arm), seed=0).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def saved(model, directory):
    with library_warnings_silenced():
        model.save_pretrained(str(directory))
    return directory


@pytest.mark.parametrize(
    "arm", ["lora", "dora", "rslora", "talan[layer=1]+lora", "talan+dora", "talan[scope=frozen]+rslora"]
)
def test_a_saved_arm_loads_bit_equal(backbone, tokens, tmp_path, arm):
    model = trained(backbone(), arm)
    saved(model, tmp_path)
    loaded = talan_core.load(tmp_path, backbone())
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_the_partner_file_holds_no_block(backbone, tokens, tmp_path):
    model = trained(backbone())
    saved(model, tmp_path)
    assert not [name for name in load_file(tmp_path / "adapter_model.safetensors") if "talan" in name]
    assert json.loads((tmp_path / "talan_config.json").read_text())["slots"] == 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plain = PeftModel.from_pretrained(backbone(), str(tmp_path))
    assert [str(w.message) for w in caught if "talan" in str(w.message)]
    model.talan.enabled = False
    with torch.no_grad():
        assert torch.equal(plain(tokens).logits, model(tokens).logits)


def test_merging_keeps_the_block(backbone, tokens, tmp_path):
    model = trained(backbone())
    with torch.no_grad():
        before = model(tokens).logits
        with pytest.warns(UserWarning, match="stays active"):
            merged = model.merge_and_unload()
        torch.testing.assert_close(merged(tokens).logits, before, atol=1e-4, rtol=1e-4)
        merged.talan.enabled = False
        assert not torch.allclose(merged(tokens).logits, before, atol=1e-3)
    merged.save_pretrained(tmp_path)
    assert not [name for name in load_file(tmp_path / "model.safetensors") if "talan" in name]


def test_another_backbone_is_refused(backbone, tmp_path):
    saved(trained(backbone()), tmp_path)
    with pytest.raises(UserError, match=r"was made for .* 4 layers; this backbone has 32 and 3"):
        talan_core.load(tmp_path, backbone(num_hidden_layers=3))


def test_a_directory_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"neither adapter_config.json nor talan_arm.json"):
        talan_core.load(tmp_path)


def test_the_probe_tells_a_live_adapter_from_a_dead_one(backbone, tokenizer):
    assert adapter_is_live(build(backbone(), parse_arm("talan+lora"), seed=0), tokenizer, "1+1=") == 0.0
    model = trained(backbone())
    assert adapter_is_live(model, tokenizer, "1+1=") > 0
    model.talan.enabled = False
    partner_alone = adapter_is_live(model, tokenizer, "1+1=")
    assert partner_alone > 0
    assert not model.talan.enabled
