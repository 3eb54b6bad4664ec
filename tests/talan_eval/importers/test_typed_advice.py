"""What a refusal says to type is typed: the same comparison with it goes through, or meets no mistake of that kind."""

from __future__ import annotations

import re
import shlex

import pytest

from talan_core.errors import UserError

TEXTS = {"base": ("0011010", "0110011", "1100110"), "treat": ("0111010", "1110011", "1101110")}
OPTION = re.compile(r"--(tasks|filter|metric|allow-unpaired|pairing|fixed|trial-axis|reduce|unit|weights) ([^\s;,]+)")


def typed(text):
    """The options that a text names, as a request takes them."""
    found = {}
    for name, value in OPTION.findall(text):
        key = name.replace("-", "_")
        words = shlex.split(value.rstrip("."))
        if words == ["NAME"]:  # which the reader knows, and not the program
            continue
        if key in {"tasks", "allow_unpaired", "pairing", "trial_axis", "reduce"}:
            found.setdefault(key, words[0])
        else:
            found[key] = (*found.get(key, ()), *words)
    return found


def seeds(run, arm, **changes):
    for seed, text in enumerate(TEXTS[arm]):
        run(f"{arm}/seed{seed}", {"task": [float(x) for x in text], "more": [float(x) for x in text[::-1]]}, **changes)


def drop_line(path):
    for file in path.glob("samples_task*"):
        file.write_text("".join(file.read_text("utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")


def lacking_a_task(run, place):
    seeds(run, "base")
    seeds(run, "treat")
    next((place / "treat/seed1").glob("samples_more*")).unlink()


def other_versions(run, place):
    seeds(run, "base")
    seeds(run, "treat")
    for file in (place / "treat").glob("*/results*"):
        file.write_text(file.read_text("utf-8").replace('"more": 1', '"more": 2'), encoding="utf-8")


def other_items(run, place):
    seeds(run, "base")
    seeds(run, "treat")
    drop_line(place / "treat/seed1")


def cut(run, place):
    seeds(run, "base", claimed=True)
    seeds(run, "treat", claimed=True)
    drop_line(place / "treat/seed1")


def lone_seed(run, place):
    other_items(run, place)
    run("base/seed3", {"task": [0.0, 1.0] * 3 + [1.0], "more": [1.0] * 7})


def unpaired_numbers(run, _):
    for seed, text in enumerate(TEXTS["base"][:2]):
        run(f"base/x{seed}", task=text, model=f"base-{seed}")
    for seed, text in enumerate(TEXTS["treat"]):
        run(f"treat/x{seed}", task=text, model=f"treat-{seed}")


def one_untrained(run, _):
    run("base", task=TEXTS["base"][0])
    for seed, text in enumerate(TEXTS["treat"]):
        run(f"treat/x{seed}", task=text, model=f"treat-{seed}")


def several_filters(run, _):
    for arm in TEXTS:
        seeds(run, arm, filters={"task": ("strict", "loose"), "more": ("first", "last", "loose")})


def filters_apart(run, _):
    for arm in TEXTS:
        seeds(run, arm, filters={"task": ("strict", "loose"), "more": ("first", "last")})


def without_scores(run, place):
    seeds(run, "base")
    seeds(run, "treat")
    for file in (place / "treat/seed2").glob("samples_*"):
        file.write_text(file.read_text("utf-8").replace('"acc": 1.0', '"acc": NaN', 1), encoding="utf-8")


def outside(run, _):
    for arm, texts in TEXTS.items():
        for seed, text in enumerate(texts):
            run(f"{arm}/seed{seed}", {"task": [{"chars": 7.0 + float(x), "acc": float(x)} for x in text]})


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (lacking_a_task, {}, "Not every run has the same tasks"),
        (other_versions, {}, "has different versions"),
        (other_items, {}, "Scores do not pair"),
        (cut, {}, "holds 6 of the 7 answers"),
        (lone_seed, {}, "are in some arms only"),
        (unpaired_numbers, {}, "other numbers of runs"),
        (one_untrained, {}, "other numbers of runs"),
        (several_filters, {}, "filters: strict, loose"),
        (filters_apart, {}, "filters: strict, loose"),
        (filters_apart, {"filter": ("strict",)}, "filters: first, last"),
        (without_scores, {}, "no score"),
        (outside, {"metric": ("chars",)}, "not a score from 0 to 1"),
        (outside, {"metric": ("char",)}, "Unknown metric"),
    ],
)
def test_what_is_typed_as_told_goes_through(compare_words, run, tmp_path, make, options, says):
    make(run, tmp_path)
    words = [f"{arm}={tmp_path / arm}" for arm in TEXTS]
    with pytest.raises(UserError) as caught:
        compare_words(*words, **options)
    said = str(caught.value)
    assert says in said
    advice = typed(said.partition("\n")[2].rpartition("If ")[2] if make is one_untrained else said)
    if make is one_untrained:  # which says which arm it takes for one without seeds
        advice = {"fixed": advice["fixed"]}
    elif says.startswith("Unknown"):
        advice = {"metric": (re.search(r"Did you mean '(\w+)'", said)[1],), "unit": ("chars=characters",)}
    elif make is outside:
        advice = {"metric": advice["metric"]}  # the other way, --unit chars=UNIT, is tested with units
    for _ in range(3):  # a second mistake may wait behind the first; its advice is typed as well
        try:
            got = compare_words(*words, **{**options, **advice}).result
        except UserError as error:
            advice |= typed(str(error)) if says not in str(error) else pytest.fail(f"told again: {error}")
        else:
            assert got.contrasts[0].cells[0].n_items >= 6
            return
    pytest.fail(f"no way through: {advice}")


def test_an_arm_that_names_one_run_too_many_goes_through_with_the_one_that_is_named(compare_words, run, tmp_path):
    seeds(run, "base")
    seeds(run, "treat")
    words = [f"{arm}={tmp_path / arm}" for arm in TEXTS]
    with pytest.raises(UserError, match="an arm without seeds has one run") as caught:
        compare_words(*words, fixed=("base",))
    word = shlex.split(str(caught.value).rsplit("compare-logs ", 1)[1])[0]
    got = compare_words(word, words[1], fixed=("base",)).result
    assert got.contrasts[0].pairing == "fixed"


def test_a_crowded_seed_goes_through_run_by_run(compare_words, run, tmp_path):
    seeds(run, "base")
    seeds(run, "treat")
    run("treat/seed1/again", {"task": [1.0] * 7, "more": [1.0] * 7})
    with pytest.raises(UserError, match="several runs lie where one is expected") as caught:
        compare_words(f"base={tmp_path / 'base'}", f"treat={tmp_path / 'treat'}")
    first = shlex.split(str(caught.value).rsplit(": ", 1)[1])[0]
    assert first.startswith("treat=")
    assert compare_words(f"base={tmp_path / 'base/seed1'}", first).result.contrasts[0].cells[0].n_items == 7
