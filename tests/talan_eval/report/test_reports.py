"""What people read: complete, aligned, never wider than the terminal, and honest about nothing found."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from talan_eval.report.markdown import render
from talan_eval.report.terminal import TerminalReport
from talan_eval.report.wording import provenance_rows

SANDBOX = {"tier": "none", "label": "unsandboxed", "boundary": "separate process with limits"}


def shown(result, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(TerminalReport(result))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_the_terminal_report_fits_its_width_and_breaks_no_number(result, width):
    text = shown(result(sandbox=SANDBOX), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for needed in ("gsm8k_micro", "mbpp_micro", "mean (primary)", "E1 95 % CI", "Signature: "):
        assert needed in text
    assert re.search(r"[+-]\d+\.\d\d to [+-]\d+\.\d\d", text)


def test_wide_terminals_show_every_column(result):
    text = shown(result(), 200)
    assert "Left out at this width" not in text
    assert "sign-flip" in text
    assert "E2 95 % CI" in text


def markdown_tables(text):
    return re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)


def test_markdown_tables_have_equal_rows(result):
    text = render(result(sandbox=SANDBOX))
    tables = markdown_tables(text)
    assert len(tables) >= 3
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.strip().splitlines()}
        assert len(counts) == 1
        assert re.fullmatch(r"\|(?: ?:?-+:? ?\|)+", table.splitlines()[1])


def test_names_cannot_break_a_table(cell, result):
    text = render(result([cell("a|b<script>")], treat="talan[slots=2]+lora"))
    text = re.sub(r"Signature: `.*?`", "", text)  # the signature stands in a code span, as it is
    assert "<script>" not in text
    assert r"a\|b" in text


def test_no_difference_reads_as_a_result(result):
    first = render(result()).splitlines()
    sentence = next(line for line in first if line and not line.startswith("#"))
    assert "No significant difference" in sentence
    assert "95 % CI" in sentence


def test_one_seed_says_that_nothing_can_be_said(cell, result):
    for text in (render(result([cell(seeds=1)])), shown(result([cell(seeds=1)]), 100)):
        assert "No verdict" in text
        assert "nan" not in text.lower().replace("nance", "")


def test_the_report_says_how_programs_were_run(result):
    assert "unsandboxed" in render(result(sandbox=SANDBOX)).lower()
    assert "unsandboxed" in shown(result(sandbox=SANDBOX), 100).lower()
    assert "unsandboxed" not in render(result()).lower()


def test_estimands_family_and_signature_are_explained(result):
    one = result()
    text = render(one)
    for word in ("E0", "E1", "E2", "Primary test", "inconclusive", one.primary.family_hash, one.signature):
        assert word in text


def test_provenance_stands_in_rows_that_can_be_read(result):
    tasks = [{"name": "a", "n_items": 3}, {"name": "b", "n_items": 4}]
    experiment = {"tasks": tasks, "seeds": [0, 1], "training": {"steps": 9}}
    found = result(
        provenance={"experiment": experiment, "note": "x", "source": {}}, sandbox={**SANDBOX, "limits": {"cpu": 1}}
    )
    assert dict(provenance_rows(found)) == {
        "experiment.tasks.a": '{"n_items": 3}',
        "experiment.tasks.b": '{"n_items": 4}',
        "experiment.seeds": "[0, 1]",
        "experiment.training": '{"steps": 9}',
        "note": "x",
        "source": "{}",
        "sandbox tier": "none",
        "sandbox label": "unsandboxed",
        "sandbox boundary": "separate process with limits",
        "sandbox limits.cpu": "1",
    }
