"""Logs that cannot be compared: each is one message with the file, the line and what to type."""

from __future__ import annotations

import json

import pytest

from talan_core.errors import UserError
from talan_eval.report.contrast_tables import main_table
from talan_eval.report.view import View


def refused(compared, base, treat, **options):
    with pytest.raises(UserError) as caught:
        compared(base, treat, **options)
    return str(caught.value)


def samples(path):
    return next(path.glob("samples*"))


def rewrite(path, change):
    file = samples(path)
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(change(lines)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: [*lines[:2], lines[2][:80]], "line 3: the line was cut off"),
        (lambda lines: [lines[0][:100] + "\n", *lines[1:]], "line 1: the line was cut off"),
        (lambda lines: [lines[0][:100] + lines[1], *lines[2:]], "line 1: the line was cut off"),
        (lambda lines: [lines[0], "Traceback (most recent call last):\n", *lines[1:]], "line 2: the line is not JSON"),
        (lambda lines: [lines[0], "[1]\n"], "line 2: no lm-eval sample"),
        (
            lambda lines: [line.replace('"doc_id": 1,', '"doc_id": null,') for line in lines],
            "line 2: no lm-eval sample",
        ),
        (lambda lines: [*lines, "\0\0\0\0\n"], "line 5: the line is not JSON"),
        (lambda lines: [line.replace('"acc": 1.0', '"acc": NaN') for line in lines], "line 2: acc is nan"),
        (lambda lines: [line.replace('"acc": 1.0', '"acc": 57.3') for line in lines], "line 2: acc is 57.3, not a sco"),
        (lambda lines: [line.replace('"acc": 1.0', '"acc": -0.1') for line in lines], "line 2: acc is -0.1, not a sco"),
        (lambda lines: [line.replace('"acc": 1.0', '"acc": "yes"') for line in lines], "line 2: acc is 'yes', not a s"),
        (lambda lines: [line.replace('"acc": 1.0', '"acc": [1, 2]') for line in lines], "line 2: acc is [1, 2], not a"),
        (lambda lines: [line.replace('"acc": 1.0', '"acc": null') for line in lines], "line 2: acc is None"),
        (lambda lines: [line.replace('"metrics": ["acc"]', '"metrics": ["f1"]') for line in lines], "no value for f1"),
        (
            lambda lines: [lines[0], lines[1].replace('"acc"', '"f1"'), *lines[2:]],
            "item '1' (line 2: no acc; it has f1): no score",
        ),
        (lambda lines: [*lines, lines[1]], "1 item is there more than once, the first is '1' at lines 2, 5"),
        (lambda lines: lines[:3], "1 only in the first, 0 only in the second"),
        (
            lambda lines: [line.replace('"prompt_hash": "', '"prompt_hash": "0') for line in lines],
            "under another prompt",
        ),
        (
            lambda lines: [line.replace('"target_hash": "', '"target_hash": "0') for line in lines],
            "under another prompt",
        ),
        (lambda _: [""], "is empty"),
        (lambda _: ["version https://git-lfs.github.com/spec/v1\noid sha256:00\n"], "git lfs pull"),
    ],
)
def test_damaged_or_unequal_samples(compared, run, change, says):
    base, treat = run("base", task="0101"), rewrite(run("treat", task="0111"), change)
    said = refused(compared, base, treat)
    assert says in said
    assert samples(treat).name in said


def test_a_task_that_one_arm_lacks(compared, run):
    said = refused(compared, run("base", task_a="01", task_b="01"), run("treat", task_a="11"))
    assert "lacks 'task_b'" in said
    assert said.endswith("--tasks task_a")


def test_naming_the_common_tasks_compares_them(compared, run):
    got = compared(run("base", task_a="01", task_b="01"), run("treat", task_a="11"), tasks="task_a").result
    assert [cell.task for cell in got.contrasts[0].cells] == ["task_a"]


def test_different_task_versions(compared, run):
    said = refused(compared, run("base", task="01", version=1), run("treat", task="11", version=2))
    assert "Task 'task' has different versions: version 1 in" in said


def test_different_settings_explain_different_prompts(compared, run):
    treat = rewrite(
        run("treat", task="11", shots=5),
        lambda lines: [line.replace('"prompt_hash": "', '"prompt_hash": "0') for line in lines],
    )
    said = refused(compared, run("base", task="01", shots=0), treat)
    assert "Settings differ: task: num_fewshot is 0 in" in said
    assert said.endswith("--allow-unpaired drop")


