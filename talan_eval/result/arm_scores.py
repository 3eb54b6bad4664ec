"""The public result of ``talan-eval evaluate``: scores of one arm that is compared with nothing, with their intervals.

Version 1. Scores and intervals are in percentage points, shares in [0, 1], all at full precision. A value that cannot
be estimated is null, and ``warnings`` says why where that is not the number of seeds. Fields are only ever added within
a version. A comparison has another schema: :mod:`talan_eval.result.schema`.

``python -m talan_eval.result.arm_scores`` prints the JSON schema (draft 2020-12).
"""

from __future__ import annotations

import json
import sys
from typing import Literal

from pydantic import Field, JsonValue

from talan_eval.result.answered import FailedCell, LiveProbe, TaskLoss
from talan_eval.result.evidence import ArmKind, Ci, Points, Probability, PublishedRecord

SCORES_KEY = "scores_schema"
"""The key by which such a document is known."""


class IntervalOfScore(PublishedRecord):
    """An interval of a score."""

    ci: Ci = Field(description="Interval of level 1 - alpha, points, within 0 and 100.")
    method: Literal["exact", "t", "clusters", "mean"] = Field(
        description="exact: Clopper and Pearson, of right or wrong answers; t over items or seeds; the wider of that "
        "and the cluster-robust t; mean of several benchmarks."
    )


class CheckpointScore(PublishedRecord):
    """One checkpoint's score."""

    seed: int = Field(description="Its training seed; 0 of an arm without seeds.")
    mean: Points = Field(description="Mean over items, points.")
    e0: IntervalOfScore | None = Field(description="This checkpoint, items random; null where no items differ.")


class MeanScore(PublishedRecord):
    """A mean score over seeds, and what is known of it."""

    seeds: tuple[int, ...] = Field(description="Training seeds; empty of an arm without seeds.")
    mean: Points = Field(description="Mean over seeds and items, points.")
    checkpoints: tuple[CheckpointScore, ...] = Field(min_length=1, description="By seed.")
    e0: IntervalOfScore | None = Field(description="These checkpoints, items random.")
    e1: IntervalOfScore | None = Field(description="Re-training, items fixed; null below three seeds.")
    e2: IntervalOfScore | None = Field(
        description="Re-training on new items; null below three seeds, or with one item."
    )


class BenchmarkScore(MeanScore):
    """An arm's score on one benchmark."""

    task: str = Field(description="Benchmark name.")
    metric: str = Field(description="What the scores measure.")
    n_items: int = Field(ge=1, description="Items.")
    k: int = Field(ge=1, description="Decoding samples averaged within an item.")
    unparsed: Probability | None = Field(description="Share of answers without a readable result; null if unknown.")
    reasons: dict[str, int] = Field({}, description="Answers by why they were graded so.")
    loss: TaskLoss | None = Field(None, description="Held-out loss on the reference solutions; null if not measured.")


class MeanOfBenchmarks(MeanScore):
    """The mean over an arm's benchmarks."""

    weights: dict[str, float] = Field(description="Share of each benchmark in it.")


class ScoredArm(PublishedRecord):
    """The arm on one backbone."""

    backbone: str = Field(description="Backbone name.")
    kind: ArmKind = Field(description="trained here, stored adapters, or one fixed checkpoint.")
    diverged: tuple[int, ...] = Field((), description="Seeds whose training diverged; they have no scores.")
    trained_parameters: int | None = Field(None, description="Null where that was not recorded.")
    scores: tuple[BenchmarkScore, ...] = Field(min_length=1, description="By benchmark, in declared order.")
    mean: MeanOfBenchmarks | None = Field(
        description="Null with one benchmark, or where no seed is complete on all of them."
    )


class ScoreSettings(PublishedRecord):
    """Settings of the statistics."""

    alpha: float = Field(gt=0, lt=1, description="Two-sided error rate; intervals have level 1 - alpha.")
    reduce: str = Field(description="How several answers to an item make its score.")


class ArmScores(PublishedRecord):
    """Scores of one arm: version 1 of the public result of ``talan-eval evaluate``."""

    scores_schema: Literal[1] = Field(1, description="Version of this schema.")
    signature: str = Field(description="What was computed, in one line; equal signatures are comparable.")
    arm: str = Field(description="Arm name.")
    backbones: tuple[ScoredArm, ...] = Field(min_length=1, description="The arm by backbone.")
    settings: ScoreSettings = Field(description="Settings of the statistics.")
    failed_cells: tuple[FailedCell, ...] = Field((), description="Evaluations given up; empty when all are there.")
    probes: tuple[LiveProbe, ...] = Field((), description="Empty when no probe was recorded.")
    provenance: dict[str, JsonValue] = Field(description="Versions, commit, revisions, device, times.")
    sandbox: dict[str, JsonValue] = Field(description="How model-written programs were run; empty when none were.")
    warnings: tuple[str, ...] = Field(description="What a reader must know.")

    def to_json(self) -> str:
        """Return the canonical text of ``result.json``: field order of the schema, two spaces, a final newline."""
        document = self.model_dump(mode="json")
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ArmScores:
        """Read scores; raises pydantic's ``ValidationError`` if the text is no such document."""
        return cls.model_validate_json(text, strict=True)


def json_schema() -> dict[str, JsonValue]:
    """Return the JSON schema of the file, with its dialect named."""
    body: dict[str, JsonValue] = ArmScores.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
