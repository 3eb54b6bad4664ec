"""The table of operating points against the architectures it speaks of, which are built without weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.backbones.names import find_backbone
from talan_core.backbones.operating_points import OPERATING_POINTS, operating_point
from talan_core.backbones.outlines import outline
from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_core.size import block_share, matched_lora, trainable_parameters

ARCHITECTURES = {
    hub_id: AutoConfig.from_pretrained(outline(find_backbone(hub_id)).location) for hub_id in OPERATING_POINTS
}
PAPER_LAYERS = {
    "Qwen/Qwen3-8B": 4,
    "Qwen/Qwen3-32B": 12,
    "Qwen/Qwen3-30B-A3B": 0,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": 0,
}


@pytest.fixture(scope="module")
def shapes():
    """Models on the device "meta", one per backbone, built when asked for."""
    made = {}

    def shape(hub_id):
        if hub_id not in made:
            with torch.device("meta"):
                made[hub_id] = AutoModelForCausalLM.from_config(ARCHITECTURES[hub_id])
        return made[hub_id]

    return shape


def test_layers_of_the_paper_are_marked_as_the_papers():
    assert OPERATING_POINTS.keys() == ARCHITECTURES.keys()
    assert {hub_id: p.config.layer for hub_id, p in OPERATING_POINTS.items() if "layer" in p.paper} == PAPER_LAYERS
    fields = {item.name for item in dataclasses.fields(TalanConfig)}
    assert all(point.paper <= fields and "paper" in point.note for point in OPERATING_POINTS.values())


@pytest.mark.parametrize("hub_id", sorted(ARCHITECTURES))
def test_a_block_has_at_most_a_five_hundredth_of_the_backbones_parameters(hub_id, shapes):
    point, model = OPERATING_POINTS[hub_id], shapes(hub_id)
    assert point.parameters == sum(p.numel() for p in model.parameters())
    assert (point.hidden_size, point.num_layers) == (model.config.hidden_size, model.config.num_hidden_layers)
    assert block_share(point.config, point.hidden_size, point.num_layers, point.parameters) <= 0.002
    ensemble = dataclasses.replace(point.config, mixer="ensemble")
    assert block_share(ensemble, point.hidden_size, point.num_layers, point.parameters) <= 0.0042


def test_a_backbone_is_found_with_its_operating_point():
    assert find_backbone("Qwen/Qwen3-32B").talan.layer == 12
    assert find_backbone("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B").talan.layer == 0
    assert operating_point("qwen/qwen3-8b").layer == 4
    assert operating_point("someone/else") == TalanConfig()


@pytest.mark.parametrize("partner", ["lora", "dora[r=4]", "rslora", "lora[extra=3]", "lora[r=2,alpha=32]"])
def test_the_matched_partner_has_the_size_of_the_arm_and_its_own_scale(backbone, partner):
    arm, defaults = parse_arm(f"talan[d_mem=16,slots=40]+{partner}"), TalanConfig(layer=1)
    match = matched_lora(backbone(), arm, defaults=defaults)
    assert match.wanted == trainable_parameters(backbone(), arm, defaults=defaults)
    assert match.parameters == trainable_parameters(backbone(), match.arm)
    assert abs(match.parameters - match.wanted) <= 0.01 * match.wanted
    assert parse_arm(match.arm.name) == match.arm
    scales = {
        round(layer.scaling["default"], 9)
        for layer in build(backbone(), match.arm, seed=0).modules()
        if hasattr(layer, "lora_A")
    }
    assert scales == {round(next(iter(layers_of(backbone(), partner))).scaling["default"], 9)}
    given = trainable_parameters(backbone(), parse_arm(partner))
    assert given < 0.99 * match.wanted  # the control: without the ranks it is no match


def layers_of(model, partner):
    return [layer for layer in build(model, parse_arm(partner), seed=0).modules() if hasattr(layer, "lora_A")]


def test_ranks_are_handed_out_one_a_layer(backbone):
    def ranks(arm):
        return [layer.r["default"] for layer in layers_of(backbone(), arm)]

    count = len(ranks("lora"))
    assert ranks("lora[r=4,extra=3]") == [5, 5, 5] + [4] * (count - 3)
    assert ranks(f"lora[r=4,extra={count + 1}]") == [6] + [5] * (count - 1)


def test_a_checkpoint_with_extra_ranks_loads_as_it_was(backbone, tmp_path):
    model = build(backbone(), parse_arm("talan[layer=1]+lora[r=4,extra=3]"), seed=0)
    model.save_pretrained(tmp_path / "arm")
    again = talan_core.load(tmp_path / "arm", backbone())
    ours, theirs = (
        {name: weight for name, weight in one.state_dict().items() if "lora" in name} for one in (model, again)
    )
    assert {name: weight.shape for name, weight in ours.items()} == {n: w.shape for n, w in theirs.items()}
    assert all(weight.equal(theirs[name]) for name, weight in ours.items())


def test_a_partner_without_a_rank_cannot_be_matched(shapes):
    with pytest.raises(UserError, match="no rank"):
        matched_lora(shapes("meta-llama/Llama-3.2-1B"), parse_arm("talan+ia3"))


def test_the_block_on_the_bundled_backbone_is_below_one_percent():
    from talan_core.backbones.load import load_model, locate  # noqa: PLC0415 - only here

    spec = find_backbone("micro")
    model = load_model(locate(spec), "float32", torch.device("cpu"))
    shape = model.config.get_text_config()
    number = sum(p.numel() for p in model.parameters())
    assert block_share(spec.talan, shape.hidden_size, shape.num_hidden_layers, number) < 0.01
