"""Loading and scoring of the four bundled twins, for lm-eval and talan-eval alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset

from talan_eval.grading.graders import score_document
from talan_eval.tasks.datafiles import DataFile, read_rows

DATA = Path(__file__).parent / "data"
FIELDS = ("id", "question", "worked", "answer", "subject", "level")


def load(family: str, sha256: dict[str, str], rows: dict[str, int], **_: Any) -> dict[str, Dataset]:  # noqa: ANN401 - lm-eval passes all metadata
    """Return the checked splits of one family; the keyword arguments are the task's ``metadata``."""
    return {
        split: Dataset.from_list(read_rows(DataFile(DATA / f"{family}_{split}.jsonl", rows[split], FIELDS, digest)))
        for split, digest in sha256.items()
    }


def score_number(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Score one word problem."""
    return score_document("number", "exact_match", doc, results)


def score_latex(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Score one problem with a LaTeX answer."""
    return score_document("latex", "exact_match", doc, results)


def score_choice(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Score one multiple-choice question."""
    return score_document("choice", "acc", doc, results)


def score_code(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Run one program against its assertions."""
    return score_document("code", "pass_at_1", doc, results)
