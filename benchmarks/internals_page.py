"""Writes the measured part of docs/internals.md and its figures from the committed measurement.

Those are the internals.json of ``talan-eval internals`` in results/internals_micro, results/internals_micro_all (seed 0
alone, over the positions of prompts as well, beside earlier figures) and results/internals_smollm2;
results/README.md has the commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_eval.internals.faces import draw
from talan_eval.internals.findings import Internals, by_distance
from talan_eval.internals.sentences import gain, number, span, with_interval
from talan_eval.report.markdown import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.internals.findings import ArmFindings, ConfigurationDistance, TaskFindings

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "internals.md"
FIGURES: Final = ROOT / "docs" / "figures"
RESULT: Final = ROOT / "results" / "internals_micro" / "internals.json"
WHOLE: Final = ROOT / "results" / "internals_micro_all" / "internals.json"
LARGER: Final = ROOT / "results" / "internals_smollm2" / "internals.json"
_BEGIN: Final = "<!-- {}: begin (python benchmarks/internals_page.py writes this) -->\n"
_END: Final = "<!-- {}: end -->\n"
Row = tuple[str, str, str, str]
DETAILED: Final = ("talan+lora", "noise+lora", "talan[layer=3]+lora", "talan[mixer=ensemble]+lora")
"""Arms that have a table of their own."""

WITHIN: Final = 0.2
"""How far from an earlier figure one of seed 0 may be to count as reproduced."""


@dataclass(frozen=True)
class EarlierFigures:
    """Figures of one arm on the bundled backbone, measured once on seed 0 with other code, before this was written.

    Attributes:
        arm: Arm name.
        relative_write: |p| / |h-|.
        block_kl: KL of the block, nats.
        adapter_kl: KL of the adapter, nats.
    """

    arm: str
    relative_write: float
    block_kl: float
    adapter_kl: float

    @property
    def kl_share(self) -> float:
        """KL of the block over that of the adapter."""
        return self.block_kl / self.adapter_kl


PILOTS: Final = (
    EarlierFigures("talan+lora", 0.115, 7.7e-4, 0.331),
    EarlierFigures("noise+lora", 0.070, 3.4e-4, 0.333),
    EarlierFigures("talan[layer=3]+lora", 0.0067, 8.7e-6, 0.332),
    EarlierFigures("talan[writeback=direct]+lora", 0.182, 0.294, 0.305),
    EarlierFigures("talan[lr_scale=10.0]+lora", 0.237, 0.014, 0.270),
)
PILOT_GATES: Final = (0.016, 0.020)
"""Root mean squares of the gates then, smallest and largest."""


def updated(page: str, found: Internals, whole: Internals, larger: Internals) -> str:
    """Return the page with its measured parts written anew.

    Args:
        page: The page as it is.
        found: On the bundled backbone.
        whole: On it over all positions, which the earlier figures stand beside.
        larger: On SmolLM2.

    Raises:
        ValueError: It lacks one of them.
    """
    for name, text in (("measured", block(found)), ("earlier", earlier(whole)), ("larger", block(larger))):
        first, last = _BEGIN.format(name), _END.format(name)
        begin, end = page.find(first), page.find(last)
        if begin < 0 or end < begin:
            raise ValueError(f"the page has no block for what was {name}")
        page = page[: begin + len(first)] + text + page[end:]
    return page


def earlier(found: Internals) -> str:
    """Write a table of the earlier figures beside those of seed 0, with their ratios."""
    lines = ["| arm, seed 0 | figure | earlier | here | here / earlier |", "|---|---|---:|---:|---:|"]
    for pilot in PILOTS:
        arm = next((one for one in found.arms if one.arm == pilot.arm and 0 in one.seeds), None)
        if arm is None:
            lines.append(f"| {escape(pilot.arm)} | all three | | not measured | |")
            continue
        rows = (
            ("\\|p\\| / \\|h-\\|", pilot.relative_write, _of_seed_0(arm, "relative_write")),
            ("KL of the block", pilot.block_kl, _of_seed_0(arm, "block_kl")),
            ("KL of the adapter", pilot.adapter_kl, _of_seed_0(arm, "adapter_kl")),
            ("KL of the block / of the adapter", pilot.kl_share, share_of_kl(arm)),
        )
        for name, then, now in rows:
            near = "" if abs(now / then - 1) <= WITHIN else ", not within a fifth"
            lines.append(f"| {escape(arm.arm)} | {name} | {number(then)} | {number(now)} | {now / then:.2f}{near} |")
    low, high = PILOT_GATES
    gates = [one.weights.gate_rms for one in found.arms if one.weights is not None and one.weights.gate_rms is not None]
    values = [value for gate in gates for value in gate.by_seed]
    lines.append(
        f"| all | RMS of the gate | {number(low)} to {number(high)} | {number(min(values))} to {number(max(values))} | "
        f"{min(values) / low:.2f} and {max(values) / high:.2f} |"
    )
    return "\n".join(lines) + "\n"


def share_of_kl(arm: ArmFindings) -> float:
    """Return the block's KL over the adapter's on seed 0."""
    return _of_seed_0(arm, "block_kl") / _of_seed_0(arm, "adapter_kl")


def _of_seed_0(arm: ArmFindings, name: str) -> float:
    return arm.tasks[0].values[name].by_seed[arm.seeds.index(0)]


def block(found: Internals) -> str:
    """Write a table of the paper's sentences for the arms of `DETAILED`, and one of all configurations if compared."""
    parts = []
    for arm in (one for one in found.arms if one.layer is not None and one.arm in DETAILED):
        rows = list(_rows(arm, found))
        lines = [f"| {' | '.join(escape(text) for text in row)} |" for row in rows]
        heads = "| the paper says | measured here, mean (95 % interval over seeds) | control | what it is beside |"
        seeds = f"{len(arm.seeds)} seeds, l* = {arm.layer} of {arm.layers} layers"
        parts.append(
            f"**{escape(arm.arm)}** on {escape(arm.backbone)}, {escape(seeds)}\n\n{heads}\n|---|---|---|---|\n"
        )
        parts.append("\n".join(lines) + "\n\n")
    parts += [part + "\n\n" for part in _of_grid(found)]
    return "".join(parts).rstrip("\n") + "\n"


