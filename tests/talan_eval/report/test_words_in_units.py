"""What is said of a metric in its own unit and direction: no points, no number of another scale, no turned sign."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.console import Console

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.planning.advice import advise, power_curves
from talan_eval.report import latex, markdown, methods
from talan_eval.report.context import Context
from talan_eval.report.page import render as page
from talan_eval.report.plots.forest import forest
from talan_eval.report.plots.slopes import slopes
from talan_eval.report.terminal import TerminalReport
from talan_eval.report.view import View
from talan_eval.result.margins import within_margin
from talan_eval.result.schema import Measure

LOSS = Measure(unit="nats", higher_is_better=False, lower=None, upper=None)
SHARE = Measure()
ITEMS = 40
POINTS = re.compile(r"\bpoints?\b(?! (?:estimate|of view))")


def compared(measure=LOSS, seeds=7, effect=0.0, apart=None, arms=("base", "treat"), **options):
    """Compare arms on two benchmarks: losses near 2 nats, or shares near one half; one seed may stand apart."""
    rng, matrices = np.random.default_rng(5), []
    weighty = options.pop("only", None)
    for task in ("one", "two"):
        items = ItemTable(task, "m", tuple(f"i{n:02}" for n in range(ITEMS)), "0" * 12, measure=measure)
        for arm in arms:
            values = rng.normal(0.0, 0.2, size=(seeds, ITEMS)) + rng.normal(0, 0.02, size=(seeds, 1))
            if arm != arms[0]:
                values += effect
                if apart is not None and task in (weighty or task):
                    values[apart[0]] += apart[1]
            scores = 2.0 + values if measure == LOSS else np.clip(np.round(0.5 + values, 1), 0, 1)
            matrices.append(ScoreMatrix("b", arm, items, tuple(range(seeds)), scores))
    contrasts = [ContrastSpec(arms[0], arm) for arm in arms[1:]]
    return compare(matrices, contrasts, Origin({}), StatisticsSettings(**{"resamples": 60, **options}))


def shown(result):
    """Every face as text, with what is planned from the result."""
    context = Context(advice=tuple(advise(result, 0.1, one) for one in result.contrasts), power=power_curves(result))
    console = Console(file=io.StringIO(), width=300, color_system=None)
    console.print(TerminalReport(result))
    return {
        "terminal": console.file.getvalue(),
        "markdown": markdown.render(result, context),
        "latex": latex.render(result, context),
        "page": re.sub(r"<(style|script)[^>]*>.*?</\\1>", "", page(result, context, figures=()), flags=re.DOTALL),
        "methods": methods.paragraph(result),
    }


@pytest.mark.parametrize("seeds", [1, 2, 3, 7])
@pytest.mark.parametrize("arms", [("base", "treat"), ("base", "treat", "other")])
def test_no_face_speaks_of_points_where_the_unit_is_another(seeds, arms):
    result = compared(seeds=seeds, arms=arms, also=("tost",), margin=0.05, weights=("one=3",), apart=(seeds - 1, 3.0))
    for name, text in shown(result).items():
        assert not POINTS.findall(text), (name, POINTS.search(text))
    assert POINTS.findall(shown(compared(SHARE))["markdown"])  # the control


def test_a_seed_that_stands_apart_is_named_with_its_own_difference():
    result = compared(apart=(4, 2.5))
    (flag,) = [text for text in result.warnings if "RED FLAG" in text and "aggregate" in text]
    seed = result.contrasts[0].aggregate.outlying
    assert f"seed 4 stands apart, {seed.delta:+.3g} nats where the median is {seed.median_delta:+.3g} " in flag
    assert seed.delta == pytest.approx(2.5, abs=0.2)  # more nats, not fewer


def test_flags_of_a_weighted_mean_are_its_own():
    heavy, light = (
        compared(SHARE, seeds=12, apart=(2, -0.5), only=("one",), weights=weights)
        for weights in (("one=99",), ("two=99",))
    )
    (flag,) = [text for text in heavy.warnings if text.startswith("aggregate: RED FLAG")]
    seed = heavy.contrasts[0].aggregate.outlying
    assert f"seed 2 stands apart, {seed.delta:+.2f} points" in flag
    assert heavy.contrasts[0].aggregate.deltas[2] == pytest.approx(seed.delta)
    assert light.contrasts[0].aggregate.outlying is None
    assert not any(text.startswith("aggregate: RED FLAG") for text in light.warnings)


def test_a_pair_of_checkpoints_is_judged_in_its_unit_and_over_several_benchmarks():
    result = compared(seeds=1, effect=-0.3)
    mean = result.contrasts[0].aggregate
    assert mean.verdict == "better"  # less is
    assert f"{mean.e0_mean.delta:+.2f} nats on average over 2 benchmarks" in markdown.render(result)
    cells = result.contrasts[0].cells
    assert mean.e0_mean.delta == pytest.approx(np.mean([cell.delta for cell in cells]))
    alone = [next(term.se for term in cell.e0_mean.terms if term.name == "t") for cell in cells]
    (found,) = (term.se for term in mean.e0_mean.terms if term.name == "t")
    assert found == pytest.approx(np.hypot(*alone) / 2)
    assert {term.name for term in mean.e0_mean.terms} == {"t", "flip"}
    assert {pair.mcnemar_p for cell in cells for pair in cell.e0} == {None}  # a t is no sign test
    assert "sign test" not in markdown.render(result)


@pytest.mark.parametrize(("effect", "word"), [(-0.3, "no worse"), (0.3, "no better")])
def test_a_margin_of_the_report_is_that_of_the_comparison_in_either_direction(effect, word):
    asked, later = compared(effect=effect, margin=0.2), within_margin(compared(effect=effect), 0.2)
    assert asked.contrasts[0].aggregate.margin_test.word == word  # fewer nats are no worse
    for one, other in zip(asked.contrasts[0].cells, later.contrasts[0].cells, strict=True):
        assert one.margin_test.word == other.margin_test.word
        assert other.margin_test.margin == 0.2
    assert later.contrasts[0].aggregate.margin_test.word == word
    assert later.settings.margin == asked.settings.margin == pytest.approx(0.2)


def test_a_margin_is_shown_on_the_scale_of_the_table():
    result = compared(margin=0.05)
    assert max(abs(cell.delta) for cell in result.contrasts[0].cells) < 0.1  # so thousandths are shown
    text = markdown.render(result)
    assert "delta | E1" in text
    assert "**margin 50**: No worse (no better) than 50 millinats" in text


def test_figures_say_the_unit_and_colour_what_is_better():
    pytest.importorskip("matplotlib")
    result = within_margin(compared(effect=-0.5), 0.2)
    view = View(result)
    drawn = forest((view,))
    assert ", nats (thick" in drawn.axes[0].get_xlabel()
    dotted = [line.get_xdata()[0] for line in drawn.axes[0].lines if line.get_linestyle() == ":"]
    assert dotted == [0.2]  # a loss of the margin is that many nats more
    (turned, plain) = (slopes(View(one)) for one in (result, compared(SHARE, effect=-0.3)))
    assert turned.axes[0].get_ylabel() == "score, nats"
    colours = [{line.get_color() for line in figure.axes[0].lines} for figure in (turned, plain)]
    assert len(colours[0]) == len(colours[1]) == 1
    assert colours[0] != colours[1]  # both fall: one is better for it, one worse


def test_weights_are_in_the_words_about_the_primary_test():
    result = compared(SHARE, weights=("one=3",))
    assert "The weighted mean gain over 2 benchmarks" in markdown.render(result)
    assert "that of the weighted (one 0.75, two 0.25) mean difference over 2 benchmarks" in methods.paragraph(result)
    pair = compared(SHARE, seeds=1, weights=("one=3",))
    assert "on weighted average over 2 benchmarks" in markdown.render(pair)
