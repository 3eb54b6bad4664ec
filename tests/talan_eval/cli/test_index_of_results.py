"""``talan-eval report ROOT``: one page that lists experiments, with their verdicts and the way to their pages."""

from __future__ import annotations

import json
import re
import shutil

import html5lib
import numpy as np
import pytest
from typer.testing import CliRunner

from talan_eval.cli.main import app
from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare

SPACE = {"h": "http://www.w3.org/1999/xhtml"}


def a_result(gain, treatment="talan+lora", task="gsm8k"):
    items = ItemTable(task, "acc", tuple(f"i{n}" for n in range(40)), "0" * 12)
    draw = np.random.default_rng(1).random((6, 40))
    arms = {"lora": draw < 0.4, treatment: draw < 0.4 + gain}
    matrices = [ScoreMatrix("micro", name, items, tuple(range(6)), right.astype(float)) for name, right in arms.items()]
    return compare(
        matrices, [ContrastSpec("lora", treatment)], Origin({"made": "here"}), StatisticsSettings(resamples=50)
    )


@pytest.fixture
def root(tmp_path):
    for name, gain in (("small effect", 0.0), ("large", 0.3)):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "result.json").write_text(a_result(gain).to_json())
    (tmp_path / "all" / "large" / "report.html").write_text("<p>")
    (tmp_path / "all" / "notes").mkdir()
    return tmp_path / "all"


def report(*words):
    return CliRunner().invoke(app, ["report", *map(str, words)])


def page_of(path):
    return html5lib.parse(path.read_text("utf-8"), namespaceHTMLElements=True)


def rows_of(page):
    rows = page.findall(".//h:tbody[@id='rows']/h:tr", SPACE)
    return {"".join(row[0][0].itertext()): ["".join(cell.itertext()) for cell in row[1:]] for row in rows}


def numbers_of(text):
    return [float(one) for one in re.findall(r"[+-]?\d+\.\d\d", text.replace("\N{MINUS SIGN}", "-"))]


def test_every_experiment_is_a_row_with_the_numbers_of_its_result(root):
    done = report(root)
    assert done.exit_code == 0, done.output
    assert "2 experiments" in done.output
    found = rows_of(page_of(root / "index.html"))
    assert set(found) == {"small effect", "large"}
    for name, cells in found.items():
        mean = a_result({"large": 0.3, "small effect": 0.0}[name]).contrasts[0].aggregate
        assert cells[:2] == ["talan+lora against lora", mean.verdict]
        assert float(re.match(r"[+-]?[\d.]+", cells[2].replace("\N{MINUS SIGN}", "-"))[0]) == pytest.approx(
            mean.delta, abs=0.005
        )
        low, high = (float(end) for end in re.findall(r"[+-]\d+\.\d\d|0\.00", cells[3].replace("\N{MINUS SIGN}", "-")))
        assert (low, high) == pytest.approx(mean.e1.ci, abs=0.006)
        assert cells[4:] == ["6", "micro", "gsm8k"]


def test_links_lead_to_the_pages_that_are_there_from_wherever_the_index_is(root, tmp_path):
    out = tmp_path / "site" / "deep"
    assert report(root, "--out", out).exit_code == 0
    links = [link.get("href") for link in page_of(out / "index.html").findall(".//h:tbody//h:a", SPACE)]
    assert "../../all/large/report.html" in links
    assert "../../all/small%20effect/result.json" in links
    assert all((out / link.replace("%20", " ")).resolve().is_file() for link in links)


def test_what_has_no_result_is_named_with_its_reason_and_foreign_directories_are_not(root):
    (root / "broken").mkdir()
    (root / "broken" / "result.json").write_text("{")
    assert report(root).exit_code == 0
    text = (root / "index.html").read_text("utf-8")
    assert "broken: " in text
    assert "notes" not in text


def test_names_of_others_start_no_markup(root):
    text = a_result(0.1, treatment="<script>alert(1)</script>").to_json()
    shutil.copytree(root / "large", root / "<img src=x>")
    (root / "<img src=x>" / "result.json").write_text(text)
    assert report(root).exit_code == 0
    page = page_of(root / "index.html")
    assert len(page.findall(".//h:script", SPACE)) == 1
    assert page.findall(".//h:img", SPACE) == []


def test_other_formats_and_roots_without_results_are_refused_with_what_to_type(root):
    done = report(root, "--format", "md")
    assert isinstance(done.exception, Exception)
    assert f"talan-eval report {root}/NAME" in str(done.exception)
    for name in ("small effect", "large"):
        (root / name / "result.json").write_text(json.dumps({"schema": 99}))
    assert "No experiment in" in str(report(root).exception)
