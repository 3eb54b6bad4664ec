"""The public result: what ``compare --json FILE`` writes and what every report reads.

Version 2: any number of arms and backbones, and contrasts between two arms each. Scores, differences, intervals and the
smallest detectable gain are in percentage points, mean squares in squared points, p-values and shares in [0, 1], all at
full precision: rounding is for those who print. A value that cannot be estimated is null and ``warnings`` says why;
there is no NaN. Fields are only ever added within a version, and readers of version 2 may meet none that this file does
not describe. Version 1, which knew one pair of arms, is read by ``talan_eval.result.upgrade``.

Beyond the tests themselves the result records the primary test, the family's hash and the settings, because a p-value
cannot be read without them, and per arm the share of unparsed answers and the probe of the live adapter, because both
can fake a gain.

``python -m talan_eval.result.schema`` prints the JSON schema (draft 2020-12).
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from talan_eval.result.answered import (
    ArmRecord,
    Curve,
    FailedCell,
    Inside,
    LiveProbe,
    MeanOverSeeds,
    TaskLoss,
    TaskScore,
)
from talan_eval.result.axes import GridAxes
from talan_eval.result.evidence import (
    CELL_SEEDS,
    E0,
    E1,
    E2,
    SPARSE_SEEDS,
    ArmKind,
    Basis,
    Bootstrap,
    CheckpointPair,
    Ci,
    Clustering,
    Estimand,
    GuardTerm,
    ItemFlip,
    ItemLevel,
    MarginTest,
    MarginWord,
    MeanSquares,
    Measure,
    NamedTest,
    OneSided,
    OutlyingSeed,
    Pairedness,
    Pairing,
    Permutation,
    PlainT,
    Points,
    Probability,
    PublishedRecord,
    SignFlip,
    VerdictWord,
)

__all__ = [
    "CELL_SEEDS",
    "E0",
    "E1",
    "E2",
    "SPARSE_SEEDS",
    "Aggregate",
    "Anytime",
    "ArmKind",
    "ArmRecord",
    "BackboneMean",
    "Basis",
    "Bootstrap",
    "Cell",
    "CheckpointPair",
    "Ci",
    "Clustering",
    "Contrast",
    "ContrastName",
    "Curve",
    "Estimand",
    "FailedCell",
    "Family",
    "GuardTerm",
    "Inside",
    "ItemFlip",
    "ItemLevel",
    "LiveProbe",
    "LossComparison",
    "MarginTest",
    "MarginWord",
    "MeanOverSeeds",
    "MeanSquares",
    "Measure",
    "Method",
    "NamedTest",
    "OneSided",
    "OutlyingSeed",
    "Pairedness",
    "Pairing",
    "Permutation",
    "PlainT",
    "Points",
    "PositiveCells",
    "Primary",
    "Probability",
    "Result",
    "Selection",
    "Settings",
    "SignFlip",
    "TaskLoss",
    "TaskScore",
    "VerdictWord",
    "json_schema",
]


class Cell(PublishedRecord):
    """One contrast on one backbone and benchmark, or on a slice of it."""

    backbone: str = Field(description="Backbone name.")
    task: str = Field(description="Benchmark name.")
    slice: str | None = Field(description='Slice such as "subject=algebra"; null for the whole benchmark.')
    metric: str = Field(description="Score that is compared.")
    n_items: int = Field(ge=1, description="Items, the same for both arms and all seeds.")
    n_dropped: int = Field(0, ge=0, description="Items left out of both arms because not every run has them.")
    dropped_items: tuple[str, ...] = Field((), description="The first twenty of these, by their identifiers.")
    pairing_hash: str | None = Field(
        None, description="Hash of the item ids and prompts of the whole benchmark; null in older results."
    )
    n_seeds: int = Field(
        ge=1, description="Training seeds with both arms complete; the smaller number where they are independent."
    )
    seeds: tuple[int, ...] = Field(
        description="These seeds, ascending; the order of deltas. Those of the treatment where they are independent."
    )
    base_seeds: tuple[int, ...] | None = Field(
        None, description="Seeds of the base arm where they are independent, empty for a fixed one; null: the same."
    )
    dropped_seeds: tuple[int, ...] = Field((), description="Seeds left out because only one arm has them.")
    diverged_seeds: tuple[int, ...] = Field(
        (), description="Seeds left out because a training of one arm diverged: an outcome, no missing value."
    )
    k: int = Field(ge=1, description="Decoding samples averaged within an item.")
    base_mean: Points = Field(description="Mean score of the base arm, points.")
    treat_mean: Points = Field(description="Mean score of the treatment, points.")
    base_unparsed: Probability | None = Field(description="Share of base answers without a readable result.")
    treat_unparsed: Probability | None = Field(description="Share of treat answers without a readable result.")
    delta: Points = Field(description="Treatment minus base, points.")
    deltas: tuple[Points, ...] = Field(description="The same per seed; empty where seeds are independent.")
    base_by_seed: tuple[Points, ...] = Field(description="Mean score of the base arm per seed; one of a fixed arm.")
    treat_by_seed: tuple[Points, ...] = Field((), description="Mean score of the treatment per seed.")
    pairedness: Pairedness | None = Field(None, description="Null unless seeds are paired.")
    e0: tuple[CheckpointPair, ...] = Field(description="One checkpoint pair per seed; none where independent.")
    e0_mean: E0 | None = Field(
        None, description="E0 of all these pairs: of the one pair with one seed. Null where independent."
    )
    e1: E1 | None = Field(description="Null below three seeds of an arm.")
    e2: E2 | None = Field(description="Null below three seeds of an arm, or with one item.")
    outlying: OutlyingSeed | None = Field(None, description="A seed that stands apart; null where none does.")
    mean_squares: MeanSquares | None = Field(description="Null with one seed or independent seeds.")
    clusters: Clustering | None = Field(description="Null when items are taken as independent.")
    items: ItemLevel | None = Field(description="Item level; null for slices.")
    also: tuple[NamedTest, ...] = Field(description="Tests that were asked for by name.")
    holm_p: Probability | None = Field(description="p of E1 (guarded) or, with one seed, of E0; Holm over the family.")
    maxt_p: Probability | None = Field(description="Joint sign-flip max-T, step-down, over the family.")
    adjusted_p: Probability | None = Field(
        description="The p that decides: the larger of the two from 6 seeds on, Holm's at 5; Holm's of E0 with one "
        "seed; null from 2 to 4 seeds. A single benchmark is judged as its mean is, from 3 seeds on."
    )
    bh_p: Probability | None = Field(description="Exploratory: guarded p of E1, Benjamini-Hochberg over the family.")
    simultaneous_ci: Ci | None = Field(
        None,
        description="E1 interval that holds for all cells of the family at once: the wider of Bonferroni's guarded t "
        "and single-step max-T. The step-down p can reject where it does not exclude 0. Null like adjusted_p.",
    )
    mde80: Points | None = Field(description="True gain found with 80 % power at the observed noise, unadjusted.")
    verdict: VerdictWord = Field(
        description="After adjustment for the family; withheld where a training of either arm diverged, not judged "
        "where so few seeds allow no claim about a single benchmark."
    )
    verdict_basis: Basis | None = Field(
        description="For better or worse: both tests of seeds, the t test alone, or the items of a pair of checkpoints."
    )
    verdict_estimand: Estimand = Field(
        "E1", description="What the verdict is about: E0, this pair of checkpoints, or E1, re-training."
    )
    margin_test: MarginTest | None = Field(None, description="Null without a margin.")


class PositiveCells(PublishedRecord):
    """How many cells gained, against what chance gives. Signs of point estimates: a count, no test."""

    positive: int = Field(ge=0, description="Cells with a gain above zero.")
    n_cells: int = Field(ge=1, description="All cells.")
    p: Probability | None = Field(
        description="Probability of at least so many if each seed's sign were flipped by a fair coin, jointly over the "
        "benchmarks of a backbone; null above 16 seeds of a backbone and for independent seeds."
    )
    median: int | None = Field(description="Median number of positive cells under these flips; null likewise.")
    all_positive: Probability | None = Field(description="Probability that all gain by chance; null likewise.")
    g1: bool = Field(description="Whether no cell lost and at least one gained.")


class BackboneMean(PublishedRecord):
    """The mean over one backbone's cells. Its seeds are joint across benchmarks, independent of other backbones."""

    backbone: str = Field(description="Backbone name.")
    weight: Probability = Field(description="Its share of the cells.")
    seeds: tuple[int, ...] = Field(description="Seeds that are complete in each of its cells; the order of deltas.")
    base_mean: Points | None = Field(None, description="Mean over its cells of the base arm's mean score.")
    treat_mean: Points | None = Field(None, description="The same of the treatment.")
    delta: Points | None = Field(description="Mean gain, points; null when no seed is complete.")
    deltas: tuple[Points, ...] = Field(description="Mean gain per seed.")
    e1: E1 | None = Field(None, description="Of this backbone's mean alone; null below two seeds.")
    positive: PositiveCells | None = Field(None, description="Its cells that gained.")


