"""What answered: arms with their scores and losses, what failed, and the proof that adapters were active."""

from __future__ import annotations

from pydantic import Field

from talan_eval.result.evidence import ArmKind, Points, Probability, PublishedRecord


class TaskScore(PublishedRecord):
    """One arm's scores on one benchmark, all of its seeds."""

    task: str = Field(description="Benchmark name.")
    metric: str = Field(description="What the scores measure.")
    n_items: int = Field(ge=1, description="Items.")
    k: int = Field(ge=1, description="Decoding samples averaged within an item.")
    mean: Points = Field(description="Mean over seeds and items, points.")
    by_seed: tuple[Points, ...] = Field(description="Mean per seed, in the order of seeds.")
    seeds: tuple[int, ...] = Field(description="Seeds of these scores.")
    unparsed: Probability | None = Field(description="Share of answers without a readable result; null if unknown.")
    reasons: dict[str, int] = Field(
        {}, description="Answers by why they were graded so; empty where the answers are not known."
    )


class TaskLoss(PublishedRecord):
    """One arm's held-out loss on the reference solutions of one benchmark."""

    task: str = Field(description="Benchmark name.")
    n_items: int = Field(ge=1, description="Items whose solution every run was asked.")
    mean: float = Field(description="Mean over seeds and items, nats per target token of the solution.")
    by_seed: tuple[float, ...] = Field(description="Mean per seed, in the order of seeds.")
    seeds: tuple[int, ...] = Field(description="Seeds of these losses.")
    bits_per_byte: float | None = Field(
        description="Bits per byte of the solutions, all tokens alike, which compares across tokenizers."
    )


class ArmRecord(PublishedRecord):
    """One arm on one backbone: what answered."""

    name: str = Field(description="Arm name.")
    kind: ArmKind = Field(description="trained here, stored adapters, one fixed checkpoint, or logged by a harness.")
    backbone: str = Field(description="Backbone name.")
    seeds: tuple[int, ...] = Field(description="Training seeds with scores; empty for a fixed arm.")
    diverged: tuple[int, ...] = Field((), description="Seeds whose training diverged; they have no scores.")
    divergence_ci: tuple[Probability, Probability] | None = Field(
        None, description="Clopper-Pearson interval of the share of trainings that diverge; null where none did."
    )
    trained_parameters: int | None = Field(None, description="Null where that was not recorded.")
    scores: tuple[TaskScore, ...] = Field(description="By benchmark, in declared order.")
    loss: tuple[TaskLoss, ...] | None = Field(None, description="Held-out loss by benchmark; null if not measured.")


class FailedCell(PublishedRecord):
    """A fine-tuning or an evaluation without result; its pair is left out of the arm's contrasts."""

    arm: str = Field(description="Arm name.")
    backbone: str = Field("", description="Backbone name; empty in results of version 1.")
    seed: int = Field(description="Training seed.")
    task: str = Field(description="Benchmark.")
    reason: str = Field(description="Why it was given up.")


class LiveProbe(PublishedRecord):
    """Evidence that an arm's adapter was active while it was scored."""

    arm: str = Field(description="Arm name.")
    backbone: str = Field("", description="Backbone name; empty in results of version 1.")
    seed: int = Field(description="Training seed.")
    max_logit_change: float = Field(ge=0, description="Largest logit change against the bare backbone on a probe.")
    block_max_logit_change: float | None = Field(
        None, ge=0, description="Largest logit change when the block alone is switched off; null without a block."
    )
    relative_write: float | None = Field(
        None,
        ge=0,
        description="Mean norm of the block's write over that of the residual stream; null without a block.",
    )
    bf16_survival: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the residual stream's elements that change when the write is added in bfloat16.",
    )
    adapter_kl: float | None = Field(
        None,
        ge=0,
        description="Mean divergence (KL, nats) of the next token's distribution with the adapter alone from the bare "
        "backbone's, over a probe's positions, then over benchmarks.",
    )
    block_kl: float | None = Field(
        None,
        ge=0,
        description="The same of that with adapter and block from that with the adapter alone; null without a block.",
    )
    merged_survival: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the weights' elements changed by merging the adapter that are still changed in bfloat16; "
        "null where the backend merges none or rounds none.",
    )


class Curve(PublishedRecord):
    """Something that changes while arms are trained: its mean over seeds, and a band."""

    steps: tuple[int, ...] = Field(min_length=1, description="Optimizer steps done; at most 60 of them.")
    mean: tuple[float, ...] = Field(description="Mean over seeds at each step.")
    lower: tuple[float, ...] | None = Field(
        None, description="Pointwise t interval of that mean, level 1 - alpha; null below three seeds."
    )
    upper: tuple[float, ...] | None = Field(None, description="Its upper end.")


class MeanOverSeeds(PublishedRecord):
    """A number of each checkpoint, over seeds."""

    mean: float = Field(description="Mean over seeds.")
    ci: tuple[float, float] | None = Field(None, description="t interval of level 1 - alpha; null below three seeds.")


class Inside(PublishedRecord):
    """What was seen of an arm while it was trained, and of its checkpoints on a probe of each benchmark."""

    arm: str = Field(description="Arm name.")
    backbone: str = Field(description="Backbone name.")
    seeds: tuple[int, ...] = Field(description="Seeds whose trainings are in the curves.")
    loss: Curve = Field(description="Training loss per target token, nats, the mean of the steps since the last point.")
    held_out_loss: Curve | None = Field(None, description="Loss on a fixed sample of evaluated items, nats per token.")
    adapter_gradient: Curve | None = Field(None, description="Norm of the adapter's gradient before clipping.")
    block_gradient: Curve | None = Field(None, description="Norm of the block's; null without a block.")
    gate: Curve | None = Field(None, description="Root mean square of the block's gate; null without one.")
    adapter_kl: MeanOverSeeds | None = Field(None, description="As in probes, the mean over benchmarks of each seed.")
    block_kl: MeanOverSeeds | None = Field(None, description="Likewise; null without a block.")
    block_logit_change: MeanOverSeeds | None = Field(None, description="Likewise of block_max_logit_change.")
    relative_write: MeanOverSeeds | None = Field(None, description="Likewise.")
    bf16_survival: MeanOverSeeds | None = Field(None, description="Likewise.")
