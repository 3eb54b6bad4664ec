"""The memory estimate: it counts what a step holds, part by part, and names the cheapest change that fits."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from talan_core.arms import build, parse_arm
from talan_core.config import TalanConfig
from talan_core.recipes.fitting import Task, cheapest_fit, fits_surely
from talan_core.recipes.footprint import AnswerLoad, footprint
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(steps=1, batch_size=4, max_length=64)
POINT = TalanConfig(layer=1)


def estimated(model, arm="talan+lora", settings=SETTINGS, device="cuda", answers=None):
    return footprint(model.config, parse_arm(arm), settings, defaults=POINT, device=device, answers=answers)


def test_parts_that_can_be_counted_by_hand_are_exact(backbone):
    model = backbone()
    found = estimated(model, answers=AnswerLoad(3, 50))
    frozen = sum(p.numel() for p in model.parameters()) * 4
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    assert found.weights == pytest.approx(frozen + buffers, abs=200)
    trained = sum(p.numel() for p in build(backbone(), parse_arm("talan+lora"), seed=0).parameters() if p.requires_grad)
    assert found.adapter == trained * 4
    assert found.optimizer == trained * 8  # no gradient is there yet when the most is held
    # a float32 copy of the logits is what log-softmax is taken of; in the backward pass two more of them are held
    assert found.logits == 3 * 4 * 64 * 261 * 4
    assert found.cache == (2 * 4 * 2 * 8 + 2 * 16) * 4 * 3 * 50  # layers x heads x width, and the block's memory


def test_a_real_step_holds_what_the_estimate_says(backbone):
    """The same count on tensors with values, around the same forward and backward pass."""

    class Counted(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.storages = {}
            self.most = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            for one in tree_leaves(made):
                if isinstance(one, torch.Tensor):
                    self.storages[one.untyped_storage()._cdata] = (
                        torch.multiprocessing.reductions.StorageWeakRef(one.untyped_storage()),
                        one.untyped_storage().nbytes(),
                    )
            held = {key: pair for key, pair in self.storages.items() if not pair[0].expired()}
            self.storages = held
            self.most = max(self.most, sum(size for _, size in held.values()))
            return made

    model = build(backbone(), parse_arm("talan+lora"), seed=0, defaults=POINT).train()
    model.get_base_model().config.use_cache = False
    batch = torch.ones((4, 64), dtype=torch.long)
    with Counted() as counted:
        out = model(input_ids=batch, attention_mask=torch.ones_like(batch), labels=batch)
        loss = out.loss
        del out
    loss.backward()
    found = estimated(backbone())
    assert found.activations + found.logits == pytest.approx(counted.most, rel=0.35)
    assert found.activations + found.logits >= counted.most  # the backward pass holds more


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"logits": "targets"}, "logits"),
        ({"gradient_checkpointing": True}, "activations"),
        ({"batch_size": 1}, "activations"),
        ({"optimizer": "adamw_8bit"}, "optimizer"),
    ],
)
def test_what_is_said_to_save_memory_saves_it_where_it_is_said(backbone, changes, part):
    before, after = estimated(backbone()), estimated(backbone(), settings=dataclasses.replace(SETTINGS, **changes))
    assert getattr(after, part) < 0.6 * getattr(before, part)
    assert after.training < before.training


def test_autocast_halves_the_inputs_that_adapters_keep(backbone):
    half = dataclasses.replace(SETTINGS, dtype="bfloat16")
    before = estimated(backbone(), settings=half)
    after = estimated(backbone(), settings=dataclasses.replace(half, autocast=True))
    assert after.activations < 0.9 * before.activations


def test_four_bits_shrink_the_linear_layers_and_only_these(backbone):
    half = dataclasses.replace(SETTINGS, dtype="bfloat16")
    before = estimated(backbone(), arm="lora", settings=half)
    after = estimated(backbone(), arm="lora", settings=dataclasses.replace(half, quantization="4bit"))
    linear = sum(
        m.weight.numel() for n, m in backbone().named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"
    )
    assert before.weights - after.weights == pytest.approx(linear * (2 - 0.5159), rel=0.01)
    assert after.adapter == before.adapter


def test_full_holds_masters_gradients_and_on_a_cpu_the_originals(backbone):
    settings = dataclasses.replace(SETTINGS, dtype="bfloat16", masters=True, batch_size=1, max_length=8)
    weights = sum(p.numel() for p in backbone().parameters()) * 4
    found = estimated(backbone(), arm="full", settings=settings)
    assert found.weights == pytest.approx(weights, rel=0.01)
    assert found.optimizer == pytest.approx(3 * weights, rel=0.1)  # nearly all gradients, and two states
    assert estimated(backbone(), arm="full", settings=settings, device="cpu").weights == pytest.approx(
        2 * weights, rel=0.01
    )


@pytest.mark.parametrize("family", ["llama", "gemma3", "qwen3_moe"])
def test_a_deep_model_is_drawn_out_from_shallow_ones(backbone, family):
    deep = backbone(family, num_hidden_layers=48, **({"layer_types": None} if family == "gemma3" else {}))
    drawn = estimated(deep)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("talan_core.recipes.footprint._DEEPEST", 100)
        whole = estimated(deep)
    for part in ("weights", "adapter", "activations", "logits"):
        assert getattr(drawn, part) == pytest.approx(getattr(whole, part), rel=0.03)


def test_the_cheapest_change_that_fits_is_found(backbone):
    config = backbone().config
    task = Task(config, parse_arm("talan+lora"), POINT, "cuda")
    asked = dataclasses.replace(SETTINGS, dtype="bfloat16")
    roomy = cheapest_fit(task, asked, 10**12)
    assert (roomy.changes, roomy.devices) == ((), 1)
    needed = task.footprint(asked).needed
    assert cheapest_fit(task, asked, int(needed / 0.9) - 10).changes == ("logits=targets",)
    tight = cheapest_fit(task, asked, int(needed / 4))
    assert "gradient_checkpointing=true" in tight.changes
    none = cheapest_fit(task, asked, 10_000)
    assert none.devices > 1
    assert "quantization=4bit" not in none.changes  # what is named keeps the backbone as it is
    assert "batch_size=1" in none.changes
    assert "accumulation=4" in none.changes  # the examples of a step stay


def test_what_is_far_from_the_limit_is_not_simulated(backbone):
    model = backbone()
    stored = sum(p.numel() for p in model.parameters()) * 4
    assert fits_surely(model.config, SETTINGS, stored, 10**10)
    needed = estimated(model).needed
    assert not fits_surely(model.config, SETTINGS, stored, needed)
