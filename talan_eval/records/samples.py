"""Graded answers, as kept in ``samples/``: one row per item and answer."""

from __future__ import annotations

import typing
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from talan_eval.store.sealed_rows import Kinds, read_rows, to_parquet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


LABELS: Final = ("subject", "level")
"""Labels that items can have; results can be sliced by them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One graded answer.

    Answers may quote their questions. Those of GPQA must not be published: ``samples/`` stays out of version control.

    Attributes:
        item_id: Id of the item, unique within its benchmark.
        prompt_hash: Hash of the prompt exactly as the model saw it.
        score: Credit in [0, 1].
        verdict: What the grader said; see ``talan_eval.grading.grade.Verdict``.
        extracted: The part of the answer that was compared, or None.
        reason: Why, in a phrase.
        answer: What the model wrote; None where scores alone were kept.
        sample: Number of the answer to its question, from 0.
        strict: The strict normaliser's own verdict, where the grader asks two; else None.
        symbolic: math-verify's own verdict, where it was asked; else None.
        subject: Subject of the item, where its benchmark has subjects; results can be sliced by it.
        level: Level of the item, likewise.
        loss: Held-out loss on the item's reference solution, nats per target token; on the first answer to the item
            alone, and None where it was not measured.
        loss_tokens: Target tokens of that solution.
        loss_bytes: Its bytes.
    """

    item_id: str
    prompt_hash: str
    score: float
    verdict: str
    extracted: str | None
    reason: str
    answer: str | None
    sample: int = 0
    strict: str | None = None
    symbolic: str | None = None
    subject: str | None = None
    level: str | None = None
    loss: float | None = None
    loss_tokens: int | None = None
    loss_bytes: int | None = None

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """The labels that the item has, by name."""
        return tuple((name, value) for name in LABELS if (value := getattr(self, name)) is not None)


NOT_KEPT: Final = "not kept"
"""What the record of an evaluation says of its answers where they were withheld."""


def withheld(sample: Sample) -> Sample:
    """Return a sample without what the model wrote. Reasons name values of it, so that the verdict stands for them."""
    return replace(sample, answer=None, extracted=None, reason=sample.verdict)


def write_samples(samples: Sequence[Sample]) -> bytes:
    """Return samples as the content of a Parquet file."""
    return to_parquet([asdict(sample) for sample in samples], _kinds())


def read_samples(path: Path) -> tuple[Sample, ...]:
    """Read a file of samples: Parquet, or the JSON Lines of older versions.

    Args:
        path: A file below ``samples/`` of a results directory.

    Raises:
        CorruptedError: The file is neither, or damaged.
    """
    return tuple(Sample(**row) for row in read_rows(path))


def _kinds() -> Kinds:
    """Return the type of each field, without the None that some may hold."""
    hints = typing.get_type_hints(Sample)
    return {
        field.name: next(kind for kind in (*typing.get_args(hints[field.name]), hints[field.name]) if kind is not None)
        for field in fields(Sample)
    }
