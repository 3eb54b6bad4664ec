"""What is committed under results/ is what the code makes of it, and what people run is written beside it."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from talan_eval.report.markdown import render
from talan_eval.result.reading import read_result

ROOT = Path(__file__).parents[2]
NAMES = re.findall(r"^!/results/([^*\n]+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
COMMITTED = [path for path in (ROOT / "results" / name for name in NAMES) if (path / "result.json").is_file()]


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607 - any git


@pytest.fixture
def checkout():
    if git("rev-parse", "--show-toplevel").stdout.strip() != str(ROOT):
        pytest.skip("an unpacked archive has no git checkout to keep clean")


def test_some_results_are_committed():
    assert len(COMMITTED) >= 2


@pytest.mark.parametrize("directory", COMMITTED, ids=lambda path: path.name)
def test_the_report_is_that_of_the_result(directory):
    assert (directory / "report.md").read_text(encoding="utf-8") == render(read_result(directory))


def test_the_readme_shows_what_a_terminal_shows_of_the_committed_comparison():
    module = runpy.run_path(str(ROOT / "benchmarks" / "readme_table.py"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert module["updated"](readme, module["committed_result"]()) == readme


@pytest.mark.parametrize("directory", COMMITTED, ids=lambda path: path.name)
def test_no_comparison_writes_into_a_committed_study_by_itself(directory):
    assert not re.search("_[0-9a-f]{8}$", directory.name)  # as every default name ends


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    "name", ["micro_lora_vs_talan+lora_7df10a5c", "micro_lora_vs_talan+lora_00000000", "gate", "a"]
)
def test_git_ignores_what_a_run_writes(name):
    files = ("report.md", "result.json", "manifest.json", "request.json", "samples/t/a.parquet", ".lock")
    paths = [f"results/{name}/{file}" for file in files] + ["results/ledger.jsonl", "results/.ledger.lock"]
    assert git("check-ignore", "--no-index", *paths).stdout.splitlines() == paths


@pytest.mark.usefixtures("checkout")
def test_git_ignores_nothing_that_is_committed():
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard").stdout == ""
    assert set(git("ls-files", "results").stdout.split()) >= {
        f"results/{name}/manifest.json" for name in NAMES
    }  # the control: the names in .gitignore are committed directories
