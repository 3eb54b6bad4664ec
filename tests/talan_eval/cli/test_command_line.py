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
        env={k: v for k, v in os.environ.items() if k != "TALAN_EVAL_DATA_DIR"} | {"COLUMNS": "100"},
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
        (["--base", "lora[rank=4]"], "option of lora"),
        (["--treat", "talan[mixer=attention]+lora"], "multihead_local"),
        (["--base", "lora", "--treat", "lora"], "The arms are the same"),
        (["--base", "lora[r=8]", "--treat", "lora"], "The arms are the same"),
        (["--tasks", "gsm8k_mikro"], "Did you mean 'gsm8k_micro'?"),
        (["--tasks", ","], "No task is named"),
        (["--tasks", "gsm8k"], "--data-dir DIR"),
        (["--tasks", "gsm8k", "--data-dir", "/nonexistent"], "does not exist"),
        (["--backbone", "mikro"], "Did you mean 'micro'?"),
        (["--backbone", "."], "holds no model"),
        (["--json", "/nonexistent/result.json"], "mkdir -p /nonexistent"),
        (["--json", "/"], "it is a directory"),
        (["--seeds", "none"], "--seeds 7"),
        (["--seeds", "0,0"], "name one twice"),
        (["--limit", "0"], "--limit 0 is not a positive number"),
        (["--limit", "100000"], "is more than the 200 items"),
        (["--steps", "0"], "steps=0: must be an integer from 1"),
        (["--learning-rate", "nan"], "learning_rate=nan"),
        (["--device", "tpu"], "Type --device with one of auto, cpu, cuda"),
        (["--workers", "-1"], "--workers -1"),
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


def test_tasks_are_listed():
    shown = run("tasks").stdout
    assert "gsm8k_micro" in shown
    assert "micro/mbpp_micro.yaml" in shown
