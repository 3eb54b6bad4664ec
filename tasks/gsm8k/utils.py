"""Loading and scoring of GSM8K."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from talan_core.training.benchmarks import gsm8k_prompt, gsm8k_solution
from talan_eval.grading.graders import score_document
from talan_eval.tasks.datafiles import read_sources


def load(
    files: dict[str, Any],
    hub: dict[str, Any],
    examples: list[int],
    data_dir: str | None = None,
    **_: Any,  # noqa: ANN401 - lm-eval passes all metadata
) -> dict[str, Dataset]:
    """Return the checked splits; an item's id is its place in its file, and the Hub keeps the files' order."""
    splits = {
        split: [document(f"{split}/{place}", row) for place, row in enumerate(rows)]
        for split, rows in read_sources(files, hub, data_dir).items()
    }
    splits["examples"] = [splits["train"][place] for place in examples]
    return {split: Dataset.from_list(docs) for split, docs in splits.items()}


def document(item_id: str, row: dict[str, Any]) -> dict[str, str]:
    """Split an answer into the worked solution, without calculator marks, and the final number."""
    worked = gsm8k_solution(row["answer"])
    return {
        "id": item_id,
        "question": row["question"],
        "worked": worked,
        "answer": worked.rpartition("####")[2].strip(),
    }


def doc_to_text(doc: dict[str, Any]) -> str:
    """Return the prompt of one problem."""
    return gsm8k_prompt(doc["question"])


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Score one problem."""
    return score_document("number", "exact_match", doc, results)
