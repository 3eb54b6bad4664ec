"""The paper's sentences about the inside of a model, and what was measured of each: with interval and control."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.internals.findings import ArmFindings, Band, ConfigurationDistance, Internals, SeedMean


def sentences(found: Internals) -> tuple[str, ...]:
    """Say what was measured, a sentence for each thing that the paper says, arm by arm.

    Args:
        found: What was found.
    """
    said = [text for arm in found.arms if arm.layer is not None for text in _of_arm(arm, found)]
    return (*said, *(_of_configurations(one) for one in found.configurations))


def number(value: float | None) -> str:
    """Write a number with three digits; n/a for none."""
    return "n/a" if value is None else f"{value:.3g}"


def gain(points: float, ci: tuple[float, float] | None) -> str:
    """Write a gain in points with its interval in brackets."""
    return f"{points:+.2f}" if ci is None else f"{points:+.2f} ({ci[0]:+.2f} to {ci[1]:+.2f})"


def with_interval(one: SeedMean) -> str:
    """Write a mean with its interval in brackets."""
    if one.mean is None:
        return "n/a"
    return number(one.mean) if one.ci is None else f"{number(one.mean)} ({number(one.ci[0])} to {number(one.ci[1])})"


def span(band: Band | None, at: int = 0) -> str:
    """Write the range of a control; empty where there is none."""
    if band is None or band.lower[at] is None:
        return ""
    return f"{number(band.lower[at])} to {number(band.upper[at])}"


def _of_arm(arm: ArmFindings, found: Internals) -> Iterator[str]:
    name = f"{arm.arm} on {arm.backbone}"
    values = arm.tasks[0].values
    yield (
        f"{name}: the adapter's update at the last layer is {with_interval(values['ratio_of_effects'])} times the "
        f"block's effect there (a random direction in place of the write: "
        f"{with_interval(values['random_ratio_of_effects'])}), {with_interval(values['ratio_at_end'])} times the "
        f"write; at l* = {arm.layer} it is "
        + (
            f"{with_interval(values['ratio_at_write'])} times the write."
            if values["ratio_at_write"].mean is not None
            else f"undefined: {values['ratio_at_write'].reason}."
        )
    )
    chance = arm.random_cosine
    yield (
        f"{name}: at the last layer the cosine of adapter and block is {with_interval(values['end_cosine'])}, that of "
        f"the adapter and a random direction in place of the write {with_interval(values['random_end_cosine'])}; the "
        f"difference is, seed by seed, {with_interval(values['end_cosine_over_random'])}. Two independent random "
        f"vectors of {arm.hidden_size} numbers, no means over positions, are within {number(chance.lower)} to "
        f"{number(chance.upper)}."
    )
    yield from _of_depth(arm, name, found)
    yield (
        f"{name}: the block changes next-token distributions by {with_interval(values['block_kl'])} nats, a random "
        f"direction of the same norm by {with_interval(values['random_kl'])}; the difference is, seed by seed, "
        f"{with_interval(values['kl_over_random'])}. The adapter changes them by {with_interval(values['adapter_kl'])}."
    )
    yield from _of_shape(arm, name)
    yield from _of_weights(arm, name, found)


def _of_depth(arm: ArmFindings, name: str, found: Internals) -> Iterator[str]:
    values, curves = arm.tasks[0].values, arm.tasks[0].curves
    below = [point.mean for point in curves["block_divergence"].points[: arm.layer]]
    zero = (
        ""
        if not below
        else "below l* the block changes exactly nothing; "
        if not any(below)
        else "the block changes something BELOW l*; "
    )
    text = (
        f"{name}: {zero}from l* to the last layer the block's share of the stream is multiplied by "
        f"{with_interval(values['amplification'])} in {found.measurement.dtype}, that of a random direction by "
        f"{with_interval(values['random_amplification'])}"
    )
    yield f"{text}; block minus random direction, seed by seed: {with_interval(values['amplification_over_random'])}."
    if values["amplification_bf16"].mean is not None:
        yield (
            f"{name}: in bfloat16 they are multiplied by {with_interval(values['amplification_bf16'])} and "
            f"{with_interval(values['random_amplification_bf16'])}; of what bfloat16 adds to them the difference is, "
            f"seed by seed, {with_interval(values['rounding_over_random'])}."
        )
    if "run_divergence" in curves:
        apart = (
            f"{name}: at the last layer a run differs from that of {arm.base} on the same seed by "
            f"{with_interval(curves['run_divergence'].points[-1])} of the stream"
        )
        base = next((one for one in found.arms if (one.arm, one.backbone) == (arm.base, arm.backbone)), None)
        if base is not None and "reseeding_divergence" in base.tasks[0].curves:
            reseeded = base.tasks[0].curves["reseeding_divergence"].points[-1]
            apart += f", and {arm.base} from its own next seed by {with_interval(reseeded)}"
        yield f"{apart}."
        if values["run_growth"].mean is not None:
            grown = f"{name}: that difference grows from layer 1 to the last by {with_interval(values['run_growth'])}"
            if base is not None and base.tasks[0].values["reseeding_growth"].mean is not None:
                reseeded = base.tasks[0].values["reseeding_growth"]
                grown += f", and that of {arm.base} to its next seed by {with_interval(reseeded)}"
            yield f"{grown}."


def _of_shape(arm: ArmFindings, name: str) -> Iterator[str]:
    shapes = {one.quantity: one for one in arm.shape if one.mean is not None}
    if "block_divergence" in shapes and "random_divergence" in shapes:
        block, random = shapes["block_divergence"], shapes["random_divergence"]
        yield (
            f"{name}: the block's curves over layers on two benchmarks correlate by {number(block.mean)} (the least "
            f"alike by {number(block.lowest)}), those of random directions by {number(random.mean)} (the least alike "
            f"by {number(random.lowest)})."
        )


def _of_weights(arm: ArmFindings, name: str, found: Internals) -> Iterator[str]:
    if arm.weights is None or not arm.weights.groups:
        return
    shares = {one.group: one.share for one in arm.weights.groups if one.share.mean is not None}
    if shares:
        listed = ", ".join(f"{group} {with_interval(share)}" for group, share in shares.items())
        yield f"{name}: shares of the squared update of the block's weights: {listed}."
    moved = [one for one in arm.weights.tensors if one.from_start.mean is not None]
    if moved and shares:
        far = max(moved, key=lambda one: one.from_start.mean or 0.0)
        yield (
            f"{name}: of the tensors that start random {far.name} has moved farthest, {with_interval(far.from_start)} "
            f"of the distance of two fresh draws; it lies {with_interval(far.from_fresh)} from "
            f"{found.measurement.fresh} fresh draws, its own initial value {with_interval(far.start_from_fresh)}."
        )
    ensemble = arm.weights.ensemble
    if ensemble is not None:
        yield (
            f"{name}: the first singular directions of the components' query matrices have a mean |cosine| of "
            f"{with_interval(ensemble.cosine)}, those of random matrices {span(ensemble.random)}; the mixture's "
            f"entropy is {with_interval(ensemble.entropy)} of that of equal weights."
        )


def _of_configurations(one: ConfigurationDistance) -> str:
    return (
        f"{len(one.others) + 1} configurations on {one.backbone}: the distance to {one.best} over "
        f"{len(one.features)} features ({one.kind}) and the gain have a rank correlation of {number(one.spearman)} "
        f"(permutation p {number(one.p)}). {one.caution}"
    )
