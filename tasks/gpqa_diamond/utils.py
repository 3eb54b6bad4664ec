"""Loading and scoring of GPQA Diamond. Items are read in memory and never written to a file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from datasets import Dataset

from talan_eval.grading.graders import score_document
from talan_eval.tasks.datafiles import read_sources

LETTERS: Final = "ABCD"
# Questions of our own: the authors' examples are not in every copy of the data, and test items must not be examples.
EXAMPLES: Final = Path(__file__).parent / "examples.json"
_CHOICES: Final = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def load(
    files: dict[str, Any],
    hub: dict[str, Any],
    data_dir: str | None = None,
    **_: Any,  # noqa: ANN401 - lm-eval passes all metadata
) -> dict[str, Dataset]:
    """Return the checked test split and the few-shot examples; there is no training split."""
    rows = read_sources(files, hub, data_dir)["test"]
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return {
        "test": Dataset.from_list([document(row) for row in rows]),
        "examples": Dataset.from_list([example(row) for row in examples]),
    }


def document(row: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluated item with its choices in the item's own order."""
    item_id = str(row["Record ID"])
    choices, answer = arranged([str(row[name]).strip() for name in _CHOICES], item_id)
    return {
        "id": item_id,
        "question": str(row["Question"]).strip(),
        "choices": choices,
        "answer": answer,
        "worked": f"Answer: {answer}",
    }


def example(row: dict[str, Any]) -> dict[str, Any]:
    """Return a few-shot example; its right choice comes first in the file."""
    choices, answer = arranged(row["choices"], row["id"])
    return {
        "id": row["id"],
        "question": row["question"],
        "choices": choices,
        "answer": answer,
        "worked": f"{row['reason']}\nAnswer: {answer}",
    }


def arranged(choices: list[str], item_id: str) -> tuple[list[str], str]:
    """Permute choices, the right one first, by a hash of task and item id; nothing else has a say in it.

    Returns:
        The choices in their order, and the letter of the right one.
    """
    ranks = [hashlib.sha256(f"gpqa_diamond/{item_id}/{place}".encode()).digest() for place in range(len(choices))]
    order = sorted(range(len(choices)), key=ranks.__getitem__)
    return [choices[place] for place in order], LETTERS[order.index(0)]


def doc_to_text(doc: dict[str, Any]) -> str:
    """Return the prompt of one question."""
    choices = "\n".join(f"{letter}) {choice}" for letter, choice in zip(LETTERS, doc["choices"], strict=True))
    return (
        f"Question: {doc['question']}\n\n{choices}\n\n"
        "Reason step by step. End with a last line of the form 'Answer: <letter>'."
    )


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Score one question."""
    return score_document("choice", "acc", doc, results)
