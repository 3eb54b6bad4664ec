"""Packing under attention without a mask: sequences are cut by position numbers or lengths, as for flash attention."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask

from talan_core.arms import build, parse_arm
from talan_core.errors import UserError
from talan_core.training.data import EncodedExample
from talan_core.training.packing import check_packing, collate_packed
from talan_core.training_settings import TrainingSettings

FIRST = torch.randint(5, 261, (12,), generator=torch.Generator().manual_seed(1))
SECOND = torch.randint(5, 261, (9,), generator=torch.Generator().manual_seed(2))
POSITIONS = torch.cat([torch.arange(12), torch.arange(9)])[None]
LENGTHS = torch.tensor([0, 12, 21])


def attend(query, key, value, numbers, scaling):
    """Plain causal attention within stretches of equal numbers, (length,) or None for one stretch."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    allowed = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril(key.shape[2] - query.shape[2])
    if numbers is not None:
        allowed = allowed & (numbers[:, None] == numbers[None])
    out = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed, scale=scaling)
    return out.transpose(1, 2).contiguous(), None


def by_positions(_, query, key, value, mask, scaling=None, position_ids=None, **__):
    """As transformers calls flash attention: by the position numbers, where the batch is one row."""
    assert mask is None
    single = query.shape[0] == 1 and query.shape[2] == key.shape[2]
    numbers = (position_ids[0] == 0).cumsum(0) if single and position_ids is not None else None
    return attend(query, key, value, numbers, scaling)


def by_lengths(_, query, key, value, mask, scaling=None, cu_seq_lens_q=None, **__):
    """As transformers calls flash attention where the collator has counted the lengths."""
    assert mask is None
    numbers = (
        None if cu_seq_lens_q is None else torch.bucketize(torch.arange(query.shape[2]), cu_seq_lens_q, right=True)
    )
    return attend(query, key, value, numbers, scaling)


def by_nothing(_, query, key, value, mask, scaling=None, **__):
    """An implementation that looks at neither."""
    assert mask is None
    return attend(query, key, value, None, scaling)


for kind in (by_positions, by_lengths, by_nothing):
    AttentionInterface.register(kind.__name__, kind)
    AttentionMaskInterface.register(kind.__name__, flash_attention_mask)


def arm(backbone, attention, opened, options="layer=1"):
    model = backbone("qwen3")
    model.set_attn_implementation(attention)
    return opened(build(model, parse_arm(f"talan[{options}]+lora"), seed=0).eval())


@torch.no_grad()
def leak(model, **given):
    together = model(input_ids=torch.cat([FIRST, SECOND])[None], use_cache=False, **given).logits[0, 12:]
    return (together - model(input_ids=SECOND[None], use_cache=False).logits[0]).abs().max().item()


@pytest.mark.parametrize("options", ["layer=0", "layer=2", "layer=1,writeback=direct", "layer=1,mixer=ensemble"])
def test_the_memory_cuts_a_row_by_its_position_numbers(backbone, opened, options):
    model = arm(backbone, "by_positions", opened, options)
    assert leak(model, position_ids=POSITIONS) < 1e-4
    assert leak(model) > 0.01  # the control: nothing says that there are two sequences


def test_the_memory_cuts_a_row_by_the_lengths_that_a_collator_gives(backbone, opened):
    lengths = {"cu_seq_lens_q": LENGTHS, "cu_seq_lens_k": LENGTHS, "max_length_q": 12, "max_length_k": 12}
    model = arm(backbone, "by_lengths", opened)
    assert leak(model, position_ids=POSITIONS, **lengths) < 1e-4
    assert leak(model, position_ids=POSITIONS) > 0.01


@pytest.mark.parametrize("block", ["silent", "loud"])
def test_the_check_finds_a_memory_that_is_told_no_borders(backbone, opened, monkeypatch, block):
    model = arm(backbone, "by_positions", opened if block == "loud" else lambda made: made)
    assert check_packing(model) is False
    monkeypatch.setattr("talan_core.attach.BORDERS", ())
    with pytest.raises(
        UserError, match="the memory of the block differs" if block == "silent" else "apart: "
    ) as caught:
        check_packing(model)
    assert "packing=False" in caught.value.fix


def test_the_check_wants_one_row_where_several_are_not_kept_apart(backbone, opened):
    assert check_packing(arm(backbone, "sdpa", opened)) is True
    assert check_packing(arm(backbone, "by_positions", opened)) is False
    with pytest.raises(UserError, match="does not keep packed examples apart"):
        check_packing(arm(backbone, "by_nothing", opened))


def test_a_batch_without_a_capacity_is_one_row():
    batch = collate_packed([EncodedExample((5, 6, 7), 1), EncodedExample((8, 9), 0)], 0, None)
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1]]


def test_training_without_masks_packs_into_one_row_with_the_loss_of_separate_rows(run, backbone):
    settings = TrainingSettings(
        steps=3, batch_size=6, learning_rate=1e-3, max_length=64, warmup_ratio=0.0, schedule="constant"
    )
    shapes = []
    watched = backbone()
    watched.set_attn_implementation("by_positions")
    watched.model.embed_tokens.register_forward_hook(lambda _, args, __: shapes.append(args[0].shape))
    _, separate = run("talan+lora", settings)
    _, packed = run("talan+lora", dataclasses.replace(settings, packing=True), model=watched)
    assert packed.losses == pytest.approx(separate.losses, rel=1e-4)
    assert {shape[0] for shape in shapes[-3:]} == {1}
