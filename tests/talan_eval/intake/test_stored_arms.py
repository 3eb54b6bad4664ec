"""Stored arms as they are typed: names, places and seeds; every wrong one is named at once."""

from __future__ import annotations

import json
import shutil

import pytest

from talan_core.errors import UserError
from talan_eval.intake.arm_grids import read_arms
from talan_eval.intake.checked import check
from talan_eval.intake.stored_arms import HubPlace, StoredPlace, places_of, read_stored
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.grid import AskedArms
from talan_eval.result.contrast import ContrastSpec


def arms(*treatments, base="lora=runs/lora{seed}", **changes):
    return read_arms(AskedArms(base, treatments, **changes))


def asked(base, *treat, **options):
    return check(CompareRequest(base=base, treat=treat, tasks="gsm8k_micro", **options))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("lora", None),
        ("talan[slots=4]+lora[lr=2e-4]", None),
        ("lora=runs/x{seed}", StoredPlace("lora", "runs/x{seed}")),
        (" talan+lora = a dir/b=c ", StoredPlace("talan+lora", "a dir/b=c")),
        ("lora[r=8]=runs/[x]/y", StoredPlace("lora[r=8]", "runs/[x]/y")),
        ("mine=owner/name@v2", StoredPlace("mine", "owner/name@v2")),
    ],
)
def test_a_stored_arm_has_its_equals_sign_outside_brackets(text, read):
    assert read_stored(text) == read


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("=runs", "has no name"),
        ("lora=", "no place"),
        ("a=runs/{step}", r"has \{step\} in it; \{seed\} is the only one"),
    ],
)
def test_what_is_no_stored_arm_is_refused(text, says):
    with pytest.raises(UserError, match=says):
        read_stored(text)


def test_seeds_and_single_checkpoints_make_paired_and_fixed_contrasts():
    assert arms("mine=runs/mine{seed}").contrasts == (ContrastSpec("lora", "mine", "paired"),)
    assert arms("mine=runs/mine{seed}", independent=True).contrasts[0].pairing == "independent"
    fixed = arms("one=runs/one")
    assert (fixed.fixed, fixed.contrasts) == (("one",), (ContrastSpec("one", "lora", "fixed"),))
    mixed = arms("talan+lora")
    assert (mixed.trained, [one.name for one in mixed.stored]) == (("talan+lora",), ["lora"])


def test_two_single_checkpoints_are_one_pair():
    both = arms("two=b", base="one=a")
    assert (both.have_seeds, both.contrasts) == (False, (ContrastSpec("one", "two", "paired"),))
    assert arms("two=b", base="base").contrasts == (ContrastSpec("base", "two", "paired"),)
    every = arms("one=a", "two=b", every_pair=True).contrasts
    assert ContrastSpec("one", "two", "paired") not in every  # among seeds it would be no test of the family
    assert len(every) == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"treatments": ("lora",)}, "The arm 'lora' is named twice, 'lora=runs"),
        ({"treatments": ("runs/mine/seed0",)}, "mine=runs/mine/seed0"),
        ({"treatments": ("dora",), "fixed": ("lora",)}, "a fixed arm is one checkpoint"),
    ],
)
def test_names_and_patterns_that_cannot_be_meant_are_refused(given, says):
    with pytest.raises(UserError, match=says):
        read_arms(AskedArms(**{"base": "lora=runs/lora{seed}", **given}))


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("run 0", "run 2", "run 03", "run x", "other 1"):
        (tmp_path / "a [b]" / name / "lora").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("start", ["", "./", "~/", "{home}/"])
def test_seeds_are_found_by_pattern_whatever_gaps_spaces_and_brackets(home, start):
    where = start.format(home=home) + "a [b]/run {seed}/lora"
    if start == "{home}/":
        where = f"{home}/a [b]/run {{seed}}/lora"
    found = places_of(StoredPlace("mine", where), None)
    assert list(found) == [0, 2, 3]
    assert found[3] == home / "a [b]" / "run 03" / "lora"
    assert list(places_of(StoredPlace("mine", where), (2, 7))) == [2]


def test_two_directories_of_one_seed_are_refused(home):
    (home / "a [b]" / "run 3" / "lora").mkdir(parents=True)
    with pytest.raises(UserError, match="are of seed 3"):
        places_of(StoredPlace("mine", "a [b]/run {seed}/lora"), None)


