"""What is said of one difference: the records of tests, intervals and items that a published result is made of.

Scores, differences and intervals are in percentage points, p-values and shares in [0, 1]; see
``talan_eval.result.schema``.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SPARSE_SEEDS: Final = 3
"""Training seeds below which nothing is judged."""
CELL_SEEDS: Final = 5
"""Training seeds below which no claim is made about a single cell."""
NAMED_ITEMS: Final = 20
"""Items that are named of those left out."""

POINTS: Final = "points"
"""Unit of scores that are shares of right answers, in percent."""
Points = Annotated[float, Field(json_schema_extra={"unit": "percentage points"})]
Probability = Annotated[float, Field(ge=0, le=1)]
Ci = tuple[Points, Points]
VerdictWord = Literal["better", "worse", "inconclusive", "not judged", "not estimable", "withheld"]
Estimand = Literal["E0", "E1"]
MarginWord = Literal["no worse", "no better", "equivalent"]
Pairing = Literal["paired", "fixed", "independent"]
ArmKind = Literal["trained", "stored", "fixed", "logged"]
Basis = Literal["confirmed", "normality-based", "items"]


class PublishedRecord(BaseModel):
    """A frozen record without unknown fields and without NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Measure(PublishedRecord):
    """What the scores of a result are measured in; "points" in other descriptions stands for this unit.

    The default is a share of right answers in percentage points.
    """

    unit: str = Field(POINTS, description='Unit of scores, differences and intervals, such as "points" or "nats".')
    higher_is_better: bool = Field(default=True, description="Whether better means more; verdicts go by it.")
    lower: float | None = Field(0.0, description="Least possible score; null where there is none.")
    upper: float | None = Field(100.0, description="Largest possible score; null where there is none.")

    @property
    def bounded(self) -> bool:
        """Whether scores have two bounds, on which the zero-width floor and right-or-wrong answers rest."""
        return self.lower is not None and self.upper is not None


class CheckpointPair(PublishedRecord):
    """E0 of one seed: this trained pair of checkpoints, items random. Says nothing about re-training."""

    seed: int = Field(description="Training seed of the pair.")
    delta: Points = Field(description="Treatment minus base, points.")
    lost: int | None = Field(ge=0, description="Items on which the treatment scores less; null if unbounded.")
    gained: int | None = Field(ge=0, description="Items on which the treatment scores more; null if unbounded.")
    mcnemar_p: Probability | None = Field(
        description="By name: sign test of the changed items (McNemar), exact up to 1,000 of them, mid-p above; null "
        "of an unbounded metric."
    )
    p: Probability | None = Field(
        None, description="Two-sided p of no mean difference, of the test that ci is made from; null in older results."
    )
    ci: Ci | None = Field(
        description="Interval of the mean difference, points. Of an unbounded metric the t over items; null likewise."
    )


class OneSided(PublishedRecord):
    """One-sided bounds: what a non-inferiority gate reads."""

    alpha: Probability = Field(description="One-sided error rate of each bound.")
    lower: Points = Field(description="The true difference exceeds this, points.")
    upper: Points = Field(description="The true difference lies below this, points.")


class GuardTerm(PublishedRecord):
    """One way of estimating the standard error of the mean difference; the widest counts."""

    name: Literal["t", "flip", "floor"] = Field(
        description="Spread of seeds (of items in E0), item-level noise, or the zero-width floor."
    )
    se: Points = Field(ge=0, description="Standard error, points.")
    df: float | None = Field(description="Degrees of freedom of its t distribution; null for the normal.")


