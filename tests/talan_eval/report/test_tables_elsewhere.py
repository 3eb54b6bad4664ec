"""Markdown, LaTeX, CSV and the page: complete, parsed by somebody else's parser, and closed to hostile text."""

from __future__ import annotations

import csv
import io
import json
import re

import html5lib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, compare
from talan_eval.planning.advice import advise, power_curves
from talan_eval.report import delimited, latex, markdown, methods, plots
from talan_eval.report.clean import clean
from talan_eval.report.context import Context, Flip, Flips, GradedAnswer, Question
from talan_eval.report.contrast_tables import main_table
from talan_eval.report.page import render as page
from talan_eval.report.page.payload import payload
from talan_eval.report.terminal import TerminalReport
from talan_eval.report.view import View
from talan_eval.result.evidence import MarginTest
from talan_eval.result.margins import ContrastMargins, with_margins

GFM = MarkdownIt("gfm-like", {"linkify": False, "html": True})
HOSTILE = st.text(max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", "a|b", "`", "``x`", "# h", "\x1b[31mred", "\ud800", r"\input{/etc/passwd}", "$x^2$",
     "a & b", "=cmd|'/c calc'!A0", "-- ''", "]]>", "</script><img src=x onerror=alert(1)>", "{{ 7*7 }}", "1. x",
     "%", "\u202egnp", "[*"]
)  # fmt: skip
OURS = (
    r"\\[a-zA-Z]+\{\}|\\[{}$&#%_]|\\texttt\{U\+[0-9A-F]+\}|\\[`'^~\"cv] ?\{[a-zA-Z]\}"
    r"|\$-\$|\$\\pm\$|-\{\}|'\{\}|\{[\[\]*]\}"
)
RARELY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=[("talan+lora",), ("talan+lora", "dora")], ids=["one", "two"])
def one(request):
    contrasts = [ContrastSpec("lora", arm) for arm in request.param]
    matrices = [
        matrix for task in ("gsm8k_micro", "mbpp_micro") for matrix in _matrices(task, ("lora", *request.param))
    ]
    return compare(matrices, contrasts, Origin(provenance={}))


def _matrices(task, arms):
    draw = np.random.default_rng(len(task))
    items = ItemTable(task, "acc", tuple(f"i{n}" for n in range(40)), "0" * 12)
    scores = (draw.random((3, 7, 40)) < 0.5).astype(float)
    return [ScoreMatrix("micro", arm, items, tuple(range(7)), scores[n]) for n, arm in enumerate(arms)]


def renamed(result, name):
    contrasts = []
    for contrast in result.contrasts:
        cells = tuple(cell.model_copy(update={"task": name}) for cell in contrast.cells)
        contrasts.append(contrast.model_copy(update={"cells": cells, "treatment": name}))
    arms = tuple(arm.model_copy(update={"name": name, "backbone": name}) for arm in result.arms)
    changes = {"contrasts": tuple(contrasts), "arms": arms, "warnings": (name,), "signature": name}
    return result.model_copy(update=changes)


def flips(text):
    right, wrong = GradedAnswer(1.0, "match", text, "equal", text), GradedAnswer(0.0, "mismatch", None, text, text)
    return Flips((Flip(0, 0, 0, text, 1.0, 0.0), Flip(0, 1, 3, "i1", 0.0, 1.0)), ((right, wrong), (wrong, right)))


@RARELY
@given(name=HOSTILE)
def test_markdown_renders_its_tables_whatever_a_name_contains(one, name):
    text = markdown.render(renamed(one, name))
    text.encode()
    html = GFM.render(text)
    assert html.count("<table>") == text.count("\nSignature: ")
    assert html.count("<h1>") == 1
    assert "<script" not in html
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", html)
    assert "\x1b" not in text
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        widths = {
            row.count("<td") + row.count("<th") - row.count("<thead")
            for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
        }
        assert len(widths) == 1


@RARELY
@given(name=HOSTILE)
def test_latex_is_ascii_and_has_no_command_that_is_not_ours(one, name):
    escaped = latex.escape(name)
    assert escaped.isascii()
    assert "\n" not in escaped
    assert "\\input" not in escaped
    bare = re.sub(OURS, "", escaped)
    assert not set(bare) & set("\\{}$&#%_^~<>|")
    latex.render(renamed(one, name)).encode("ascii")


@RARELY
@given(name=HOSTILE)
def test_csv_keeps_its_columns_and_starts_no_formula(one, name):
    rows = list(csv.reader(io.StringIO(delimited.render(renamed(one, name)), newline="")))
    assert len(rows) == 1 + 3 * len(one.contrasts)
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows[1:]:
        for key, value in zip(rows[0], row, strict=True):
            assert not value.startswith(("=", "@")), key
            assert not value.startswith(("+", "-")) or float(value) is not None


@RARELY
@given(text=HOSTILE)
def test_the_page_is_valid_html_and_runs_nothing_that_others_wrote(one, text):
    html = page(renamed(one, text), Context(flips=flips(text)), figures=())
    html.encode()
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree = parser.parse(html)
    scripts = tree.findall(".//script")
    assert [script.get("type") for script in scripts] == ["application/json", "application/json", None]
    assert json.loads(scripts[0].text)["flips"][0][2] in {0, 3}
    assert not [e for e in tree.iter() if any(key.startswith("on") for key in e.attrib)]
    assert not tree.findall(".//img")
    assert "\x1b" not in html


