"""The examples that read logs of lm-eval run as they stand, on logs in its layout."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from talan_eval.cli.compare_logs import EXAMPLES
from talan_eval.cli.main import app

ROOT = Path(__file__).parents[2]
TEXT = EXAMPLES + (ROOT / "docs" / "compare-logs.md").read_text("utf-8")
LINES = sorted(set(re.findall(r"^talan-eval compare-logs .*(?:--filter|runs/llama).*$", TEXT, re.MULTILINE)))
FILTERS = {"gsm8k": ("strict-match", "flexible-extract")}
SCORES = {"lora": "0011010011", "dora": "0111010010"}


@pytest.fixture(scope="module")
def write_lm_eval():
    path = ROOT / "tests" / "talan_eval" / "importers" / "conftest.py"
    spec = importlib.util.spec_from_file_location("logs_as_written", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_lm_eval


@pytest.fixture
def workplace(tmp_path, monkeypatch, write_lm_eval):
    """Logs of two arms and three seeds, in each of the places that the examples name."""
    for arm, text in SCORES.items():
        for seed in range(3):
            scores = {"gsm8k": [float(letter) for letter in text[seed:] + text[:seed]]}
            for backbone in ("llama", "qwen"):
                adapter = {"model": f"out/{backbone}/{arm}{seed}", "pretrained": f"org/{backbone}"}
                write_lm_eval(tmp_path / "runs" / backbone / arm / f"seed{seed}", scores, **adapter)
            for place in (f"runs/{arm}/seed{seed}", f"runs/{arm}-seed{seed}"):
                write_lm_eval(tmp_path / place, scores, model=f"out/{arm}{seed}", filters=FILTERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_examples():
    assert len(LINES) == 3


@pytest.mark.parametrize("line", LINES)
@pytest.mark.usefixtures("workplace")
def test_the_example_runs(line):
    words = shlex.split(line, comments=True)[1:]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "verdict" in done.stdout
    assert "gsm8k" in done.stdout
    if "--filter" in words:
        assert CliRunner().invoke(app, [*words, "--filter", "not-there"]).exit_code != 0
