"""The commands on the page about stored arms run as they stand, on checkpoints as plain PEFT and TRL save them."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from talan_eval.cli.main import app
from talan_eval.result.reading import read_result

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "stored-arms.md").read_text("utf-8")
LINES = re.findall(r"^talan-eval compare .*$", PAGE, re.MULTILINE)
SMALL = ("--limit=3", "--max-tokens=8", "--workers=1", "--resamples=50", "--device=cpu", "--out=out-of-it")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = ROOT / "tests" / "talan_eval" / "stored_checkpoints.py"
    spec = importlib.util.spec_from_file_location("stored_checkpoints", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_checkpoints(tmp_path_factory.mktemp("made"))


@pytest.fixture
def workplace(runs, tmp_path, monkeypatch):
    shutil.copytree(runs, tmp_path / "runs")
    shutil.copytree(runs / "trl", tmp_path / "out" / "checkpoint-500")
    rows = [{"q": f"What is {n} plus 2?", "want": str(n + 2)} for n in range(4)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {
        "task": "my_task", "dataset_path": "json", "test_split": "test", "doc_to_text": "{{q}}",
        "doc_to_target": "{{want}}", "dataset_kwargs": {"data_files": {"test": str(tmp_path / "mine.jsonl")}},
        "output_type": "generate_until", "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }  # fmt: skip
    (tmp_path / "my_task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(line, place):
    found = CliRunner().invoke(app, [*shlex.split(line)[1:], *SMALL])
    assert found.exit_code == 0, found.output
    return read_result(place / "out-of-it"), found.stdout


def test_the_page_has_three_commands():
    assert len(LINES) == 3


def test_the_first_command_compares_adapters_by_seed(workplace):
    result, said = done(LINES[0], workplace)
    assert [(arm.name, arm.kind, arm.seeds) for arm in result.arms] == [
        ("lora", "stored", (0, 1, 2)), ("talan+lora", "stored", (0, 1, 2)),
    ]  # fmt: skip
    assert "6 runs, 0 of them finished before" in said
    assert "recipes not known" in said


def test_an_adapter_from_a_trainer_and_a_task_of_ones_own_take_one_command(workplace):
    result, said = done(LINES[2], workplace)
    (cell,) = result.contrasts[0].cells
    assert (cell.task, cell.n_items, result.primary.estimand) == ("my_task", 3, "E0")
    assert [(arm.name, arm.kind) for arm in result.arms] == [("base", "fixed"), ("mine", "stored")]
    assert "How stored arms were trained is not known here (mine)" in " ".join(said.split())