def _of_grid(found: Internals) -> Iterator[str]:
    """Write what configurations gained beside what is inside them, and the counterpart of figure 13."""
    if not found.configurations:
        return
    one = found.configurations[0]
    gains = {one.best: number(None) if one.best_gain is None else gain(one.best_gain, one.best_ci)}
    gains |= {other.arm: gain(other.gain, other.ci) for other in one.others}
    heads = (
        "gain, points (E1, unadjusted)",
        "\\|p\\| / \\|h-\\|",
        "cosine at L",
        "growth, float32",
        "KL",
        "tensor farthest from fresh draws",
    )
    lines = [
        (
            f"**All configurations** on {escape(one.backbone)}; cosine, growth and KL are the block's minus a random "
            "direction's"
        ),
        f"| arm | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}",
    ]
    names = "relative_write", "end_cosine_over_random", "amplification_over_random", "kl_over_random"
    rows = []
    for arm in (arm for arm in found.arms if arm.arm in gains):
        values = [with_interval(arm.tasks[0].values[name]) for name in names]
        far = farthest(arm)
        rows.append(f"| {escape(arm.arm)} | {gains[arm.arm]} | {' | '.join(values)} | {escape(far)} |")
    yield f"{lines[0]}\n\n{lines[1]}\n" + "\n".join(rows)
    yield from map(_of_configurations, found.configurations)


def farthest(arm: ArmFindings) -> str:
    """Name the tensor that starts random and left the distance of fresh draws most, with its distance."""
    tensors = () if arm.weights is None else arm.weights.tensors
    far = max(
        (one for one in tensors if one.from_fresh.mean is not None),
        key=lambda one: abs((one.from_fresh.mean or 0) - (one.start_from_fresh.mean or 0)),
    )
    return f"{far.name} {with_interval(far.from_fresh)}"