class Anytime(PublishedRecord):
    """The primary test followed over its looks, because seeds were added after one; valid however often it is read."""

    method: Literal["t_e_value"] = Field(description="t e-value, Gaussian mixture over the standardised effect.")
    at: tuple[int, ...] = Field(description="Numbers of seeds at which results were read; this reading comes last.")
    e_value: float = Field(ge=0, description="Evidence against no difference at this reading.")
    p: Probability = Field(description="Anytime-valid p over all readings, times the variants tried.")
    ci: Ci | None = Field(description="Confidence sequence, points; null while it is unbounded.")


class Aggregate(PublishedRecord):
    """Equal-weight mean over the cells: the primary test."""

    n_cells: int = Field(ge=1, description="Cells averaged.")
    backbones: tuple[BackboneMean, ...] = Field(description="The mean by backbone.")
    seeds: tuple[int, ...] = Field(
        description="Seeds that are complete in every cell; the order of deltas. Empty over several backbones."
    )
    delta: Points | None = Field(description="Mean gain, points; null when no seed is complete in every cell.")
    deltas: tuple[Points, ...] = Field(description="Mean gain per seed; empty over several backbones.")
    base_mean: Points | None = Field(None, description="Mean over the cells of the base arm's mean score, points.")
    treat_mean: Points | None = Field(None, description="The same of the treatment.")
    pairedness: Pairedness | None = Field(None, description="Null unless seeds of one backbone are paired.")
    e0_mean: E0 | None = Field(None, description="E0 of the mean, of these pairs of checkpoints; null if independent.")
    e1: E1 | None = Field(description="Null below three common seeds.")
    e2: E2 | None = Field(description="Null below three common seeds or with one item in a cell.")
    outlying: OutlyingSeed | None = Field(None, description="A seed that stands apart; null where none does.")
    anytime: Anytime | None = Field(None, description="Null when no seeds were added after a look.")
    iqm: Points | None = Field(description="Interquartile mean over seeds and cells; descriptive.")
    poi: Probability | None = Field(description="Share of seed-cell pairs with a gain, ties one half; descriptive.")
    adjusted_p: Probability | None = Field(
        description="The p that decides: of both tests the larger, times the variants tried; with it the anytime p."
    )
    family_p: Probability | None = Field(
        None,
        description="The same, adjusted among the means of all contrasts (Holm, and joint max-T where paired); equal "
        "to adjusted_p with one contrast. The declared primary contrast is judged by adjusted_p, the others by this.",
    )
    simultaneous_ci: Ci | None = Field(
        None, description="E1 interval that holds for the means of all contrasts at once; null with one contrast."
    )
    positive: PositiveCells | None = Field(None, description="Cells that gained, against chance.")
    also: tuple[NamedTest, ...] = Field((), description="Tests that were asked for by name and apply to the mean.")
    mde80: Points | None = Field(description="True mean gain found with 80 % power at the observed noise.")
    verdict: VerdictWord = Field(description="Of the primary test, or of this contrast's adjusted one; or withheld.")
    verdict_basis: Basis | None = Field(
        description="For better or worse: both tests of seeds, the t test alone, or the items of a pair of checkpoints."
    )
    verdict_estimand: Estimand = Field(
        "E1", description="What the verdict is about: E0, this pair of checkpoints, or E1, re-training."
    )
    margin_test: MarginTest | None = Field(None, description="Null without a margin.")


