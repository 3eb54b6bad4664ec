"""What a program and a notebook see of a result is what the reports say."""

from __future__ import annotations

import csv
import io
import re

import lxml.html
import numpy as np
import pandas as pd
import pytest

import talan_eval
from talan_eval.report import latex, markdown

NAMES = ("lora", "<b>talan|lora</b>")


@pytest.fixture(scope="module")
def result():
    draw = np.random.default_rng(0)
    ease = draw.beta(2, 2, 60)
    arrays = {
        arm: {task: (draw.random((7, 60)) < ease + shift).astype(float) for task in ("a", "b")}
        for arm, shift in zip(NAMES, (0.0, 0.3), strict=True)
    }
    return talan_eval.compare_scores(arrays, resamples=50)


def test_the_data_frame_has_every_number_of_the_csv(result):
    frame = result.to_pandas()
    rows = list(csv.DictReader(io.StringIO(result.to_csv())))
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows) == 3
    for (_, found), row in zip(frame.iterrows(), rows, strict=True):
        for name, text in row.items():
            value = found[name]
            if text == "":
                assert pd.isna(value)
            elif isinstance(value, str):
                assert text.removeprefix("'") == value
            else:
                assert float(text) == float(value)
    mean = frame[frame["level"] == "mean"].iloc[0]
    assert mean["delta"] == result.contrasts[0].aggregate.delta


def test_markdown_and_latex_are_the_reports(result):
    assert result.to_markdown() == markdown.render(result)
    assert result.to_latex() == latex.render(result)


def test_a_notebook_shows_verdict_numbers_and_signature_and_runs_no_text_of_others(result):
    html = result._repr_html_()
    tree = lxml.html.fragment_fromstring(html)
    text = "".join(tree.itertext())
    cells = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]
    mean = next(row for row in cells if row[0].startswith("mean"))
    assert f"{result.contrasts[0].aggregate.delta:+.2f}" in mean
    assert result.contrasts[0].aggregate.verdict in mean
    assert result.signature in text
    assert "<b>" not in html
    assert not re.search(r"<script|onerror|javascript:", html)


def test_a_result_prints_as_one_line(result):
    assert str(result) == repr(result) == "<<b>talan|lora</b> against lora: mean better>"


def test_figures_are_shown_and_saved(result):
    figures = result.figures()
    assert "forest" in figures
    for figure in figures.values():
        assert figure._repr_svg_().lstrip().startswith("<")
    assert figures["forest"].png().startswith(b"\x89PNG")


def test_a_stored_result_is_read_and_shown(result, tmp_path):
    (tmp_path / "result.json").write_text(result.to_json(), encoding="utf-8")
    for place in (tmp_path, str(tmp_path / "result.json")):
        assert talan_eval.load_result(place) == result
    with pytest.raises(talan_eval.UserError, match="no result"):
        talan_eval.load_result(tmp_path / "elsewhere")