def _of_configurations(one: ConfigurationDistance) -> str:
    """Write the counterpart of figure 13: distances to the best configuration beside gains."""
    nearest = "; ".join(
        f"{escape(other.arm)} {number(other.distance)} away, {other.gain:+.2f}" for other in by_distance(one)
    )
    gained = "" if one.best_gain is None else f", {one.best_gain:+.2f} points"
    return (
        f"**{len(one.others) + 1} configurations** on {escape(one.backbone)}, {escape(one.kind)} ({len(one.features)} "
        f"features that vary); the best is {escape(one.best)}{gained}. The paper says that a configuration gains less "
        f"the farther it is from the best one; measured here: rank correlation {number(one.spearman)}, permutation p "
        f"{number(one.p)}. By distance, gains in points: {nearest}. {escape(one.caution)}"
    )


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
    random = with_interval(values["random_ratio_of_effects"])
    yield (
        "(the same of effects, beside the same of a random direction)",
        with_interval(values["ratio_of_effects"]),
        random,
        "random direction",
    )
    own = with_interval(values["ratio_of_effects_over_random"])
    yield "(the same of effects, block minus random direction)", own, "0", "no difference"
    random = f"{with_interval(values['random_end_cosine'])}; draws {span(task.bands['random_end_cosine'])}"
    yield (
        "their directions have near-zero cosine: at L", with_interval(values["end_cosine"]), random, "random direction"
    )  # fmt: skip
    yield (
        "(the same, block minus random direction)",
        with_interval(values["end_cosine_over_random"]),
        "0",
        "no difference",
    )
    yield from _of_depth(arm, task)
    base = next((one for one in found.arms if (one.arm, one.backbone) == (arm.base, arm.backbone)), None)
    if "run_divergence" in task.curves and base is not None:
        reseeded = base.tasks[0].curves["reseeding_divergence"].points[-1]
        own = with_interval(task.curves["run_divergence"].points[-1])
        yield f"divergence from {arm.base} at L", own, with_interval(reseeded), f"{arm.base}, next seed"
        yield (
            f"divergence from {arm.base} grows through depth: factor from layer 1 to L, float32",
            with_interval(values["run_growth"]),
            with_interval(base.tasks[0].values["reseeding_growth"]),
            f"{arm.base}, next seed",
        )
    yield from _of_shapes(arm)
    yield (
        "(next-token distributions: KL of the block)",
        with_interval(values["block_kl"]),
        with_interval(values["random_kl"]),
        "random direction",
    )
    yield "(the same, block minus random direction)", with_interval(values["kl_over_random"]), "0", "no difference"
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
    for name, said in (("amplification_bf16", "bfloat16"), ("rounding", "what bfloat16 adds")):
        own = with_interval(task.values[f"{name}_over_random"])
        yield f"(block minus random direction, {said})", own, "0", "no difference"


def _of_shapes(arm: ArmFindings) -> Iterator[Row]:
    shapes = {one.quantity: one for one in arm.shape if one.mean is not None}
    if "run_divergence" in shapes:
        own = shapes["run_divergence"]
        yield (
            "the shape hardly depends on the benchmark: correlation of curves of matched runs, mean (lowest)",
            f"{number(own.mean)} ({number(own.lowest)})",
            "",
            "",
        )
    if {"block_divergence", "random_divergence"} <= shapes.keys():
        own, random = shapes["block_divergence"], shapes["random_divergence"]
        yield (
            "the same of the block in its own model",
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
    whole = Internals.from_json(WHOLE.read_text(encoding="utf-8"))
    larger = Internals.from_json(LARGER.read_text(encoding="utf-8"))
    page = updated(PAGE.read_text(encoding="utf-8"), found, whole, larger)
    PAGE.write_text(page, encoding="utf-8")
    for figure in draw(found):
        name = f"internals-{figure.name}.png"
        if f"(figures/{name})" in page:
            (FIGURES / name).write_bytes(figure.png())
            print(name)


if __name__ == "__main__":
    main()
