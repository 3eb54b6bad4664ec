from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_core import config as config_module
from talan_core.config import MIXERS, SCOPES, WRITEBACKS, TalanConfig, default_d_mem
from talan_core.errors import UserError

VALID = st.builds(
    TalanConfig,
    layer=st.one_of(st.integers(0, 40), st.floats(0, 1, exclude_max=True)),
    slots=st.integers(1, 8),
    mixer=st.sampled_from(sorted(MIXERS)),
    writeback=st.just("gate"),
    scope=st.sampled_from(sorted(set(SCOPES) - {"gate_and_bias"})),
    grad_scale=st.floats(1e-3, 1e3),
    lr_scale=st.floats(1e-3, 1e3),
    d_mem=st.one_of(st.none(), st.sampled_from([8, 16, 64])),
    heads=st.sampled_from([1, 2, 4, 8]),
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(VALID)
def test_json_round_trip(config):
    assert TalanConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@settings(deadline=None, max_examples=60, derandomize=True)
@given(VALID, st.integers(1, 8192), st.integers(1, 100))
def test_resolving_gives_a_layer_and_a_width_that_fit_or_names_the_layer(config, hidden_size, num_layers):
    if isinstance(config.layer, int) and config.layer >= num_layers:
        with pytest.raises(UserError, match=f"layer={config.layer}"):
            config.resolve(hidden_size, num_layers)
        return
    resolved = config.resolve(hidden_size, num_layers)
    assert resolved.is_resolved
    assert 0 <= resolved.layer < num_layers
    assert resolved.d_mem % resolved.heads == 0
    assert resolved.resolve(hidden_size, num_layers) == resolved


def test_all_errors_are_collected_into_one():
    with pytest.raises(UserError) as caught:
        TalanConfig(
            layer=-1,
            slots=0,
            mixer="crossattn",
            writeback="gat",
            scope="al",
            grad_scale=0,
            lr_scale=float("nan"),
            heads=0,
        )
    text = str(caught.value)
    for name in ("layer", "slots", "mixer", "writeback", "scope", "grad_scale", "lr_scale", "heads"):
        assert f"{name}=" in text
    assert "Did you mean 'gate'?" in text
    assert "Did you mean 'all'?" in text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"layer": True}, "layer=True"),
        ({"layer": 1.0}, r"layer=1\.0"),
        ({"slots": 2.0}, r"slots=2\.0"),
        ({"slots": True}, "slots=True"),
        ({"d_mem": 0}, "d_mem=0"),
        ({"d_mem": 10, "heads": 4}, "heads=4"),
        ({"heads": 3}, "heads=3"),
        ({"grad_scale": float("inf")}, "grad_scale=inf"),
        ({"lr_scale": -1.0}, r"lr_scale=-1\.0"),
        ({"components": 0, "mixer": "ensemble"}, "components=0"),
        ({"components": 2}, "components=2"),
        ({"noise": 0.0, "scope": "frozen"}, r"noise=0\.0"),
        ({"noise": 0.1}, "use scope=frozen"),
        ({"mixer": "cross_attn", "scope": "gate_and_bias"}, "no biases"),
        ({"writeback": "direct", "scope": "gate"}, "direct"),
        ({"writeback": "direct", "scope": "gate_and_bias"}, "direct"),
    ],
)
def test_each_wrong_value_is_named(wrong, named):
    with pytest.raises(UserError, match=named):
        TalanConfig(**wrong)


@pytest.mark.parametrize(
    ("hidden_size", "width"),
    [(32, 16), (256, 16), (384, 32), (512, 64), (576, 64), (1024, 256), (2048, 256), (4096, 512)],
)
def test_default_widths(hidden_size, width):
    assert default_d_mem(hidden_size) == width


def test_fraction_of_depth_is_rounded_down():
    assert TalanConfig(layer=0.125).resolve(4096, 36).layer == 4
    assert TalanConfig(layer=0.125).resolve(128, 4).layer == 0


def test_other_format_versions_and_unknown_options_are_refused():
    data = TalanConfig().to_dict()
    with pytest.raises(UserError, match="format 99"):
        TalanConfig.from_dict({**data, "format": 99})
    with pytest.raises(UserError, match="Did you mean 'slots'"):
        TalanConfig.from_dict({**data, "slotts": 2})


def test_help_cites_the_paper_for_each_of_the_six_axes():
    axes = [item for item in config_module.dataclasses.fields(TalanConfig) if item.metadata["symbol"]]
    assert [item.metadata["symbol"] for item in axes] == ["l*", "T", "m", "w", "tau", "gamma"]
    assert all("Zhang et al." in item.metadata["help"] for item in axes)
    assert all(item.metadata["help"] for item in config_module.dataclasses.fields(TalanConfig))


def test_registries_of_names_and_of_classes_agree():
    from talan_core.mixers import MIXERS as MIXER_CLASSES  # noqa: PLC0415 - the configuration alone must not need torch
    from talan_core.writeback import WRITEBACKS as WRITEBACK_CLASSES  # noqa: PLC0415 - as above

    assert set(MIXER_CLASSES) == set(MIXERS)
    assert set(WRITEBACK_CLASSES) == set(WRITEBACKS)
