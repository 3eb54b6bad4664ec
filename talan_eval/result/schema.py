"""The public result: what ``compare --json FILE`` writes and what every report reads.

Version 1. Scores, differences, intervals and the smallest detectable gain are in percentage points, mean squares in
squared points, p-values and shares in [0, 1], all at full precision: rounding is for those who print. A value that
cannot be estimated is null and ``warnings`` says why; there is no NaN. Fields are only ever added within a version, and
readers of version 1 may meet none that this file does not describe.

Beyond the tests themselves the result records the primary test, the family's hash and the settings, because a p-value
cannot be read without them, and per arm the share of unparsed answers and the probe of the live adapter, because both
can fake a gain.

``python -m talan_eval.result.schema`` prints the JSON schema (draft 2020-12).
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

SPARSE_SEEDS: Final = 3
"""Training seeds below which nothing is judged."""
CELL_SEEDS: Final = 5
"""Training seeds below which no claim is made about a single cell."""

Points = Annotated[float, Field(json_schema_extra={"unit": "percentage points"})]
Probability = Annotated[float, Field(ge=0, le=1)]
Ci = tuple[Points, Points]
VerdictWord = Literal["better", "worse", "inconclusive", "not estimable"]
Basis = Literal["confirmed", "normality-based"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class CheckpointPair(_Record):
    """E0 of one seed: this trained pair of checkpoints, items random. Says nothing about re-training."""

    seed: int = Field(description="Training seed of the pair.")
    delta: Points = Field(description="Treat minus base, points.")
    lost: int = Field(ge=0, description="Items on which the treat arm scores less.")
    gained: int = Field(ge=0, description="Items on which the treat arm scores more.")
    mcnemar_p: Probability = Field(description="McNemar, exact up to 1,000 changed items, mid-p above.")
    ci: Ci = Field(description="Bonett-Price interval, points.")


class PlainT(_Record):
    """The unguarded paired t over seeds, for comparison with the guarded one."""

    ci: Ci | None = Field(description="Interval, points; null when all seeds gave the same difference.")
    p: Probability | None = Field(description="Two-sided p; null when all seeds gave the same difference.")
    df: float = Field(ge=1, description="Degrees of freedom: seeds minus 1; Welch-Satterthwaite over backbones.")


class SignFlip(_Record):
    """Exact sign-flip test over seeds, all 2^S sign vectors."""

    p: Probability = Field(description="Two-sided p, a multiple of 2/2^S.")
    floor: Probability = Field(description="Smallest p that this number of seeds can give, 2/2^S.")
    ci: Ci | None = Field(description="Interval by inversion (Hartigan), points; null when none of this level exists.")


class Bootstrap(_Record):
    """Bootstrap over seeds."""

    method: Literal["bootstrap_t", "expanded_percentile", "percentile", "basic", "bca"] = Field(
        description="Which interval; the last three under-cover with few seeds."
    )
    exact: bool = Field(description="Whether the bootstrap law was enumerated; false for Monte Carlo (over 10 seeds).")
    ci: Ci | None = Field(description="Interval, points; null with too few seeds or where unbounded.")


class OneSided(_Record):
    """One-sided guarded bounds: what a non-inferiority gate reads."""

    alpha: Probability = Field(description="One-sided error rate of each bound.")
    lower: Points = Field(description="The true difference exceeds this, points.")
    upper: Points = Field(description="The true difference lies below this, points.")


class GuardTerm(_Record):
    """One way of estimating the standard error of the mean difference; the widest counts."""

    name: Literal["t", "flip", "floor"] = Field(description="Seed spread, item-level noise, or the zero-width floor.")
    se: Points = Field(ge=0, description="Standard error, points.")
    df: float | None = Field(description="Degrees of freedom of its t distribution; null for the normal.")


class E1(_Record):
    """Would re-training give the gain on these benchmarks? Seeds random, items fixed."""

    method: Literal["guarded_t"] = Field(description="The headline method.")
    ci: Ci = Field(description="Guarded interval, points.")
    p: Probability = Field(description="Guarded two-sided p; below alpha exactly when the interval excludes 0.")
    binding: Literal["t", "flip", "floor"] = Field(
        description="What sets the width: seed spread (t), item-level noise (flip) or the zero-width floor."
    )
    t: PlainT = Field(description="The plain paired t.")
    signflip: SignFlip | None = Field(
        description="The exact companion; null above 20 seeds of a backbone or 40 trained pairs."
    )
    bootstrap: Bootstrap | None = Field(description="Bootstrap interval over seeds; null over several backbones.")
    one_sided: OneSided = Field(description="One-sided bounds with the same guard.")
    terms: tuple[GuardTerm, ...] = Field(description="The guard's terms, from which gates compute other bounds.")


class E2(_Record):
    """Would re-training give the gain on new items of this kind? Seeds and items random."""

    method: Literal["guarded_crossed"] = Field(description="Crossed random effects, guarded.")
    ci: Ci = Field(description="Guarded interval, points.")
    p: Probability = Field(description="Guarded two-sided p.")
    df: float = Field(ge=1, description="Satterthwaite degrees of freedom of its t term.")
    pigeonhole_ci: Ci | None = Field(description="Two-way bootstrap interval, points; null where it has no width.")


class MeanSquares(_Record):
    """Two-way mean squares of the differences, in squared points."""

    seed: float = Field(ge=0, description="MS_S, seeds.")
    item: float | None = Field(description="MS_I, items; null with one item.")
    error: float | None = Field(description="MS_E, interaction and noise; null with one item.")


class Clustering(_Record):
    """How much clusters of items cost. With clusters E0 and E2 count clusters, not items."""

    n_clusters: int = Field(ge=2, description="Clusters of items.")
    largest: int = Field(ge=1, description="Items in the largest cluster.")
    icc: float = Field(description="Intraclass correlation of the items' mean differences.")
    design_effect: float = Field(ge=0, description="Variance of the mean against that of independent items.")


class ItemFlip(_Record):
    """An item that the same arm loses or gains again and again."""

    item_id: str = Field(description="Item identifier; a Record ID for GPQA.")
    lost: int = Field(ge=0, description="Seeds in which the treat arm scores less.")
    gained: int = Field(ge=0, description="Seeds in which the treat arm scores more.")
    p: Probability = Field(description="Exact two-sided sign test over the seeds with a difference.")
    adjusted_p: Probability = Field(description="Benjamini-Hochberg over the items that could be significant (Tarone).")


class ItemLevel(_Record):
    """Where the difference comes from, item by item. Exploratory."""

    always_right: int = Field(ge=0, description="Items with full score in both arms at every seed.")
    always_wrong: int = Field(ge=0, description="Items with score 0 in both arms at every seed.")
    informative: int = Field(ge=0, description="All other items.")
    same_prompt: int | None = Field(
        None, ge=0, description="Items whose prompt another item has as well; null where prompts are not recorded."
    )
    discordant: int = Field(ge=0, description="Items that differ between the arms at one seed at least.")
    top_share: Probability | None = Field(
        description="Share of all flips in the single most discordant item; null without flips."
    )
    top_cluster_share: Probability | None = Field(description="The same for clusters; null without clusters or flips.")
    systematic: int = Field(ge=0, description="Items with an adjusted p of at most alpha.")
    flips: tuple[ItemFlip, ...] = Field(description="The most systematic items, at most ten.")


class NamedTest(_Record):
    """A test or correction that was asked for by name, beside the defaults. No verdict rests on it."""

    name: str = Field(description="Method code.")
    seed: int | None = Field(description="Training seed, for tests of one checkpoint pair.")
    p: Probability | None = Field(description="The test's p; null for intervals and where it cannot be tested.")
    ci: Ci | None = Field(description="Interval, points; null for tests. Of tost: the one of level 1 - 2 alpha.")
    caution: str = Field(description="What it does not do.")


class Cell(_Record):
    """One backbone and benchmark, or a slice of it, for this pair of arms."""

    backbone: str = Field(description="Backbone name.")
    task: str = Field(description="Benchmark name.")
    slice: str | None = Field(description='Slice such as "subject=algebra"; null for the whole benchmark.')
    metric: str = Field(description="Score that is compared.")
    n_items: int = Field(ge=1, description="Items, the same for both arms and all seeds.")
    n_dropped: int = Field(0, ge=0, description="Items left out of both arms because not every run has them.")
    n_seeds: int = Field(ge=1, description="Training seeds with both arms complete.")
    seeds: tuple[int, ...] = Field(description="These seeds, ascending; the order of deltas.")
    dropped_seeds: tuple[int, ...] = Field((), description="Seeds left out because only one arm has them.")
    k: int = Field(ge=1, description="Decoding samples averaged within an item.")
    base_mean: Points = Field(description="Mean score of the base arm, points.")
    treat_mean: Points = Field(description="Mean score of the treat arm, points.")
    base_unparsed: Probability | None = Field(description="Share of base answers without a readable result.")
    treat_unparsed: Probability | None = Field(description="Share of treat answers without a readable result.")
    delta: Points = Field(description="Treat minus base, points.")
    deltas: tuple[Points, ...] = Field(description="The same per seed.")
    base_by_seed: tuple[Points, ...] = Field(description="Mean score of the base arm per seed.")
    e0: tuple[CheckpointPair, ...] = Field(description="One checkpoint pair per seed.")
    e1: E1 | None = Field(description="Null with one seed.")
    e2: E2 | None = Field(description="Null with one seed or one item.")
    mean_squares: MeanSquares | None = Field(description="Null with one seed.")
    clusters: Clustering | None = Field(description="Null when items are taken as independent.")
    items: ItemLevel | None = Field(description="Item level; null for slices.")
    also: tuple[NamedTest, ...] = Field(description="Tests that were asked for by name.")
    holm_p: Probability | None = Field(description="Guarded p of E1, Holm over the family.")
    maxt_p: Probability | None = Field(description="Joint sign-flip max-T, step-down, over the family.")
    adjusted_p: Probability | None = Field(
        description="The p that decides: the larger of the two from 6 seeds on, Holm's at 5, null below 5."
    )
    bh_p: Probability | None = Field(description="Exploratory: guarded p of E1, Benjamini-Hochberg over the family.")
    mde80: Points | None = Field(description="True gain found with 80 % power at the observed noise, unadjusted.")
    verdict: VerdictWord = Field(description="After adjustment for the family.")
    verdict_basis: Basis | None = Field(description="For better or worse: both tests, or the t test alone.")


class BackboneMean(_Record):
    """The mean over one backbone's cells. Its seeds are joint across benchmarks, independent of other backbones."""

    backbone: str = Field(description="Backbone name.")
    weight: Probability = Field(description="Its share of the cells.")
    seeds: tuple[int, ...] = Field(description="Seeds that are complete in each of its cells; the order of deltas.")
    delta: Points | None = Field(description="Mean gain, points; null when no seed is complete.")
    deltas: tuple[Points, ...] = Field(description="Mean gain per seed.")


