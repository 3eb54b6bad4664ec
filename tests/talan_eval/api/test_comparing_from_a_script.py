"""A script that compares on its first level, as a notebook does: workers must not run it again."""

from __future__ import annotations

import subprocess
import sys

import pytest

import talan_eval

SCRIPT = """
import os
import talan_eval

print("started")
quiet = os.environ.get("TQDM_DISABLE")
result = talan_eval.compare(
    base="lora", treat="talan+lora", seeds=[0], tasks=["gsm8k_micro"], limit=4, steps=4, loss=False, workers=1,
    resamples=50, recipe={"batch_size": 2}, out="out",
)
assert os.environ.get("TQDM_DISABLE") == quiet
print(type(result).__name__, result.contrasts[0].seeds, result.contrasts[0].aggregate.verdict_estimand)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    place = tmp_path_factory.mktemp("script")
    (place / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=place, capture_output=True, text=True, check=False)
    return place, done


def test_the_script_runs_once_and_has_the_result(finished):
    _, done = finished
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["started", "ShownResult (0,) E0"]


def test_progress_goes_to_the_standard_error(finished):
    _, done = finished
    assert "2 fine-tunings, 0 of them finished before" in done.stderr
    assert "[2/2]" in done.stderr


def test_the_results_directory_is_that_of_the_command(finished):
    place, _ = finished
    found = talan_eval.load_result(place / "out")
    assert found.contrasts[0].name == "talan+lora against lora"
    again = subprocess.run(
        [sys.executable, "-m", "talan_eval", "runs", str(place)], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0
    assert "out" in again.stdout
