"""What figures show without colour, and that they are laid out once."""

from __future__ import annotations

import itertools

import pytest

from talan_eval.comparison import ContrastSpec
from talan_eval.report.context import Context, Flip, Flips, PowerCurve
from talan_eval.report.plots import draw
from talan_eval.report.plots.ranking import ranking

pytest.importorskip("matplotlib")
from matplotlib.text import Text


@pytest.fixture(params=[False, True], ids=["page", "column"])
def figures(cell, result, request):
    found = result([cell("a", seeds=3), cell("b", seeds=3)])
    entries = (Flip(0, 0, 0, "i0", 1.0, 0.0), Flip(0, 0, 1, "i0", 1.0, 0.0), Flip(0, 0, 2, "i1", 0.0, 1.0))
    curve = PowerCurve(1.0, "points", (3, 7), (0.3, 0.9))
    return {one.name: one for one in draw(found, Context(flips=Flips(entries), power=(curve,)), column=request.param)}


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


def test_figures_for_a_column_are_as_wide_as_one_and_set_in_seven_points(cell, result):
    found = result([cell("a", seeds=3), cell("b", seeds=3)])
    entries = tuple(Flip(0, 0, seed, "i0", 1.0, 0.0) for seed in range(3))
    curve = PowerCurve(1.0, "points", (3, 7), (0.3, 0.9))
    for one in draw(found, Context(flips=Flips(entries), power=(curve,)), column=True):
        assert one.figure.get_figwidth() == pytest.approx(3.3)
        texts = [text for text in one.figure.findobj(Text) if text.get_text().strip()]
        assert texts
        assert min(text.get_fontsize() for text in texts) >= 7, one.name
        assert one.pdf().startswith(b"%PDF")


def test_slopes_have_the_arms_names(figures):
    (panel, *_) = figures["slopes"].figure.axes
    assert [label.get_text() for label in panel.get_xticklabels()] == ["lora", "talan+lora"]


def test_a_forest_is_grouped_by_contrast_and_each_has_its_own_slopes_and_flips(many):
    found = many()
    entries = tuple(Flip(place, 0, 0, f"i{n}", 1.0, 0.0) for place in (0, 2) for n in range(place + 1))
    drawn = {one.name: one for one in draw(found, Context(flips=Flips(entries)))}
    assert set(drawn) == {"forest", "slopes", "slopes-2", "slopes-3", "flips", "flips-3"}
    labels = [label.get_text() for label in drawn["forest"].figure.axes[0].get_yticklabels()]
    names = [cell.task for cell in found.contrasts[0].cells]
    assert labels == [
        label
        for contrast in found.contrasts
        for label in (contrast.name, *names, "mean (primary)" if contrast is found.contrasts[0] else "mean")
    ]
    drawn_at = [line for line in drawn["forest"].figure.axes[0].lines if line.get_zorder() == 3]
    marks = {int(line.get_ydata()[0]): float(line.get_xdata()[0]) for line in drawn_at}
    for place, contrast in enumerate(found.contrasts):
        for row, cell in enumerate(contrast.cells):
            assert marks[place * (len(names) + 2) + 1 + row] == cell.delta
        assert marks[place * (len(names) + 2) + 1 + len(names)] == contrast.aggregate.delta
    assert drawn["slopes-2"].contrast == 1
    (line, *_) = drawn["slopes-3"].figure.axes[0].lines
    cell = found.contrasts[2].cells[0]
    assert list(line.get_ydata()) == pytest.approx([cell.base_by_seed[0], cell.treat_by_seed[0]])
    assert "3 of 60 items" in drawn["flips-3"].figure.axes[0].get_title(loc="left")


def test_arms_with_independent_seeds_are_marks_without_lines(many):
    found = many([ContrastSpec("lora", "dora", "independent")])
    (panel, *_) = {one.name: one for one in draw(found)}["slopes"].figure.axes
    assert [line.get_linestyle() for line in panel.lines] == ["None", "None"]
    assert [list(line.get_ydata()) for line in panel.lines] == [
        list(found.contrasts[0].cells[0].base_by_seed),
        list(found.contrasts[0].cells[0].treat_by_seed),
    ]


ORDER = ("talan+lora", "noise+lora", "lora", "dora")


@pytest.fixture
def every_pair(many):
    return many([ContrastSpec(*pair) for pair in itertools.combinations(sorted(ORDER), 2)])


def with_verdicts(result, told_apart):
    """Return the result with a verdict on the means of these pairs, and none on the others."""
    contrasts = tuple(
        one.model_copy(
            update={
                "aggregate": one.aggregate.model_copy(
                    update={"verdict": "better" if {one.base, one.treatment} in told_apart else "inconclusive"}
                )
            }
        )
        for one in result.contrasts
    )
    return result.model_copy(update={"contrasts": contrasts})


def test_a_bar_never_joins_arms_that_were_told_apart(every_pair):
    first, second, third, last = ORDER
    found = ranking(with_verdicts(every_pair, [{first, third}, {first, last}]))
    assert found.arms == ORDER
    assert found.groups == ((0, 1), (1, 3))
    assert list(found.means) == sorted(found.means, reverse=True)
    assert ranking(with_verdicts(every_pair, [])).groups == ((0, 3),)
    assert ranking(with_verdicts(every_pair, [{second, third}])).groups == ((0, 1), (2, 3))
    assert ranking(with_verdicts(every_pair, [set(pair) for pair in itertools.combinations(ORDER, 2)])).groups == ()


def test_arms_are_ranked_only_where_every_two_were_compared(many, result, every_pair):
    assert ranking(many()) is None
    assert ranking(result()) is None
    assert "ranking" not in {one.name for one in draw(many())}
    (drawn,) = (one for one in draw(every_pair) if one.name == "ranking")
    (axes,) = drawn.figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(ORDER)
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert list(dots.get_xdata()) == list(ranking(every_pair).means)
    assert all(mean in {m for c in every_pair.contrasts for m in (c.aggregate.base_mean, c.aggregate.treat_mean)}
               for mean in dots.get_xdata())  # fmt: skip


def test_where_less_is_better_the_lowest_arm_stands_on_top(every_pair):
    turned = every_pair.model_copy(
        update={"measure": every_pair.measure.model_copy(update={"higher_is_better": False})}
    )
    assert ranking(turned).arms == ORDER[::-1]