class ContrastName(PublishedRecord):
    """Which two arms are compared."""

    base: str = Field(description="Base arm.")
    treatment: str = Field(description="Arm under test; differences are treatment minus base.")


class Contrast(ContrastName):
    """Two arms, how their seeds relate, and what was found."""

    pairing: Pairing = Field(
        description="paired: both arms have the same seeds; fixed: the base arm has none; independent: other seeds."
    )
    cells: tuple[Cell, ...] = Field(min_length=1, description="One per backbone and benchmark, in declared order.")
    slices: tuple[Cell, ...] = Field((), description="Slices of the benchmarks: a family of their own, see families.")
    aggregate: Aggregate = Field(description="The mean over the cells.")

    @property
    def seeds(self) -> tuple[int, ...]:
        """Training seeds with at least one complete cell, ascending."""
        return tuple(sorted({seed for cell in self.cells for seed in cell.seeds}))

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.treatment} against {self.base}"


class Family(PublishedRecord):
    """What is judged together, and the question whether any arm differs."""

    name: str = Field(
        description="scores: the cells of all contrasts; slices: their slices; means: the contrasts' "
        "means. In a result upgraded from schema 1 scores holds the slices too."
    )
    contrasts: int = Field(ge=1, description="Contrasts in it.")
    cells: int = Field(ge=1, description="Tests in it.")
    global_p: Probability | None = Field(
        None,
        description="p of no difference between any arms: arms permuted within seeds, largest difference of two means. "
        "Null with two arms, or without two complete seeds of all paired arms.",
    )
    approximate: bool = Field(
        default=False, description="Whether its joint sign flips are approximate, because contrasts share an arm."
    )
    hash: str = Field(description="SHA-256 (12 hex digits) of contrasts, cells and metrics, frozen before reading.")


