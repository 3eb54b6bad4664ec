"""What is seen while an arm is trained, and that looking changes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.training.data import Example, encode
from talan_core.training.fit import fit
from talan_core.training.signs import Signs, Watch, gate_rms, held_out_loss
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(steps=10, batch_size=3, learning_rate=1e-2, max_length=64)
APART = (Example("3+4=", "7", "s"), Example("5+2=", "7 it is", "s"))


def trained(
    backbone,
    tokenizer,
    examples,
    work,
    arm="talan[layer=1]+lora[dropout=0.1]",
    settings=SETTINGS,
    held_out=(),
    **options,
):
    model = build(backbone(), parse_arm(arm), seed=0)
    data = encode(tokenizer, examples, settings.max_length, held_out=held_out)
    return model, fit(model, tokenizer, data, settings, seed=0, work_dir=work, **options)


def test_curves_have_a_number_for_each_step_and_the_loss_at_regular_ones(backbone, tokenizer, examples, tmp_path):
    model, log = trained(backbone, tokenizer, examples, tmp_path / "work", held_out=APART)
    assert [len(curve) for curve in (log.signs.adapter_gradients, log.signs.block_gradients, log.signs.gates)] == [
        10
    ] * 3
    assert [one.step for one in log.signs.held_out] == [0, 3, 6, 9, 10]
    assert log.signs.gates[-1] == pytest.approx(gate_rms(model))
    assert log.signs.gates[0] < log.signs.gates[-1]
    assert min(log.signs.adapter_gradients) > 0
    assert Signs.from_json(json.loads(json.dumps(asdict(log)))["signs"]) == log.signs


def test_the_held_out_loss_is_that_of_the_model(backbone, tokenizer, examples, tmp_path):
    model, log = trained(backbone, tokenizer, examples, tmp_path / "work", held_out=APART)
    encoded = encode(tokenizer, APART, 64).examples
    total = count = 0
    for one in encoded:  # one by one, without padding
        ids = torch.tensor([one.input_ids])
        with torch.no_grad():
            scores = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        own = scores[one.prompt_length - 1 :]
        total, count = total - own.sum().item(), count + len(own)
    assert log.signs.held_out[-1].loss == pytest.approx(total / count, rel=1e-4)
    assert log.signs.held_out[0].loss != pytest.approx(log.signs.held_out[-1].loss)


def test_looking_changes_nothing_of_the_run(backbone, tokenizer, examples, tmp_path):
    seen, log = trained(backbone, tokenizer, examples, tmp_path / "a", held_out=APART)
    blind, other = trained(backbone, tokenizer, examples, tmp_path / "b")
    assert log.losses == other.losses
    assert other.signs.held_out == ()
    assert all(torch.equal(value, blind.state_dict()[name]) for name, value in seen.state_dict().items())


def test_a_run_that_goes_on_has_the_curves_of_one_that_was_never_interrupted(backbone, tokenizer, examples, tmp_path):
    def die(step, *_):
        if step == 5:
            raise KeyboardInterrupt

    _, whole = trained(backbone, tokenizer, examples, tmp_path / "a", held_out=APART, save_every=2)
    with pytest.raises(KeyboardInterrupt):
        trained(backbone, tokenizer, examples, tmp_path / "b", held_out=APART, save_every=2, on_step=die)
    _, again = trained(backbone, tokenizer, examples, tmp_path / "b", held_out=APART, save_every=2)
    assert again.signs == whole.signs


def test_an_arm_without_a_block_has_no_curves_of_one(backbone, tokenizer, examples, tmp_path):
    settings = replace(SETTINGS, max_grad_norm=0.0)  # norms are seen without clipping, too
    _, log = trained(backbone, tokenizer, examples, tmp_path / "work", arm="lora", settings=settings)
    assert (log.signs.block_gradients, log.signs.gates) == ((), ())
    assert len(log.signs.adapter_gradients) == 10


def test_examples_that_are_too_long_are_left_out(backbone, tokenizer, examples, tmp_path):
    long = Example("1" * 200, "2", "s")
    _, log = trained(backbone, tokenizer, examples, tmp_path / "a", held_out=(long,))
    assert log.signs.held_out == ()


def test_the_mean_is_over_tokens_whatever_the_batches(backbone, tokenizer):
    model = build(backbone(), parse_arm("lora"), seed=0)
    encoded = encode(tokenizer, APART, 64).examples
    one, both = (held_out_loss(model, encoded, pad=0, batch_size=size) for size in (1, 2))
    assert one == pytest.approx(both, rel=1e-5)
    assert model.training


@pytest.mark.parametrize(
    ("steps", "learned", "apart", "looks"),
    [(96, 768, 16, 8), (24, 96, 16, 2), (12, 24, 8, 2), (24, 192, 16, 3), (1, 1, 16, 1), (100, 10_000, 1, 8)],
)
def test_looking_at_held_out_examples_costs_about_a_tenth_of_a_training_or_two_looks(steps, learned, apart, looks):
    watch = Watch((object(),) * apart, steps, pad=0, batch_size=8, learned=learned)
    seen = [step for step in range(1, steps + 1) if step % watch.every == 0 or step == steps]
    assert len(seen) == looks
    assert looks <= 2 or looks * apart <= 0.1 * 3 * learned