@pytest.mark.usefixtures("home")
def test_what_is_not_on_disk_may_be_on_the_hub():
    assert places_of(StoredPlace("mine", "me/lora@v1"), None) == {0: HubPlace("me/lora", "v1")}
    seeds = places_of(StoredPlace("mine", "me/lora@seed{seed}"), (0, 4))
    assert seeds == {0: HubPlace("me/lora", "seed0"), 4: HubPlace("me/lora", "seed4")}
    with pytest.raises(UserError, match="the Hub does not list seeds"):
        places_of(StoredPlace("mine", "me/lora{seed}"), None)
    with pytest.raises(UserError, match=r"there is no directory \./me/lora"):
        places_of(StoredPlace("mine", "./me/lora"), None)
    with pytest.raises(UserError, match=r"Nothing matches a \[b\]/rum \{seed\}/lora .* holds other 1, run 0"):
        places_of(StoredPlace("mine", "a [b]/rum {seed}/lora"), None)


def test_seeds_are_those_that_are_there_unless_some_are_asked_for(checkpoints, tmp_path):
    lora, talan = f"lora={checkpoints}/lora/seed{{seed}}", f"talan={checkpoints}/talan/seed{{seed}}"
    found = asked(lora, talan)
    assert found.seeds == (0, 1, 2)
    assert [(one.name, list(one.checkpoints)) for one in found.stored] == [("lora", [0, 1, 2]), ("talan", [0, 1, 2])]
    assert found.training.specs == ()
    assert asked(lora, talan, seeds="0,2").seeds == (0, 2)
    assert asked(lora, "talan+lora").seeds == (0, 1, 2)  # a trained arm takes them as well
    assert asked(f"one={checkpoints}/lora/seed0", f"two={checkpoints}/bare").seeds == (0,)
    for seed in (0, 2):
        shutil.copytree(checkpoints / "lora" / f"seed{seed}", tmp_path / f"gap{seed}")
    with pytest.raises(UserError, match=r"gap has no seed 1 .*\n.*--seeds 0,2, or --pairing independent"):
        asked(lora, f"gap={tmp_path}/gap{{seed}}")
    other = asked(lora, f"gap={tmp_path}/gap{{seed}}", pairing="independent")
    assert (other.seeds, [list(one.checkpoints) for one in other.stored]) == ((0, 1, 2), [[0, 1, 2], [0, 2]])


def test_every_wrong_directory_and_seed_is_one_error(checkpoints, tmp_path):
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged"
    shutil.copytree(checkpoints / "lora" / "seed0", damaged)
    (damaged / "adapter_model.safetensors").write_bytes((damaged / "adapter_model.safetensors").read_bytes()[:200])
    shutil.copytree(checkpoints / "lora" / "seed0", tmp_path / "mixed0")
    shutil.copytree(checkpoints / "talan" / "seed1", tmp_path / "mixed1")
    shutil.copytree(checkpoints / "lora" / "seed0", tmp_path / "ranks0")
    shutil.copytree(checkpoints / "lora" / "seed1", tmp_path / "ranks1")
    path = tmp_path / "ranks1" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lora_alpha": 99}))
    with pytest.raises(UserError) as found:
        asked(
            f"lora={checkpoints}/lora/seed{{seed}}",
            *(f"{name}={tmp_path}/{name}" for name in ("gone", "empty", "damaged")),
            *(f"{name}={tmp_path}/{name}{{seed}}" for name in ("mixed", "ranks", "nowhere")),
            f"outer={checkpoints}/lora",
        )
    said = str(found.value)
    for text in (
        f"The stored arm gone is not there: there is no directory {tmp_path}/gone",
        "The stored arm empty: ", "empty is empty: there is no adapter_config.json, talan_arm.json or config.json",
        "The stored arm damaged: ", "adapter_model.safetensors is damaged",
        "Seeds 0 and 1 of the stored arm mixed are no trainings of one arm: LORA adapter and TALAN block beside LORA",
        "Seeds 0 and 1 of the stored arm ranks are no trainings of one arm: lora_alpha",
        "Nothing matches", "nowhere{seed}",
        "mixed has no seed 2; ranks has no seed 2",
        "holds no checkpoint itself; seed0, seed1, seed2 below it does",
        "--seeds 0,1",
    ):  # fmt: skip
        assert text in said, said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 5}, "--steps would say how arms are trained, and none is"),
        ({"recipe": ("epochs=2", "dtype=float32")}, "--recipe epochs would say"),
        ({"train_tasks": "gsm8k_micro"}, "--train-tasks would say"),
        ({"confirm": 2}, "a stored arm is not trained here"),
        ({"backbone": ("micro", "smollm2-135m")}, "Stored arms belong to one backbone"),
    ],
)
def test_options_of_training_are_refused_where_nothing_is_trained(checkpoints, options, says):
    lora, talan = f"lora={checkpoints}/lora/seed{{seed}}", f"talan={checkpoints}/talan/seed{{seed}}"
    with pytest.raises(UserError, match=says):
        asked(lora, talan, **options)


def test_seeds_are_refused_where_no_arm_has_any(checkpoints):
    with pytest.raises(UserError, match="no arm has seeds"):
        asked(f"one={checkpoints}/bare", f"two={checkpoints}/whole", seeds="3")
