"""Loading and scoring of the bundled twins, for lm-eval and talan-eval alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset

from talan_eval.grading.graders import score_document
from talan_eval.tasks.datafiles import DataFile, read_rows

DATA = Path(__file__).parent / "data"
FIELDS = ("id", "question", "worked", "answer", "subject", "level")


def load(
    family: str,
    sha256: dict[str, str],
    rows: dict[str, int],
    bundled_files: dict[str, str] | None = None,
    **_: Any,  # noqa: ANN401 - lm-eval passes all metadata
) -> dict[str, Dataset]:
    """Return the checked splits of one family; the keyword arguments are the task's ``metadata``.

    ``bundled_files`` names the file of a split where that is not ``FAMILY_SPLIT.jsonl``.
    """
    named = {split: (bundled_files or {}).get(split, f"{family}_{split}.jsonl") for split in sha256}
    return {
        split: Dataset.from_list(read_rows(DataFile(DATA / named[split], rows[split], FIELDS, digest)))
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
