"""Inside the arms: what block and adapter do to a probe, beside where gate and held-out loss ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.report.own_recipes import titled
from talan_eval.report.table import ColumnOf, tabulate
from talan_eval.result.labels import backbones

if TYPE_CHECKING:
    from talan_eval.report.table import Table
    from talan_eval.result.schema import Curve, Inside, MeanOverSeeds, Result


def inside_table(result: Result) -> Table:
    """Build the table of all trained arms, each number a mean over seeds with its interval; no rows without any."""
    several = len(backbones(result)) > 1
    columns: tuple[ColumnOf[Inside], ...] = (
        ColumnOf(("arm",), "arm", "left", value=lambda one: f"{one.arm} on {one.backbone}" if several else one.arm),
        ColumnOf(("training", "loss"), "training loss", value=lambda one: _end(one.loss)),
        ColumnOf(("held-out", "loss"), "held-out loss", optional=True, value=lambda one: _end(one.held_out_loss)),
        ColumnOf(("adapter", "KL"), "adapter KL", optional=True, value=lambda one: _mean(one.adapter_kl)),
        ColumnOf(("block", "KL"), "block KL", optional=True, value=lambda one: _mean(one.block_kl)),
        ColumnOf(("gate", "RMS"), "gate RMS", optional=True, value=lambda one: _end(one.gate)),
        ColumnOf(("write/", "stream"), "write/stream", optional=True, value=lambda one: _mean(one.relative_write)),
        ColumnOf(("kept", "in bf16"), "kept in bf16", optional=True, value=lambda one: _mean(one.bf16_survival)),
        ColumnOf(
            ("block alone,", "logits"), "block alone, logits", optional=True,
            value=lambda one: _mean(one.block_logit_change),
        ),
    )  # fmt: skip
    return tabulate(
        titled("Inside the arms, means over seeds", result, (arm.name for arm in result.arms)), columns, result.inside
    )


def inside_sentence(result: Result) -> str:
    """Say how much the blocks do beside their adapters, and what the columns are; empty without any row."""
    if not result.inside:
        return ""
    level = fmt.percent(1 - result.settings.alpha)
    meaning = (
        f"In brackets: {level} t intervals over seeds. Losses are those at the end, nats per token, the held-out one "
        "on a small fixed sample. KL: mean divergence of next-token distributions on one prompt per benchmark, nats, "
        "of the adapter from the bare backbone and of the block from the adapter alone; a random direction as large as "
        "a block's write changes them as well, and talan-eval internals sets the two side by side."
    )
    return " ".join((*blocks_beside_adapters(result), meaning))


def blocks_beside_adapters(result: Result) -> tuple[str, ...]:
    """Say of each arm with a block how much the block does beside the adapter."""
    return tuple(text for one in result.inside if (text := _beside(one)))


def _beside(one: Inside) -> str:
    if one.block_kl is None or one.adapter_kl is None:
        return ""
    block, adapter = one.block_kl.mean, one.adapter_kl.mean
    if block <= 0 or adapter <= 0:
        what = "The block" if block <= 0 else "The adapter"
        return f"{what} of {one.arm} changes no next-token distribution of the probes."
    ratio = adapter / block
    times = f"{ratio:.3g} times less" if ratio >= 1 else f"{1 / ratio:.3g} times more"
    return (
        f"The block of {one.arm} changes next-token distributions {times} than its adapter "
        f"(KL {_mean(one.block_kl)} against {_mean(one.adapter_kl)} nats, {fmt.count(len(one.seeds), 'seed')})."
    )


def _mean(found: MeanOverSeeds | None) -> str | None:
    if found is None:
        return None
    return f"{found.mean:.3g}{_ends(found.ci)}"


def _end(curve: Curve | None) -> str | None:
    """Return a curve's last point with its band."""
    if curve is None:
        return None
    ends = None if curve.lower is None or curve.upper is None else (curve.lower[-1], curve.upper[-1])
    return f"{curve.mean[-1]:.3g}{_ends(ends)}"


def _ends(ci: tuple[float, float] | None) -> str:
    return "" if ci is None else f" ({ci[0]:.3g} to {ci[1]:.3g})"
