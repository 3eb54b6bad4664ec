"""What is typed for each arm, and every wrong way of typing it: one message that ends in what to type."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.importers.words import split
from talan_eval.result.contrast import named_pairs


@pytest.fixture
def arms(run, tmp_path, monkeypatch):
    """lora, dora and noise below runs/, three seeds each, and an untrained model; the directory is the current one."""
    monkeypatch.chdir(tmp_path)
    scores = {"lora": ("0001", "0010", "0011"), "dora": ("0101", "0110", "0111"), "noise": ("0100", "1010", "0011")}
    for arm, texts in scores.items():
        for seed, text in enumerate(texts):
            run(f"runs/{arm}/seed{seed}", task=text, model=f"out/{arm}-seed{seed}")
    run("runs/untrained", task="1000", model="")
    return tmp_path


def table(path, arms=("lora", "dora", "noise")):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", "task", "item", "score"])
        for number, arm in enumerate(arms):
            for seed in range(3):
                scores = np.random.default_rng((number, seed)).integers(0, 2, 20)
                writer.writerows([arm, seed, "task", f"i{item}", score] for item, score in enumerate(scores))
    return path


@pytest.fixture
def refused(compare_words):
    def call(*words, **options):
        with pytest.raises(UserError) as caught:
            compare_words(*words, **options)
        return str(caught.value)

    return call


def contrasts(done):
    return [(one.base, one.treatment, one.pairing) for one in done.result.contrasts]


@pytest.mark.usefixtures("arms")
def test_the_first_arm_is_the_base_of_all_others(compare_words):
    done = compare_words("lora=runs/lora", "dora=runs/dora", "noise=runs/noise")
    assert contrasts(done) == [("lora", "dora", "paired"), ("lora", "noise", "paired")]
    assert [one.cells[0].deltas for one in done.result.contrasts] == [(25, 25, 25), (0, 25, 0)]
    assert [arm.name for arm in done.result.arms] == ["lora", "dora", "noise"]
    assert len(done.notes) == 1  # one line, however many seeds
    assert done.notes[0].startswith("base is lora, compared with dora, noise; seed 0 runs/lora/seed0 with")
    assert list(done.result.provenance["arms"]) == ["lora", "dora", "noise"]


@pytest.mark.usefixtures("arms")
def test_every_pair_on_request(compare_words):
    done = compare_words("lora=runs/lora", "dora=runs/dora", "noise=runs/noise", pairs="all")
    assert contrasts(done)[2] == ("dora", "noise", "paired")
    assert done.result.contrasts[2].cells[0].deltas == (-25, 0, -25)


@pytest.mark.usefixtures("arms")
def test_one_further_contrast_on_request(compare_words, refused):
    words = ("lora=runs/lora", "dora=runs/dora", "noise=runs/noise")
    done = compare_words(*words, contrast=("dora:noise",))
    assert contrasts(done)[2:] == [("noise", "dora", "paired")]
    assert done.result.contrasts[2].cells[0].deltas == (25, 0, 25)
    fixed = compare_words(*words, "base=runs/untrained", contrast=("dora:base",), fixed=("base",))
    assert contrasts(fixed)[-1] == ("base", "dora", "fixed")
    assert "'nose' is none of the arms (lora, dora, noise)" in refused(*words, contrast=("dora:nose",))


def test_a_further_contrast_of_arms_with_colons_is_read_as_a_whole():
    assert named_pairs(("a:b:c",), ("a:b", "c")) == (("c", "a:b"),)
    with pytest.raises(UserError, match="two contrasts"):
        named_pairs(("a:b:c",), ("a:b", "c", "a", "b:c"))


def test_a_name_takes_its_arm_of_a_table_and_a_colon_another(compare_words, refused, tmp_path):
    file = table(tmp_path / "scores.csv")
    done = compare_words(f"lora={file}", f"dora={file}", f"third={file}:noise")
    assert contrasts(done) == [("lora", "dora", "paired"), ("lora", "third", "paired")]
    assert contrasts(compare_words(f"{file}:lora", f"{file}:dora")) == [("lora", "dora", "paired")]
    said = refused(f"lora={file}", f"x={file}:noisy")
    assert "there is no arm 'noisy'" in said
    assert "Did you mean 'noise'" in said
    assert said.endswith(f"x={file}:dora")
    assert "an arm is not compared with itself" in refused(f"a={file}:lora", f"b={file}:lora")


def test_the_only_arm_of_a_table_takes_any_name(compare_words, tmp_path):
    one, two = table(tmp_path / "one.csv", ("lora",)), table(tmp_path / "two.csv", ("x", "dora"))
    assert contrasts(compare_words(f"old={one}", f"dora={two}")) == [("old", "dora", "paired")]


@pytest.mark.parametrize("name", ["a=b.csv", "c:scores.csv", "C:\\runs.csv", "lr=1e-4:x.csv"])
def test_what_exists_decides_where_an_argument_is_split(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    table(tmp_path / name)
    assert (split(name).name, split(name).path, split(name).inside) == (None, name, None)
    word = split(f"talan[slots=4]+lora={name}:dora")
    assert (word.name, word.path, word.inside) == ("talan[slots=4]+lora", name, "dora")


@pytest.mark.usefixtures("arms")
@pytest.mark.parametrize(
    ("words", "says", "types"),
    [
        ((), "No logs are named", "compare-logs NAME=DIR NAME=DIR"),
        (("lora=runs/lora",), "One arm is named (lora=runs/lora)", "adds seeds to its arm."),
        (("lora=", "dora=runs/dora"), "'lora=' has no path after its name", "compare-logs lora=DIR NAME=DIR"),
        (("", "dora=runs/dora"), "'' is empty", "compare-logs NAME=DIR NAME=DIR"),
        (("=runs/lora", "dora=runs/dora"), "no name before the '='", "compare-logs NAME=runs/lora"),
        (("lora=runs/lora", "lora=runs/lora"), "runs/lora/seed0 is named twice", "compare-logs lora=runs/lora ..."),
        (("a=runs/lora", "b=./runs/../runs/lora"), "an arm is not compared with itself", "a=runs/lora OTHER=DIR"),
        (("lora=runs/lora", "lora=runs/lora/seed0"), "is named twice", "lora=runs/lora ..."),
        (("lora=none/x", "dora=runs/dora"), "lora=none/x: there is no such directory or file (none/x)", "ls "),
        (("lora=C:\\runs\\lora", "b=runs/dora"), "there is no such directory or file (C:\\runs\\lora)", "ls "),
        (("runs/lr=1e-4", "b=runs/dora"), "runs/lr=1e-4: there is no such directory or file.", "/runs"),
        (("talan[slots=4]+lora=no", "b=runs/dora"), "no such directory or file (no)", "ls "),
        (("lora=runs/x*", "b=runs/dora"), "lora=runs/x*: the pattern matches nothing", "ls -d runs/x*"),
        (("lora=runs", "b=runs/dora"), "several runs lie where one is expected", "lora=runs/dora/seed0 lora=..."),
    ],
)  # fmt: skip
def test_mistakes_of_typing(refused, words, says, types):
    said = refused(*words)
    assert says in said
    assert types in said.rsplit("\n", 1)[1]


@pytest.mark.usefixtures("arms")
def test_seeds_that_a_shell_made_arms_are_pointed_out(compare_words):
    words = ("runs/lora/seed0", "runs/lora/seed1", "runs/dora/seed0")
    said = "runs/lora/seed0 and runs/lora/seed1 are arms of their own here"
    assert any(said in text for text in compare_words(*words).result.warnings)
    named = (f"lora={words[0]}", f"lora={words[1]}", "dora=runs/dora/seed0", "dora=runs/dora/seed1")
    assert not any("arms of their own" in text for text in compare_words(*named).result.warnings)


def test_an_arm_of_two_kinds_of_logs_is_refused(refused, arms):
    file = table(arms / "scores.csv", ("lora",))
    said = refused("lora=runs/lora", f"lora={file}", "dora=runs/dora")
    assert f"Logs of several kinds make no arm: lora=runs/lora (lm-eval); lora={file} (table)." in said


@pytest.mark.usefixtures("arms")
def test_an_arm_without_seeds_is_declared_and_has_one_run(compare_words, refused):
    words = ("raw=runs/untrained", "lora=runs/lora", "dora=runs/dora")
    said = refused(*words)
    assert "raw has 1 (runs/untrained); lora has 3" in said
    assert "--pairing independent" in said
    assert "--fixed raw" in said
    done = compare_words(*words, fixed=("raw",))
    assert contrasts(done) == [("raw", "lora", "fixed"), ("raw", "dora", "fixed")]
    assert done.result.contrasts[0].cells[0].deltas == (0, 0, 25)
    assert "raw, without seeds: runs/untrained" in done.notes[0]
    assert contrasts(compare_words(*words, fixed=("raw",), pairs="all"))[2] == ("lora", "dora", "paired")
    several = refused("lora=runs/lora", "dora=runs/dora", fixed=("lora",))
    assert "this has 3: runs/lora/seed0, runs/lora/seed1, runs/lora/seed2. They have different scores" in several
    assert "Did you mean 'raw'" in refused(*words, fixed=("rwa",))
    assert "No arm has training seeds" in refused("raw=runs/untrained", "x=runs/lora/seed0", fixed=("raw", "x"))


@pytest.mark.usefixtures("arms")
def test_independent_seeds_are_declared_and_may_differ_in_number(compare_words):
    done = compare_words("lora=runs/lora/seed[01]", "dora=runs/dora", pairing="independent")
    assert contrasts(done) == [("lora", "dora", "independent")]
    assert [arm.seeds for arm in done.result.arms] == [(0, 1), (0, 1, 2)]


@pytest.mark.usefixtures("arms")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pairing": "paird"}, "Did you mean 'paired'"),
        ({"pairs": "al"}, "Did you mean 'all'"),
        ({"trial_axis": "sample", "pairing": "independent"}, "Leave out --trial-axis sample"),
    ],
)
def test_choices_that_do_not_exist(refused, options, says):
    assert says in refused("lora=runs/lora", "dora=runs/dora", **options)


@pytest.mark.usefixtures("arms")
def test_a_missing_seed_of_one_arm_leaves_the_other_contrasts_whole(compare_words):
    shutil.rmtree("runs/noise/seed1")
    done = compare_words("lora=runs/lora", "dora=runs/dora", "noise=runs/noise", allow_unpaired="drop")
    assert [one.cells[0].seeds for one in done.result.contrasts] == [(0, 1, 2), (0, 2)]


def test_arms_of_which_no_two_share_a_seed_are_refused(refused, tmp_path):
    file = table(tmp_path / "scores.csv", ("lora", "dora"))
    file.write_text(file.read_text().replace("dora,1,", "dora,7,").replace("dora,2,", "dora,8,"))
    other = file.read_text().replace("dora,0,", "dora,9,")
    (tmp_path / "apart.csv").write_text(other)
    assert "Seeds 1, 2, 7, 8 are in some arms only" in refused(f"lora={file}", f"dora={file}")
    apart = tmp_path / "apart.csv"
    assert "lora and dora have no seed in common" in refused(f"lora={apart}", f"dora={apart}", allow_unpaired="drop")
