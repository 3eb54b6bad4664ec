r"""Loading and scoring of MATH-500."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from datasets import Dataset

from talan_core.errors import UserError
from talan_core.training.benchmarks import math_prompt
from talan_eval.grading.graders import score_document
from talan_eval.grading.latex_answer import last_boxed
from talan_eval.tasks.datafiles import read_sources

MAX_EXAMPLES: Final = 8
_SHORT: Final = 400  # characters of a few-shot example's solution


def load(
    files: dict[str, Any],
    hub: dict[str, Any],
    data_dir: str | None = None,
    **_: Any,  # noqa: ANN401 - lm-eval passes all metadata
) -> dict[str, Dataset]:
    """Return the checked splits.

    Training problems are ordered by a hash of their text, so that both sources give the same order. Few-shot examples
    are the first of them that are short and have no drawing.
    """
    rows = read_sources(files, hub, data_dir)
    asked = {row["problem"] for row in rows["test"]}
    train = sorted(
        (training_document(row) for row in rows["train"] if row["problem"] not in asked), key=lambda doc: doc["id"]
    )
    wanted = files["train"]["rows"]
    if len(train) != wanted:
        raise UserError(
            f"MATH has {len(train)} training problems beside the 500 of {files['test']['path']}, expected {wanted}.",
            f"Restore the published file and run again, or type --data-dir DIR with DIR/{files['train']['path']}.",
        )
    short = [doc for doc in train if len(doc["worked"]) <= _SHORT and "[asy]" not in doc["problem"] + doc["worked"]]
    return {
        "train": Dataset.from_list(train),
        "test": Dataset.from_list([test_document(row) for row in rows["test"]]),
        "examples": Dataset.from_list(short[:MAX_EXAMPLES]),
    }


def test_document(row: dict[str, Any]) -> dict[str, str]:
    """Return an evaluated item; its id is the one that the authors gave it."""
    return {
        "id": row["unique_id"],
        "problem": row["problem"],
        "worked": row["solution"],
        "answer": row["answer"],
        "subject": row["subject"],
        "level": str(row["level"]),
    }


def training_document(row: dict[str, Any]) -> dict[str, str]:
    """Return a training item; its id is a hash of its problem."""
    return {
        "id": "train/" + hashlib.sha256(row["problem"].encode()).hexdigest()[:16],
        "problem": row["problem"],
        "worked": row["solution"],
        "answer": last_boxed(row["solution"]) or "",
        "subject": row["type"],
        "level": row["level"].removeprefix("Level "),
    }


def doc_to_text(doc: dict[str, Any]) -> str:
    r"""Return the prompt of one problem."""
    return math_prompt(doc["problem"])


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Score one problem."""
    return score_document("math", "exact_match", doc, results)
