"""The pytest fixture says what the gate says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# whether or not the package is installed with its entry point, the plugin is loaded by name, once
ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parents[3]),
    "PATH": "/usr/bin:/bin",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


def outcome(place, result, call):
    (place / "result.json").write_text(result.to_json())
    (place / "test_it.py").write_text(f"def test_it(talan_gate):\n    talan_gate('result.json', {call})\n")
    (place / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "talan_eval.gate.pytest_plugin", "-p", "no:cacheprovider",
         "test_it.py"],
        cwd=place, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


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


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("margin=1.0", 1),
        ("margin=1.0, contrast='a:lora'", 0),
        ("margin=1.0, contrast=['a:lora', 'b:lora']", 1),
        ("margin=1.0, contrast=['nobody:lora']", 1),
    ],
)
def test_contrasts_are_chosen_by_name(many, tmp_path, call, code):
    got, shown = outcome(tmp_path, many({"a": 0.0, "b": 0.2}, items=2000), call)
    assert got == code, shown
    assert ("has no contrast" in shown) == ("nobody" in call)