class Anytime(_Record):
    """The primary test followed over its looks, because seeds were added after one; valid however often it is read."""

    method: Literal["t_e_value"] = Field(description="t e-value, Gaussian mixture over the standardised effect.")
    at: tuple[int, ...] = Field(description="Numbers of seeds at which results were read; this reading comes last.")
    e_value: float = Field(ge=0, description="Evidence against no difference at this reading.")
    p: Probability = Field(description="Anytime-valid p over all readings, times the variants tried.")
    ci: Ci | None = Field(description="Confidence sequence, points; null while it is unbounded.")


class Aggregate(_Record):
    """Equal-weight mean over the cells: the primary test."""

    n_cells: int = Field(ge=1, description="Cells averaged.")
    backbones: tuple[BackboneMean, ...] = Field(description="The mean by backbone.")
    seeds: tuple[int, ...] = Field(
        description="Seeds that are complete in every cell; the order of deltas. Empty over several backbones."
    )
    delta: Points | None = Field(description="Mean gain, points; null when no seed is complete in every cell.")
    deltas: tuple[Points, ...] = Field(description="Mean gain per seed; empty over several backbones.")
    e1: E1 | None = Field(description="Null below two common seeds.")
    e2: E2 | None = Field(description="Null below two common seeds or with one item in a cell.")
    anytime: Anytime | None = Field(None, description="Null when no seeds were added after a look.")
    iqm: Points | None = Field(description="Interquartile mean over seeds and cells; descriptive.")
    poi: Probability | None = Field(description="Share of seed-cell pairs with a gain, ties one half; descriptive.")
    adjusted_p: Probability | None = Field(
        description="The p that decides: of both tests the larger, times the variants tried; with it the anytime p."
    )
    also: tuple[NamedTest, ...] = Field((), description="Tests that were asked for by name and apply to the mean.")
    mde80: Points | None = Field(description="True mean gain found with 80 % power at the observed noise.")
    verdict: VerdictWord = Field(description="Of the primary test.")
    verdict_basis: Basis | None = Field(description="For better or worse: both tests, or the t test alone.")


