"""Loading and scoring of MBPP."""

from __future__ import annotations

from typing import Any, Final

from datasets import Dataset

from talan_eval.grading.graders import score_document
from talan_eval.tasks.datafiles import read_sources

# Task ids of the splits, as the paper's authors define them.
SPLITS: Final = {
    "examples": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}


def load(
    files: dict[str, Any],
    hub: dict[str, Any],
    examples: list[int],
    data_dir: str | None = None,
    **_: Any,  # noqa: ANN401 - lm-eval passes all metadata
) -> dict[str, Dataset]:
    """Return the checked splits; an item's id is its task id, and few-shot examples come in the order given."""
    rows = {int(row["task_id"]): row for row in read_sources(files, hub, data_dir)["all"]}  # type: ignore[call-overload]
    order = {split: list(ids) for split, ids in SPLITS.items()} | {"examples": examples}
    return {split: Dataset.from_list([document(rows[i]) for i in ids]) for split, ids in order.items()}


def document(row: dict[str, Any]) -> dict[str, Any]:
    """Return an item with its solution as a fenced block, which is how the prompt asks for it."""
    code = row["code"].replace("\r\n", "\n").strip()
    return {
        "id": str(row["task_id"]),
        "question": row["text"],
        "worked": f"```python\n{code}\n```",
        "tests": list(row["test_list"]),
        "test_setup_code": row["test_setup_code"] or "",
    }


def doc_to_text(doc: dict[str, Any]) -> str:
    """Return the prompt of one problem: the task and all of its assertions, as in the paper."""
    tests = "\n".join(doc["tests"])
    return f"Task: {doc['question']}\nThe code must pass these tests:\n{tests}\n\nAnswer with one block of Python code."


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Run one program against its assertions."""
    return score_document("code", "pass_at_1", doc, results)
