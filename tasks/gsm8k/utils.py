"""Loading and scoring of GSM8K."""

from __future__ import annotations

import re
from typing import Any

from datasets import Dataset

from talan_eval.datafiles import DataFile, find_data_dir, read_rows
from talan_eval.grading.graders import score_document

# The source marks each calculation for a calculator, as in <<3*4=12>>; people and models do not write so.
_CALCULATOR = re.compile(r"<<[^<>]*>>")


def load(rows: dict[str, int], data_dir: str | None = None, **_: Any) -> dict[str, Dataset]:  # noqa: ANN401 - lm-eval passes all metadata
    """Return the checked splits from ``DATA_DIR/gsm8k/{train,test}.jsonl``; an item's id is its place in its file."""
    folder = find_data_dir(data_dir, "gsm8k") / "gsm8k"
    files = {split: DataFile(folder / f"{split}.jsonl", count, ("question", "answer")) for split, count in rows.items()}
    return {
        split: Dataset.from_list([document(f"{split}/{place}", row) for place, row in enumerate(read_rows(file))])
        for split, file in files.items()
    }


def document(item_id: str, row: dict[str, Any]) -> dict[str, str]:
    """Split an answer into the worked solution, without calculator marks, and the final number."""
    worked = _CALCULATOR.sub("", row["answer"]).strip()
    return {
        "id": item_id,
        "question": row["question"],
        "worked": worked,
        "answer": worked.rpartition("####")[2].strip(),
    }


def doc_to_text(doc: dict[str, Any]) -> str:
    """Return the prompt of one problem."""
    return f"{doc['question']}\n\nReason step by step. End with a last line of the form '#### <number>'."


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Score one problem."""
    return score_document("number", "exact_match", doc, results)
