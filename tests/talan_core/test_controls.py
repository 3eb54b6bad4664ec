"""The controls: noise that writes as much as a block and means nothing, steering by means, and edits of activations."""

from __future__ import annotations

import math

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.attach import decoder_layers, find_decoder, hidden_of
from talan_core.errors import UserError
from talan_core.size import matched_gate
from talan_core.training.data import Example, encode
from talan_core.training.fit import fit
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(steps=4, batch_size=3, learning_rate=1e-2, max_length=64)
GATE = 0.25


def writes(arm, tokens, **inputs):
    """Return hidden states before and after the block, in one forward pass."""
    seen = []
    handle = arm.talan.block.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    with torch.no_grad():
        arm(tokens, use_cache=False, **inputs)
    handle.remove()
    ((before, after),) = seen
    return after - before


def noise_arm(model, options="", seed=0):
    return build(model, parse_arm(f"noise[gate={GATE},layer=1{options}]+lora"), seed=seed).eval()


@pytest.mark.parametrize("mixer", ["multihead_local", "ensemble"])
def test_noise_has_at_each_position_the_norm_that_the_block_of_the_seed_would_write(backbone, tokens, mixer):
    noise = writes(noise_arm(backbone(), f",mixer={mixer}"), tokens)
    block = build(backbone(), parse_arm(f"talan[layer=1,mixer={mixer}]+lora"), seed=0).eval()
    with torch.no_grad():
        signs = torch.randint(0, 2, (32,), generator=torch.Generator().manual_seed(1)) * 2 - 1
        block.talan.block.writeback.gate.copy_(GATE * signs)
    written = writes(block, tokens)
    torch.testing.assert_close(noise.norm(dim=-1), written.norm(dim=-1), rtol=1e-3, atol=1e-5)
    cosine = torch.nn.functional.cosine_similarity(noise, written, dim=-1)
    assert cosine.abs().mean() < 3 / math.sqrt(32)


def test_noise_has_a_direction_of_the_position_and_the_seed_only(backbone, tokens):
    directions = torch.nn.functional.normalize(writes(noise_arm(backbone()), tokens), dim=-1)
    for row in (1, 2):  # other tokens, same positions
        torch.testing.assert_close(directions[row], directions[0], atol=1e-3, rtol=0)
    between = (directions[0] @ directions[0].T).fill_diagonal_(0).abs()
    assert between.mean() < 2 / math.sqrt(32)
    other = torch.nn.functional.normalize(writes(noise_arm(backbone(), seed=1), tokens), dim=-1)
    assert (other[0] * directions[0]).sum(-1).abs().mean() < 2 / math.sqrt(32)


def test_noise_learns_nothing_and_starts_from_the_partner_of_the_pair(backbone, tokenizer, examples, tmp_path):
    arm = build(backbone(), parse_arm("noise+lora"), seed=0)
    alone = build(backbone(), parse_arm("lora"), seed=0).state_dict()
    assert all(torch.equal(value, arm.state_dict()[name]) for name, value in alone.items())
    before = {name: value.clone() for name, value in arm.talan.state_dict().items()}
    fit(arm, tokenizer, examples, SETTINGS, seed=0, work_dir=tmp_path / "work")
    assert all(torch.equal(value, before[name]) for name, value in arm.talan.state_dict().items())


def test_the_matched_gate_gives_noise_the_norm_of_the_trained_block(backbone, tokenizer, examples, tmp_path, tokens):
    trained = build(backbone(), parse_arm("talan[layer=1,lr_scale=5]+lora"), seed=3)
    fit(trained, tokenizer, examples, SETTINGS, seed=3, work_dir=tmp_path / "work")
    gate = matched_gate(trained, tokens)
    noise = build(trained.unload(), parse_arm(f"noise[gate={gate},layer=1]+lora"), seed=3).eval()
    again = build(backbone(), parse_arm("talan[layer=1,lr_scale=5]+lora"), seed=3)
    fit(again, tokenizer, examples, SETTINGS, seed=3, work_dir=tmp_path / "work")
    assert gate > 0
    # the input of layer 1 differs a little: the trained partner has changed layer 0
    assert writes(noise, tokens).norm(dim=-1).mean() == pytest.approx(
        writes(again, tokens).norm(dim=-1).mean().item(), rel=0.1
    )


def test_a_model_that_does_not_know_its_seed_has_no_matched_gate(backbone, tokens):
    arm = build(backbone(), parse_arm("talan+lora"), seed=0)
    arm.talan.provenance = None
    with pytest.raises(UserError, match="which seed"):
        matched_gate(arm, tokens)


def mean_at_layer_1(plain, tokenizer, texts):
    """Return the mean hidden state over the completions' tokens, at the input of layer 1."""
    states = []
    layer = decoder_layers(find_decoder(plain))[1]
    handle = layer.register_forward_pre_hook(
        lambda _, args, kwargs: states.append(hidden_of(args, kwargs)), with_kwargs=True
    )
    for prompt, completion in texts:
        (item,) = encode(tokenizer, [Example(prompt, completion, "s")], 64).examples
        with torch.no_grad():
            plain(torch.tensor([item.input_ids]))
        states.append(states.pop()[0, item.prompt_length :])
    handle.remove()
    return torch.cat(states).mean(0)