class Primary(_Record):
    """The one test declared before results are read."""

    statistic: Literal["equal_weight_mean"] = Field(description="Mean gain over the cells, each with weight 1.")
    estimand: Literal["E1"] = Field(description="Seeds random, items fixed.")
    rule: str = Field(description="When the verdict is better or worse.")
    family_hash: str = Field(description="SHA-256 (12 hex digits) of the arms, cells and metrics.")


class Settings(_Record):
    """Settings of the statistics."""

    alpha: float = Field(gt=0, lt=1, description="Two-sided error rate; intervals have level 1 - alpha.")
    resamples: int = Field(ge=1, description="Monte Carlo resamples, where the law is not enumerated.")
    rng_seed: int = Field(ge=0, description="Seed of their generators.")
    bootstrap: str = Field(description='Seed bootstrap by name, or "auto".')
    variants_tried: int = Field(
        ge=1, description="Variants of the treat arm that were tried to pick this one; every deciding p is multiplied."
    )
    slices: tuple[str, ...] = Field(description="Labels by which benchmarks were sliced.")
    also: tuple[str, ...] = Field(description="Tests that were asked for by name.")
    margin: Annotated[float, Field(gt=0, json_schema_extra={"unit": "percentage points"})] | None = Field(
        None, description="Equivalence margin of tost, declared before results are read; null without it."
    )


