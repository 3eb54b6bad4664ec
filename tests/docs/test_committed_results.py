"""What is committed under results/ is what the code makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from talan_eval.report.markdown import render
from talan_eval.result.schema import Result

RESULTS = Path(__file__).parents[2] / "results"
COMMITTED = sorted(path.parent for path in RESULTS.glob("*_vs_*/result.json"))


def test_some_results_are_committed():
    assert COMMITTED


@pytest.mark.parametrize("directory", COMMITTED, ids=lambda path: path.name)
def test_the_report_is_that_of_the_result(directory):
    result = Result.from_json((directory / "result.json").read_text(encoding="utf-8"))
    assert (directory / "report.md").read_text(encoding="utf-8") == render(result)
