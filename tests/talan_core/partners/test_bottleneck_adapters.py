"""Bottleneck adapters and AdapterFusion: the formulas of the package that its authors maintain, stages, refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.bottleneck_edits import FusionEdit
from talan_core.errors import UserError
from talan_core.training.data import Mixture
from talan_core.training.fit import fit
from talan_core.training_settings import TrainingSettings

REFERENCE = Path(__file__).parent / "adapters_reference.safetensors"
SHAPE = LlamaConfig(
    hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
    vocab_size=40, max_position_embeddings=64, tie_word_embeddings=False,
)  # fmt: skip
SETTINGS = TrainingSettings(steps=12, batch_size=2, learning_rate=2e-2, schedule="constant", max_length=64)


def ours(theirs, kind):
    """Return our name of a tensor of the package, or None where it is the backbone's."""
    if ".adapters." in theirs:
        before, _, after = theirs.partition(".adapters.")
        number = int(before.split(".layers.")[1].split(".")[0])
        name, part, *rest = after.split(".")
        inner = f"{'down' if part == 'adapter_down' else 'up'}.{rest[-1]}"
        if kind == "fusion":
            return f"places.{number}.adapters.{'ab'.index(name)}.{inner}"
        place = 2 * number + ("output_adapters" in before) if kind == "houlsby" else number
        return f"places.{place}.adapter.{inner}"
    if ".adapter_fusion_layer." in theirs:
        before, _, after = theirs.partition(".adapter_fusion_layer.")
        return f"places.{before.split('.layers.')[1].split('.')[0]}.{'.'.join(after.split('.')[1:])}"
    return None


@pytest.mark.parametrize("kind", ["pfeiffer", "houlsby", "fusion"])
def test_outputs_are_those_of_the_package_adapters_on_copied_weights(kind):
    kept = load_file(REFERENCE)
    tensors = {name.removeprefix(f"{kind}/"): value for name, value in kept.items() if name.startswith(f"{kind}/")}
    expected = tensors.pop("logits")
    arm = {"fusion": "fusion[r=4,domains=2]"}.get(kind, f"{kind}[r=4]")
    backbone = LlamaForCausalLM(SHAPE).eval()
    own = {name.replace(".base_layer", ""): value for name, value in tensors.items() if ours(name, kind) is None}
    backbone.load_state_dict({name: own[name] for name in backbone.state_dict()})
    plain = backbone(kept["input_ids"]).logits
    model = build(backbone, parse_arm(arm), seed=0).eval()
    model.edit.load_state_dict({ours(name, kind): value for name, value in tensors.items() if ours(name, kind)})
    found = model(kept["input_ids"]).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(plain, expected, atol=1e-2)


@pytest.fixture
def domains(examples):
    """Examples of two domains, the second half as many."""
    return [dataclasses.replace(one, source="b" if at % 3 == 0 else "a") for at, one in enumerate(examples)]


@pytest.fixture
def fused(backbone, tokenizer, domains, tmp_path):
    def make(arm="fusion[r=4]", examples=None, **changes):
        model = build(backbone(), parse_arm(arm), seed=0)
        settings = dataclasses.replace(SETTINGS, **changes)
        steps = []
        log = fit(
            model, tokenizer, domains if examples is None else examples, settings, seed=0,
            work_dir=tmp_path / "work", on_step=lambda *said: steps.append(said[:2]),
        )  # fmt: skip
        return model, log, steps

    return make


def test_half_of_the_steps_train_the_domains_and_half_their_fusion(fused):
    model, log, steps = fused()
    layers, width, rank = 4, 32, 4
    adapter, attention = layers * (2 * width * rank + rank + width), layers * (3 * width * width + 2 * width)
    assert [(one.name, one.steps, one.trained_parameters) for one in log.stages] == [
        ("b", 3, adapter), ("a", 3, adapter), ("fusion", 6, attention),
    ]  # fmt: skip
    assert (len(log.losses), sum(one.tokens for one in log.stages)) == (12, log.tokens)
    assert steps == [(number, 12) for number in range(1, 13)]
    assert model.edit.domains == 2
    assert sum(weight.numel() for weight in model.parameters() if weight.requires_grad) == 2 * adapter + attention


def test_with_equal_steps_each_stage_has_those_of_the_recipe(fused):
    _, log, _ = fused("fusion[r=4,budget=steps]", steps=3)
    assert [one.steps for one in log.stages] == [3, 3, 3]


