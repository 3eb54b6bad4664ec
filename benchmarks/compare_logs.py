"""Time ``talan-eval compare-logs``, from starting the interpreter to the table.

    python benchmarks/compare_logs.py

Writes what ``lm_eval --log_samples`` leaves behind into a temporary directory, and runs the command on it several
times, each in a process of its own: 2 arms x 7 seeds x 16 tasks x 1,319 items (360 MB), and 12 arms x 7 seeds x 4 tasks
x 1,319 items (540 MB). The first run finds the files in the page cache as the others do: they were just written.

``CPU`` is the processor time of all threads, with one thread per library; ``wall`` says something on an idle machine
only. ``memory`` is the peak resident size of the whole process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

SEEDS: Final = 7
ITEMS: Final = 1319
TIME: Final = "2026-01-02T03-04-05.678901"
COMMAND: Final = (sys.executable, "-m", "talan_eval.cli.main")
ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_STORY: Final = (
    "Every week Ana packs 12 boxes with pears and sells two thirds of them at the market for 3 dollars each. "
)
_ANSWER: Final = "First we count what is left, then we multiply by the price and add both numbers. "


@dataclass(frozen=True, slots=True)
class Size:
    """So many arms and tasks, and what the command may take: CPU seconds, and megabytes where there is a bound."""

    arms: int
    tasks: int
    cpu: float
    memory: float | None = None

    def names(self) -> list[str]:
        """Return the names of the arms, the base first."""
        return ["base", *(f"arm{number}" for number in range(1, self.arms))]


SIZES: Final = (Size(2, 16, 2.0), Size(12, 4, 4.0, 500))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command: seconds, seconds, and megabytes."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Write the logs, run the command, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="write the logs below this directory and leave them there")
    chosen = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as temporary:
        for size in SIZES:
            root = (Path(temporary) if chosen.keep is None else chosen.keep) / f"{size.arms}x{size.tasks}"
            if not root.exists():
                write_logs(root, size, chosen.seeds, chosen.items)
            megabytes = sum(path.stat().st_size for path in root.rglob("samples_*.jsonl")) / 1e6
            print(f"\n{size.arms} arms x {chosen.seeds} seeds x {size.tasks} tasks x {chosen.items:,} items, ", end="")
            print(f"{megabytes:.0f} MB of logs\n{'':<28}{'wall, s':>9}{'CPU, s':>9}{'memory, MB':>12}")
            logs = [f"{name}={root / name}" for name in size.names()]
            command = [*COMMAND, "compare-logs", *logs, "--json", str(root / "out.json")]
            _row("compare-logs, best of runs", command, chosen.repeats)
            bound = "" if size.memory is None else f", {size.memory:g} MB"
            print(f"target: {size.cpu:g} s CPU{bound}")
        print()
        _row("compare-logs --help", [*COMMAND, "compare-logs", "--help"], chosen.repeats)


def write_logs(root: Path, size: Size, seeds: int, items: int) -> None:
    """Write ARM/seedN below ``root``, as lm-eval does: the keys of a line in its order."""
    rng = np.random.default_rng(0)
    for task in range(size.tasks):
        easy = rng.beta(2, 2, size=items)
        heads = [_head(task, item) for item in range(items)]
        for seed in range(seeds):
            for number, arm in enumerate(size.names()):
                right = (rng.random(items) < easy + 0.01 * number).astype(float).tolist()
                lines = [_line(head, score, seed) for head, score in zip(heads, right, strict=True)]
                directory = root / arm / f"seed{seed}"
                directory.mkdir(parents=True, exist_ok=True)
                (directory / f"samples_task{task}_{TIME}.jsonl").write_text("".join(lines), encoding="utf-8")
    tasks = [f"task{task}" for task in range(size.tasks)]
    for arm in size.names():
        for seed in range(seeds):
            summary = {
                "versions": dict.fromkeys(tasks, 1),
                "n-shot": dict.fromkeys(tasks, 0),
                "higher_is_better": {task: {"exact_match": True} for task in tasks},
                "config": {"model": "hf", "model_args": {"pretrained": "org/model", "peft": f"out/{arm}-seed{seed}"}},
                "lm_eval_version": "0.4.13",
            }
            file = root / arm / f"seed{seed}" / f"results_{TIME}.json"
            file.write_text(json.dumps(summary), encoding="utf-8")


def _head(task: int, item: int) -> dict[str, object]:
    question = f"Question {item} of task {task}. {_STORY * 2}How much does she earn?"
    prompt = f"Q: {question}\nA:"
    return {
        "doc_id": item,
        "doc": {"question": question, "answer": f"{_ANSWER}#### {item}"},
        "target": str(item),
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n\n"]}}},
        "hashes": {
            "doc_hash": _digest(question),
            "prompt_hash": _digest(prompt),
            "target_hash": _digest(str(item)),
        },
    }


def _line(head: dict[str, object], score: float, seed: int) -> str:
    answer = f"{_ANSWER}So run {seed} says {'it' if score else 'not'}."
    row = {name: value for name, value in head.items() if name != "hashes"}
    row |= {"resps": [[answer]], "filtered_resps": [answer[-12:]], "filter": "none", "metrics": ["exact_match"]}
    hashes = head["hashes"]
    assert isinstance(hashes, dict)  # noqa: S101 - as _head made it
    return json.dumps(row | hashes | {"exact_match": score}) + "\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _row(name: str, command: list[str], repeats: int) -> None:
    runs = [_timed(command) for _ in range(repeats)]
    wall, cpu, memory = min(run.wall for run in runs), min(run.cpu for run in runs), max(run.memory for run in runs)
    print(f"{name:<28}{wall:>9.2f}{cpu:>9.2f}{memory:>12.0f}")


def _timed(command: list[str]) -> Run:
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | ONE_THREAD
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {process.returncode}")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # of ru_maxrss: bytes on macOS, kilobytes on Linux
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


if __name__ == "__main__":
    main()