def test_the_steering_vector_is_the_difference_of_the_mean_hidden_states(backbone, tokenizer, tmp_path):
    pair = [Example("1+1=", "2", "s"), Example("2+2=", "44", "s")]
    arm = build(backbone(), parse_arm("actadd[layer=1,scale=0.5]"), seed=0)
    log = fit(arm, tokenizer, pair, SETTINGS, seed=0, work_dir=tmp_path / "work")
    assert log.losses == ()
    assert log.examples == 2

    plain = backbone()
    right, wrong = ([("1+1=", "2"), ("2+2=", "44")], [("1+1=", "44"), ("2+2=", "2")])
    expected = mean_at_layer_1(plain, tokenizer, right) - mean_at_layer_1(plain, tokenizer, wrong)
    torch.testing.assert_close(arm.edit.vector, expected, atol=1e-5, rtol=1e-4)
    assert arm.edit.vector.norm() > 0
    edited = arm.edit(torch.zeros(1, 1, 32))
    torch.testing.assert_close(edited[0, 0], 0.5 * expected, atol=1e-5, rtol=1e-4)


def test_preferences_are_the_contrast_of_the_steering_vector(backbone, tokenizer, tmp_path):
    pairs = [Example("1+1=", "2", "s", "35"), Example("2+2=", "4", "s", "40"), Example("5+1=", "6", "s")]
    arm = build(backbone(), parse_arm("actadd[layer=1]"), seed=0)
    fit(arm, tokenizer, [*pairs, Example("1+2=", "3", "s", "4" * 80)], SETTINGS, seed=0, work_dir=tmp_path / "work")
    plain, written = backbone(), pairs[:2]  # the third rejects nothing, the fourth rejects what is too long
    expected = mean_at_layer_1(plain, tokenizer, [(one.prompt, one.completion) for one in written])
    expected = expected - mean_at_layer_1(plain, tokenizer, [(one.prompt, one.rejected) for one in written])
    torch.testing.assert_close(arm.edit.vector, expected, atol=1e-5, rtol=1e-4)


def test_rejected_answers_of_which_none_can_be_used_are_refused(backbone, tokenizer, tmp_path):
    for rejected in ("2", "4" * 80):
        arm = build(backbone(), parse_arm("actadd[layer=1]"), seed=0)
        items = [Example("1+1=", "2", "s", rejected), Example("3-1=", "2", "s", rejected)]
        with pytest.raises(UserError, match="fit into max_length and differ from what was chosen"):
            fit(arm, tokenizer, items, SETTINGS, seed=0, work_dir=tmp_path / "work")


def test_other_arms_learn_the_chosen_answer_alone(backbone, tokenizer, tmp_path):
    weights = []
    for rejected in (None, "35"):
        arm = build(backbone(), parse_arm("lora"), seed=0)
        pairs = [Example("1+1=", "2", "s", rejected), Example("2+2=", "4", "s", rejected)]
        fit(arm, tokenizer, pairs, SETTINGS, seed=0, work_dir=tmp_path / f"work{rejected}")
        weights.append([p.detach().clone() for p in arm.parameters() if p.requires_grad])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_the_steering_vector_is_never_taken_where_it_must_vanish(backbone, tokenizer, examples, tmp_path):
    arm = build(backbone(), parse_arm("actadd"), seed=0)  # the default share of four layers is layer 0
    assert arm.edit.layer == 1
    fit(arm, tokenizer, examples, SETTINGS, seed=0, work_dir=tmp_path / "work")
    assert arm.edit.vector.norm() > 1e-2
    # control: at the embedding output the same contrast is zero but for rounding
    arm.edit.layer = 0
    fit(arm, tokenizer, examples, SETTINGS, seed=0, work_dir=tmp_path / "work")
    assert arm.edit.vector.norm() < 1e-5


def test_one_completion_is_no_contrast(backbone, tokenizer, tmp_path):
    same = [Example("1+1=", "2", "s"), Example("4-2=", "2", "s")]
    arm = build(backbone(), parse_arm("actadd"), seed=0)
    with pytest.raises(UserError, match="two different completions"):
        fit(arm, tokenizer, same, SETTINGS, seed=0, work_dir=tmp_path / "work")


def test_loreft_writes_inside_the_space_of_its_orthonormal_rows(backbone, tokenizer, examples, tmp_path):
    arm = build(backbone(), parse_arm("loreft[r=3,layer=1]"), seed=0)
    assert sum(p.numel() for p in arm.parameters() if p.requires_grad) == 3 * (2 * 32 + 1)
    fit(arm, tokenizer, examples, SETTINGS, seed=0, work_dir=tmp_path / "work")
    with torch.no_grad():
        rows = arm.edit.rows()
        torch.testing.assert_close(rows @ rows.T, torch.eye(3), atol=1e-5, rtol=0)
        hidden = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
        change = arm.edit(hidden) - hidden
        by_equation = (hidden @ arm.edit.source.T + arm.edit.shift - hidden @ rows.T) @ rows
    torch.testing.assert_close(change, by_equation, atol=1e-5, rtol=1e-4)
    assert change.norm() > 0
    torch.testing.assert_close(change @ rows.T @ rows, change, atol=1e-5, rtol=1e-4)


def test_the_untuned_backbone_is_not_trained_and_needs_no_data(backbone, tokenizer, tmp_path, tokens):
    arm = build(backbone(), parse_arm("base"), seed=0)
    log = fit(arm, tokenizer, [], SETTINGS, seed=0, work_dir=tmp_path / "work")
    assert (log.losses, log.tokens) == ((), 0)
    assert not (tmp_path / "work").exists()
    with torch.no_grad():
        assert torch.equal(arm(tokens).logits, backbone()(tokens).logits)
