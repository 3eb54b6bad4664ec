"""What a step computes does not depend on how its cost is spread: accumulation, recomputing, and number formats."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from talan_core.training.data import Example
from talan_core.training_settings import TrainingSettings

ONE_STEP = TrainingSettings(
    steps=1, batch_size=4, learning_rate=1e-2, schedule="constant", warmup_ratio=0.0, max_length=64, max_grad_norm=0.0
)
UNEVEN = [Example(f"{n}=", str(n) * (1 + 9 * (n % 2)), "uneven") for n in range(1, 9)]


def sgd(monkeypatch):
    """AdamW hides the scale of a gradient; plain gradient descent shows it."""
    monkeypatch.setattr(
        "talan_core.training.trainer.TalanTrainer.get_optimizer_cls_and_kwargs",
        staticmethod(lambda args: (torch.optim.SGD, {"lr": args.learning_rate})),
    )


@pytest.mark.parametrize(("batch", "accumulation"), [(2, 2), (1, 4)])
def test_accumulated_passes_are_one_big_batch_per_target_token(run, trained, monkeypatch, batch, accumulation):
    sgd(monkeypatch)
    big, big_log = run("talan[writeback=direct]+lora", ONE_STEP, data=UNEVEN)
    small_settings = dataclasses.replace(ONE_STEP, batch_size=batch, accumulation=accumulation)
    small, small_log = run("talan[writeback=direct]+lora", small_settings, data=UNEVEN)
    assert small_log.losses[0] == pytest.approx(big_log.losses[0], rel=1e-5)
    for name, value in trained(big).items():
        torch.testing.assert_close(trained(small)[name], value, rtol=1e-4, atol=1e-6)


def test_a_mean_of_means_would_be_another_number(run, monkeypatch):
    # The control: what the test above would see if each pass were averaged on its own.
    sgd(monkeypatch)
    _, log = run("lora", ONE_STEP, data=UNEVEN)
    singles = dataclasses.replace(ONE_STEP, steps=4, batch_size=1, learning_rate=1e-12)
    _, each = run("lora", singles, data=UNEVEN)
    assert sum(each.losses) / 4 != pytest.approx(log.losses[0], rel=1e-3)


@pytest.mark.parametrize("arm", ["lora", "talan+dora"])
def test_recomputing_activations_changes_nothing(run, trained, bit_equal, arm):
    settings = dataclasses.replace(ONE_STEP, steps=3, max_grad_norm=0.5)
    plain, plain_log = run(f"{arm}[dropout=0.1]", settings)
    again, log = run(f"{arm}[dropout=0.1]", dataclasses.replace(settings, gradient_checkpointing=True))
    assert log.losses == plain_log.losses
    assert bit_equal(trained(again), trained(plain))
    assert not again.get_base_model().model.layers[0].gradient_checkpointing


def test_in_bfloat16_adapter_and_block_stay_in_float32_and_learn(run, backbone, trained):
    settings = TrainingSettings(steps=20, batch_size=4, learning_rate=5e-3, max_length=64, dtype="bfloat16")
    model, log = run("talan+lora", settings, model=backbone().to(torch.bfloat16))
    assert {weight.dtype for weight in trained(model).values()} == {torch.float32}
    assert model.get_base_model().dtype == torch.bfloat16
    assert sum(log.losses[-5:]) < sum(log.losses[:5])


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.0), ("linear", 0.0), ("constant", 1e-2)])
def test_schedules_warm_up_and_end_where_they_say(run, monkeypatch, schedule, last):
    rates = []
    take = "talan_core.training.trainer.TalanTrainer.take_step_loss"

    def note(trainer):
        rates.append(trainer.lr_scheduler.get_last_lr()[0])
        trainer.losses.append(0.0)
        return 0.0

    monkeypatch.setattr(take, note)
    run("lora", dataclasses.replace(ONE_STEP, steps=10, schedule=schedule, warmup_ratio=0.2))
    assert rates[0] == pytest.approx(5e-3)
    assert rates[1] == pytest.approx(1e-2)
    assert rates[-1] == pytest.approx(last, abs=1e-9)
    assert rates[1:] == sorted(rates[1:], reverse=True)


PARTS = ["lora", "talan[writeback=direct]+lora", "prompt", "prefix", "full"]


WAYS = [{}, {"packing": True}, {"gradient_checkpointing": True}, {"autocast": True}]
TOGETHER = [(arm, way) for arm in PARTS for way in WAYS if arm not in ("prompt", "prefix") or not way]


@pytest.mark.parametrize(("arm", "changes"), TOGETHER)
def test_logits_of_targets_alone_give_the_same_loss_and_update(run, trained, monkeypatch, arm, changes):
    sgd(monkeypatch)
    settings = dataclasses.replace(ONE_STEP, steps=2, **changes)
    every, every_log = run(arm, settings, data=UNEVEN)
    few, log = run(arm, dataclasses.replace(settings, logits="targets"), data=UNEVEN)
    tolerance = {"rtol": 1e-2, "atol": 1e-3} if "autocast" in changes else {"rtol": 1e-4, "atol": 1e-6}
    assert log.losses == pytest.approx(every_log.losses, rel=tolerance["rtol"])
    for name, value in trained(every).items():
        torch.testing.assert_close(trained(few)[name], value, **tolerance)


def rows_of_logits(run, monkeypatch, logits):
    seen = []
    loss = "transformers.loss.loss_utils.fixed_cross_entropy"
    inner = torch.nn.functional.cross_entropy

    def note(source, target, num_items_in_batch=None, ignore_index=-100, **_):
        seen.append(len(source))
        return inner(source, target, ignore_index=ignore_index, reduction="sum") / num_items_in_batch

    monkeypatch.setattr(loss, note)
    _, log = run("lora", dataclasses.replace(ONE_STEP, logits=logits), data=UNEVEN)
    return seen, log


def test_logits_of_targets_alone_are_as_many_as_the_targets(run, monkeypatch):
    seen, log = rows_of_logits(run, monkeypatch, "targets")
    assert seen == [log.target_tokens]
    (every,), _ = rows_of_logits(run, monkeypatch, "all")
    assert every > 1.5 * log.target_tokens  # padding and prompts


@pytest.mark.parametrize("family", ["gemma2", "qwen3_moe", "phi3"])
def test_logits_of_targets_alone_go_through_what_follows_the_head(run, backbone, family):
    # Gemma2 caps its logits after the head
    losses = [
        run("lora", dataclasses.replace(ONE_STEP, logits=logits), model=backbone(family, "eager"))[1].losses
        for logits in ("all", "targets")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_the_head_is_left_as_it_was(run):
    model, _ = run("lora", dataclasses.replace(ONE_STEP, logits="targets"))
    assert not model.get_base_model().get_output_embeddings()._forward_pre_hooks
