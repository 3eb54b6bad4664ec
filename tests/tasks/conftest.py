"""The directory of the real benchmarks' data."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def data_dir(real_data):
    return real_data("gsm8k/test.jsonl").parents[1]
