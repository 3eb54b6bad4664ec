"""What a user meets at the command line before anything is trained."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "talan_eval.cli.main", *words],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "TALAN_EVAL_DATA_DIR"}
        | {"COLUMNS": "100", "HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"},
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from talan_eval.cli.main import app; "
        "heavy = {'torch', 'transformers', 'peft', 'lm_eval', 'numpy', 'scipy', 'pydantic', 'datasets'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_answers_in_300_ms_of_processor_time():
    used = []
    for _ in range(3):
        before = os.times()
        began = time.monotonic()
        assert run("--help").returncode == 0
        after = os.times()
        used.append((after.children_user - before.children_user) + (after.children_system - before.children_system))
        assert time.monotonic() - began < 30
    assert min(used) < 0.3


def test_help_shows_every_option_with_its_default():
    shown = run("compare", "--help").stdout
    for option in ("--base", "--treat", "--seeds", "--backbone", "--tasks", "--limit", "--data-dir", "--out", "--json"):
        assert option in shown
    assert "[default: talan+lora]" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--treat", "talan+lorra"], "Did you mean 'lora'?"),
        (["--base", "lora[rank=4]"], "lora has no option 'rank'."),
        (["--treat", "talan[mixer=attention]+lora"], "multihead_local"),
        (["--base", "lora", "--treat", "lora"], "The arms are the same"),
        (["--base", "lora[r=8]", "--treat", "lora"], "The arms are the same"),
        (["--tasks", "gsm8k_mikro"], "Did you mean 'gsm8k_micro'?"),
        (["--tasks", ","], "No task is named"),
        (["--tasks", "gsm8k"], "--data-dir DIR"),
        (["--tasks", "gsm8k", "--data-dir", "/nonexistent"], "does not exist"),
        (["--backbone", "mikro"], "Did you mean 'micro'?"),
        (["--backbone", "."], "holds no model"),
        (["--slices", "subjekt"], "Did you mean 'subject'?"),
        (["--also", "wilcoxn"], "Did you mean 'wilcoxon'?"),
        (["--bootstrap", "bcaa"], "Did you mean 'bca'?"),
        (["--alpha", "5"], "not between 0 and 1"),
        (["--variants-tried", "0"], "--variants-tried 5"),
        (["--json", "/dev/null/result.json"], "/dev/null is not one that can be written to"),
        (["--json", "/"], "it is a directory"),
        (["--seeds", "none"], "--seeds 7"),
        (["--seeds", "0,0"], "name one twice"),
        (["--limit", "0"], "--limit 0 is not a positive number"),
        (["--limit", "100000"], "is more than the 200 items"),
        (["--steps", "-1"], "--steps -1 is not a positive number. Type a whole number from 1: --steps 8"),
        (["--learning-rate", "nan"], "--learning-rate nan is not a positive number"),
        (["--device", "tpu"], "Valid: auto, cpu, cuda"),
        (["--workers", "-1"], "--workers -1"),
        (["--executor", "raz"], "Did you mean 'ray'?"),
        (["--ray-address", "auto"], "Type --executor ray as well"),
        (["--gpus-per-run", "0.5"], "Type --executor ray as well, or a whole number"),
        (["--ray-address", "auto", "--executor", "slurm"], "has no effect with --executor slurm"),
        (["--gpus-per-run", "0.5", "--executor", "slurm"], "SLURM's jobs take whole GPUs"),
        (["--gpus-per-run", "1.5", "--executor", "ray"], "no whole number of them"),
        (["--sbatch", "mem=1G"], "has no effect with --executor local. Type --executor slurm as well"),
        (["--sbatch", "array=0-9", "--executor", "slurm"], "array is set by the comparison itself"),
        (["--sbatch", "--mem=1G", "--executor", "slurm"], "Type it without dashes: --sbatch partition=gpu"),
        (["--save-minutes", "-1"], "--save-minutes -1 is no length of time"),
        (["--save-minutes", "inf"], "--save-minutes inf is no length of time"),
        (["--samples-per-item", "0"], "--samples-per-item 0: must be 1 or more"),
        (["--samples-per-item", "4", "--temperature", "0"], "the samples would be copies"),
        (["--few-shot", "-1"], "--few-shot -1: must be 0 or more"),
        (["--thinking"], "has no switch for thinking"),
        (["--few-shot", "60", "--tasks", "gsm8k_micro"], "leave no room for an answer"),
        (["--wrong"], "No such option"),
    ],
)
def test_mistakes_are_one_message_with_exit_code_2_and_leave_nothing(words, says, tmp_path):
    out = tmp_path / "out"
    done = run("compare", *words, "--out", str(out))
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, done.stderr
    assert says in said
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_tasks_are_listed_with_counts_versions_and_data():
    lines = [line.split("\t") for line in run("tasks").stdout.splitlines()]
    rows = {words[0]: words[1:] for words in lines if len(words) == 6}
    assert rows["gsm8k"] == ["1,319", "7,473", "1", "number", "Hub"]
    assert ["  gsm8k: openai/gsm8k@740312ad"] in lines
    assert [rows[name][0] for name in ("gpqa_diamond", "math500", "mbpp")] == ["198", "500", "500"]
    assert rows["mbpp_micro"] == ["200", "600", "1", "code", "bundled"]


def test_a_data_directory_without_the_files_is_said_to_be_unusable(tmp_path):
    shown = run("tasks", "--data-dir", str(tmp_path)).stdout
    assert "\tunusable\n" in shown
    assert "  gsm8k: The data file" in shown


def test_one_item_is_shown_with_prompt_target_grading_and_verdict():
    done = run("tasks", "show", "gsm8k_micro", "--few-shot", "1", "--backbone", "micro", "--answer", "I give up")
    assert done.returncode == 0, done.stderr
    parts = done.stdout.split("--- ")
    assert [part.split()[0] for part in parts[1:]] == ["prompt", "target", "grading", "verdict"]
    assert parts[0].startswith("gsm8k_micro 1:")
    assert "[few_shot=1], item gsm8k-" in parts[0]
    assert parts[1].count("<|im_start|>user") == 2
    assert parts[1].count("<|im_start|>assistant") == 2
    assert "unparsed (score 0)" in parts[4]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gsm8k_mikro"], "Did you mean 'gsm8k_micro'?"),
        (["gsm8k_micro", "--item", "gsm8k-0"], "gsm8k_micro has 200 items; type --item gsm8k-"),
        (["gsm8k_micro", "--few-shot", "601"], "more than the 600 examples"),
    ],
)
def test_an_item_that_cannot_be_shown(words, says):
    done = run("tasks", "show", *words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("power", "--seeds", "7", "--items", "200", "--delta", "1.4"), "7 seeds"),
        (("calibrate", "--settings", "1", "--replicates", "100"), "Coverage"),
    ],
)
def test_commands_without_training_run_whatever_the_environment_says_of_compare(words, says, monkeypatch):
    monkeypatch.setenv("TALAN_EVAL_SEEDS", "0,3,5")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert says.lower() in done.stdout.lower()
