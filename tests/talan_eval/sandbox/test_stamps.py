"""How a result says which boundary its programs ran behind: tables, signature, and cells of several tiers."""

from __future__ import annotations

import io
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from rich.console import Console

from talan_eval.pipeline.collect import _sandbox
from talan_eval.report.markdown import render
from talan_eval.report.terminal import TerminalReport
from talan_eval.sandbox.info import describe
from talan_eval.sandbox.tiers import Tier


def shown(result):
    console = Console(file=io.StringIO(), width=140, color_system=None)
    console.print(TerminalReport(result))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("named", "words"), [("1", "sandbox tier 1"), ("2", "sandbox tier 2"), ("none", "UNSANDBOXED")]
)
def test_every_report_and_the_signature_name_the_tier(result, named, words):
    made = result(sandbox={"tier": named, "label": "unsandboxed" if named == "none" else "sandboxed", "boundary": "x"})
    assert f"|sandbox:{named}|" in made.signature
    for text in (shown(made), render(made)):
        assert words in text
        assert ("UNSANDBOXED" in text) is (named == "none")


def test_a_result_without_programs_has_no_tier_in_its_signature(result):
    assert "sandbox" not in result().signature


def record(tier):
    return SimpleNamespace(data={"sandbox": {} if tier is None else asdict(describe(tier=Tier(tier)))})


def test_the_weakest_tier_speaks_for_all_cells():
    records = {str(place): record(tier) for place, tier in enumerate([None, "1", "none", "1"])}
    stamp = _sandbox(records)
    assert stamp["tier"] == "none"
    assert stamp["label"] == "unsandboxed"
    assert stamp["tiers_of_cells"] == ["1", "none"]


def test_one_tier_for_all_cells_is_recorded_with_limits_python_and_kernel():
    stamp = _sandbox({"a": record("none"), "b": record(None)})
    assert set(stamp) == {"tier", "label", "boundary", "python", "kernel", "limits"}
    assert stamp["limits"]["cpu_seconds"] == 30
    assert _sandbox({"b": record(None)}) == {}
