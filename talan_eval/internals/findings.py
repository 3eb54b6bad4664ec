"""The published record of what is inside the arms of a comparison; docs/schema/internals-1.json.

Every number is a mean: over positions within an example, over examples, over benchmarks where it is of all of them,
then over seeds, with an interval over seeds. What cannot be said is null, with a reason; never NaN.
"""

from __future__ import annotations

import json
import sys
from typing import Final, Literal

from pydantic import Field, JsonValue

from talan_eval.result.evidence import PublishedRecord

ALL_TASKS: Final = ""
"""The mean over all benchmarks, where a benchmark's name stands."""


class Definition(PublishedRecord):
    """What a quantity is."""

    name: str = Field(description="Its name wherever it stands.")
    formula: str = Field(description="Its definition, ours; docs/internals.md has the symbols.")
    unit: Literal["ratio", "cosine", "share", "nats", "norm"] = Field(description="What it is measured in.")
    by: Literal["example", "layer"] = Field(description="One number for each example, or one for each layer.")
    control: str = Field(description="What it stands beside; empty for a control.")
    paper: bool = Field(description="Whether the paper names it, without a formula.")


class SeedMean(PublishedRecord):
    """A number of each checkpoint, over seeds."""

    mean: float | None = Field(description="Mean over seeds; null where nothing is defined.")
    ci: tuple[float, float] | None = Field(description="Guarded t interval over seeds; null below three.")
    by_seed: tuple[float, ...] = Field(description="In the order of the arm's seeds, or of the curve's own.")
    reason: str | None = Field(description="Why there is no number, or no interval.")


class DepthCurve(PublishedRecord):
    """A quantity at l = 0 ... L, over seeds."""

    points: tuple[SeedMean, ...] = Field(description="One per layer input, and the last layer's output.")
    seeds: tuple[int, ...] | None = Field(None, description="Those that have it, where these are not all of the arm's.")


class Band(PublishedRecord):
    """A control that is drawn: its whole range over seeds and draws; a point for each layer, or a single one."""

    lower: tuple[float | None, ...] = Field(description="Smallest of all seeds and draws.")
    upper: tuple[float | None, ...] = Field(description="Largest of them.")
    draws: int = Field(description="Draws of each seed.")


class TaskFindings(PublishedRecord):
    """One arm on one benchmark, or on all of them."""

    task: str = Field(description="Benchmark; empty for the mean over all of them.")
    items: int = Field(description="Items measured.")
    values: dict[str, SeedMean] = Field(description="By quantity.")
    curves: dict[str, DepthCurve] = Field(description="By quantity.")
    bands: dict[str, Band] = Field(description="By control.")


class TensorFindings(PublishedRecord):
    """One tensor of a block, over seeds; distances in units of that between two fresh draws of it."""

    name: str = Field(description="Its name in the block.")
    group: str = Field(description="theme queries, projections, biases, gate, mixture, or noise.")
    from_start: SeedMean = Field(description="Distance from its own initial value.")
    from_fresh: SeedMean = Field(description="Mean distance from fresh draws: the paper's fresh-sample distance.")
    start_from_fresh: SeedMean = Field(description="The control: that of its own initial value.")
    rms: SeedMean = Field(description="Root mean square of what training added.")
    rms_of_ceiling: SeedMean = Field(description="That over the sum of learning rates; of what starts constant.")


class GroupFindings(PublishedRecord):
    """All tensors of a group."""

    group: str = Field(description="As for a tensor.")
    share: SeedMean = Field(description="Share of the block's squared update.")
    from_start: SeedMean = Field(description="Distance from the initial values, of those that start random.")
    from_fresh: SeedMean = Field(description="Mean distance from fresh draws, likewise.")
    rms_of_ceiling: SeedMean = Field(description="Of those that start constant.")


class EnsembleFindings(PublishedRecord):
    """The components of an ensemble."""

    cosine: SeedMean = Field(description="Mean |cosine| of the first right singular vectors of the query matrices.")
    random: Band = Field(description="The same of random matrices of that shape.")
    entropy: SeedMean = Field(description="Entropy of the mixture weights over that of equal ones.")
    imbalance: SeedMean = Field(description="Largest mixture weight times the number of components.")


class WeightFindings(PublishedRecord):
    """The weights of an arm."""

    parameters: int = Field(description="Numbers in the block; 0 without one.")
    update: dict[str, SeedMean] = Field(
        description="|Delta W|_F of the adapter by kind of layer, and all; empty if none."
    )
    tensors: tuple[TensorFindings, ...] = Field(description="Of the block.")
    groups: tuple[GroupFindings, ...] = Field(description="Of the block.")
    gate_rms: SeedMean | None = Field(description="Root mean square of the gate; null without one.")
    gate_largest: SeedMean | None = Field(description="Its largest absolute value.")
    gate_of_ceiling: SeedMean | None = Field(description="gate_rms over the sum of learning rates times lr_scale.")
    ensemble: EnsembleFindings | None = Field(description="Null without an ensemble.")


