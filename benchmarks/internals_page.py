"""Writes the measured part of docs/internals.md and its figures from the committed measurement.

That is results/internals_micro/internals.json of ``talan-eval internals``; results/README.md has the commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_eval.internals.faces import draw
from talan_eval.internals.findings import Internals
from talan_eval.internals.sentences import number, span, with_interval
from talan_eval.report.markdown import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.internals.findings import ArmFindings, TaskFindings

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "internals.md"
FIGURES: Final = ROOT / "docs" / "figures"
RESULT: Final = ROOT / "results" / "internals_micro" / "internals.json"
_BEGIN: Final = "<!-- measured: begin (python benchmarks/internals_page.py writes this) -->\n"
_END: Final = "<!-- measured: end -->\n"
Row = tuple[str, str, str, str]


def updated(page: str, found: Internals) -> str:
    """Return the page with its measured part written anew.

    Raises:
        ValueError: It has no such part.
    """
    begin, end = page.find(_BEGIN), page.find(_END)
    if begin < 0 or end < begin:
        raise ValueError("the page has no block for what was measured")
    return page[: begin + len(_BEGIN)] + block(found) + page[end:]


def block(found: Internals) -> str:
    """Write a table of the paper's sentences for every arm with a block."""
    arms = [arm for arm in found.arms if arm.layer is not None]
    parts = []
    for arm in arms:
        rows = list(_rows(arm, found))
        lines = [f"| {' | '.join(escape(text) for text in row)} |" for row in rows]
        heads = "| the paper says | measured here, mean (95 % interval over seeds) | control | what it is beside |"
        seeds = f"{len(arm.seeds)} seeds, l* = {arm.layer} of {arm.layers} layers"
        parts.append(
            f"**{escape(arm.arm)}** on {escape(arm.backbone)}, {escape(seeds)}\n\n{heads}\n|---|---|---|---|\n"
        )
        parts.append("\n".join(lines) + "\n\n")
    return "".join(parts).rstrip("\n") + "\n"


def _rows(arm: ArmFindings, found: Internals) -> Iterator[Row]:
    task = arm.tasks[0]
    values = task.values
    noise = next((one for one in found.arms if one.arm.startswith("noise") and one.backbone == arm.backbone), None)
    for name, said in (
        ("ratio_at_write", "the adapter's update is 80 to 1,700 times the perturbation: |a_l*| / |p|"),
        ("ratio_at_end", "the same at the end: |a_L| / |p|"),
        ("ratio_of_effects", "the same of effects: |a_L| / |b_L|"),
    ):
        own = with_interval(values[name]) if values[name].mean is not None else f"undefined: {values[name].reason}"
        beside = "" if noise is None or noise is arm else with_interval(noise.tasks[0].values[name])
        yield said, own, beside, "noise arm" if beside else ""
    chance = f"{number(arm.random_cosine.lower)} to {number(arm.random_cosine.upper)}"
    yield "their directions have near-zero cosine: at L", with_interval(values["end_cosine"]), chance, "random vectors"
    yield from _of_depth(arm, task)
    base = next((one for one in found.arms if (one.arm, one.backbone) == (arm.base, arm.backbone)), None)
    if "run_divergence" in task.curves and base is not None:
        reseeded = base.tasks[0].curves["reseeding_divergence"].points[-1]
        own = with_interval(task.curves["run_divergence"].points[-1])
        yield f"divergence from {arm.base} at L", own, with_interval(reseeded), f"{arm.base}, next seed"
    yield from _of_shapes(arm)
    yield (
        "(next-token distributions: KL of the block)",
        with_interval(values["block_kl"]),
        with_interval(values["random_kl"]),
        "random direction",
    )
    yield from _of_weights(arm)


def _of_depth(arm: ArmFindings, task: TaskFindings) -> Iterator[Row]:
    below = [point.mean for point in task.curves["block_divergence"].points[: arm.layer]]
    if below:
        own = "exactly 0 at each layer below" if not any(below) else "not 0 below"
        yield "divergence lifts off at the insertion layer", own, "exactly 0", "random direction"
    for name, ending in (("amplification", "float32"), ("amplification_bf16", "bfloat16")):
        random = f"{with_interval(task.values[f'random_{name}'])}; draws {span(task.bands[f'random_{name}'])}"
        yield (
            f"and grows through depth: factor from l* to L, {ending}",
            with_interval(task.values[name]),
            random,
            "random direction",
        )
    rounding = task.values["rounding"], task.values["random_rounding"]
    yield (
        "(what bfloat16 adds to that factor)",
        with_interval(rounding[0]),
        with_interval(rounding[1]),
        "random direction",
    )
    difference = task.values["amplification_over_random"]
    yield "(block minus random direction, float32)", with_interval(difference), "0", "no difference"


def _of_shapes(arm: ArmFindings) -> Iterator[Row]:
    shapes = {one.quantity: one for one in arm.shape if one.mean is not None}
    if {"block_divergence", "random_divergence"} <= shapes.keys():
        own, random = shapes["block_divergence"], shapes["random_divergence"]
        yield (
            "the shape hardly depends on the benchmark: correlation of curves, mean (lowest)",
            f"{number(own.mean)} ({number(own.lowest)})",
            f"{number(random.mean)} ({number(random.lowest)})",
            "random direction",
        )


def _of_weights(arm: ArmFindings) -> Iterator[Row]:
    weights = arm.weights
    if weights is None or all(one.share.mean is None for one in weights.groups):
        return
    shares = {one.group: one for one in weights.groups}
    for group in ("gate", "biases", "projections", "theme queries"):
        if group in shares:
            yield (
                f"the signal sits in gate and attention biases: share of the squared update, {group}",
                with_interval(shares[group].share),
                "",
                "",
            )
    random = [one for one in weights.tensors if one.from_fresh.mean is not None]
    far = max(random, key=lambda one: abs((one.from_fresh.mean or 0) - (one.start_from_fresh.mean or 0)))
    yield (
        f"random tensors stay at fresh-sample distance: the one that left it most, {far.name}",
        with_interval(far.from_fresh),
        with_interval(far.start_from_fresh),
        "its own initial value",
    )


def main() -> None:
    """Rewrite docs/internals.md and its figures in place."""
    found = Internals.from_json(RESULT.read_text(encoding="utf-8"))
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    for figure in draw(found):
        (FIGURES / f"internals-{figure.name}.png").write_bytes(figure.png())
        print(f"internals-{figure.name}.png")


if __name__ == "__main__":
    main()
