"""What is measured, each with its formula and its control: the one list from which every face is derived.

a_l = h_l(10) - h_l(00) is the adapter's effect, b_l = h_l(11) - h_l(10) the block's, p = h+ - h- the write and l* its
layer; states name the adapter first and then the block, 1 on and 0 off. docs/internals.md explains them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from talan_core.analysis.stream_effects import AT_THE_EMBEDDING

RANDOM: Final = "random direction of the write's norm at each position, in the same model"
SAME: Final = "the noise arm; of a random direction of the write's norm it is the same by definition"
VECTORS: Final = "two independent random vectors of that dimension, 95 %"
ABOVE: Final = "below l* the block has not run, so there is nothing to divide by"
NO_BLOCK: Final = "the arm has no block"
NO_BASE: Final = "the arm was compared with no arm without a block on this seed"
ONE_SEED: Final = "only arms without a block are set against their own next seed, where there is one"
NO_BFLOAT16: Final = "bfloat16 alone was asked for, so that nothing stands beside it"
NOTHING: Final = "no position has a value: what is divided by is zero at each"


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that is measured of a checkpoint, for each example.

    Attributes:
        name: Its name in every face.
        formula: Its definition.
        unit: "ratio", "cosine", "share", "nats" or "norm".
        by: "example": one number; "layer": one per layer l = 0 ... L.
        control: What it stands beside, in words; empty for what is a control itself, or has none.
        band: The control's own name, where it is measured.
        paper: Whether the paper names it; all formulas are ours.
        any_arm: Whether arms without a block have it too.
        rounded: Whether it is of the pass in bfloat16 that stands beside float32.
        of_pairs: Whether each number is of a checkpoint and that of the next seed.
    """

    name: str
    formula: str
    unit: Literal["ratio", "cosine", "share", "nats", "norm"]
    by: Literal["example", "layer"] = "example"
    control: str = ""
    band: str | None = None
    paper: bool = False
    any_arm: bool = False
    rounded: bool = False
    of_pairs: bool = False


