"""Training: loss where it belongs, arms paired bit for bit, groups clipped apart, errors that stop."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.errors import UserError
from talan_core.training.data import IGNORED, Example, collate, encode, render_prompt
from talan_core.training.pairing import data_order, derive_seed
from talan_core.training.trainer import train
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(steps=5, batch_size=3, learning_rate=5e-3, max_grad_norm=0.5, max_length=64)


def run(backbone, arm, tokenizer, examples, tmp_path, *, seed=0, settings=SETTINGS, on_step=None):
    model = build(backbone, parse_arm(arm), seed=seed)
    log = train(model, tokenizer, examples, settings, seed=seed, work_dir=tmp_path / "work", on_step=on_step)
    return model, log


def partner(model):
    return {name: value for name, value in model.state_dict().items() if "lora" in name}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_only_completion_and_end_of_turn_carry_loss(tokenizer):
    data = encode(tokenizer, [Example("2+3=", "5", "sums")], 64)
    (example,) = data.examples
    prompt = tokenizer(render_prompt(tokenizer, "2+3="), add_special_tokens=False)["input_ids"]
    assert list(example.input_ids[: example.prompt_length]) == prompt
    assert tokenizer.decode(example.input_ids[example.prompt_length :]) == "5<end>"
    batch = collate([example, dataclasses.replace(example, input_ids=example.input_ids[:-1])], 0)
    assert batch["labels"][0, : example.prompt_length].unique().tolist() == [IGNORED]
    assert batch["labels"][1, -1] == IGNORED
    assert batch["attention_mask"].sum(1).tolist() == [len(example.input_ids), len(example.input_ids) - 1]


def test_without_a_template_the_sequence_ends_with_the_end_token(plain_tokenizer):
    (example,) = encode(plain_tokenizer, [Example("2+3=", "5", "sums")], 64).examples
    assert plain_tokenizer.decode(example.input_ids) == "2+3=5<eos>"


def test_long_examples_are_dropped_and_counted_never_cut(tokenizer):
    some = [Example("1", "2", "s"), Example("1" * 80, "2", "s")]
    data = encode(tokenizer, some, 40)
    assert (len(data.examples), data.dropped) == (1, 1)
    with pytest.raises(UserError, match="No training example is left"):
        encode(tokenizer, some[1:], 40)
    with pytest.raises(UserError, match="empty completion"):
        encode(tokenizer, [Example("1", " ", "s")], 40)


def test_streams_and_order():
    assert (
        len({derive_seed(s, n) for s in (0, 1) for n in ("partner-init", "talan-init", "dropout", "data-order")}) == 8
    )
    assert data_order(0, 7, 20) == data_order(0, 7, 20) != data_order(1, 7, 20)
    assert sorted(data_order(0, 7, 7)) == list(range(7))


def test_a_frozen_block_that_writes_nothing_leaves_the_partner_bit_equal(backbone, tokenizer, examples, tmp_path):
    lora, lora_log = run(backbone(), "lora[dropout=0.1]", tokenizer, examples, tmp_path)
    frozen, log = run(backbone(), "talan[scope=frozen]+lora[dropout=0.1]", tokenizer, examples, tmp_path)
    assert log.losses == lora_log.losses
    assert equal(partner(frozen), partner(lora))
    # controls: a trained block and another seed do change the partner
    trained, _ = run(backbone(), "talan[lr_scale=10]+lora[dropout=0.1]", tokenizer, examples, tmp_path)
    other, _ = run(backbone(), "lora[dropout=0.1]", tokenizer, examples, tmp_path, seed=1)
    assert not equal(partner(trained), partner(lora))
    assert not equal(partner(other), partner(lora))


@pytest.mark.parametrize("arm", ["lora[dropout=0.1]", "talan+dora[dropout=0.1]"])
def test_the_same_seed_repeats_bit_equal_and_leaves_the_callers_random_state(
    backbone, tokenizer, examples, tmp_path, arm
):
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    one, one_log = run(backbone(), arm, tokenizer, examples, tmp_path)
    assert torch.equal(torch.rand(2), expected)
    torch.manual_seed(1234)
    two, two_log = run(backbone(), arm, tokenizer, examples, tmp_path)
    assert one_log.losses == two_log.losses
    assert equal(one.state_dict(), two.state_dict())
    assert not list((tmp_path / "work").iterdir())


def test_training_lowers_the_loss_of_every_kind_of_arm(backbone, tokenizer, examples, tmp_path):
    longer = dataclasses.replace(SETTINGS, steps=30)
    for arm in ("lora", "dora", "rslora", "talan+lora"):
        seen: list[tuple[int, int, float]] = []

        def note(step, total, loss, seen=seen):
            seen.append((step, total, loss))

        _, log = run(backbone(), arm, tokenizer, examples, tmp_path, settings=longer, on_step=note)
        assert sum(log.losses[-5:]) < sum(log.losses[:5])
        assert [step[:2] for step in seen] == [(n, 30) for n in range(1, 31)]


def clipped_step(backbone, tokenizer, examples, tmp_path, gamma):
    """One step without a schedule, with gradients far above the clipping norm."""
    settings = dataclasses.replace(SETTINGS, steps=1, max_grad_norm=1e-3, schedule="constant", warmup_ratio=0.0)
    arm = f"talan[grad_scale={gamma}]+lora"
    return run(backbone, arm, tokenizer, examples, tmp_path, settings=settings)[0]


def test_partner_and_block_are_clipped_apart(backbone, tokenizer, examples, tmp_path):
    small = clipped_step(backbone(), tokenizer, examples, tmp_path, 1.0)
    huge = clipped_step(backbone(), tokenizer, examples, tmp_path, 1e6)
    assert equal(partner(small), partner(huge))


def test_lr_scale_scales_the_blocks_step(backbone, tokenizer, examples, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=1, schedule="constant", warmup_ratio=0.0)
    gates = [
        run(backbone(), f"talan[lr_scale={scale}]+lora", tokenizer, examples, tmp_path, settings=settings)[0]
        .talan.block.writeback.gate.detach()
        .abs()
        .max()
        .item()
        for scale in (1.0, 3.0)
    ]
    assert gates[0] > 0
    assert gates[1] == pytest.approx(3 * gates[0], rel=1e-3)


def test_a_loss_that_is_not_finite_stops_the_run(backbone, tokenizer, examples, tmp_path):
    model = backbone()
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(UserError, match="Training diverged: the loss is nan at step 1 of 5"):
        run(model, "lora", tokenizer, examples, tmp_path)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(UserError) as caught:
        TrainingSettings(steps=0, batch_size=-1, learning_rate=float("nan"), warmup_ratio=1.0, schedule="step")
    assert all(
        name in str(caught.value) for name in ("steps", "batch_size", "learning_rate", "warmup_ratio", "schedule")
    )
