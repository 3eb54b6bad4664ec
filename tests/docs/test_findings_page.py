"""The page of findings shows the numbers of committed results, and says of each claim what became of it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from talan_eval.result.reading import read_result

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("findings_page", ROOT / "benchmarks" / "findings_page.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_page_is_what_the_script_writes(script):
    shown = script.PAGE.read_text("utf-8")
    assert script.updated(shown) == shown
    changed = re.sub(r"\+0\.29 \(", "+1.41 (", shown, count=1)
    assert changed != shown
    assert script.updated(changed) == shown
    with pytest.raises(ValueError, match="no place for gains"):
        script.updated("# What was found\n")


def test_every_contrast_of_every_study_has_its_row_with_its_interval_and_verdict(script):
    shown = script.PAGE.read_text("utf-8")
    for study in script.STUDIES:
        for contrast in read_result(ROOT / "results" / study.directory).contrasts:
            mean = contrast.aggregate
            low, high = mean.e1.ci
            row = next(
                line for line in shown.splitlines()
                if study.scale in line and f"| {contrast.treatment} against {contrast.base} |" in line
            )  # fmt: skip
            assert f"| {mean.delta:+.2f} ({low:+.2f} to {high:+.2f}) |" in row
            inside_both = all(one.ci[0] <= 1.41 <= one.ci[1] for one in (mean.e1, mean.e2))
            assert row.endswith(f"| {mean.verdict} | {'inside both' if inside_both else 'outside E1 and E2'} |")


def test_no_number_of_a_result_stands_outside_the_written_blocks(script):
    """What is typed by hand are the paper's own claims, sizes of models, and counts in commands."""
    text = re.sub(r"<!-- (\w+): begin.*?<!-- \1: end -->", "", script.PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert not re.findall(r"[+-]\d+\.\d\d(?! points)", text)
    assert set(re.findall(r"\d+\.\d+", text)) <= {"1.41", "1.85", "1.01", "1.02", "1.3", "7.1", "3.2"}
