"""The real benchmarks' data, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "TALAN_EVAL_DATA_DIR"
HOW = "no data of the real benchmarks: set TALAN_EVAL_DATA_DIR to a directory as docs/tasks.md (Data) lays it out, with"


@pytest.fixture(scope="session")
def real_data():
    """Return a function that gives the path of a data file by its name below ``TALAN_EVAL_DATA_DIR``, or skips."""

    def find(name: str) -> Path:
        directory = os.environ.get(VARIABLE)
        if directory is None:
            pytest.skip(f"{HOW} {name}")
        path = Path(directory) / name
        assert path.exists(), f"{VARIABLE} is set, and {path} is not there"  # a mistyped name must not skip
        return path

    return find