@RARELY
@given(text=HOSTILE)
def test_the_terminal_gets_no_control_characters(one, text):
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(TerminalReport(renamed(one, text)))
    assert "\x1b" not in console.file.getvalue()
    console.file.getvalue().encode()


@given(st.text())
def test_cleaned_text_can_be_encoded_and_cleaning_again_changes_nothing(text):
    once = clean(text)
    once.encode("utf-8")
    assert clean(once) == once


def test_the_page_loads_nothing_and_names_its_only_script(one):
    html = page(
        one, Context(flips=flips("x"), power=power_curves(one), advice=tuple(advise(one) for _ in one.contrasts))
    )
    assert "default-src 'none'" in html
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]+', re.sub(r'xmlns(:\w+)?="[^"]*"', "", html))
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert html.count("<figure") == 3 + len(one.contrasts)


def test_answers_beyond_the_budget_are_left_out_and_counted():
    right, wrong = GradedAnswer(1.0, "match", None, "", "y" * 5000), GradedAnswer(0.0, "mismatch", None, "", "n")
    entries = tuple(Flip(0, 0, seed, f"i{n}", 1.0, 0.0) for n in range(50) for seed in range(3))
    many = Flips(entries, ((right, wrong),) * len(entries))
    small = payload(many, budget=40_000)
    assert len(small.document) <= 40_000 + len('{"flips":[],"questions":{}}')
    assert 0 < small.shown < small.total == 150
    assert "2000 more characters" in small.document


def test_a_question_is_in_the_page_once_and_counts_against_the_budget():
    right, wrong = GradedAnswer(1.0, "match", None, "", "y"), GradedAnswer(0.0, "mismatch", None, "", "n")
    entries = tuple(Flip(0, 0, seed, f"i{n}", 1.0, 0.0) for n in range(50) for seed in range(3))
    questions = {("t", f"i{n}"): Question("</script>?" * 20, "4") for n in range(50)}
    many = Flips(entries, ((right, wrong),) * len(entries), questions=questions)
    whole = payload(many, [["t"]])
    assert len(json.loads(whole.document)["questions"]["t"]) == 50
    assert json.loads(whole.document)["questions"]["t"]["i7"] == ["</script>?" * 20, "4"]
    assert "<" not in whole.document
    small = payload(many, [["t"]], budget=10_000)
    assert 0 < small.shown < 150
    assert len(small.document) <= 10_100
    assert payload(many, [["t"]], budget=len(whole.document) + 300).shown == 150  # its three flips pay for it once
    assert json.loads(payload(many).document)["questions"] == {}


def test_a_withheld_text_is_in_no_part_of_the_page(one):
    secret = GradedAnswer(1.0, "match", "B", "choices agree", None)
    flipped = Flips((Flip(0, 0, 0, "rec1", 1.0, 0.0),), ((secret, secret),), ("gpqa_diamond",))
    html = page(one, Context(flips=flipped), figures=())
    assert "named by Record ID" in html
    assert json.loads(re.search(r'id="data">(.*?)</script>', html).group(1))["flips"][0][4][4] is None


def test_a_margin_adds_a_verdict_and_takes_none_away(one):
    words = ("no worse", None, "equivalent")
    tests = [MarginTest(margin=30.0, p_not_worse=0.01, p_not_better=0.01, word=word) for word in words]
    contrasts = with_margins(one.contrasts, [ContrastMargins(tests[2], tuple(tests[:2]))] * len(one.contrasts))
    table = main_table(View(one.model_copy(update={"contrasts": contrasts})))
    assert [row[-1] for row in table.rows] == ["no worse than 30", "inconclusive", "equal within 30"]


def test_the_seeds_of_both_arms_are_counted_where_they_are_independent():
    rng = np.random.default_rng(0)
    items = ItemTable("t", "acc", tuple(f"i{n}" for n in range(30)), "0" * 12)
    arms = [
        ScoreMatrix("b", arm, items, tuple(range(seeds)), rng.integers(0, 2, (seeds, 30)).astype(float))
        for arm, seeds in (("lora", 5), ("dora", 7))
    ]
    found = compare(arms, [ContrastSpec("lora", "dora", "independent")], Origin({"made": "here"}))
    assert main_table(View(found)).title == "dora against lora on b, 7 training seeds, independent of 5 of lora"


def test_figures_are_the_same_bytes_each_time(one):
    first, second = ([figure.svg for figure in plots.draw(one)] for _ in range(2))
    assert first == second


def test_references_are_cited_and_every_citation_has_its_entry(one):
    cited = set(re.findall(r"\\cite\{([^}]+)\}", methods.latex_paragraph(one)))
    entries = set(re.findall(r"^@\w+\{([^,]+),", methods.bibliography(one), re.MULTILINE))
    assert cited
    assert cited <= entries
    assert "Student, 1908" in methods.paragraph(one)
    assert "same training examples" not in methods.paragraph(one)