class E0(PublishedRecord):
    """Are these trained pairs of checkpoints better on items of this kind? Seeds fixed, items random.

    With several seeds it is the mean over their pairs. Says nothing about re-training.
    """

    method: Literal["table", "t", "clusters", "mean"] = Field(
        description="table: lost and gained right-or-wrong answers (Bonett-Price and conditional mid-p, the weaker "
        "counts); t over items for partial credit; cluster-robust t; mean of several benchmarks."
    )
    n_pairs: int = Field(ge=1, description="Pairs of checkpoints, one per seed.")
    delta: Points = Field(description="Mean difference, points.")
    ci: Ci = Field(description="Interval, points.")
    p: Probability = Field(description="Two-sided p; below alpha exactly when the interval excludes 0.")
    one_sided: OneSided = Field(description="One-sided bounds of the same test.")
    n_items: int = Field(ge=1, description="Items, of all benchmarks together.")
    lost: int | None = Field(None, ge=0, description="Items lost; null unless of a table.")
    gained: int | None = Field(None, ge=0, description="Items gained; null unless of a table.")
    terms: tuple[GuardTerm, ...] = Field(
        (), description="Error terms, from which gates compute bounds; none of a table."
    )


class OutlyingSeed(PublishedRecord):
    """A training that stands apart from the others: a red flag, and no PASS."""

    seed: int = Field(description="Training seed.")
    delta: Points = Field(description="Its difference, points.")
    median_delta: Points = Field(description="Median of the differences over seeds, points.")
    distance: float = Field(
        ge=0, description="Distance from the median over the larger of the MAD-based spread and the items' noise."
    )
    threshold: float = Field(ge=0, description="What normal seeds exceed in at most 1 % of comparisons.")


class MarginTest(PublishedRecord):
    """Is the treatment no worse, or no better, than the base by more than a declared margin?"""

    margin: Points = Field(ge=0, description="Difference that would not matter, declared before results are read.")
    p_not_worse: Probability | None = Field(
        description="One-sided p of a difference above -margin, Holm over the cells; null where nothing is judged."
    )
    p_not_better: Probability | None = Field(description="One-sided p of a difference below margin, likewise.")
    word: MarginWord | None = Field(description="What both say at alpha; null where neither is shown.")


class PlainT(PublishedRecord):
    """The unguarded paired t over seeds, for comparison with the guarded one."""

    ci: Ci | None = Field(description="Interval, points; null when all seeds gave the same difference.")
    p: Probability | None = Field(description="Two-sided p; null when all seeds gave the same difference.")
    df: float = Field(ge=1, description="Degrees of freedom: seeds minus 1; Welch-Satterthwaite over backbones.")


class SignFlip(PublishedRecord):
    """Exact sign-flip test over seeds, all 2^S sign vectors."""

    p: Probability = Field(description="Two-sided p, a multiple of 2/2^S.")
    floor: Probability = Field(description="Smallest p that this number of seeds can give, 2/2^S.")
    ci: Ci | None = Field(description="Interval by inversion (Hartigan), points; null when none of this level exists.")


class Permutation(PublishedRecord):
    """Studentised permutation of seed labels between two arms with independent seeds."""

    p: Probability = Field(description="Two-sided p; exact only where both arms' seed effects have one distribution.")
    floor: Probability = Field(
        description="Smallest p that these numbers of seeds can give: 2/C(2S, S), or 1/C(S1+S2, S1)."
    )
    enumerated: bool = Field(description="Whether all labellings were listed; false for fixed draws of them.")


class Bootstrap(PublishedRecord):
    """Bootstrap over seeds."""

    method: Literal["bootstrap_t", "expanded_percentile", "percentile", "basic", "bca"] = Field(
        description="Which interval; the last three under-cover with few seeds."
    )
    exact: bool = Field(description="Whether the bootstrap law was enumerated; false for Monte Carlo (over 10 seeds).")
    ci: Ci | None = Field(description="Interval, points; null with too few seeds or where unbounded.")


