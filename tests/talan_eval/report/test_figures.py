"""What figures show without colour, and that they are laid out once."""

from __future__ import annotations

import pytest

from talan_eval.report.context import Context, Flip, Flips, PowerCurve
from talan_eval.report.plots import draw

pytest.importorskip("matplotlib")


@pytest.fixture
def figures(cell, result):
    found = result([cell("a", seeds=3), cell("b", seeds=3)])
    entries = (Flip(0, 0, "i0", 1.0, 0.0), Flip(0, 1, "i0", 1.0, 0.0), Flip(0, 2, "i1", 0.0, 1.0))
    curve = PowerCurve(1.0, (3, 7), (0.3, 0.9))
    return {one.name: one for one in draw(found, Context(flips=Flips(entries), power=(curve,)))}


def test_a_loss_fills_its_row_and_a_gain_half_of_it(figures):
    (strip,) = figures["flips"].figure.axes
    shown = strip.images[0].get_array()[..., 3] > 0
    assert shown.tolist() == [[True, False], [True, False], [True, False], [True, False], [False, False], [False, True]]
    assert [tick.get_text() for tick in strip.get_yticklabels()] == ["0", "1", "2"]


def test_the_crossed_interval_has_ends_in_the_forest(figures):
    (axes,) = figures["forest"].figure.axes
    ended = [line for line in axes.lines if line.get_marker() == "|"]
    assert len(ended) == 3
    assert not [line for line in axes.lines if line.get_linewidth() == 3 and line.get_marker() == "|"]


def test_no_figure_is_laid_out_again_for_a_face(figures):
    assert len(figures) == 4
    for one in figures.values():
        assert one.figure.get_layout_engine() is None
        before = [axes.get_position().bounds for axes in one.figure.axes]
        assert one.svg
        assert one.png().startswith(b"\x89PNG")
        assert [axes.get_position().bounds for axes in one.figure.axes] == before


def test_labels_stay_inside_the_figure(figures):
    for one in figures.values():
        whole = one.figure.bbox
        for axes in one.figure.axes:
            box = axes.get_tightbbox()
            assert whole.x0 <= box.x0 < box.x1 <= whole.x1
            assert whole.y0 <= box.y0 < box.y1 <= whole.y1