class Method(_Record):
    """One method behind the numbers."""

    code: str = Field(description="Code, as in the signature.")
    estimand: str = Field(description="E0, E1 or E2; family for corrections; descriptive for what carries no claim.")
    text: str = Field(description="What it does.")
    reference: str = Field(description="Author, year and title.")


class FailedCell(_Record):
    """A fine-tuning or an evaluation without result; its pair is left out of both arms."""

    arm: str = Field(description="Arm name.")
    seed: int = Field(description="Training seed.")
    task: str = Field(description="Benchmark.")
    reason: str = Field(description="Why it was given up.")


class LiveProbe(_Record):
    """Evidence that an arm's adapter was active while it was scored."""

    arm: str = Field(description="Arm name.")
    seed: int = Field(description="Training seed.")
    max_logit_change: float = Field(ge=0, description="Largest logit change against the bare backbone on a probe.")


class Result(_Record):
    """A comparison of two arms: version 1 of the public result."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this schema.")
    signature: str = Field(description="What was computed, in one line; equal signatures are comparable.")
    base: str = Field(description="Base arm.")
    treat: str = Field(description="Treat arm; differences are treat minus base.")
    seeds: tuple[int, ...] = Field(description="Training seeds with at least one complete cell.")
    primary: Primary = Field(description="The primary test.")
    settings: Settings = Field(description="Settings of the statistics.")
    cells: tuple[Cell, ...] = Field(min_length=1, description="One per benchmark, in declared order.")
    slices: tuple[Cell, ...] = Field(description="Slices of the benchmarks; of one family with the cells.")
    aggregate: Aggregate = Field(description="The mean over the cells.")
    methods: tuple[Method, ...] = Field(description="The methods behind the numbers, with references.")
    failed_cells: tuple[FailedCell, ...] = Field((), description="Cells that were given up; empty when all are there.")
    live_probes: tuple[LiveProbe, ...] = Field((), description="Empty when no probe was recorded.")
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
        """Read a result; raises pydantic's ``ValidationError`` if the text is not a version 1 result."""
        return cls.model_validate_json(text)


def json_schema() -> dict[str, JsonValue]:
    """Return the JSON schema of the result file, with its dialect named."""
    body: dict[str, JsonValue] = Result.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