class LossComparison(PublishedRecord):
    """The loss on reference solutions, compared: a secondary family without a primary test.

    A likelihood of reference solutions is no rate of right answers.
    """

    measure: Measure = Field(description="Nats per target token; less is better.")
    contrasts: tuple[Contrast, ...] = Field(
        min_length=1, description="As the result's own, those without loss left out; points stand for nats."
    )
    families: tuple[Family, ...] = Field(
        min_length=1, description="scores: the cells of all contrasts; means: their means, the first included."
    )
    warnings: tuple[str, ...] = Field((), description="Reasons for nulls.")


class Selection(PublishedRecord):
    """The best of several treatments by its primary mean, and what was found of it on seeds that did not choose it."""

    tried: int = Field(ge=1, description="Treatments that it was chosen from.")
    best: ContrastName = Field(description="The contrast with the largest mean gain on the selection seeds.")
    selection_seeds: tuple[int, ...] = Field(description="Seeds that chose it.")
    selection_gain: Points = Field(description="Its mean gain on them; exaggerated by having been the largest.")
    expected_exaggeration: Points | None = Field(
        description="How much the best one's gain exceeds its true one on average, at the observed means (bootstrap)."
    )
    exaggeration_if_equal: Points | None = Field(description="The same if all arms were equal.")
    confirmation_seeds: tuple[int, ...] = Field((), description="Fresh seeds; empty without confirmation.")
    held_out_items: int = Field(
        0,
        ge=0,
        description="Items of a backbone's benchmarks that did not choose it, on which alone it is confirmed; 0 where "
        "the items are those that chose it.",
    )
    confirmed: Aggregate | None = Field(None, description="Its mean on fresh seeds, unadjusted; null without.")
    difference: Points | None = Field(None, description="Confirmed gain minus selection gain, points.")
    arms: tuple[ArmRecord, ...] = Field(
        (),
        description="Its base and it on the fresh seeds, on the held-out items where some are; empty without "
        "confirmation, and in results of versions that did not record it.",
    )


