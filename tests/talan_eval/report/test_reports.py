"""What people read: complete, aligned, never wider than the terminal, and honest about nothing found."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from talan_eval.comparison import ContrastSpec, Origin, compare
from talan_eval.comparison.arm_records import ArmFacts
from talan_eval.report.markdown import render
from talan_eval.report.methods import paragraph
from talan_eval.report.origin_words import provenance_rows
from talan_eval.report.selection_words import selection
from talan_eval.report.terminal import TerminalReport

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
    text = shown(result(), 230)
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


def test_one_seed_speaks_of_its_checkpoints_and_two_of_nothing(cell, result):
    for text in (render(result([cell(seeds=1)])), shown(result([cell(seeds=1)]), 100)):
        assert "E0: this pair of checkpoints; nothing about re-training." in " ".join(text.split())
        assert "E1 95 % CI" not in text
        assert "nan" not in text.lower().replace("nance", "")
    for text in (render(result([cell(seeds=2)])), shown(result([cell(seeds=2)]), 100)):
        assert "No verdict" in text
        assert "not estimable" in text
        for column in ("E1 95 % CI", "E1 p", "E2 95 % CI", "MDE 80 %"):
            assert column not in text


def test_the_report_says_how_programs_were_run(result):
    assert "unsandboxed" in render(result(sandbox=SANDBOX)).lower()
    assert "unsandboxed" in shown(result(sandbox=SANDBOX), 100).lower()
    assert "unsandboxed" not in render(result()).lower()


def test_estimands_family_and_signature_are_explained(result):
    one = result()
    text = render(one)
    for word in ("E0", "E1", "E2", "Primary test", "inconclusive", one.primary.family_hash, one.signature):
        assert word in text


@pytest.mark.parametrize("width", [80, 120])
def test_a_matrix_goes_on_below_rather_than_lose_a_column(many, width):
    found = many(tasks=("gpqa_diamond_micro", "gsm8k_micro", "math500_micro", "mbpp_micro"))
    text = shown(found, width)
    assert max(len(line) for line in text.splitlines()) <= width
    matrix = text.partition("Differences in points")[2]
    for cell in found.contrasts[1].cells:
        assert cell.task in matrix
        assert f"{cell.delta:+.2f} ±" in matrix
    assert matrix.count("contrast  ") == (2 if width == 80 else 1)


def test_several_contrasts_have_their_family_in_words(many):
    found = many()
    text = render(found)
    assert text.startswith("# talan+lora, noise+lora, dora against lora\n")
    for family in found.families:
        assert f"Family {family.name}" in text
        assert family.hash in text
    assert "approximate, because contrasts share an arm" in text
    assert "Does any arm differ? p" in text
    assert "simultaneous" in text
    assert "Family means" not in render(many(arms={"lora": 0.0, "dora": 0.1}))


def test_the_best_arm_is_said_to_be_exaggerated_and_a_confirmation_stands_beside_it(many):
    found = many()
    (said, unconfirmed) = selection(found)
    chosen = found.selection
    assert f"{chosen.selection_gain:+.2f} points" in said
    assert f"{chosen.expected_exaggeration:.2f} points" in said
    assert "not confirmed" in unconfirmed
    fresh = {
        "confirmed": found.contrasts[1].aggregate, "confirmation_seeds": (7, 8, 9), "difference": -1.25,
    }  # fmt: skip
    text = " ".join(selection(found.model_copy(update={"selection": chosen.model_copy(update=fresh)})))
    assert "seeds 7 to 9" in text
    assert "-1.25 against" in text
    assert f"{found.contrasts[1].aggregate.delta:+.2f} points" in text
    assert "not confirmed" not in text


def test_a_diverged_training_withholds_the_verdict_and_its_rate_is_shown(many):
    facts = {("talan+lora", "micro"): ArmFacts("trained", (0, 1), 99)}
    arms = {"lora": 0.0, "talan+lora": 0.0}
    found = many([ContrastSpec("lora", "talan+lora")], origin=Origin(provenance={}, arms=facts), arms=arms)
    for text in (render(found), shown(found, 100)):
        flat = " ".join(text.split())
        assert "withheld: trainings diverged (2 of 9 of talan+lora on micro)" in flat
        assert "2 of 9" in text.partition("Arms on")[2]
        assert "No significant difference" not in text


def test_how_seeds_relate_is_said_of_each_contrast(matrices):
    made = matrices(arms={"lora": 0.0, "talan+lora": 0.1, "dora": 0.0})
    one = [replace(m, seeds=(0,), scores=m.scores[:1]) if m.arm == "lora" else m for m in made]
    fixed = compare(one, [ContrastSpec("lora", "dora", "fixed")], Origin(provenance={}))
    other = [replace(m, seeds=tuple(range(9, 16))) if m.arm == "lora" else m for m in made]
    independent = compare(other, [ContrastSpec("lora", "dora", "independent")], Origin(provenance={}))
    paired = compare(made, [ContrastSpec("lora", "dora")], Origin(provenance={}))
    known = paired.contrasts[0].aggregate.pairedness
    assert "lora has no seeds" in render(fixed)
    assert "permutation p" in render(independent)
    assert "Independent, as declared" in render(independent)
    assert f"r = {known.correlation:.2f}" in render(paired)
    assert f"{known.width_ratio:.2f} times as wide" in render(paired)
    assert "one-sample t" in paragraph(fixed)
    assert "Welch's t over seeds (Welch, 1947)" in paragraph(independent)


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