class RandomVectors(PublishedRecord):
    """The cosine of two independent random vectors of d numbers."""

    mean: float = Field(description="0.")
    lower: float = Field(description="Lower end of the range that holds 95 % of them.")
    upper: float = Field(description="Upper end.")


class ShapeStability(PublishedRecord):
    """How much the shape of a curve is the same on every benchmark: correlations over layers, of every two."""

    quantity: str = Field(description="The curve, from l* on.")
    lowest: float | None = Field(description="Smallest correlation of two benchmarks; null with one, or two layers.")
    mean: float | None = Field(description="Mean over pairs.")


class ArmFindings(PublishedRecord):
    """One arm on one backbone."""

    arm: str = Field(description="Arm name.")
    backbone: str = Field(description="Backbone name.")
    base: str | None = Field(description="The arm without a block that it is set against; null without one.")
    seeds: tuple[int, ...] = Field(description="Seeds whose checkpoints were measured.")
    layer: int | None = Field(description="l*; null without a block.")
    layers: int = Field(description="L.")
    hidden_size: int = Field(description="d.")
    random_cosine: RandomVectors = Field(description="Control of every cosine.")
    tasks: tuple[TaskFindings, ...] = Field(description="All benchmarks together first, then each.")
    shape: tuple[ShapeStability, ...] = Field(description="Of the block, and of random directions.")
    weights: WeightFindings | None = Field(description="Null where they were not measured.")


class Distance(PublishedRecord):
    """How far a configuration is from the best one, and what it gained."""

    arm: str = Field(description="Arm name.")
    gain: float = Field(description="Primary mean gain over its base, points.")
    ci: tuple[float, float] | None = Field(None, description="E1 of that gain, unadjusted; null below three seeds.")
    distance: float = Field(description="Euclidean distance over standardised features.")
    left_out: int = Field(description="Features that are null for it or for the best one.")


class ConfigurationDistance(PublishedRecord):
    """Does the distance to the best configuration predict the gain (the paper's figure 13)?"""

    backbone: str = Field(description="Backbone name.")
    features: tuple[str, ...] = Field(description="Those that vary.")
    kind: Literal["settings", "settings and trained statistics"] = Field(description="13 of them, or 29.")
    best: str = Field(description="The configuration with the largest gain.")
    best_gain: float | None = Field(
        None, description="That gain, points, exaggerated by having been the largest; null where not recorded."
    )
    best_ci: tuple[float, float] | None = Field(None, description="E1 of it, unadjusted; null below three seeds.")
    others: tuple[Distance, ...] = Field(description="All others.")
    spearman: float | None = Field(description="Rank correlation of distance and gain; null where one is constant.")
    p: float | None = Field(description="Permutation p, two-sided.")
    caution: str = Field(description="What limits this.")


def by_distance(found: ConfigurationDistance) -> list[Distance]:
    """Return the configurations in the order in which every face numbers them, the nearest first."""
    return sorted(found.others, key=lambda one: one.distance)


class Measurement(PublishedRecord):
    """How it was measured."""

    tasks: tuple[str, ...] = Field(description="Benchmarks.")
    examples: int = Field(description="Most items of each.")
    rounded: int = Field(description="Most of them on which growth is measured in bfloat16 too.")
    positions: Literal["solution", "prompt", "all"] = Field(description="By the token that they predict.")
    dtype: Literal["float32", "bfloat16"] = Field(description="Of backbone, adapter and stream.")
    draws: int = Field(description="Random directions in place of each write.")
    fresh: int = Field(description="Fresh draws of a block's weights.")
    alpha: float = Field(description="Intervals have level 1 - alpha.")


class Internals(PublishedRecord):
    """What is inside the arms of a comparison: version 1."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this schema.")
    experiment_sha256: str = Field(description="Identity of the comparison whose checkpoints were measured.")
    measurement: Measurement = Field(description="How it was measured.")
    definitions: tuple[Definition, ...] = Field(description="What the quantities are.")
    arms: tuple[ArmFindings, ...] = Field(min_length=1, description="By backbone, in the order of the comparison.")
    configurations: tuple[ConfigurationDistance, ...] = Field(description="Empty without four configurations.")
    provenance: dict[str, JsonValue] = Field(description="Versions of the packages that measured.")
    warnings: tuple[str, ...] = Field(description="What a reader must know.")

    def to_json(self) -> str:
        """Return the text of ``internals.json``: field order of the schema, two spaces, a final newline."""
        return (
            json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False, allow_nan=False)
            + "\n"
        )

    @classmethod
    def from_json(cls, text: str) -> Internals:
        """Read it back; raises pydantic's ``ValidationError`` if it is something else."""
        return cls.model_validate_json(text, strict=True)


def json_schema() -> dict[str, JsonValue]:
    """Return the JSON schema of ``internals.json``, with its dialect named."""
    body: dict[str, JsonValue] = Internals.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
