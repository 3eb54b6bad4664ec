"""Which run is which seed: directories of directories, globs, repeated options, copies and samples."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.report.contrast_tables import main_table
from talan_eval.report.view import View


def seeds_of(run, arm, scores, name="seed{}", start=0):
    for seed, text in enumerate(scores, start):
        run(f"{arm}/{name.format(seed)}/org__model", task=text, model=f"{arm}-{name.format(seed)}")


BASE, TREAT = ("0001", "0010", "0011"), ("0101", "0110", "0111")


def test_a_directory_of_directories_is_one_run_per_seed(compared, run, tmp_path):
    seeds_of(run, "base", BASE)
    seeds_of(run, "treat", TREAT)
    got = compared(tmp_path / "base", tmp_path / "treat").result
    assert got.contrasts[0].cells[0].seeds == (0, 1, 2)
    assert got.contrasts[0].cells[0].deltas == (25, 25, 25)
    assert (got.contrasts[0].base, got.contrasts[0].treatment) == ("base", "treat")


def test_repeated_options_pair_in_the_order_given(compared, run, tmp_path):
    for index, (one, other) in enumerate(zip(BASE, TREAT, strict=True)):
        run(f"b{'xyz'[index]}", task=one)
        run(f"t{'zxy'[index]}", task=other)
    got = compared([tmp_path / f"b{x}" for x in "xyz"], [tmp_path / f"t{x}" for x in "xyz"]).result
    assert got.contrasts[0].cells[0].deltas == (25, 50, 0)  # tx is the second treat run: 0110 against 0001, and so on


def test_ten_comes_after_two(compared, run, tmp_path):
    for number in range(11):
        run(f"base/r{number}", task=f"{number:04b}")
        run(f"treat/r{number}", task=f"{12 - number:04b}")
    got = compared(tmp_path / "base" / "r*", tmp_path / "treat").result
    assert got.contrasts[0].cells[0].seeds == tuple(range(11))
    assert got.contrasts[0].cells[0].deltas == tuple(25 * ((12 - n).bit_count() - n.bit_count()) for n in range(11))
    assert any("natural order" in warning for warning in got.warnings)


def test_seed_numbers_in_names_are_the_seeds(compared, run, tmp_path):
    seeds_of(run, "base", BASE, name="lora-seed_{}", start=3)
    seeds_of(run, "treat", TREAT, name="dora.seed{}", start=3)
    assert compared(tmp_path / "base", tmp_path / "treat").result.contrasts[0].cells[0].seeds == (3, 4, 5)


def test_a_seed_of_one_arm_only_is_refused_or_dropped_and_counted(compared, run, tmp_path):
    seeds_of(run, "base", BASE)
    seeds_of(run, "treat", TREAT[:2])
    with pytest.raises(
        UserError, match=r"(?s)Seeds 2 are in some arms only.*--allow-unpaired drop.*--pairing independent.*--fixed"
    ):
        compared(tmp_path / "base", tmp_path / "treat")
    got = compared(tmp_path / "base", tmp_path / "treat", allow_unpaired="drop").result
    assert got.contrasts[0].cells[0].seeds == (0, 1)
    assert any("1 seed(s) left out because only one arm finished: 2" in warning for warning in got.warnings)


def test_shifted_seed_numbers_are_never_paired_by_rank(compared, run, tmp_path):
    seeds_of(run, "base", BASE, start=0)
    seeds_of(run, "treat", TREAT, start=1)
    with pytest.raises(UserError, match="Seeds 0, 3 are in some arms only"):
        compared(tmp_path / "base", tmp_path / "treat")


def test_an_order_typed_run_by_run_wins_over_names_with_a_warning(compared, run, tmp_path):
    seeds_of(run, "base", BASE)
    seeds_of(run, "treat", TREAT, start=1)
    sides = [[tmp_path / arm / f"seed{n}" / "org__model" for n in numbers]
             for arm, numbers in (("base", (0, 1, 2)), ("treat", (1, 2, 3)))]  # fmt: skip
    got = compared(*sides).result
    assert got.contrasts[0].cells[0].deltas == (25, 25, 25)
    assert any("different seeds (0, 1, 2 against 1, 2, 3)" in warning for warning in got.warnings)


def test_unequal_counts_without_seed_numbers_are_refused(compared, run, tmp_path):
    seeds_of(run, "base", BASE, name="x{}")
    seeds_of(run, "treat", TREAT[:2], name="x{}")
    with pytest.raises(UserError, match=r"(?s)base-x has 3 .*treat-x has 2 .*--pairing independent.*--fixed NAME"):
        compared(tmp_path / "base", tmp_path / "treat")


def test_two_runs_in_one_seed_are_refused(compared, run, tmp_path):
    seeds_of(run, "base", BASE)
    run("base/seed1/other__model", task="0000")
    with pytest.raises(UserError, match=r"several runs lie where one is expected: .*org__model"):
        compared(tmp_path / "base", run("treat", task="0101"))


def test_a_copied_seed_is_an_error(compared, run, tmp_path):
    seeds_of(run, "base", BASE)
    seeds_of(run, "treat", TREAT)
    shutil.rmtree(tmp_path / "treat/seed2")
    shutil.copytree(tmp_path / "treat/seed1", tmp_path / "treat/seed2")
    with pytest.raises(UserError, match=r"(?s)seed1.* and .*seed2.* identical samples; a copy is no new seed"):
        compared(tmp_path / "base", tmp_path / "treat")


def test_the_same_directory_twice_or_in_both_arms_is_an_error(compared, run):
    base, treat = run("base", task="01"), run("treat", task="11")
    with pytest.raises(UserError, match="is named twice"):
        compared([base, base], [treat, treat])
    with pytest.raises(UserError, match="an arm is not compared with itself"):
        compared(base, base)


def test_name_equals_path_names_the_arm(compared, run):
    base, treat = run("base", task="01"), run("lr=1e-4", task="11")
    got = compared(f"lora={base}", f"talan=new={treat}").result
    assert (got.contrasts[0].base, got.contrasts[0].treatment) == ("lora", "talan=new")
    assert (
        compared(base, treat).result.contrasts[0].treatment == "adapters/lr=1e-4"
    )  # "=" in a path that exists is no name


def test_runs_can_be_samples_of_one_checkpoint(compared, run, tmp_path):
    seeds_of(run, "base", BASE)
    seeds_of(run, "treat", TREAT)
    got = compared(tmp_path / "base", tmp_path / "treat", trial_axis="sample").result
    assert (got.contrasts[0].cells[0].n_seeds, got.contrasts[0].cells[0].k) == (1, 3)
    assert got.contrasts[0].cells[0].base_mean == pytest.approx(100 * np.mean([1, 1, 2]) / 4)
    assert got.contrasts[0].cells[0].e1 is None
    assert any("averaged as samples of one checkpoint" in warning for warning in got.warnings)


def test_what_does_not_pair_is_dropped_on_request_and_said_in_the_table(compared, run):
    base = run("base", task="01011")
    treat = run("treat", task="1111")  # four of the five items
    with pytest.raises(UserError, match="--allow-unpaired drop"):
        compared(base, treat)
    got = compared(base, treat, allow_unpaired="drop").result
    assert (
        got.contrasts[0].cells[0].n_items,
        got.contrasts[0].cells[0].n_dropped,
        got.contrasts[0].cells[0].delta,
    ) == (4, 1, 50)
    assert main_table(View(got)).rows[0][0] == "task (without 1 item) (primary)"
    assert any("1 of 5 items left out of all arms" in warning for warning in got.warnings)


def test_nothing_in_common_cannot_be_dropped(compared, run):
    base, treat = run("base", task="01"), run("treat", task="11")
    file = next(treat.glob("samples*"))
    file.write_text(file.read_text("utf-8").replace('"prompt_hash": "', '"prompt_hash": "0'), encoding="utf-8")
    with pytest.raises(UserError, match="no item under the same prompt is in every run"):
        compared(base, treat, allow_unpaired="drop")


def test_other_files_beside_the_logs_do_not_matter(compared, run):
    base, treat = run("base", task="01"), run("treat", task="11")
    (base / "trainer_log.jsonl").write_text('{"loss": 1.0}\n', encoding="utf-8")
    (base / "items.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (base / "config.json").write_text("{}", encoding="utf-8")
    (base / ".cache").mkdir()
    (base / ".cache" / "samples_task_x.jsonl").write_text("{}", encoding="utf-8")
    assert compared(base, treat).result.contrasts[0].cells[0].delta == 50


def test_files_named_by_a_glob_are_the_tasks_of_their_directory(compared, run, tmp_path):
    for seed in (0, 1):
        run(f"base/seed{seed}", task_a="0" + "01"[seed], task_b="00")
        run(f"treat/seed{seed}", task_a="1" + "01"[seed], task_b="11")
    got = compared(tmp_path / "base/*/samples*", tmp_path / "treat/*/samples*").result
    assert got.contrasts[0].cells[0].seeds == (0, 1)
    assert [cell.delta for cell in got.contrasts[0].cells] == [50, 100]


def test_links_are_followed_but_not_in_circles(compared, run, tmp_path):
    run("store/abc", task="01")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "seed0").symlink_to(tmp_path / "store" / "abc")
    (tmp_path / "store" / "abc" / "up").symlink_to(tmp_path / "base")
    assert compared(tmp_path / "base", run("treat/seed0", task="11")).result.contrasts[0].cells[0].delta == 50
