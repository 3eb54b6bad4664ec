"""Arms as typed: grids of options, canonical names, contrasts, and every mistake in one error."""

from __future__ import annotations

import pytest

from talan_core.errors import UserError
from talan_eval.intake.arm_grids import read_arms, written_out
from talan_eval.requests.grid import AskedArms
from talan_eval.result.contrast import ContrastSpec


def arms(*treatments, base="lora", **changes):
    return read_arms(AskedArms(base, treatments, **changes))


def test_several_treatments_are_each_compared_with_the_base():
    found = arms("talan+lora", "noise+lora", "lora[r=9]")
    assert found.names == ("lora", "talan+lora", "noise+lora", "lora[r=9]")
    assert found.contrasts == tuple(ContrastSpec("lora", name) for name in found.names[1:])


def test_values_in_an_option_make_a_grid_with_the_last_one_fastest():
    assert written_out("talan[slots=1|2|4,layer=1|3]+lora[r=8|16]")[:3] == (
        "talan[slots=1,layer=1]+lora[r=8]",
        "talan[slots=1,layer=1]+lora[r=16]",
        "talan[slots=1,layer=3]+lora[r=8]",
    )
    found = arms("talan[slots=1|2|4,layer=1|3]+lora")
    assert len(found.names) == 7
    assert len(set(found.names)) == 7
    assert written_out("dora") == ("dora",)


def test_all_pairs_are_compared_in_the_order_of_the_arms():
    found = arms("dora", "talan+lora", every_pair=True)
    assert [(one.base, one.treatment) for one in found.contrasts] == [
        ("lora", "dora"), ("lora", "talan+lora"), ("dora", "talan+lora"),
    ]  # fmt: skip


def test_the_untrained_backbone_has_no_seeds_and_is_the_base_of_what_it_is_in():
    found = arms("base", "dora", every_pair=True)
    assert found.fixed == ("base",)
    assert ContrastSpec("base", "lora", "fixed") in found.contrasts
    assert ContrastSpec("base", "dora", "fixed") in found.contrasts
    assert ContrastSpec("lora", "dora", "paired") in found.contrasts


def test_a_trained_arm_can_be_taken_as_one_checkpoint_and_seeds_be_declared_independent():
    assert arms("dora", fixed=("lora",)).contrasts == (ContrastSpec("lora", "dora", "fixed"),)
    assert arms("dora", independent=True).contrasts == (ContrastSpec("lora", "dora", "independent"),)


def test_further_contrasts_of_named_arms_join_the_declared_ones():
    found = arms("talan+lora", "dora", "talan+dora", more=("dora+talan : dora", "talan+lora:lora"))
    assert [(one.base, one.treatment) for one in found.contrasts] == [
        ("lora", "talan+lora"), ("lora", "dora"), ("lora", "talan+dora"), ("dora", "talan+dora"),
    ]  # fmt: skip
    assert arms("dora", "base", more=("base:dora",)).contrasts[-1] == ContrastSpec("base", "dora", "fixed")


def test_a_contrast_that_is_there_is_not_there_twice_and_the_primary_one_stays_first():
    more = ("dora:talan+lora", "dora : talan + lora", "talan+lora:lora")
    found = arms("talan+lora", "dora", more=more)
    assert found.contrasts == (
        ContrastSpec("lora", "talan+lora"), ContrastSpec("lora", "dora"), ContrastSpec("talan+lora", "dora"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "every_pair"),
    [(("lora:talan+lora",), False), (("lora:talan+lora",), True), (("dora:noise+lora", "noise+lora:dora"), True)],
)
def test_a_contrast_is_not_turned_round_in_silence(more, every_pair):
    with pytest.raises(UserError, match="round, which is compared already") as caught:
        arms("talan+lora", "noise+lora", "dora", more=more, every_pair=every_pair)
    assert "the base arm" in caught.value.fix


def test_among_all_pairs_a_named_contrast_says_which_arm_is_the_base():
    found = arms("talan+lora", "noise+lora", more=("talan+lora:noise+lora",), every_pair=True)
    assert [(one.base, one.treatment) for one in found.contrasts] == [
        ("lora", "talan+lora"),
        ("lora", "noise+lora"),
        ("noise+lora", "talan+lora"),
    ]


def test_two_arms_without_seeds_are_no_contrast_where_others_have_some():
    with pytest.raises(UserError, match=r"--contrast (dora:base|base:dora): neither arm has training seeds"):
        arms("dora", "base", every_pair=True, fixed=("dora",), more=("dora:base",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dora", "names no two arms"),
        ("dora:", "names no two arms"),
        ("dora:rslora", "'rslora' is none of the arms \\(lora, dora\\)"),
        ("dora:dora", "with itself"),
        ("dora:lorra", "--contrast 'dora:lorra': 'lorra' is none of the arms"),
        ("lora::dora", "is none of the arms"),
        ("x" * 5000 + ":dora", "x{20}"),
    ],
)
def test_a_further_contrast_that_names_no_two_arms_is_refused_with_the_form(text, said):
    with pytest.raises(UserError, match=said) as found:
        arms("dora", more=(text,))
    assert len(str(found.value)) < 1000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"treatments": ("lora",)}, "The arms are the same: --base and --treat are both 'lora'"),
        ({"treatments": ("dora", "dora")}, "'dora' is named twice"),
        ({"treatments": ("talan+lora", "lora+talan")}, "under two names, 'talan\\+lora' and 'lora\\+talan'"),
        ({"treatments": ("lora[r=8]", "dora")}, "under two names, 'lora' and 'lora\\[r=8\\]'"),
        ({"treatments": ("lorra",)}, "Did you mean 'lora'"),
        ({"treatments": ("dora",), "fixed": ("ia3",)}, "--fixed ia3 is none of the arms \\(lora, dora\\)"),
        ({"treatments": ()}, "No arm is compared with the base"),
        ({"treatments": ("dora",), "base": "lora[r=1|2]"}, "is a grid of arms"),
        ({"treatments": ("base",), "base": "base"}, "are the same"),
        ({"treatments": ("talan[slots=]+lora",)}, "slots has no value"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, said):
    with pytest.raises(UserError, match=said):
        read_arms(AskedArms(**{"base": "lora", **given}))


def test_all_mistakes_are_named_at_once():
    with pytest.raises(UserError) as found:
        arms("lorra", "dora", "dora", fixed=("ia3",))
    for text in ("3 mistakes", "lorra", "'dora' is named twice", "--fixed ia3"):
        assert text in str(found.value)


def test_a_large_grid_must_be_meant():
    grid = "lora[r=" + "|".join(str(rank) for rank in range(20, 221)) + "]"
    with pytest.raises(UserError, match="202 arms are more than 200"):
        arms(grid)
    assert len(arms(grid, confirmed=True).names) == 202


def test_one_mistake_in_a_grid_is_named_once_and_a_large_grid_before_its_mistakes():
    with pytest.raises(UserError) as found:
        arms("talan[slots=1|2|3,lr=1]+lora")
    assert str(found.value).count("talan has no option 'lr'") == 1
    with pytest.raises(UserError, match="241 arms are more than 200"):
        arms("talan[slots=" + "|".join(map(str, range(1, 241))) + ",lr=1]+lora")
