"""What every log becomes: arms with their runs, each with its tasks, each with its answers by filter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NO_FILTER = "none"  # lm-eval's name for answers that no named filter has changed


@dataclass(frozen=True, slots=True)
class Stamp:
    """One file that was read.

    Attributes:
        path: As found.
        sha256: Of its bytes, hexadecimal.
        size: Bytes.
    """

    path: Path
    sha256: str
    size: int


@dataclass(eq=False, slots=True)
class Answers:
    """Scored answers of one run to one task, under one filter; columns of equal length R, filled while reading.

    Attributes:
        items: Item id of each answer.
        prompts: Hash of its prompt; after a colon what else makes it the same question, such as the hash of the
            expected answer. "" where the log does not say.
        values: Metric name to value, as logged; not checked yet.
        lines: Line of the file, or number of the sample, for messages.
        samples: Which of several answers to the item this is; all 0 without repeats.
        clusters: Cluster id, or None.
        labels: Label name to value.
        troubles: By index of an answer why it may have no score, such as an error that was logged.
    """

    items: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    values: list[Mapping[str, object]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    clusters: list[str | None] = field(default_factory=list)
    labels: list[Mapping[str, str]] = field(default_factory=list)
    troubles: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a log says of itself beside its answers; what it says is checked against them.

    Attributes:
        source: Where it says so.
        counts: Numbers of answers under each filter that would be whole, the reported one first; empty if unknown.
        total: Items of the task, scored or not; None if unknown.
        limit: What the user limited the items to, as logged; "" for no limit.
        keys: (item, sample) of every answer that was meant to be there, or None where the log names none.
        filters: Filters whose results are reported.
        means: Reported results that are plain means over the items, by (filter, metric).
        binding: Whether another mean of the answers proves that they are not those of the report.
    """

    source: Path
    counts: tuple[int, ...] = ()
    total: int | None = None
    limit: str = ""
    keys: frozenset[tuple[str, int]] | None = None
    filters: tuple[str, ...] = ()
    means: Mapping[tuple[str, str], float] = field(default_factory=dict)
    binding: bool = True


@dataclass(frozen=True, slots=True)
class OlderLog:
    """A log of a task that was left aside for a newer one in the same place.

    Attributes:
        file: Where it is.
        answers: How many it holds, all filters together.
    """

    file: Path
    answers: int


@dataclass(frozen=True, slots=True)
class TaskLog:
    """One run's log of one task.

    Attributes:
        task: Name, as logged.
        file: Where the answers are.
        answers: By filter name, in the order in which filters appear.
        unit: What ``Answers.lines`` count: "line", "row" or "sample".
        version: Task version, or None where the log does not say.
        settings: What else must be equal for the same questions, such as "num_fewshot"; explains different prompts.
        lower_is_better: Metrics of which less is better.
        claims: What the log says of itself, or None.
        older: Logs of the same task that were left aside, oldest first.
        variant: Arguments of the task where the harness has some, by name: one name may stand for several tasks.
        reducer: How the harness makes one score of several answers to an item, or "" for their mean.
    """

    task: str
    file: Path
    answers: Mapping[str, Answers]
    unit: str = "line"
    version: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset()
    claims: Claims | None = None
    older: tuple[OlderLog, ...] = ()
    variant: Mapping[str, str] = field(default_factory=dict)
    reducer: str = ""


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """One trained checkpoint's evaluations.

    Attributes:
        path: Directory or file that it was read from, as found.
        harness: Who wrote the log, such as "lm-eval".
        tasks: By task name, in natural order.
        files: Everything that was read.
        model: Name of the model, or None where the log does not say.
        backbone: Name of the model without its adapter, or None where the log does not say.
        version: Version of the harness, or None.
        seed: Training seed where the log itself states it, else None.
        notes: What the user should know: older runs left aside, columns ignored.
        proven: Whether the log proves that its checkpoint was trained apart from those of other seeds.
    """

    path: Path
    harness: str
    tasks: Mapping[str, TaskLog]
    files: tuple[Stamp, ...]
    model: str | None = None
    backbone: str | None = None
    version: str | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()
    proven: bool = False

    @property
    def adapted(self) -> str | None:
        """Name of the model below an adapter; None where the log names no model below another."""
        return self.backbone if self.backbone != self.model else None


@dataclass(frozen=True, slots=True)
class LoggedArm:
    """All runs of one arm, on one backbone or on several, in the order in which they were found.

    Attributes:
        name: For tables and reports.
        runs: At least one.
        words: The arguments that name its logs, as typed, at least one.
        in_order: Whether every run was named on its own, so that the order is the user's and not ours.
    """

    name: str
    runs: tuple[LoggedRun, ...]
    words: tuple[str, ...]
    in_order: bool = False
