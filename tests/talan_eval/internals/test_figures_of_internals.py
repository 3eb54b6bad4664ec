"""Figures show curves with their controls beside them, laid out once, with every label inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from talan_eval.internals.configurations import relate
from talan_eval.internals.faces import FIGURE_FILE, draw
from talan_eval.internals.findings import Band, DepthCurve, Internals, SeedMean
from talan_eval.internals.sentences import sentences
from talan_eval.internals.write_up import render
from talan_eval.report.markdown import escape

pytest.importorskip("matplotlib")
RESULT = Path(__file__).parents[3] / "results" / "internals_micro" / "internals.json"


@pytest.fixture(scope="module")
def found():
    whole = Internals.from_json(RESULT.read_text())
    return whole.model_copy(update={"arms": whole.arms[:5], "configurations": ()})  # all in one figure


@pytest.fixture(scope="module")
def figures(found):
    return {one.name: one for one in draw(found)}


def legend_of(figure):
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_all_figures_are_there(figures):
    assert set(figures) >= {
        "divergence", "divergence-by-benchmark", "block-effect", "growth", "cosine", "sizes", "weights"
    }  # fmt: skip


def test_each_curve_has_its_control_in_the_same_panel(figures):
    assert legend_of(figures["block-effect"].figure) == {"random direction", "block"}
    assert "random direction in place of the write" in legend_of(figures["cosine"].figure)
    assert "lora, next seed" in legend_of(figures["divergence"].figure)
    assert legend_of(figures["growth"].figure) == {
        "random direction, float32", "block, float32", "random direction, bfloat16", "block, bfloat16"
    }  # fmt: skip
    for axes in figures["block-effect"].figure.axes:
        assert len(axes.collections) >= 2  # band of the control, interval of the curve


def test_a_curve_is_that_of_the_document(figures, found):
    blocks = [arm for arm in found.arms if arm.layer is not None]
    for axes, arm in zip(figures["block-effect"].figure.axes, blocks, strict=True):
        means = [point.mean for point in arm.tasks[0].curves["block_divergence"].points]
        assert list(axes.lines[0].get_ydata()) == pytest.approx(means)
        assert arm.arm in axes.get_title(loc="left")


def test_no_figure_is_laid_out_again_and_labels_stay_inside(figures):
    for one in figures.values():
        assert one.figure.get_layout_engine() is None
        assert one.svg.startswith("<?xml")
        assert one.png().startswith(b"\x89PNG")
        whole = one.figure.bbox
        for axes in one.figure.axes:
            box = axes.get_tightbbox()
            if box is not None:
                assert whole.x0 <= box.x0 < box.x1 <= whole.x1 + 1
                assert whole.y0 <= box.y0 < box.y1 <= whole.y1 + 1


def test_a_block_that_writes_nothing_is_drawn_without_what_it_has_not(found):
    """Its growth is zero over zero, and random directions of no length have none either."""
    nothing = SeedMean(mean=None, ci=None, by_seed=(), reason="zero over zero")
    arms = []
    for arm in found.arms:
        tasks = []
        for task in arm.tasks:
            curves = {
                name: DepthCurve(points=(nothing,) * len(curve.points)) if "growth" in name else curve
                for name, curve in task.curves.items()
            }
            bands = {
                name: Band(lower=(None,) * len(one.lower), upper=(None,) * len(one.upper), draws=5)
                for name, one in task.bands.items()
            }
            values = {name: nothing if "amplification" in name else one for name, one in task.values.items()}
            tasks.append(task.model_copy(update={"curves": curves, "bands": bands, "values": values}))
        arms.append(arm.model_copy(update={"tasks": tuple(tasks)}))
    silent = found.model_copy(update={"arms": tuple(arms)})
    drawn = {one.name: one.figure for one in draw(silent)}
    assert all(len(axes.lines) == 1 for axes in drawn["growth"].axes)  # the line at 1
    assert "zero over zero" in render(silent)
    assert any("multiplied by n/a in float32" in text for text in sentences(silent))


def test_what_a_random_direction_has_no_part_in_is_drawn_with_its_interval(found):
    figure = next(one for one in draw(found) if one.name == "over-random").figure
    assert legend_of(figure) >= {"block minus random direction, float32", "block minus random direction, bfloat16"}
    for axes, arm in zip(figure.axes, [one for one in found.arms if one.layer is not None], strict=True):
        points = arm.tasks[0].curves["growth_over_random"].points
        due = [one.mean for one in points if one.mean is not None]
        assert list(axes.lines[0].get_ydata()) == pytest.approx(due)
        assert len(axes.collections) == 2  # intervals in both types


def test_a_mean_that_is_not_above_zero_is_marked_at_the_edge(found):
    arms = []
    for arm in found.arms:
        task = arm.tasks[0]
        below = task.values["block_kl"].model_copy(update={"mean": -1e-9, "ci": None})
        arms.append(
            arm.model_copy(
                update={
                    "tasks": (task.model_copy(update={"values": {**task.values, "block_kl": below}}), *arm.tasks[1:])
                }
            )
        )
    sizes = next(one for one in draw(found.model_copy(update={"arms": tuple(arms)})) if one.name == "sizes").figure
    blocks = sum(arm.layer is not None for arm in arms)
    assert sum(line.get_marker() == "<" for line in sizes.axes[0].lines) == blocks


def test_a_measurement_in_bfloat16_alone_is_not_called_float32(found):
    half = found.model_copy(update={"measurement": found.measurement.model_copy(update={"dtype": "bfloat16"})})
    growth = next(one for one in draw(half) if one.name == "growth")
    assert "random direction, float32" not in legend_of(growth.figure)
    assert "float32" not in growth.title
    depth = [text for text in sentences(half) if "is multiplied by" in text]
    assert depth
    assert all(" in bfloat16, that of a random direction" in text for text in depth)


def test_distances_are_drawn_where_there_are_configurations(found):
    features = {f"arm{n}": {"a": float(n), "b": float(n * n)} for n in range(5)}
    gains = {f"arm{n}": float(-n) for n in range(5)}
    one = relate("micro", "settings", features, gains)
    both = found.model_copy(update={"configurations": (one, one)})
    drawn = {figure.name: figure.figure for figure in draw(both)}
    axes = drawn["configurations"].axes[0]
    assert [float(line.get_ydata()[0]) for line in axes.lines[:5]] == [0, -1, -2, -3, -4]  # the best first
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "4"]
    text = render(both)
    assert escape("arm0 gained +0.00 points.") in text
    for place, arm in enumerate(("arm1", "arm2", "arm3", "arm4"), 1):
        assert f"| {place} | {arm} |" in text
    assert "rank correlation -1.00" in drawn["configurations"].axes[0].get_title(loc="left")


def test_each_figure_is_known_by_the_name_of_its_files(figures):
    """Else one of an earlier measurement would stay beside a new write-up."""
    for name in (*figures, "configurations", "ensembles"):
        assert FIGURE_FILE.fullmatch(f"{name}.svg")
    assert FIGURE_FILE.fullmatch("weights-12.png")
    assert not FIGURE_FILE.fullmatch("forest.svg")


def test_arms_that_do_not_fit_into_one_figure_get_another(found):
    first = next(arm for arm in found.arms if arm.layer is not None)
    arms = [first.model_copy(update={"arm": f"talan[slots={n}]+lora", "weights": None}) for n in range(1, 8)]
    other = first.model_copy(update={"backbone": "other", "weights": None})
    many = found.model_copy(update={"arms": (*arms, other)})
    drawn = {one.name: one.figure for one in draw(many)}
    effects = [drawn[name] for name in ("block-effect", "block-effect-2", "block-effect-3")]
    assert sum(len(figure.axes) for figure in effects) >= 3
    titles = " ".join(axes.get_title(loc="left") + axes.get_title() for figure in effects for axes in figure.axes)
    for arm in (*arms, other):
        assert arm.arm in titles
    assert "block-effect-4" not in drawn
