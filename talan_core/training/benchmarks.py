"""The training splits of the benchmarks: which rows belong, and how prompt and worked solution are worded.

The wording is that of the evaluation tasks, so that an adapter is trained on what it will be asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The source marks each calculation for a calculator, as in <<3*4=12>>; people and models do not write so.
_CALCULATOR: Final = re.compile(r"<<[^<>]*>>")
_MBPP_TRAIN: Final = range(601, 975)

Row = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
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


def _gsm8k(row: Row) -> tuple[str, str]:
    prompt = f"{row['question']}\n\nReason step by step. End with a last line of the form '#### <number>'."
    return prompt, _CALCULATOR.sub("", row["answer"]).strip()


def _math(row: Row) -> tuple[str, str]:
    prompt = f"Problem: {row['problem']}\n\nReason step by step. Put the final answer in \\boxed{{}}."
    return prompt, row["solution"]


def _mbpp(row: Row) -> tuple[str, str]:
    tests = "\n".join(row["test_list"])
    prompt = f"Task: {row['text']}\nThe code must pass these tests:\n{tests}\n\nAnswer with one block of Python code."
    code = row["code"].replace("\r\n", "\n").strip()
    return prompt, f"```python\n{code}\n```"


BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "gsm8k": Benchmark("gsm8k/train.jsonl", 7473, ("question", "answer"), _gsm8k),
    "math": Benchmark("math/train.jsonl", 4500, ("problem", "solution"), _math),
    "mbpp": Benchmark(
        "mbpp/mbpp.jsonl",
        len(_MBPP_TRAIN),
        ("text", "code", "task_id", "test_list"),
        _mbpp,
        lambda row: row["task_id"] in _MBPP_TRAIN,
    ),
}
"""The named sources. "math" are the 4,500 problems of MATH's test split that MATH-500 leaves out."""
