"""The audit of a block's weights, where distances of normal tensors and what was added to them are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from talan_core.analysis.audit import audit_block, group_of
from talan_core.arms import build, parse_arm
from talan_core.training.planned_rates import planned_rates
from talan_core.training_settings import TrainingSettings

WIDE = 16
RATES = 0.05


@pytest.fixture
def fresh(backbone):
    """A factory: a new block, as it is before training."""

    def make(options="", seed=0):
        model = build(backbone(), parse_arm(f"talan[layer=1,d_mem={WIDE}{options}]+lora"), seed=seed)
        return model.talan

    return make


def tensors_of(audit):
    return {one.name: one for one in audit.tensors}


def test_an_untouched_block_is_at_its_start_and_as_far_from_fresh_draws_as_they_are_from_each_other(fresh):
    audit = audit_block(fresh(), rates=RATES)
    for one in audit.tensors:
        assert one.squared_update == 0
        if one.from_start is not None:
            assert one.from_start == 0
            assert one.from_fresh == pytest.approx(1, rel=0.1)
            assert one.from_fresh == one.start_from_fresh
    assert [one.share for one in audit.groups] == [None] * len(audit.groups)
    assert audit.gate.rms == 0
    assert audit.ensemble is None


def test_the_initial_values_are_those_of_the_blocks_own_seed(fresh):
    attachment = fresh(seed=3)
    assert tensors_of(audit_block(attachment, rates=RATES))["memory.themes"].from_start == 0
    attachment.provenance = type(attachment.provenance)("talan+lora", 4, {})
    other = tensors_of(audit_block(attachment, rates=RATES))["memory.key_weight"]
    assert other.from_start == pytest.approx(1, rel=0.1)  # another seed's start is a stranger
    attachment.provenance = None
    with pytest.raises(ValueError, match="which seed"):
        audit_block(attachment, rates=RATES)


@pytest.mark.parametrize("size", [0.1, 2.0])
def test_what_was_added_to_a_normal_tensor_is_its_distance_in_units_of_two_draws(fresh, size):
    attachment = fresh()
    weight = attachment.block.memory.key_weight
    rows, columns = weight.shape
    spread = columns**-0.5
    added = torch.randn(rows, columns, generator=torch.Generator().manual_seed(1)) * spread * size
    with torch.no_grad():
        weight.add_(added)
    one = tensors_of(audit_block(attachment, rates=RATES))["memory.key_weight"]
    unit = spread * math.sqrt(2 * rows * columns)  # expected norm of the difference of two normal tensors
    change = np.linalg.norm(added.double().numpy())
    assert one.squared_update == pytest.approx(change**2, rel=1e-5)
    assert one.from_start == pytest.approx(change / unit, rel=0.03)
    trained = float(weight.detach().double().norm())
    assert one.from_fresh == pytest.approx(math.hypot(trained, unit / math.sqrt(2)) / unit, rel=0.03)
    assert one.start_from_fresh == pytest.approx(1, rel=0.03)
    assert one.rms_of_ceiling is None


def test_what_starts_constant_is_measured_by_how_far_the_optimizer_could_carry_it(fresh):
    attachment = fresh(",lr_scale=4")
    with torch.no_grad():
        attachment.block.writeback.gate[:] = 0.01
        attachment.block.writeback.gate[0] = -0.04
        attachment.block.mixer.query_shift[:] = 0.02
    audit = audit_block(attachment, rates=RATES)
    count = attachment.block.writeback.gate.numel()
    rms = math.sqrt((0.01**2 * (count - 1) + 0.04**2) / count)
    assert audit.gate.rms == pytest.approx(rms, rel=1e-6)
    assert audit.gate.largest == pytest.approx(0.04)
    assert audit.gate.rms_of_ceiling == pytest.approx(rms / (4 * RATES), rel=1e-6)
    assert audit.gate.largest_of_ceiling == pytest.approx(0.04 / (4 * RATES))
    shift = tensors_of(audit)["mixer.query_shift"]
    assert (shift.from_start, shift.from_fresh) == (None, None)
    assert shift.rms_of_ceiling == pytest.approx(0.02 / (4 * RATES))
    squares = {"gate": rms**2 * count, "biases": 0.02**2 * WIDE}
    shares = {one.group: one.share for one in audit.groups}
    for group, square in squares.items():
        assert shares[group] == pytest.approx(square / sum(squares.values()), rel=1e-5)
    assert shares["projections"] == shares["theme queries"] == 0
    assert audit_block(attachment, rates=None).gate.rms_of_ceiling is None


def test_components_that_point_the_same_way_are_told_from_random_ones(fresh):
    attachment = fresh(",mixer=ensemble,components=3")
    random = audit_block(attachment, rates=RATES).ensemble
    assert min(random.random) - 0.05 < random.cosine < max(random.random) + 0.05
    assert random.entropy == pytest.approx(1)
    assert random.imbalance == pytest.approx(1)
    components = attachment.block.mixer.components
    direction = torch.nn.functional.normalize(torch.arange(1.0, components[0].query_weight.shape[1] + 1), dim=0)
    with torch.no_grad():
        for place, component in enumerate(components):
            component.query_weight.copy_((-1) ** place * torch.ones(WIDE, 1) * direction)
        attachment.block.mixer.mixture.copy_(torch.tensor([0.5, 0.25, 0.25]).log())
    same = audit_block(attachment, rates=RATES).ensemble
    assert same.cosine == pytest.approx(1)
    assert same.entropy == pytest.approx(1.5 * math.log(2) / math.log(3))
    assert same.imbalance == pytest.approx(1.5)
    assert same.random == random.random


def test_every_tensor_belongs_to_a_group(fresh):
    for options in ("", ",mixer=ensemble", ",mixer=glu", ",mixer=cross_attn", ",writeback=direct"):
        names = [name for name, _ in fresh(options).block.named_parameters()]
        assert {group_of(name) for name in names} <= {"theme queries", "projections", "biases", "gate", "mixture"}


def test_planned_rates_are_those_of_the_schedule():
    recipe = TrainingSettings(steps=20, batch_size=1, learning_rate=0.5, schedule="linear", warmup_ratio=0.2)
    rises, falls = [0.5 * step / 4 for step in range(4)], [0.5 * (20 - step) / 16 for step in range(4, 20)]
    assert planned_rates(recipe) == pytest.approx([*rises, *falls])
    constant = TrainingSettings(steps=3, batch_size=1, learning_rate=0.5, schedule="constant", warmup_ratio=0)
    assert planned_rates(constant) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="settled"):
        planned_rates(TrainingSettings(steps=None, epochs=1, batch_size=1))
