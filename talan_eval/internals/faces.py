"""Every face of what was found, as file contents by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from talan_core.arms import parse_arm
from talan_eval.internals import write_up
from talan_eval.report import plots
from talan_eval.report.plots import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.internals.findings import ArmFindings, Internals

FIGURE_FILE: Final = re.compile(
    r"(divergence|divergence-by-benchmark|block-effect|growth|over-random|cosine|sizes|weights|ensembles|configurations)"
    r"(-\d+)?\.(svg|png)"
)
"""Names of the files that figures are written to, those of an earlier measurement included."""


def render(found: Internals) -> dict[str, bytes]:
    """Return JSON, Markdown and, with the extra ``plots``, every figure as SVG and PNG."""
    figures = draw(found) if plots.available() else ()
    files = {
        "internals.json": found.to_json().encode(),
        "internals.md": write_up.render(found, figures).encode("utf-8", "replace"),
    }
    for one in figures:
        files |= {f"{one.name}.svg": one.svg.encode(), f"{one.name}.png": one.png()}
    return files


def draw(found: Internals) -> tuple[Figure, ...]:
    """Draw what was found; needs matplotlib."""
    from talan_eval.report.plots.style import arrange, styled  # noqa: PLC0415 - an extra

    with styled():
        figures = tuple(_figures(found))
        for one in figures:
            arrange(one.figure)
    return figures


def _figures(found: Internals) -> Iterator[Figure]:
    blocks = [arm for arm in found.arms if arm.layer is not None]
    for ending, some in _groups([arm for arm in found.arms if "run_divergence" in arm.tasks[0].curves]):
        yield from _of_runs(found, some, ending)
    for ending, some in _groups(blocks):
        yield from _of_blocks(some, found.measurement.dtype, ending)
    yield from _audits(found, blocks)


def _groups(arms: Sequence[ArmFindings]) -> Iterator[tuple[str, Sequence[ArmFindings]]]:
    """Yield as many arms as a figure can tell apart, with what ends its name; backbones stay together if all fit."""
    from talan_eval.internals.depth_plots import MOST  # noqa: PLC0415 - an extra

    parts: list[Sequence[ArmFindings]] = [arms] if arms else []
    if len(arms) > MOST:
        own = [[arm for arm in arms if arm.backbone == name] for name in dict.fromkeys(arm.backbone for arm in arms)]
        parts = [some[at : at + MOST] for some in own for at in range(0, len(some), MOST)]
    for place, some in enumerate(parts):
        yield f"-{place + 1}" if place else "", some


def _of_runs(found: Internals, treated: Sequence[ArmFindings], ending: str) -> Iterator[Figure]:
    from talan_eval.internals import depth_plots  # noqa: PLC0415 - an extra

    yield Figure(
        f"divergence{ending}",
        "How far runs are from their base",
        "Difference of the residual stream to that of the base arm on the same seed, over layers, means with t "
        "intervals over seeds. The grey band is what the base arm's next seed alone does, over all seeds.",
        depth_plots.run_divergence(treated, [arm for arm in found.arms if arm.layer is None]),
    )
    if len(found.measurement.tasks) > 1:
        yield Figure(
            f"divergence-by-benchmark{ending}",
            "The same by benchmark",
            "Each curve over its own value at the last layer, so that shapes can be compared.",
            depth_plots.by_task(treated),
        )


def _of_blocks(blocks: Sequence[ArmFindings], dtype: str, ending: str) -> Iterator[Figure]:
    from talan_eval.internals import depth_plots, dot_plots  # noqa: PLC0415 - an extra

    yield Figure(
        f"block-effect{ending}",
        "What the block changes in its own model",
        "The block's effect over the stream without it, means with t intervals over seeds; the grey band is a random "
        "direction of the same norm at each position, over all seeds and draws, as wide as seeds differ. Below l* it "
        "is exactly zero.",
        depth_plots.block_effect(blocks),
    )
    yield Figure(
        f"growth{ending}",
        "Growth through depth" + (", in float32 and bfloat16" if dtype == "float32" else f", in {dtype}"),
        "The same over its value at l*. Bands are random directions. What grows in bfloat16 "
        "alone, and for random directions as well, is rounding.",
        depth_plots.growth(blocks, dtype),
    )
    yield Figure(
        f"over-random{ending}",
        "Growth of the block's share beyond a random direction's",
        "The difference of the two on the same seed, over that at l*, means with t intervals over seeds. Where an "
        "interval holds 0 the block is not told apart from a random direction of its size. Intervals are of each layer "
        "alone; the curve in bfloat16 is of fewer items.",
        depth_plots.over_random(blocks, dtype),
    )
    yield Figure(
        f"cosine{ending}",
        "Do adapter and block point the same way?",
        "Cosine of the adapter's and the block's effect at each layer with t intervals over seeds. The grey band is "
        "that of the adapter and a random direction in place of the write, over all seeds and draws; dotted, the range "
        "of single pairs of random vectors. Dashed, the cosine of what the adapters of two seeds do.",
        depth_plots.cosine(blocks),
    )
    yield Figure(
        f"sizes{ending}",
        "Norms, ratios and divergences",
        "Means with t intervals over seeds on a logarithmic scale; open marks are random directions of equal norm. A "
        "triangle at the left edge is a mean that is not above zero.",
        dot_plots.sizes(blocks),
    )


def _audits(found: Internals, blocks: Sequence[ArmFindings]) -> Iterator[Figure]:
    from talan_eval.internals import dot_plots  # noqa: PLC0415 - an extra

    learned = [arm for arm in blocks if parse_arm(arm.arm).talan is not None and arm.weights is not None]
    for place, arm in enumerate(one for one in learned if one.weights is not None and one.weights.groups):
        yield Figure(
            f"weights-{place + 1}" if place else "weights",
            f"Where the weights went: {arm.arm} on {arm.backbone}",
            "Distances of each tensor that starts random, in units of that between two fresh draws: an untouched one "
            "is 0 from its start and 1 from fresh draws. Right: shares of the squared update.",
            dot_plots.weights(arm),
        )
    mixed = [arm for arm in learned if arm.weights is not None and arm.weights.ensemble is not None]
    if mixed:
        yield Figure(
            "ensembles",
            "Components of ensembles",
            "Mean |cosine| of the first singular directions of the components' query matrices, beside random matrices.",
            dot_plots.ensembles(mixed),
        )
    if found.configurations:
        yield Figure(
            "configurations",
            "Distance to the best configuration against gain",
            "One numbered point per configuration with E1 of its gain, the best an open one: it was chosen by the same "
            "gain. The numbers are those of the write-up's table.",
            dot_plots.distances(found.configurations[:2]),
        )
