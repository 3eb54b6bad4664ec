"""The block's rate and clipping under a Trainer that is not ours, and the warning where they are missing."""

from __future__ import annotations

import dataclasses
import gc
import warnings

import pytest
import torch
from torch.optim.optimizer import _global_optimizer_pre_hooks
from transformers import Trainer

from talan_core.arms import build, parse_arm
from talan_core.training.arguments import Examples, training_arguments
from talan_core.training.data import collate, encode
from talan_core.training.optimizer import TalanOptimizerMixin, parameter_groups
from talan_core.training_settings import TrainingSettings


class Mixed(TalanOptimizerMixin, Trainer):
    """What a user writes."""


SETTINGS = TrainingSettings(
    steps=1, batch_size=4, learning_rate=1e-4, schedule="constant", warmup_ratio=0.0, max_length=64
)


@pytest.fixture
def gate(backbone, tokenizer, examples, tmp_path):
    """Train an arm with a trainer; gives how far the gate moved, and the trainer."""

    def go(kind, arm, settings=SETTINGS):
        model = build(backbone(), parse_arm(arm), seed=0)
        args = training_arguments(settings, seed=0, work_dir=tmp_path / "w", device=torch.device("cpu"))
        data = Examples(encode(tokenizer, examples, 64).examples)
        trainer = kind(model=model, args=args, train_dataset=data, data_collator=lambda some: collate(some, 0))
        trainer.train()
        return float(model.talan.block.writeback.gate.detach().abs().mean()), trainer

    return go


def test_lr_scale_ten_moves_the_gate_ten_times(gate):
    assert gate(Mixed, "talan[layer=1,lr_scale=10]+lora")[0] == pytest.approx(
        10 * gate(Mixed, "talan[layer=1]+lora")[0], rel=1e-3
    )


def test_a_plain_trainer_moves_it_once_and_warns(gate):
    with pytest.warns(UserWarning, match="lr_scale=10 has no effect.*TalanOptimizerMixin"):
        moved, _ = gate(Trainer, "talan[layer=1,lr_scale=10]+lora")
    assert moved == pytest.approx(gate(Mixed, "talan[layer=1]+lora")[0], rel=1e-3)


def test_an_arm_that_is_a_block_alone_warns_too(gate):
    with pytest.warns(UserWarning, match="lr_scale=3 has no effect"):
        gate(Trainer, "talan[layer=1,lr_scale=3]+base")
    gate(Mixed, "talan[layer=1,lr_scale=3]+base")


def test_a_warm_up_from_zero_hides_nothing(gate):
    slow = dataclasses.replace(SETTINGS, steps=4, warmup_ratio=0.5, schedule="linear")
    with pytest.warns(UserWarning, match="lr_scale=10 has no effect"):
        gate(Trainer, "talan[layer=1,lr_scale=10]+lora", slow)
    gate(Mixed, "talan[layer=1,lr_scale=10]+lora", slow)


def test_a_loop_of_ones_own_takes_the_groups_and_is_not_warned(backbone, tokens):
    model = build(backbone(), parse_arm("talan[layer=1,lr_scale=10]+lora"), seed=0).train()
    groups = parameter_groups(model, 1e-4, weight_decay=0.1)
    assert {group["lr"] for group in groups} == {1e-4, 1e-3}
    gates = [g for g in groups if any(w is model.talan.block.writeback.gate for w in g["params"])]
    assert [g["weight_decay"] for g in gates] == [0.0]
    optimizer = torch.optim.AdamW(groups)
    model(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    plain = build(backbone(), parse_arm("talan[layer=1,lr_scale=10]+lora"), seed=0).train()
    own = [p for n, p in plain.named_parameters() if p.requires_grad and n.startswith("talans.")]
    rest = [p for n, p in plain.named_parameters() if p.requires_grad and not n.startswith("talans.")]
    by_hand = torch.optim.AdamW([{"params": own, "lr": 5e-4}, {"params": rest, "lr": 1e-4}])
    plain(input_ids=tokens, labels=tokens).loss.backward()
    by_hand.step()  # rates that somebody chose are no mistake


def test_another_models_optimizer_is_not_looked_at(backbone):
    model = build(backbone(), parse_arm("talan[layer=1,lr_scale=10]+lora"), seed=0)
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    torch.optim.SGD([weight], lr=0.1).step()
    own = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    with pytest.warns(UserWarning, match="lr_scale=10"):
        own.step()


def test_the_watch_ends_with_its_block(backbone):
    before = len(_global_optimizer_pre_hooks)
    model = build(backbone(), parse_arm("talan[layer=1,lr_scale=10]+lora"), seed=0)
    assert len(_global_optimizer_pre_hooks) == before + 1
    del model
    gc.collect()
    assert len(_global_optimizer_pre_hooks) == before


def test_clipping_is_apart_so_that_the_block_does_not_change_the_adapters_gradient(gate):
    tight = dataclasses.replace(SETTINGS, max_grad_norm=1e-3)
    norms = {}
    for kind in (Mixed, Trainer):
        seen = {}

        class Noted(kind):
            def create_optimizer(self, *args, seen=seen):
                made = super().create_optimizer(*args)
                named = dict(self.model.named_parameters())

                def note(*_):
                    for part in ("talans.", "base_model."):
                        of_part = [w.grad for n, w in named.items() if n.startswith(part) and w.grad is not None]
                        seen[part] = float(torch.stack([g.norm() for g in of_part]).norm())

                made.register_step_pre_hook(note)
                return made

        with warnings.catch_warnings():
            gate(Noted, "talan[layer=1]+lora", tight)
        norms[kind] = seen
    assert norms[Mixed] == pytest.approx({"talans.": 1e-3, "base_model.": 1e-3}, rel=1e-2)
    assert norms[Trainer]["talans."] < 0.5e-3  # together they share one norm