QUANTITIES: Final = (
    Quantity("write", "|p|", "norm"),
    Quantity("residual", "|h-|", "norm"),
    Quantity("relative_write", "|p| / |h-|", "ratio", paper=True),
    Quantity("adapter_kl", "KL(next token in 10 || 00)", "nats", any_arm=True),
    Quantity("block_kl", "KL(next token in 11 || 10)", "nats", control=RANDOM, band="random_kl"),
    Quantity("random_kl", "block_kl of a random direction", "nats"),
    Quantity("kl_over_random", "block_kl - random_kl", "nats", control="0"),
    Quantity("ratio_at_write", "|a_l*| / |p|", "ratio", control=SAME, paper=True),
    Quantity("ratio_at_end", "|a_L| / |p|", "ratio", control=SAME, paper=True),
    Quantity(
        "ratio_of_effects", "|a_L| / |b_L|", "ratio", control=RANDOM, band="random_ratio_of_effects", paper=True
    ),
    Quantity("random_ratio_of_effects", "ratio_of_effects of a random direction", "ratio"),
    Quantity("ratio_of_effects_over_random", "ratio_of_effects - random_ratio_of_effects", "ratio", control="0"),
    Quantity("write_cosine", "cos(a_l*, p)", "cosine", control=VECTORS, paper=True),
    Quantity("end_cosine", "cos(a_L, b_L)", "cosine", control=RANDOM, band="random_end_cosine", paper=True),
    Quantity("random_end_cosine", "end_cosine of a random direction", "cosine"),
    Quantity("end_cosine_over_random", "end_cosine - random_end_cosine", "cosine", control="0"),
    Quantity(
        "amplification", "(|b_L| / |h_L|) / (|b_l*| / |h_l*|)", "ratio", control=RANDOM, band="random_amplification"
    ),
    Quantity("random_amplification", "amplification of a random direction", "ratio"),
    Quantity("amplification_over_random", "amplification - random_amplification", "ratio", control="0"),
    Quantity(
        "amplification_bf16", "amplification in bfloat16", "ratio",
        control=RANDOM, band="random_amplification_bf16", rounded=True,
    ),
    Quantity("random_amplification_bf16", "random_amplification in bfloat16", "ratio", rounded=True),
    Quantity(
        "amplification_bf16_over_random", "amplification_bf16 - random_amplification_bf16", "ratio",
        control="0", rounded=True,
    ),
    Quantity(
        "rounding", "amplification_bf16 - amplification", "ratio", control="random_rounding, and 0", rounded=True
    ),
    Quantity(
        "random_rounding", "random_amplification_bf16 - random_amplification", "ratio", control="0", rounded=True
    ),
    Quantity("rounding_over_random", "rounding - random_rounding", "ratio", control="0", rounded=True),
    Quantity(
        "bf16_share", "share of the elements of h- that change when p is added in bfloat16", "share",
        control="float32_share",
    ),
    Quantity("bf16_cosine", "cosine of that change with p", "cosine", control="float32_cosine"),
    Quantity("float32_share", "bf16_share in float32", "share"),
    Quantity("float32_cosine", "bf16_cosine in float32", "cosine"),
    Quantity(
        "run_growth", "run_divergence at L over that at layer 1", "ratio",
        control="reseeding_growth of the base", paper=True, any_arm=True,
    ),
    Quantity(
        "reseeding_growth", "reseeding_divergence at L over that at layer 1", "ratio", any_arm=True, of_pairs=True
    ),
    Quantity("loss_11", "mean -log p of the predicted tokens in 11", "nats"),
    Quantity("loss_10", "the same in 10", "nats", any_arm=True),
    Quantity("loss_01", "the same in 01", "nats"),
    Quantity("loss_00", "the same in 00", "nats", any_arm=True),
    Quantity("adapter_size", "|a_l|", "norm", "layer", any_arm=True),
    Quantity("adapter_divergence", "|a_l| / |h_l(00)|", "ratio", "layer", any_arm=True),
    Quantity("block_size", "|b_l|", "norm", "layer"),
    Quantity("block_divergence", "|b_l| / |h_l(10)|", "ratio", "layer", RANDOM, "random_divergence", paper=True),
    Quantity("random_divergence", "block_divergence of a random direction", "ratio", "layer"),
    Quantity("divergence_over_random", "block_divergence - random_divergence", "ratio", "layer", control="0"),
    Quantity("growth", "block_divergence at l over that at l*", "ratio", "layer", RANDOM, "random_growth", paper=True),
    Quantity("random_growth", "growth of a random direction", "ratio", "layer"),
    Quantity("growth_over_random", "growth - random_growth", "ratio", "layer", control="0"),
    Quantity("growth_bf16", "growth in bfloat16", "ratio", "layer", RANDOM, "random_growth_bf16", rounded=True),
    Quantity("random_growth_bf16", "random_growth in bfloat16", "ratio", "layer", rounded=True),
    Quantity(
        "growth_bf16_over_random", "growth_bf16 - random_growth_bf16", "ratio", "layer", control="0", rounded=True
    ),
    Quantity("cosine", "cos(a_l, b_l)", "cosine", "layer", RANDOM, "random_cosine", paper=True),
    Quantity("random_cosine", "cosine of a random direction", "cosine", "layer"),
    Quantity("cosine_over_random", "cosine - random_cosine", "cosine", "layer", control="0"),
    Quantity("seed_cosine", "cos(a_l, a_l of the next seed)", "cosine", "layer", VECTORS, any_arm=True, of_pairs=True),
    Quantity(
        "run_divergence", "|h_l(arm) - h_l(base)| / |h_l(base)|, same seed", "ratio", "layer",
        "reseeding_divergence of the base", paper=True, any_arm=True,
    ),
    Quantity(
        "reseeding_divergence", "|h_l - h_l of the next seed| / |h_l of the next seed|", "ratio", "layer",
        any_arm=True, of_pairs=True,
    ),
)  # fmt: skip
"""In the order in which they are shown."""

BY_NAME: Final = {one.name: one for one in QUANTITIES}
_AT_EMBEDDING: Final = frozenset(
    {"ratio_at_write", "write_cosine", "cosine", "random_cosine", "cosine_over_random", "seed_cosine"}
)


def why_missing(name: str, layer: int | None, dtype: str, *, at: int | None = None, measured: bool = False) -> str:
    """Say why a quantity, or a curve at a layer, has no value.

    Args:
        name: The quantity.
        layer: l* of the arm; None without a block.
        dtype: In which type the checkpoint was run.
        at: The layer of a curve's point; None for the quantity as a whole.
        measured: Whether it was measured, and has no value at any example.
    """
    quantity = BY_NAME[name]
    is_at_embedding = name in _AT_EMBEDDING and (layer if at is None else at) == 0
    reasons = (
        (NO_BLOCK, layer is None and not quantity.any_arm),
        (NO_BASE, not measured and name in {"run_divergence", "run_growth"}),
        (ONE_SEED, not measured and name == "reseeding_growth"),
        (NO_BFLOAT16, quantity.rounded and dtype == "bfloat16"),
        (AT_THE_EMBEDDING, is_at_embedding),
        (ABOVE, layer is not None and at is not None and at < layer),
    )
    return next((reason for reason, holds in reasons if holds), NOTHING)
