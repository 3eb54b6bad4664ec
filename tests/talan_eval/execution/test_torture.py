"""A short run of benchmarks/torture.py: kills at random times leave nothing lost, doubled or different."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_five_kills_at_random_times_change_nothing():
    words = [sys.executable, str(ROOT / "benchmarks" / "torture.py"), "--kills", "5", "--grid-seeds", "1"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("5 kills")
