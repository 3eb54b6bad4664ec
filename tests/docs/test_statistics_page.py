"""The page on statistics shows what the code computes and what the committed study found."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("statistics_page", ROOT / "benchmarks" / "statistics_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_example_and_tables_are_those_that_the_code_writes(page):
    shown = page.PAGE.read_text()
    assert page.updated(shown) == shown


def test_a_changed_number_would_be_noticed(page):
    shown = page.PAGE.read_text()
    changed = shown.replace("E1 guarded t     +", "E1 guarded t     -", 1)
    assert changed != shown
    assert page.updated(changed) == shown


def test_a_page_without_its_blocks_is_refused(page):
    with pytest.raises(ValueError, match="no block"):
        page.updated("# Statistics\n")
