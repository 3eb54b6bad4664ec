"""The script for TRL that the documentation shows, and what a plain SFTTrainer does instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "training.md"
pytestmark = pytest.mark.trl


def script():
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    (found,) = (block.split("```")[0] for block in blocks if "SFTTrainer" in block)
    return found


def moved(tmp_path, code):
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "script.py").write_text(code)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return float(done.stdout.split("gate moved by")[1].split()[0]), done.stderr


def test_lr_scale_ten_moves_the_gate_ten_times_and_a_plain_trainer_warns(tmp_path):
    code = script()
    scaled, said = moved(tmp_path / "scaled", code)
    assert "lr_scale" not in said
    once, _ = moved(tmp_path / "once", code.replace("talan[lr_scale=10]", "talan"))
    assert scaled / once == pytest.approx(10, rel=1e-2)
    assert {path.name for path in (tmp_path / "scaled" / "arm").iterdir()} >= {
        "adapter_model.safetensors",
        "talan_model.safetensors",
    }
    plain, said = moved(tmp_path / "plain", code.replace("trainer = Trainer(", "trainer = SFTTrainer("))
    assert plain == pytest.approx(once, rel=1e-2)
    assert "lr_scale=10 has no effect" in said
