"""Scores of one arm that is compared with nothing: tables, words, Markdown and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report import origin_words
from talan_eval.report.delimited import written
from talan_eval.report.markdown import code_span, escape
from talan_eval.report.markdown import table as markdown_table
from talan_eval.report.table import ColumnOf, Table, records, tabulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.result.arm_scores import (
        ArmScores,
        BenchmarkScore,
        CheckpointScore,
        IntervalOfScore,
        MeanScore,
        ScoredArm,
    )

ALONE: Final = (
    "Nothing is compared here. Two arms are compared item by item, which is far sharper than two such intervals: "
    "talan-eval compare, or talan-eval compare-logs NAME=results/NAME NAME=results/NAME of two evaluations."
)
HOW_TO_READ: Final = (
    ("E0", "these checkpoints on new items of this kind: items random, checkpoints as they are."),
    ("E1", "re-training on these items: training seeds random, items fixed; from three seeds on, wide below five."),
    ("E2", "re-training and new items: both random; from three seeds on."),
)


@dataclass(frozen=True)
class _ScoredRow:
    """A benchmark of the arm on a backbone, or the mean of all."""

    backbone: str
    name: str
    found: MeanScore
    benchmark: BenchmarkScore | None


@dataclass(frozen=True)
class _OneCheckpoint:
    """One checkpoint on a benchmark."""

    line: _ScoredRow
    found: CheckpointScore


def title(scores: ArmScores) -> str:
    """Return what the report is about."""
    return f"{scores.arm} on {', '.join(one.backbone for one in scores.backbones)}"


def headlines(scores: ArmScores) -> tuple[str, ...]:
    """Say the score of each backbone in one sentence, with the interval that says most."""
    return tuple(_headline(scores, one) for one in scores.backbones)


def summary(one: ScoredArm) -> MeanScore:
    """Return the score that stands for the arm on a backbone: the mean of its benchmarks, or its only one."""
    return one.scores[0] if one.mean is None else one.mean


def best_interval(found: MeanScore) -> tuple[str, IntervalOfScore] | None:
    """Return E1 where there is one, else E0, with its name."""
    if found.e1 is not None:
        return "E1", found.e1
    return None if found.e0 is None else ("E0", found.e0)


def score_table(scores: ArmScores) -> Table:
    """Build the table of scores: a row per backbone and benchmark, and the means."""
    level = fmt.percent(1 - scores.settings.alpha)
    how = "" if scores.settings.reduce == "mean" else f", {scores.settings.reduce}"
    columns = _columns(level, backbone=len(scores.backbones) > 1)
    lines = [line for one in scores.backbones for line in _lines(one)]
    whole = len(scores.backbones) == 1 and scores.backbones[0].mean is not None
    return tabulate(f"Scores of {title(scores)} in points{how}, {level} intervals", columns, lines, summary=whole)


def checkpoint_table(scores: ArmScores) -> Table:
    """Build the table of single checkpoints; no rows where there is one."""
    level = fmt.percent(1 - scores.settings.alpha)
    lines = [
        _OneCheckpoint(line, found)
        for one in scores.backbones
        for line in _lines(one)
        for found in line.found.checkpoints
        if len(line.found.checkpoints) > 1
    ]
    columns: tuple[ColumnOf[_OneCheckpoint], ...] = (
        ColumnOf(("seed",), "seed", kind="count", value=lambda one: one.found.seed),
        ColumnOf(("benchmark",), "benchmark", "left", value=lambda one: one.line.name),
        ColumnOf(("backbone",), "backbone", "left", rank=1, value=lambda one: one.line.backbone),
        ColumnOf(("score",), "score", kind="score", value=lambda one: one.found.mean),
        ColumnOf((f"E0 {level} interval",), f"E0 {level} interval", kind="range", value=lambda one: _ci(one.found.e0)),
    )
    return tabulate("Single checkpoints", columns, lines)


def markdown(scores: ArmScores) -> str:
    """Render the whole ``report.md`` in GitHub-flavoured Markdown."""
    parts = [
        f"# {escape(title(scores))}",
        *(f"**{escape(text)}**" for text in headlines(scores)),
        escape(ALONE),
        escape(origin_words.sandbox_stamp(scores)),
        *(part for table in (score_table(scores), checkpoint_table(scores)) if table.rows
          for part in (f"## {escape(table.title)}", markdown_table(table),
                       f"Signature: {code_span(scores.signature)}")),
        "## How to read this",
        "\n".join(f"- **{label}**: {escape(text)}" for label, text in HOW_TO_READ),
        *(("## Warnings", "\n".join(f"- {escape(text)}" for text in scores.warnings)) if scores.warnings else ()),
        "## Provenance",
        escape(origin_words.live_probe(scores)),
        "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in origin_words.provenance_rows(scores)),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def csv(scores: ArmScores) -> str:
    """Render the rows of the table of scores as CSV at full precision; see :mod:`talan_eval.report.delimited`."""
    header, rows = records(_columns("", backbone=True), [line for one in scores.backbones for line in _lines(one)])
    return written(("arm", *header), [[scores.arm, *row] for row in rows])


def _lines(one: ScoredArm) -> Iterator[_ScoredRow]:
    for found in one.scores:
        yield _ScoredRow(one.backbone, found.task, found, found)
    if one.mean is not None:
        even = len({round(share, 12) for share in one.mean.weights.values()}) == 1
        yield _ScoredRow(one.backbone, "mean" if even else "weighted mean", one.mean, None)


def _columns(level: str, *, backbone: bool) -> Sequence[ColumnOf[_ScoredRow]]:
    def interval(name: str, rank: int) -> ColumnOf[_ScoredRow]:
        key = name.lower()
        return ColumnOf(
            (f"{name} {level}".strip(), "interval"), f"{name} {level} interval", rank=rank, kind="range",
            keys=(f"{key}_low", f"{key}_high"), optional=True, value=lambda line: _ci(getattr(line.found, key)),
        )  # fmt: skip

    return (
        ColumnOf(("benchmark",), "benchmark", "left", keys=("benchmark",), value=lambda line: line.name),
        ColumnOf(
            ("backbone",), "backbone", "left", keys=("backbone",), shown=backbone, value=lambda line: line.backbone
        ),
        ColumnOf(("items",), "items", kind="count", keys=("items",), rank=2, value=lambda line: _of(line, "n_items")),
        ColumnOf(("seeds",), "seeds", kind="count", keys=("seeds",), rank=1, value=lambda line: len(line.found.seeds)),
        ColumnOf(("score",), "score", kind="score", keys=("score",), value=lambda line: line.found.mean),
        interval("E0", 0),
        interval("E1", 0),
        interval("E2", 3),
        ColumnOf(
            ("unparsed",), "unparsed", kind="percent", keys=("unparsed",), rank=4, optional=True,
            value=lambda line: _of(line, "unparsed"),
        ),
        ColumnOf(
            ("held-out", "loss"), "held-out loss", kind="decimals", keys=("loss",), rank=5, optional=True,
            value=_loss,
        ),
    )  # fmt: skip


def _of(line: _ScoredRow, name: str) -> int | float | None:
    found: int | float | None = None if line.benchmark is None else getattr(line.benchmark, name)
    return found


def _loss(line: _ScoredRow) -> float | None:
    return None if line.benchmark is None or line.benchmark.loss is None else line.benchmark.loss.mean


def _ci(found: IntervalOfScore | None) -> tuple[float, float] | None:
    return None if found is None else found.ci


def _headline(scores: ArmScores, one: ScoredArm) -> str:
    found, interval = summary(one), best_interval(summary(one))
    over = f"the mean of {fmt.count(len(one.scores), 'benchmark')}" if one.mean is not None else one.scores[0].task
    seeds = f" over {fmt.count(len(found.seeds), 'training seed')}" if found.seeds else ""
    level = fmt.percent(1 - scores.settings.alpha)
    said = "no interval" if interval is None else f"{interval[0]} {level} CI {fmt.score_range(interval[1].ci)}"
    return f"{scores.arm} on {one.backbone} scores {fmt.score(found.mean)} points on {over}{seeds} ({said})."
