"""Merged weights say what an arm says without its block, for every partner that is a change of weights."""

from __future__ import annotations

import pytest
import torch

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.errors import UserError
from talan_core.merging import bf16_survival, merge, plain_tensors
from talan_core.partners import PARTNERS

MERGEABLE = [name for name, partner in PARTNERS.items() if partner.is_mergeable and name != "base"]


def saved(backbone, directory, arm, family="qwen3"):
    model = build(backbone(family), parse_arm(arm), seed=0).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(str(directory))
    return directory


@pytest.mark.parametrize("kind", MERGEABLE)
def test_every_mergeable_partner_says_the_same_merged(backbone, tokens, tmp_path, kind):
    directory = saved(backbone, tmp_path, kind)
    plain, arm = backbone(), talan_core.load(directory, backbone()).eval()
    merged = merge(talan_core.load(directory, backbone()))
    with torch.no_grad():
        before, after, without = (model(input_ids=tokens).logits for model in (arm, merged, plain))
    assert float((before - without).abs().max()) > 1e-2  # it does something
    assert torch.allclose(before, after, atol=1e-4)


@pytest.mark.parametrize("kind", [name for name, partner in PARTNERS.items() if not partner.is_mergeable])
def test_what_is_no_change_of_weights_is_refused_by_name(backbone, tmp_path, kind):
    directory = saved(backbone, tmp_path, kind)
    with pytest.raises(UserError, match=f"(?i){kind}.* cannot be merged into weights") as caught:
        merge(talan_core.load(directory, backbone()))
    assert "--backend transformers" in str(caught.value)


def test_a_block_is_taken_out_and_weights_have_the_names_of_files(backbone, tokens, tmp_path):
    directory = saved(backbone, tmp_path / "arm", "talan[layer=1]+lora[r=4]", "qwen3_moe")
    arm = talan_core.load(directory, backbone("qwen3_moe"))
    merged = merge(talan_core.load(directory, backbone("qwen3_moe")))
    with torch.no_grad():
        with_block = arm(input_ids=tokens).logits
        with arm.blocks_off():
            expected = arm(input_ids=tokens).logits
        found = merged(input_ids=tokens).logits
    assert float((with_block - expected).abs().max()) > 1e-2
    assert torch.allclose(found, expected, atol=1e-4)
    weights = plain_tensors(merged)
    assert "model.layers.0.mlp.experts.0.gate_proj.weight" in weights
    assert not [name for name in weights if "talan" in name or "lora" in name]


def test_the_share_that_rounding_keeps_is_that_of_changed_elements():
    plain = {"one": torch.ones(4), "two": torch.ones(2), "ids": torch.arange(3)}
    merged = {"one": torch.tensor([1.0, 1.0, 1.5, 1.0001]), "two": torch.ones(2), "ids": torch.arange(3)}
    assert bf16_survival(merged, plain) == 0.5
    assert bf16_survival(plain, plain) is None
