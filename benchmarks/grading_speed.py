"""Measure how long grading takes: ``python benchmarks/grading_speed.py --data-dir DIR``.

Answers are the benchmarks' own solutions, and for MATH-500 also those with another item's answer, where math-verify has
to try all it knows; hostile answers are added to see that they end at their limit.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from talan_eval.grading.graders import grade_answers
from talan_eval.tasks.benchmark import load_benchmark

HOSTILE = ("10^{10^{10^{10}}}", "(" * 500 + "1" + ")" * 500, r"\sum_{i=1}^{10000000} \frac{1}{i}", "9" * 3900)


def measure(task: str, data_dir: Path) -> None:
    """Print seconds for one benchmark's answers."""
    benchmark = load_benchmark(task, data_dir=data_dir, limit=None)
    docs = [item.doc for item in benchmark.items]
    batches = {"reference solutions": [doc["worked"] for doc in docs]}
    if task == "math500":
        others = [f"\\boxed{{{doc['answer']}}}" for doc in [*docs[1:], docs[0]]]
        batches["other items' answers"] = others
        batches["of these, 4 replaced by hostile ones"] = [*(f"\\boxed{{{text}}}" for text in HOSTILE), *others[4:]]
    for name, answers in batches.items():
        began = time.perf_counter()
        right = sum(grade.score for grade in grade_answers(benchmark.spec.grader, docs, answers))
        print(f"| {task} | {name} | {len(answers):,} | {right:.0f} | {time.perf_counter() - began:.2f} s |", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    args = parser.parse_args()
    print("| benchmark | answers | number | right | wall time |\n|---|---|---:|---:|---:|")
    for task in ("gsm8k", "gpqa_diamond", "math500"):
        measure(task, args.data_dir)


if __name__ == "__main__":
    main()
