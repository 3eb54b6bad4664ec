"""``talan-eval compare`` with logs, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from talan_eval.result.schema import Result

LOGS = Path(__file__).parents[1] / "importers" / "data" / "lm_eval"
BOTH = ("--base-logs", str(LOGS / "base"), "--treat-logs", str(LOGS / "treat"), "--filter", "strict-match")


def run(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "talan_eval.cli.main", "compare", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "160", "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def test_one_command_prints_the_table_and_writes_what_was_asked_for(tmp_path):
    done = run(*BOTH, "--json", "new/result.json", "--out", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Single checkpoint pairs (E0)" in done.stdout  # one pair: all there is to say
    assert "Scores were read from logs" in done.stdout
    assert "Note: metric acc of sums_chosen; also logged: acc_norm (--metric)" in done.stderr
    text = (tmp_path / "new" / "result.json").read_text(encoding="utf-8")
    assert text == (tmp_path / "report" / "result.json").read_text(encoding="utf-8")
    result = Result.from_json(text)
    files = result.provenance["arms"]["base"]["runs"][0]["sha256"]
    assert [name.split("_2")[0] for name in files] == ["results", "samples_sums_chosen", "samples_sums_written"]
    assert "Single checkpoint pairs" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "report"]  # and nothing else


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*BOTH, "--backbone", "micro"), "--backbone is for training"),
        ((*BOTH, "--steps", "5", "--seeds", "7"), "--seeds, --steps are for training"),
        ((*BOTH, "--base", "lora"), "to name the arms, type --base-logs NAME=DIR"),  # the default, but typed
        (("--metric", "acc"), "--metric is for logs, and no logs are named"),
        (BOTH[:2], "--base-logs is given without --treat-logs"),
        (BOTH[:4], "--filter strict-match"),
    ],
)
def test_options_that_do_not_go_together(words, says):
    done = run(*words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_trained_comparison_is_not_overwritten(tmp_path):
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    done = run(*BOTH, "--out", str(tmp_path))
    assert done.returncode == 2
    assert "would be overwritten" in done.stderr


def test_options_for_logs_may_be_repeated(tmp_path):
    for arm in ("base", "treat"):
        for seed in (0, 1):
            rows = [{"arm": arm, "seed": seed, "task": "t", "item": n, "score": n % 2} for n in range(4)]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / f"{arm}{seed}.jsonl").write_text(text, encoding="utf-8")
    done = run(
        "--base-logs", "base0.jsonl", "--base-logs", "base1.jsonl", "--treat-logs", "treat0.jsonl", "--treat-logs",
        "treat1.jsonl", "--json", "out.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Result.from_json((tmp_path / "out.json").read_text(encoding="utf-8")).seeds == (0, 1)


def test_logs_are_compared_without_torch():
    code = (
        "import sys; from talan_eval.cli import compare; from talan_eval.requests.compare import CompareRequest; "
        f"compare.perform(CompareRequest(base_logs=({str(LOGS / 'base')!r},), treat_logs=({str(LOGS / 'treat')!r},), "
        "filter='strict-match')); "
        "print(sorted({'torch', 'transformers', 'peft', 'lm_eval', 'datasets', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
