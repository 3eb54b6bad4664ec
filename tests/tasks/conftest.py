"""The real benchmarks' data, where it is on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("TALAN_EVAL_DATA_DIR", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir():
    if not (DATA / "gsm8k" / "test.jsonl").is_file():
        pytest.skip(f"the real benchmarks are not at {DATA}; set TALAN_EVAL_DATA_DIR")
    return DATA