class E1(PublishedRecord):
    """Would re-training give the gain on these benchmarks? Seeds random, items fixed."""

    method: Literal["guarded_t", "guarded_welch"] = Field(description="Paired or one-sample t; Welch's t for two.")
    ci: Ci = Field(description="Guarded interval, points.")
    p: Probability = Field(description="Guarded two-sided p; below alpha exactly when the interval excludes 0.")
    binding: Literal["t", "flip", "floor"] = Field(
        description="What sets the width: seed spread (t), item-level noise (flip) or the zero-width floor."
    )
    t: PlainT = Field(description="The plain paired t.")
    signflip: SignFlip | None = Field(
        description="The exact companion; null where seeds are independent, and with drawn answers of a fixed arm."
    )
    permutation: Permutation | None = Field(None, description="Its counterpart for independent seeds; else null.")
    bootstrap: Bootstrap | None = Field(description="Bootstrap interval over seeds; null over several backbones.")
    one_sided: OneSided = Field(description="One-sided bounds with the same guard.")
    terms: tuple[GuardTerm, ...] = Field(description="The guard's terms, from which gates compute other bounds.")


class E2(PublishedRecord):
    """Would re-training give the gain on new items of this kind? Seeds and items random."""

    method: Literal["guarded_crossed", "guarded_crossed_independent"] = Field(
        description="Crossed random effects, guarded; with a variance of each arm where seeds are independent."
    )
    ci: Ci = Field(description="Guarded interval, points.")
    p: Probability = Field(description="Guarded two-sided p.")
    df: float | None = Field(
        ge=1, description="Satterthwaite degrees of freedom of its t term; null where nothing varies."
    )
    pigeonhole_ci: Ci | None = Field(description="Two-way bootstrap interval, points; null where it has no width.")
    one_sided: OneSided | None = Field(None, description="One-sided bounds with the same guard; null in older results.")
    terms: tuple[GuardTerm, ...] = Field((), description="The guard's terms; none in older results.")


class MeanSquares(PublishedRecord):
    """Two-way mean squares of the differences, in squared points."""

    seed: float = Field(ge=0, description="MS_S, seeds.")
    item: float | None = Field(description="MS_I, items; null with one item.")
    error: float | None = Field(description="MS_E, interaction and noise; null with one item.")


class Clustering(PublishedRecord):
    """How much clusters of items cost. With clusters E0 and E2 count clusters, not items."""

    n_clusters: int = Field(ge=2, description="Clusters of items.")
    largest: int = Field(ge=1, description="Items in the largest cluster.")
    icc: float = Field(description="Intraclass correlation of the items' mean differences.")
    design_effect: float = Field(ge=0, description="Variance of the mean against that of independent items.")


class ItemFlip(PublishedRecord):
    """An item that the same arm loses or gains again and again."""

    item_id: str = Field(description="Item identifier; a PublishedRecord ID for GPQA.")
    lost: int = Field(ge=0, description="Seeds in which the treatment scores less.")
    gained: int = Field(ge=0, description="Seeds in which the treatment scores more.")
    p: Probability = Field(description="Exact two-sided sign test over the seeds with a difference.")
    adjusted_p: Probability = Field(description="Benjamini-Hochberg over the items that could be significant (Tarone).")


class ItemLevel(PublishedRecord):
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


class NamedTest(PublishedRecord):
    """A test or correction that was asked for by name, beside the defaults. No verdict rests on it."""

    name: str = Field(description="Method code.")
    seed: int | None = Field(description="Training seed, for tests of one checkpoint pair.")
    p: Probability | None = Field(description="The test's p; null for intervals and where it cannot be tested.")
    ci: Ci | None = Field(description="Interval, points; null for tests. Of tost: the one of level 1 - 2 alpha.")
    caution: str = Field(description="What it does not do.")


class Pairedness(PublishedRecord):
    """What pairing by training seed was worth: descriptive, and the ground on which to declare it or not."""

    correlation: float | None = Field(
        ge=-1, le=1, description="Correlation of the arms' means over seeds; null below 3 seeds or without spread."
    )
    width_ratio: float | None = Field(
        ge=0, description="Width of the E1 t interval without pairing over that with it; above 1 pairing gained."
    )