def test_a_domains_adapter_is_that_of_an_arm_trained_on_the_domain_alone(fused, backbone, tokenizer, domains, tmp_path):
    model, _, _ = fused("fusion[r=4,budget=steps]", steps=3)
    start = build(backbone(), parse_arm("fusion[r=4,domains=2]"), seed=0).edit
    for number, domain in enumerate("ba"):  # in the order in which the data name them
        alone = build(backbone(), parse_arm("pfeiffer[r=4]"), seed=0)
        for place, drawn in zip(alone.edit.places, start.places, strict=True):
            place.adapter.load_state_dict(drawn.adapters[number].state_dict())
        only = [one for one in domains if one.source == domain]
        fit(alone, tokenizer, only, dataclasses.replace(SETTINGS, steps=3), seed=0, work_dir=tmp_path / domain)
        for place, mixed in zip(alone.edit.places, model.edit.places, strict=True):
            found, expected = mixed.adapters[number].state_dict(), place.adapter.state_dict()
            assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_last_stage_sees_what_single_stage_arms_see_and_leaves_the_adapters_alone(fused, domains):
    weights = {"a": 1.0, "b": 1.0}
    model, log, _ = fused("fusion[r=4]", examples=Mixture(tuple(domains), weights))
    assert [one.name for one in log.stages] == ["b", "a", "fusion"]
    start = torch.full((32, 32), 1e-6).fill_diagonal_(1.0)
    assert all(not torch.equal(place.value.weight, start) for place in model.edit.places)
    again, _, _ = fused("fusion[r=4]", examples=Mixture(tuple(domains), weights))
    one, two = model.edit.state_dict(), again.edit.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_values_are_pulled_back_to_the_identity():
    edit = build(LlamaForCausalLM(SHAPE), parse_arm("fusion[r=4,domains=2]"), seed=0).edit
    weight = edit.places[0].value.weight
    torch.nn.init.normal_(weight)
    penalty = 0.01 * (weight - torch.eye(16)).square().sum()
    (expected,) = torch.autograd.grad(penalty, weight)
    weight.grad = torch.ones(16, 16)
    edit.pull_values()
    torch.testing.assert_close(weight.grad, 1 + expected)


def test_each_step_of_the_fusion_pulls_once(fused, monkeypatch):
    pulled = []
    monkeypatch.setattr(FusionEdit, "pull_values", lambda edit: pulled.append(edit.places[0].alone))
    fused()
    assert pulled == 3 * [0] + 3 * [1] + 6 * [None]


def test_a_backbone_that_still_has_a_bottleneck_in_it_is_refused():
    backbone = LlamaForCausalLM(SHAPE)
    model = build(backbone, parse_arm("pfeiffer"), seed=0)
    with pytest.raises(UserError, match="still has a PfeifferEdit in it"):
        build(backbone, parse_arm("lora"), seed=0)
    build(model.unload(), parse_arm("lora"), seed=0)


def test_a_fusion_of_one_domain_or_of_too_few_steps_is_refused(fused, examples):
    with pytest.raises(UserError, match=r"have one source \(sums\)"):
        fused(examples=examples)
    with pytest.raises(UserError, match="7 optimizer steps are too few for 2 domains"):
        fused(steps=7)
    with pytest.raises(UserError, match="another number of domains than the training data, which have 2 sources: b, a"):
        fused("fusion[domains=3]")
    with pytest.raises(UserError, match="trained in stages"):
        parse_arm("talan+fusion")
    with pytest.raises(UserError, match="budget=time: must be tokens or steps"):
        parse_arm("fusion[budget=time]")


def test_houlsby_says_what_a_backbone_lacks():
    backbone = LlamaForCausalLM(SHAPE)
    for layer in backbone.model.layers:
        layer.feed_forward = layer.mlp
        del layer.mlp
    with pytest.raises(UserError, match=r"have no mlp\.\n.*pfeiffer"):
        build(backbone, parse_arm("houlsby"), seed=0)


def test_a_checkpoint_cannot_ask_for_more_domains_than_it_has_tensors(fused, backbone, tmp_path):
    model, _, _ = fused("fusion[r=4]")
    model.save_pretrained(str(tmp_path / "saved"))
    record = tmp_path / "saved" / "talan_arm.json"
    record.write_text(record.read_text().replace('"domains": 2', '"domains": 1000000000'))
    with pytest.raises(UserError, match="domains"):
        talan_core.load(tmp_path / "saved", backbone())


@pytest.mark.parametrize("arm", ["pfeiffer", "houlsby"])
def test_decoding_step_by_step_gives_the_logits_of_the_whole(backbone, tokens, arm):
    model = build(backbone(), parse_arm(arm), seed=0).eval()
    for place in model.edit.places:
        torch.nn.init.normal_(place.adapter.up.weight, std=0.3)
    with torch.no_grad():
        whole = model(tokens).logits
        first = model(tokens[:, :5], use_cache=True)
        rest = model(tokens[:, 5:], past_key_values=first.past_key_values).logits
    torch.testing.assert_close(torch.cat([first.logits, rest], dim=1), whole, atol=1e-4, rtol=1e-4)
