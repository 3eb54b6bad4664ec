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
from talan_core.arms import Arm, NoiseOptions, TalanOptions, parse_arm
from talan_core.config import SCOPES, TalanConfig
from talan_core.errors import UserError
from talan_core.partners import PARTNERS, Dora, Lora
from talan_core.partners.bottleneck import BUDGETS

RANK, RATE = st.integers(1, 64), st.floats(0, 1, exclude_max=True)
LAYER = st.one_of(st.none(), st.integers(0, 64), RATE)


def written(numbers):
    return ";".join(map(str, numbers))


GIVEN = {
    "r": RANK,
    "init_r": st.integers(64, 128),
    "alpha": RANK,
    "dropout": RATE,
    "extra": st.integers(0, 300),
    "bias": st.sampled_from(["none", "all", "lora_only"]),
    "block": st.integers(2, 64),
    "tokens": RANK,
    "scale": st.one_of(st.integers(-3, 3), st.floats(-1e9, 1e9)),
    "pairs": st.integers(2, 500),
    "layer": LAYER,
    "budget": st.sampled_from(BUDGETS),
    "domains": st.integers(0, 9),
    "layers": st.one_of(st.just("all"), st.sets(st.integers(0, 99), min_size=1, max_size=4).map(written)),
    "first": st.integers(0, 9),
    "last": st.integers(0, 9),
    "weights": st.sampled_from(["untied", "shared"]),
}


def options_of(kind):
    names = [item.name for item in dataclasses.fields(PARTNERS[kind])]
    given = {name: RANK.map(lambda r: 2 * r) if (kind, name) == ("hra", "r") else GIVEN[name] for name in names}
    return st.builds(PARTNERS[kind], **given).filter(lambda partner: not partner.problems())


PARTNER = st.sampled_from(sorted(PARTNERS)).flatmap(options_of)
OPTIONS = st.builds(
    TalanOptions,
    layer=LAYER,
    slots=st.one_of(st.none(), st.integers(1, 8)),
    mixer=st.sampled_from([None, "multihead_local"]),
    writeback=st.sampled_from([None, "gate"]),
    scope=st.sampled_from([None, *SCOPES]),
    grad_scale=st.one_of(st.none(), st.floats(1e-9, 1e22)),
    lr_scale=st.one_of(st.none(), st.integers(1, 5)),
    d_mem=st.sampled_from([None, 16, 64]),
    heads=st.sampled_from([None, 2, 4]),
)
NOISE = st.builds(
    NoiseOptions,
    gate=st.floats(1e-9, 1e3),
    layer=LAYER,
    slots=st.one_of(st.none(), st.integers(1, 8)),
    mixer=st.sampled_from([None, "glu", "cross_attn"]),
)
BESIDE = st.one_of(st.none(), OPTIONS, NOISE)
ARM = PARTNER.flatmap(lambda partner: st.builds(Arm, st.just(partner), st.none() if partner.refuses_block else BESIDE))


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
    of_config = [f.name for f in dataclasses.fields(TalanConfig)]
    assert [*(f.name for f in dataclasses.fields(TalanOptions)), "noise"] == of_config
    assert {f.name for f in dataclasses.fields(NoiseOptions)} - {"gate"} < set(of_config)


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
        ("lora[rank=8]", "lora has no option 'rank'"),
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
        ("talan+noise+lora", "two blocks"),
        ("talan+prefix", "virtual tokens"),
        ("talan+prompt", "virtual tokens"),
        ("noise+prompt", "noise cannot stand beside prompt"),
        ("talan+actadd", "no gradient"),
        ("noise[gate=0]+lora", "noise=0.0"),
        ("noise[scope=all]+lora", "noise has no option 'scope'"),
        ("hra[r=3]", "r=3: must be an even number"),
        ("adalora[r=8,init_r=4]", "init_r=4"),
        ("lora[bias=some]", "bias=some"),
        ("loreft[layer=1.5]", r"layer=1\.5"),
        ("actadd[pairs=1,scale=inf]", "scale=inf.*pairs=1"),
        ("base[r=1]", "base takes no options, and 'r' is given"),
        ("actadd[layer=0.0]", "layer=0: the contrast of the embedding output"),
        ("talan[components=2]+lora", "only mixer='ensemble'"),
        ("talan[mixer=cross_attn,scope=gate_and_bias]+lora", "has no biases"),
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
        "import talan_core.training_settings, talan_core.training.pairing as p; p.derive_seed(0, 'dropout');"
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
    kinds = [kind for kind, partner in PARTNERS.items() if not partner.refuses_block]
    arms = [parse_arm(f"{block}{kind}") for block, kind in itertools.product(("", "talan+", "noise+"), kinds)]
    assert len(set(arms)) == len({str(arm) for arm in arms}) == 3 * len(kinds)
