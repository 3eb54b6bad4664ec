"""``talan-eval compare-logs``, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from talan_eval.result.schema import Result

LOGS = Path(__file__).parents[1] / "importers" / "data" / "lm_eval"
BOTH = (str(LOGS / "base"), str(LOGS / "treat"), "--filter", "strict-match")


def run(*words, cwd=None, command="compare-logs"):
    return subprocess.run(
        [sys.executable, "-m", "talan_eval.cli.main", command, *words],
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
    assert "metric acc of sums_chosen; also logged: acc_norm (--metric)" in done.stderr
    assert done.stderr.count("Note: ") == 1
    text = (tmp_path / "new" / "result.json").read_text(encoding="utf-8")
    assert text == (tmp_path / "report" / "result.json").read_text(encoding="utf-8")
    result = Result.from_json(text)
    files = result.provenance["arms"][result.contrasts[0].base]["runs"][0]["sha256"]
    assert [name.split("_2")[0] for name in files] == ["results", "samples_sums_chosen", "samples_sums_written"]
    assert "Single checkpoint pairs" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "report"]  # and nothing else


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*BOTH, "--steps", "5"), "No such option: --steps"),
        (BOTH[:1], "One arm is named"),
        (BOTH[:2], "--filter strict-match"),
    ],
)
def test_options_that_do_not_go_together(words, says):
    done = run(*words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_all_wrong_options_are_named_before_a_log_is_read():
    wrong = {"--pairs": "al", "--pairing": "pared", "--trial-axis": "seeds", "--allow-unpaired": "drp", "--alpha": "2"}
    done = run("no-such-log", *(word for pair in wrong.items() for word in pair), "--unit", "loss")
    assert done.returncode == 2
    for said in ("6 mistakes", "--pairs 'al'", "--pairing 'pared'", "--trial-axis 'seeds'", "--allow-unpaired 'drp'"):
        assert said in done.stderr
    assert "alpha is 2" in done.stderr
    assert "no-such-log" not in done.stderr


def test_a_trained_comparison_is_not_overwritten(tmp_path):
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    done = run(*BOTH, "--out", str(tmp_path))
    assert done.returncode == 2
    assert "would be overwritten" in done.stderr


def test_a_name_that_is_typed_again_adds_seeds(tmp_path):
    for arm in ("base", "treat"):
        for seed in (0, 1):
            rows = [{"arm": arm, "seed": seed, "task": "t", "item": n, "score": (n + seed) % 2} for n in range(4)]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / f"{arm}{seed}.jsonl").write_text(text, encoding="utf-8")
    done = run(
        "base=base0.jsonl", "base=base1.jsonl", "treat=treat0.jsonl", "treat=treat1.jsonl", "--json", "out.json",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Result.from_json((tmp_path / "out.json").read_text(encoding="utf-8")).contrasts[0].cells[0].seeds == (0, 1)


def test_logs_are_compared_without_torch():
    code = (
        "import sys; from talan_eval.cli import compare_logs; "
        "from talan_eval.requests.compare_logs import CompareLogsRequest; "
        f"compare_logs.perform(CompareLogsRequest(logs=({str(LOGS / 'base')!r}, {str(LOGS / 'treat')!r}), "
        "filter=('strict-match',))); "
        "print(sorted({'torch', 'transformers', 'peft', 'lm_eval', 'datasets', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_arms_pairs_and_arms_without_seeds_are_typed_as_the_help_says(tmp_path):
    lines = [
        json.dumps({"arm": arm, "seed": seed, "task": "t", "item": item, "score": (item * 7 + seed * place) % 5 // 3})
        for place, arm in enumerate(("raw", "lora", "dora"), 1)
        for seed in range(1 if arm == "raw" else 3)
        for item in range(8)
    ]
    (tmp_path / "all.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("untrained=all.jsonl:raw", "lora=all.jsonl", "dora=all.jsonl", "--pairs", "all", "--json", "out.json")
    refused = run(*words, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--pairing independent" in refused.stderr
    assert "--fixed untrained" in refused.stderr
    done = run(*words, "--fixed", "untrained", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = Result.from_json((tmp_path / "out.json").read_text(encoding="utf-8"))
    found = [(one.base, one.treatment, one.pairing) for one in result.contrasts]
    assert found == [("untrained", "lora", "fixed"), ("untrained", "dora", "fixed"), ("lora", "dora", "paired")]
    assert "Note: base is untrained, compared with lora, dora" in done.stderr
    assert "dora against lora" in done.stdout


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("--base-logs", "runs/a b", "--treat-logs=runs/dora"), "talan-eval compare-logs 'runs/a b' runs/dora"),
        (("--base-logs", "lora=x", "--treat-logs", "dora=x"), "talan-eval compare-logs lora=x dora=x"),
        (
            ("--base-logs", "a", "--base-logs", "b", "--treat-logs", "c", "--treat-logs", "d"),
            "talan-eval compare-logs base=a base=b treat=c treat=d",
        ),
        (("--filter", "strict"), "talan-eval compare-logs NAME=DIR NAME=DIR"),
    ],
)
def test_former_options_of_compare_say_what_to_type_now(words, fix):
    done = run(*words, command="compare")
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith(f"Type: {fix}")


def test_an_experiment_file_holds_logs_and_options(tmp_path):
    file = tmp_path / "logs.toml"
    file.write_text(f"logs = {[f'a={BOTH[0]}', f'b={BOTH[1]}']}\nfilter = 'none'\n", encoding="utf-8")
    done = run(str(file), *BOTH[2:], "--json", "result.json", cwd=tmp_path)  # what is typed comes before the file
    assert done.returncode == 0, done.stderr
    result = Result.from_json((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert (result.contrasts[0].base, result.contrasts[0].treatment) == ("a", "b")
    swapped = run(str(file), f"c={BOTH[1]}", f"d={BOTH[0]}", *BOTH[2:], "--json", "other.json", cwd=tmp_path)
    assert swapped.returncode == 0, swapped.stderr
    assert Result.from_json((tmp_path / "other.json").read_text(encoding="utf-8")).contrasts[0].base == "c"


def test_a_key_that_has_moved_is_named(tmp_path):
    file = tmp_path / "experiment.toml"
    file.write_text("base_logs = 'runs/lora'\n", encoding="utf-8")
    done = run(str(file), command="compare")
    assert done.returncode == 2
    assert "base_logs is for talan-eval compare-logs" in done.stderr