class Primary(PublishedRecord):
    """The one test declared before results are read."""

    contrast: ContrastName = Field(description="The first contrast that was asked for.")
    statistic: Literal["equal_weight_mean", "weighted_mean"] = Field(description="Mean gain over the cells.")
    weights: dict[str, float] = Field({}, description="Share of each benchmark in it; empty where all weigh alike.")
    estimand: Estimand = Field(
        description="E1: seeds random, items fixed. E0 where there is one seed: these checkpoints, items random."
    )
    rule: str = Field(description="When the verdict is better or worse.")
    family_hash: str = Field(description="SHA-256 (12 hex digits) of the contrasts, cells and metrics.")


class Settings(PublishedRecord):
    """Settings of the statistics."""

    alpha: float = Field(gt=0, lt=1, description="Two-sided error rate; intervals have level 1 - alpha.")
    resamples: int = Field(ge=1, description="Monte Carlo resamples, where the law is not enumerated.")
    rng_seed: int = Field(ge=0, description="Seed of their generators.")
    bootstrap: str = Field(description='Seed bootstrap by name, or "auto".')
    variants_tried: int = Field(
        ge=1, description="Variants of the treatment that were tried to pick this one; every deciding p is multiplied."
    )
    slices: tuple[str, ...] = Field(description="Labels by which benchmarks were sliced.")
    also: tuple[str, ...] = Field(description="Tests that were asked for by name.")
    margin: Annotated[float, Field(gt=0, json_schema_extra={"unit": "percentage points"})] | None = Field(
        None, description="Difference that would not matter, declared before results are read; null without it."
    )


class Method(PublishedRecord):
    """One method behind the numbers."""

    code: str = Field(description="Code, as in the signature.")
    estimand: str = Field(description="E0, E1 or E2; family for corrections; descriptive for what carries no claim.")
    text: str = Field(description="What it does.")
    reference: str = Field(description="Author, year and title.")


class Result(PublishedRecord):
    """A comparison of arms: version 2 of the public result."""

    schema_version: Literal[2] = Field(2, alias="schema", description="Version of this schema.")
    signature: str = Field(description="What was computed, in one line; equal signatures are comparable.")
    primary: Primary = Field(description="The primary test.")
    measure: Measure = Field(Measure(), description="Unit, direction and bounds of all scores.")
    arms: tuple[ArmRecord, ...] = Field(
        min_length=1, description="What answered, by backbone; the first base arm first."
    )
    contrasts: tuple[Contrast, ...] = Field(min_length=1, description="The primary one first.")
    families: tuple[Family, ...] = Field(min_length=1, description="What is judged together.")
    selection: Selection | None = Field(None, description="Null with one treatment.")
    axes: tuple[GridAxes, ...] = Field((), description="A grid of arms with a block by option, one per backbone.")
    loss: LossComparison | None = Field(None, description="Held-out loss as a family of its own; null if not measured.")
    settings: Settings = Field(description="Settings of the statistics.")
    methods: tuple[Method, ...] = Field(description="The methods behind the numbers, with references.")
    failed_cells: tuple[FailedCell, ...] = Field((), description="Evaluations given up; empty when all are there.")
    probes: tuple[LiveProbe, ...] = Field((), description="Empty when no probe was recorded.")
    inside: tuple[Inside, ...] = Field((), description="By arm and backbone; empty where nothing was trained here.")
    provenance: dict[str, JsonValue] = Field(description="Versions, commit, revisions, device, times.")
    sandbox: dict[str, JsonValue] = Field(description="How model-written programs were run; empty when none were.")
    warnings: tuple[str, ...] = Field(description="Reasons for nulls, and what a reader must know.")

    def to_json(self) -> str:
        """Return the canonical text of ``result.json``: field order of the schema, two spaces, a final newline.

        Raises:
            ValueError: If ``provenance`` or ``sandbox`` hold a number that JSON cannot (NaN, infinity).
        """
        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read a result; raises pydantic's ``ValidationError`` if the text is not a version 2 result."""
        return cls.model_validate_json(text, strict=True)  # "1_0" is no 10, and true no 1


def json_schema() -> dict[str, JsonValue]:
    """Return the JSON schema of the result file, with its dialect named."""
    body: dict[str, JsonValue] = Result.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
