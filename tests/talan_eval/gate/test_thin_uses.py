"""The pytest fixture says what the gate says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def outcome(place, result, call):
    (place / "result.json").write_text(result.to_json())
    (place / "test_it.py").write_text(f"def test_it(talan_gate):\n    talan_gate('result.json', {call})\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "talan_eval.gate.pytest_plugin", "-p", "no:cacheprovider",
         "-c", "/dev/null", "--rootdir", str(place), "test_it.py"],
        cwd=place, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("case", "call", "code", "said"),
    [
        ({"items": 2000}, "margin=1.0", 0, "1 passed"),
        ({"items": 200, "loss": 0.2}, "margin=1.0", 1, "A loss was shown"),
        ({"items": 60, "spread": 0.1}, "margin=1.0", 1, "no loss was shown"),
        ({"items": 60, "spread": 0.1}, "margin=1.0, allow_inconclusive=True", 0, "1 passed"),
    ],
)
def test_a_test_fails_where_the_gate_does_not_pass(cell, result, tmp_path, case, call, code, said):
    got, shown = outcome(tmp_path, result(cell(**case)), call)
    assert got == code, shown
    assert said in shown
