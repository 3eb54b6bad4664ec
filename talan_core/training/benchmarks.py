"""The benchmarks' wording and splits: which rows belong where, and how prompt and worked solution are worded.

The evaluation tasks (``tasks/``) take prompts and splits from here, so that an adapter is trained on what it is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# The source marks each calculation for a calculator, as in <<3*4=12>>; people and models do not write so.
_CALCULATOR: Final = re.compile(r"<<[^<>]*>>")
MBPP_SPLITS: Final = {
    "examples": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}
"""Task ids of the splits, as the authors of MBPP define them."""

Row = dict[str, Any]


@dataclass(frozen=True)
class TrainingSplit:
    """A benchmark's training split.

    Args:
        file: Its file below the data directory.
        items: Number of training items in the published file.
        fields: Fields that every row has.
        words: Makes prompt and completion of a row.
        belongs: Whether a row is of the training split.
    """

    file: str
    items: int
    fields: tuple[str, ...]
    words: Callable[[Row], tuple[str, str]]
    belongs: Callable[[Row], bool] = lambda _: True


def gsm8k_prompt(question: str) -> str:
    """Return the prompt of one problem of GSM8K."""
    return f"{question}\n\nReason step by step. End with a last line of the form '#### <number>'."


def gsm8k_solution(answer: str) -> str:
    """Return a worked solution of GSM8K without its marks for a calculator."""
    return _CALCULATOR.sub("", answer).strip()


def math_prompt(problem: str) -> str:
    """Return the prompt of one problem of MATH."""
    return f"Problem: {problem}\n\nReason step by step. Put the final answer in \\boxed{{}}."


def mbpp_prompt(task: str, tests: Sequence[str]) -> str:
    """Return the prompt of one problem of MBPP: the task and all of its assertions, as in the paper."""
    listed = "\n".join(tests)
    return f"Task: {task}\nThe code must pass these tests:\n{listed}\n\nAnswer with one block of Python code."


def mbpp_solution(code: str) -> str:
    """Return a program of MBPP as a fenced block, which is how the prompt asks for it."""
    program = code.replace("\r\n", "\n").strip()
    return f"```python\n{program}\n```"


TRAINING_SPLITS: Final[Mapping[str, TrainingSplit]] = {
    "gsm8k": TrainingSplit(
        "gsm8k/train.jsonl",
        7473,
        ("question", "answer"),
        lambda row: (gsm8k_prompt(row["question"]), gsm8k_solution(row["answer"])),
    ),
    "math": TrainingSplit(
        "math/train.jsonl", 4500, ("problem", "solution"), lambda row: (math_prompt(row["problem"]), row["solution"])
    ),
    "mbpp": TrainingSplit(
        "mbpp/mbpp.jsonl",
        len(MBPP_SPLITS["train"]),
        ("text", "code", "task_id", "test_list"),
        lambda row: (mbpp_prompt(row["text"], row["test_list"]), mbpp_solution(row["code"])),
        lambda row: row["task_id"] in MBPP_SPLITS["train"],
    ),
}
"""The named sources. "math" are the 4,500 problems of MATH's test split that MATH-500 leaves out."""
