from __future__ import annotations

import dataclasses
import itertools
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import talan_core
from talan_core.arms import Arm, TalanOptions, parse_arm
from talan_core.config import SCOPES, TalanConfig
from talan_core.errors import UserError
from talan_core.partners import PARTNERS, Dora, Lora

PARTNER = st.builds(
    lambda kind, r, alpha, dropout: PARTNERS[kind](r=r, alpha=alpha, dropout=dropout),
    st.sampled_from(sorted(PARTNERS)),
    st.integers(1, 64),
    st.integers(1, 64),
    st.floats(0, 1, exclude_max=True),
)
OPTIONS = st.builds(
    TalanOptions,
    layer=st.one_of(st.none(), st.integers(0, 64), st.floats(0, 1, exclude_max=True)),
    slots=st.one_of(st.none(), st.integers(1, 8)),
    mixer=st.sampled_from([None, "multihead_local"]),
    writeback=st.sampled_from([None, "gate"]),
    scope=st.sampled_from([None, *SCOPES]),
    grad_scale=st.one_of(st.none(), st.floats(1e-9, 1e22)),
    lr_scale=st.one_of(st.none(), st.integers(1, 5)),
    d_mem=st.sampled_from([None, 16, 64]),
    heads=st.sampled_from([None, 2, 4]),
)
ARM = st.builds(Arm, PARTNER, st.one_of(st.none(), OPTIONS))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(ARM)
def test_the_canonical_name_gives_the_arm_back(arm):
    assert parse_arm(arm.name) == arm
    assert parse_arm(arm.name).name == arm.name


@settings(deadline=None, max_examples=200, derandomize=True)
@given(ARM, ARM)
def test_equal_arms_have_equal_names_and_different_arms_different_ones(one, other):
    assert (one == other) == (one.name == other.name)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(ARM, st.randoms(use_true_random=False))
def test_the_order_of_components_and_options_and_spaces_do_not_matter(arm, random):
    pieces = []
    for component in re.split(r"\+(?![^\[]*\])", arm.name):
        name, _, options = component.rstrip("]").partition("[")
        shuffled = options.split(",") if options else []
        random.shuffle(shuffled)
        pieces.append(f" {name} [ {' , '.join(option.replace('=', ' = ') for option in shuffled)} ] ")
    random.shuffle(pieces)
    assert parse_arm("+".join(pieces)) == arm


def test_defaults_of_the_partner_are_not_written():
    assert parse_arm("lora[r=8,alpha=16,dropout=0]").name == "lora"
    assert parse_arm("lora[r=8,alpha=16]") == parse_arm("lora")
    assert parse_arm("lora") != parse_arm("dora")
    assert parse_arm("dora").partner == Dora()
    assert parse_arm("lora").partner == Lora(r=8, alpha=16, dropout=0.0)


def test_the_layer_keeps_its_kind():
    assert parse_arm("talan[layer=4]+lora").talan.layer == 4
    assert parse_arm("talan[layer=0.25]+lora").talan.layer == 0.25
    assert parse_arm("talan[layer=0.0]+lora") == parse_arm("talan[layer=0]+lora")


def test_options_are_laid_over_the_operating_point():
    options = parse_arm("talan[slots=3]+lora").talan
    assert options.config(TalanConfig(layer=2, slots=5, heads=2)) == TalanConfig(layer=2, slots=3, heads=2)
    assert options.config() == TalanConfig(slots=3)


def test_options_and_configuration_have_the_same_fields():
    assert [f.name for f in dataclasses.fields(TalanOptions)] == [f.name for f in dataclasses.fields(TalanConfig)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("lora+", "cannot be read"),
        ("lora[", "cannot be read"),
        ("lora[r=8]]", "cannot be read"),
        ("lorra", "Did you mean 'lora'"),
        ("talan+dorra", "Did you mean 'dora'"),
        ("talan", "no partner"),
        ("lora+dora", "2 partners"),
        ("lora+lora", "twice"),
        ("lora[rank=8]", "option of lora 'rank'"),
        ("talan[slot=2]+lora", "Did you mean 'slots'"),
        ("lora[r=eight]", "not an integer"),
        ("lora[r=2.5]", "not an integer"),
        ("lora[dropout=no]", "not a number"),
        ("talan[layer=four]+lora", "not a number"),
        ("lora[r]", "r has no value"),
        ("lora[r=]", "r has no value"),
        ("lora[r=4,r=8]", "given twice"),
        ("lora[r=0,alpha=0,dropout=1]", "r=0.*alpha=0.*dropout=1"),
        ("lora[dropout=nan]", "dropout=nan"),
        ("talan[slots=0,scope=none]+lora", "(?s)slots=0.*scope='none'"),
    ],
)
def test_bad_arms_are_named(text, says):
    with pytest.raises(UserError, match=says):
        parse_arm(text)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.text(alphabet="talnord+[]=,.0123456789 r", max_size=30))
def test_any_text_is_an_arm_or_a_user_error(text):
    try:
        arm = parse_arm(text)
    except UserError:
        return
    assert parse_arm(arm.name) == arm


def test_parsing_loads_neither_torch_nor_peft():
    code = (
        "import sys, talan_core; talan_core.parse_arm('talan[slots=2]+dora'); talan_core.TalanConfig();"
        "import talan_core.training.settings, talan_core.training.pairing as p; p.derive_seed(0, 'dropout');"
        "sys.exit(', '.join({'torch', 'peft', 'transformers', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_exists():
    for name in talan_core.__all__:
        assert getattr(talan_core, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = talan_core.nothing


def test_arms_can_be_keys():
    arms = [parse_arm(f"{talan}{kind}") for talan, kind in itertools.product(("", "talan+"), PARTNERS)]
    assert len(set(arms)) == len({str(arm) for arm in arms}) == 2 * len(PARTNERS)
