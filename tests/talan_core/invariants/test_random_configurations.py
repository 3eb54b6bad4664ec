"""Any valid configuration builds, trains a step, and comes back bit-equal; any invalid one is refused with reasons."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import talan_core
from talan_core.arms import Arm, NoiseOptions, TalanOptions, build, parse_arm
from talan_core.config import MIXERS, SCOPES, WITHOUT_BIASES, WRITEBACKS, TalanConfig
from talan_core.errors import UserError
from talan_core.quiet import library_warnings_silenced
from talan_core.training.optimizer import parameter_groups

LAYERS, WIDTH = 4, 32
# A fixture of functions only, so that it may be shared by the examples.
SHARED = settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LAYER = st.one_of(st.integers(0, LAYERS - 1), st.floats(0, 1, exclude_max=True))


@st.composite
def valid(draw):
    mixer = draw(st.sampled_from(sorted(MIXERS)))
    writeback = draw(st.sampled_from(sorted(WRITEBACKS)))
    scopes = set(SCOPES) if writeback == "gate" else {"all", "frozen"}
    heads = draw(st.sampled_from([1, 2, 4]))
    options = {
        "layer": draw(LAYER),
        "slots": draw(st.integers(1, 5)),
        "mixer": mixer,
        "d_mem": draw(st.sampled_from([None, 4 * heads, 8 * heads])),
        "heads": heads,
        "components": draw(st.integers(1, 4)) if mixer == "ensemble" else None,
    }
    if draw(st.integers(0, 5)) == 0:
        return NoiseOptions(gate=draw(st.floats(1e-3, 1.0)), **options)
    scope = draw(st.sampled_from(sorted(scopes - ({"gate_and_bias"} if mixer in WITHOUT_BIASES else set()))))
    scale = st.floats(0.1, 10)
    return TalanOptions(writeback=writeback, scope=scope, grad_scale=draw(scale), lr_scale=draw(scale), **options)


def logits(model, tokens):
    with torch.no_grad():
        return model.eval()(tokens).logits


@pytest.mark.filterwarnings("ignore:TALAN d_mem")  # full width is tried on purpose
@SHARED
@given(options=valid(), partner=st.sampled_from(["lora", "base", "ia3", "loreft"]), seed=st.integers(0, 3))
def test_a_valid_configuration_builds_trains_a_step_and_reloads_bit_equal(
    backbone, tokens, tmp_path_factory, options, partner, seed
):
    arm = Arm(parse_arm(partner).partner, options)
    plain = logits(backbone(), tokens)
    model = build(backbone(), arm, seed=seed)
    silent = isinstance(options, TalanOptions)
    assert torch.equal(logits(model, tokens), plain) == silent
    trained = [p for p in model.parameters() if p.requires_grad]
    if trained:
        optimizer = torch.optim.AdamW(parameter_groups(model, 1e-2))
        model.train()(tokens, labels=tokens).loss.backward()
        optimizer.step()
        assert not torch.equal(logits(model, tokens), plain)
    directory = tmp_path_factory.mktemp("arm")
    with library_warnings_silenced():
        model.save_pretrained(str(directory))
    loaded = talan_core.load(directory, backbone())
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))
    assert loaded.talan.config == model.talan.config
    assert all(torch.equal(v, loaded.talan.state_dict()[k]) for k, v in model.talan.state_dict().items())
    with loaded.disable_adapter():
        assert torch.equal(logits(loaded, tokens), plain)


WRONG = {
    "layer": st.sampled_from([-1, 1.0, 1.5, True, float("nan")]),
    "slots": st.sampled_from([0, -2, 1.5, True]),
    "mixer": st.sampled_from(["mha", "", "Ensemble"]),
    "writeback": st.sampled_from(["gated", ""]),
    "scope": st.sampled_from(["none", "gates"]),
    "grad_scale": st.sampled_from([0, -1.0, float("inf")]),
    "lr_scale": st.sampled_from([0, float("nan")]),
    "d_mem": st.sampled_from([0, -4, 2.0]),
    "heads": st.sampled_from([0, -1, 2.5]),
    "components": st.sampled_from([0, 1.5]),
    "noise": st.sampled_from([0.0, -0.1, float("nan")]),
}


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.fixed_dictionaries({}, optional=WRONG).filter(bool))
def test_an_invalid_configuration_names_every_wrong_field_at_once(wrong):
    with pytest.raises(UserError) as caught:
        TalanConfig(**wrong)
    for name in wrong:
        assert f"{name}=" in str(caught.value)


def test_the_wrong_values_cover_every_field():
    assert WRONG.keys() == {*TalanConfig().to_dict()} - {"format"}
