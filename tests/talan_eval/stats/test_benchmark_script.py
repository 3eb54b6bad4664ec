"""The benchmark's name is also that of a module of the standard library, which scripts beside it must still find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_scripts_beside_the_benchmark_find_the_standard_library():
    code = "import statistics, sys; print(statistics.mean([1, 3]), len(sys.path), statistics.__file__)"
    path = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); before = len(sys.path); "
    run = subprocess.run(
        [sys.executable, "-c", path + code + "; assert before == len(sys.path)"],
        capture_output=True,
        text=True,
        check=True,
    )
    mean, _, file = run.stdout.split(maxsplit=2)
    assert mean == "2"
    assert BENCHMARKS not in Path(file.strip()).parents
