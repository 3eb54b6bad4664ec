"""The whole way through on the bundled backbone, small: results, repetition, interruption, and refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jsonschema
import psutil
import pytest
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli.main import app
from talan_eval.records.samples import read_samples

ROOT = Path(__file__).parents[3]
TASKS = "gsm8k_micro,mbpp_micro"
FILE = 'seeds = 2\nsteps = 4\nlimit = 12\ntasks = ["gsm8k_micro", "mbpp_micro"]\n'  # the same as COMMON
COMMON = ("--seeds", "2", "--steps", "4", "--limit", "12", "--tasks", TASKS)
ALONE = ("--workers", "1")  # a process less to start; the number of workers changes no result


def command(*words: str, name: str = "compare") -> list[str]:
    return [sys.executable, "-m", "talan_eval.cli.main", name, *words]


class Done(NamedTuple):
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


def compare(*words: str, name: str = "compare") -> Done:
    """Run a command in this process, which has loaded the libraries; its workers are processes of their own."""
    done = CliRunner().invoke(app, [name, *words], env={"COLUMNS": "140"})
    if isinstance(done.exception, UserError):
        return Done(done.exception.exit_code, done.stdout, f"Error: {done.exception}\n")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def wait_for(process: subprocess.Popen[str] | subprocess.Popen[bytes], folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 240
    while not list(folder.glob(pattern)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("compare") / "out"
    file = out.parent / "experiment.toml"
    file.write_text(FILE)
    words = (str(file), "--workers", "2", "--out", str(out), "--json", str(out.parent / "new" / "copy.json"))
    done = subprocess.run(
        command(*words), capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "140"}
    )
    assert done.returncode == 0, done.stderr
    return out, done


def result_of(out: Path) -> dict[str, object]:
    return json.loads((out / "result.json").read_text())


def without_times(result: dict[str, object]) -> dict[str, object]:
    del result["provenance"]["times"]
    return result


def test_a_comparison_leaves_what_the_readme_promises(finished):
    out, done = finished
    assert {"report.md", "result.json", "manifest.json", "samples"} <= {path.name for path in out.iterdir()}
    assert len(list((out / "samples").glob("*/*.parquet"))) == 8
    assert len(read_samples(next((out / "samples" / "gsm8k_micro").iterdir()))) == 12
    assert list((out / "running").iterdir()) == []
    assert (out / "result.json").read_bytes() == (out.parent / "new" / "copy.json").read_bytes()
    assert (out / "experiment.toml").read_text() == FILE
    assert json.loads((out / "request.json").read_text()) == {
        "seeds": "2", "steps": 4, "limit": 12, "tasks": TASKS, "workers": 2,
    }  # fmt: skip
    for text in (done.stdout, (out / "report.md").read_text()):
        assert "gsm8k_micro" in text
        assert "mean (primary)" in text
        assert "sandbox tier" in text
        assert "unsandboxed" not in text.lower()
    assert done.stderr == ""


def test_the_result_validates_against_the_published_schema(finished):
    out, _ = finished
    schema = json.loads((ROOT / "docs" / "schema" / "result-2.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(result_of(out), schema)
    broken = result_of(out) | {"contrasts": []}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_every_adapter_was_alive_and_every_cell_has_its_origin(finished):
    result = result_of(finished[0])
    assert {(p["arm"], p["seed"]) for p in result["probes"]} == {
        (arm, seed) for arm in ("lora", "talan+lora") for seed in (0, 1)
    }
    assert all(p["max_logit_change"] > 0 for p in result["probes"])
    experiment = result["provenance"]["experiment"]
    assert experiment["backbones"][0]["identity"]["sha256"]
    assert experiment["backbones"][0]["answering"]["backend.name"] == "transformers"
    assert experiment["versions"]["torch"]
    assert [task["n_items"] for task in experiment["tasks"]] == [12, 12]


def test_the_same_command_gives_the_same_result(finished, tmp_path):
    done = compare(*COMMON, *ALONE, "--out", str(tmp_path / "again"))
    assert done.returncode == 0, done.stderr
    assert without_times(result_of(tmp_path / "again")) == without_times(result_of(finished[0]))


def test_a_finished_comparison_is_only_read_again(finished):
    out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    result = (out / "result.json").read_bytes()
    done = compare(*COMMON, "--out", str(out))
    assert done.returncode == 0
    assert "seed 0 (" not in done.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == before
    assert (out / "result.json").read_bytes() == result


def test_a_dry_run_says_what_is_there_and_what_the_rest_takes_and_writes_nothing(finished):
    beside = finished[0].parent / "beside"
    measured = compare(*COMMON[2:], *ALONE, "--seeds", "3", "--out", str(beside), "--pilot")
    done = compare(*COMMON[2:], *ALONE, "--seeds", "3", "--out", str(beside), "--dry-run")
    assert done.returncode == measured.returncode == 0, done.stderr + measured.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["fine-tunings", "6", "0", "4", "2"] in rows
    assert ["evaluations", "12", "0", "8", "4"] in rows
    for word in ("From the architecture, ", "8 training steps, 48 answers", "Nothing was written."):
        assert word in done.stdout
        assert word in measured.stdout
    for word in ("\ntime ", "\nmemory ", "\ndisk "):
        assert word in measured.stdout
        assert word not in done.stdout
    assert not beside.exists()


def test_another_experiment_is_refused_in_the_same_directory(finished):
    done = compare("--seeds", "2", "--steps", "5", "--limit", "12", "--tasks", TASKS, "--out", str(finished[0]))
    assert done.returncode == 2
    assert "training.steps is 4 there and 5 in this command" in " ".join(done.stderr.split())
    assert "--out" in done.stderr


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_directory_of_somebody_else_is_refused_untouched(tmp_path, dry):
    (tmp_path / "thesis.tex").write_text("years of work")
    done = compare(*COMMON, *dry, "--out", str(tmp_path))
    assert done.returncode == 2
    assert "holds no experiment of ours" in " ".join(done.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("moment", ["training", "evaluating"])
def test_killed_and_started_again_it_finishes_the_missing_cells_only(finished, tmp_path, moment):
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command(*COMMON, "--workers", "2", "--out", str(out)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    pattern = "train_*.json" if moment == "training" else "eval_*.json"
    wait_for(process, out / "cells", pattern)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(workers, timeout=20)
    assert [worker for worker in workers if worker.is_running()] == []
    kept = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    done = compare(*COMMON, *ALONE, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert kept
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in kept.items())
    assert without_times(result_of(out)) == without_times(result_of(finished[0]))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_that_finished_cells_are_kept_and_nothing_else(tmp_path, how):
    out = tmp_path / "interrupted"
    endless = (*ALONE, "--steps", "10000")  # so that it is at work whenever the interrupt arrives
    process = subprocess.Popen(
        command(*COMMON, *endless, "--out", str(out)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    wait_for(process, out / "running", "train_*")
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    kept = f"In {out} are 0 of 4 fine-tunings and 0 of 8 evaluations. "
    assert said == f"Interrupted. {kept}Finished cells are kept: the same command goes on from here.\n"


def test_a_results_directory_can_be_compared_as_logs(finished, tmp_path):
    out, _ = finished
    logs = (f"lora={out}", f"talan+lora={out}", "--json", str(tmp_path / "logs.json"))
    done = compare(*logs, name="compare-logs")
    assert done.returncode == 0, done.stderr
    trained, logged = (
        {cell["task"]: cell["deltas"] for cell in result["contrasts"][0]["cells"]}
        for result in (result_of(out), json.loads((tmp_path / "logs.json").read_text()))
    )
    assert logged == trained


def test_a_damaged_cell_is_named_and_computed_again(finished, tmp_path):
    out, _ = finished
    copy = tmp_path / "copy"  # no sibling to take the cell from
    subprocess.run(["cp", "-r", str(out), str(copy)], check=True)  # noqa: S607 - every system has cp
    victim = next((copy / "samples" / "gsm8k_micro").glob("*lora_seed-1*"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    done = compare(*COMMON, *ALONE, "--out", str(copy))
    assert done.returncode == 0, done.stderr
    assert "counts as missing" in " ".join(done.stdout.split())
    assert without_times(result_of(copy)) == without_times(result_of(out))


def test_plain_few_shot_prompts_answered_twice(tmp_path):
    words = ("--seeds", "1", "--steps", "2", "--limit", "3", "--tasks", "gsm8k_micro", "--workers", "1")
    asked = ("--few-shot", "1", "--no-chat-template", "--samples-per-item", "2", "--max-tokens", "9")
    done = compare(*words, *asked, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    result = result_of(tmp_path / "out")
    assert "|k:2|" in result["signature"]
    assert "[few_shot=1,plain,max_tokens=9,k=2,t=0.7]" in result["signature"]
    samples = read_samples(next((tmp_path / "out" / "samples" / "gsm8k_micro").iterdir()))
    assert [sample.sample for sample in samples] == [0, 0, 0, 1, 1, 1]
    assert len({sample.prompt_hash for sample in samples}) == 3
