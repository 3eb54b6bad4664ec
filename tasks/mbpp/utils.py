"""Loading and scoring of MBPP."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from talan_core.training.benchmarks import MBPP_SPLITS, mbpp_prompt, mbpp_solution
from talan_eval.grading.graders import score_document
from talan_eval.tasks.datafiles import read_sources


def load(
    files: dict[str, Any],
    hub: dict[str, Any],
    examples: list[int],
    data_dir: str | None = None,
    **_: Any,  # noqa: ANN401 - lm-eval passes all metadata
) -> dict[str, Dataset]:
    """Return the checked splits; an item's id is its task id, and few-shot examples come in the order given."""
    rows = {int(row["task_id"]): row for row in read_sources(files, hub, data_dir)["all"]}  # type: ignore[call-overload]
    order = {split: list(ids) for split, ids in MBPP_SPLITS.items()} | {"examples": examples}
    return {split: Dataset.from_list([document(rows[i]) for i in ids]) for split, ids in order.items()}


def document(row: dict[str, Any]) -> dict[str, Any]:
    """Return an item with its solution as a fenced block, which is how the prompt asks for it."""
    return {
        "id": str(row["task_id"]),
        "question": row["text"],
        "worked": mbpp_solution(row["code"]),
        "tests": list(row["test_list"]),
        "test_setup_code": row["test_setup_code"] or "",
    }


def doc_to_text(doc: dict[str, Any]) -> str:
    """Return the prompt of one problem: the task and all of its assertions, as in the paper."""
    return mbpp_prompt(doc["question"], doc["tests"])


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Run one program against its assertions."""
    return score_document("code", "pass_at_1", doc, results)