def test_a_metric_that_the_arms_do_not_share(compared, run):
    said = refused(compared, run("base", {"task": [{"f1": 0.5}]}), run("treat", {"task": [{"acc": 0.5}]}))
    assert "no metric in common (f1 against acc)" in said


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "The directory is empty"),
        (lambda _: None, "there is no such directory or file"),
        (lambda path: path.write_text("hello", encoding="utf-8"), "is not one of the readable formats"),
        (lambda path: (path.mkdir(), (path / "results_x.json").write_text("{}", encoding="utf-8")), "--log_samples"),
    ],
)
def test_nothing_to_read(compared, run, tmp_path, make, says):
    make(tmp_path / "none")
    said = refused(compared, tmp_path / "none", run("treat", task="01"))
    assert says in said
    assert str(tmp_path / "none") in said


def test_places_that_are_neither_directory_nor_log(compared, run):
    said = refused(compared, "/dev/null", run("treat", task="01"))
    assert "null is not one of the readable formats" in said


def test_a_directory_in_place_of_the_json_file_is_refused_before_reading(compared, tmp_path):
    assert "Name a file" in refused(compared, tmp_path / "nothing", tmp_path / "there", json=tmp_path)


def test_versions_that_no_harness_writes_are_no_reason_to_stop(compared, run):
    base, treat = run("base", task="01"), run("treat", task="11")
    for arm in (base, treat):
        next(arm.glob("results*")).write_text('{"versions": {"task": {"a": 1}}}', encoding="utf-8")
    assert "task@{'a': 1}" in compared(base, treat).result.signature


def test_nothing_in_common_is_not_answered_with_the_option_that_was_typed(compared, run):
    treat = rewrite(
        run("treat", task="11"),
        lambda lines: [line.replace('"prompt_hash": "', '"prompt_hash": "0') for line in lines],
    )
    said = refused(compared, run("base", task="01"), treat, allow_unpaired="drop")
    assert "no item under the same prompt is in every run (2 items in all" in said
    assert "or compare what they share" not in said


def test_seeds_and_items_that_were_dropped_are_in_the_table(compared, run, tmp_path):
    for arm, seeds in (("base", 4), ("treat", 3)):
        for seed in range(seeds):
            run(f"{arm}/seed{seed}", {"task": [float(item % (seed + 2) == 0) for item in range(12)]})
    rewrite(tmp_path / "treat" / "seed1", lambda lines: lines[:-2])
    got = compared(tmp_path / "base", tmp_path / "treat", allow_unpaired="drop").result
    table = main_table(View(got))
    assert table.title.endswith("3 training seeds (left out, because one arm lacks it: 3)")
    assert table.rows[0][0] == "task (without 2 items) (primary)"
    assert (got.contrasts[0].cells[0].dropped_seeds, got.contrasts[0].cells[0].n_dropped) == ((3,), 2)
    assert any("1 seed(s) left out" in warning for warning in got.warnings)


def test_a_pattern_that_matches_nothing(compared, run, tmp_path):
    assert "matches nothing" in refused(compared, tmp_path / "seed*", run("treat", task="01"))


def test_a_results_file_that_was_cut_off(compared, run):
    base = run("base", task="01")
    next(base.glob("results*")).write_text('{"versions": ', encoding="utf-8")
    assert "is not JSON or was cut off" in refused(compared, base, run("treat", task="11"))


def test_one_arm_only_or_an_unknown_choice(compared, run):
    base, treat = run("base", task="01"), run("treat", task="11")
    assert f"One arm is named ({base})" in refused(compared, base, [])
    assert "No logs are named" in refused(compared, [], [])
    assert "Did you mean 'sample'" in refused(compared, base, treat, trial_axis="samples")
    assert "Valid: drop" in refused(compared, base, treat, allow_unpaired="yes")


def test_logs_of_different_harnesses(compared, run, tmp_path):
    table = tmp_path / "scores.jsonl"
    table.write_text(json.dumps({"arm": "x", "seed": 0, "task": "task", "item": "0", "score": 1}), encoding="utf-8")
    assert "different harnesses (lm-eval, table)" in refused(compared, run("base", task="1"), table)
