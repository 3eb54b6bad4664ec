"""Time report and gate on 16 cells x 7 seeds x 1,319 items: python benchmarks/reports.py. Targets: 5 s, 10 MB, 1 s."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare
from talan_eval.records.samples import Sample, write_samples
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from pydantic import JsonValue

CELLS, SEEDS, ITEMS = 16, 7, 1319
LENGTH = 320  # characters of an answer


def main() -> None:
    """Build the directory, run both commands, print time and size."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "run"
        build(directory)
        size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6
        print(f"{CELLS} cells x {SEEDS} seeds x {ITEMS} items, {size:.0f} MB of answers")
        formats = "md,tex,csv,json,html,svg,png,methods,bib"
        timed("report, all formats", "report", str(directory), "--format", formats, "--out", str(directory / "out"))
        tables = "md,tex,csv,json,html"
        timed("report, tables and page", "report", str(directory), "--format", tables, "--out", str(directory / "out"))
        print(f"html {(directory / 'out' / 'report.html').stat().st_size / 1e6:.2f} MB")
        timed("gate", "gate", str(directory), "--per-cell")
        timed("gate --help (start alone)", "gate", "--help")


def build(directory: Path) -> None:
    """Write a results directory with random answers."""
    draw = np.random.default_rng(0)
    words = draw.integers(0, 5000, 100_000)  # answers are pieces of this text: no two alike, as hard to pack as prose
    text = " ".join(f"word{word}" for word in words)
    matrices = []
    store = Store.open(directory, Manifest({"name": "benchmark"}, "2026-01-01T00:00:00+00:00"))
    for number in range(CELLS):
        ability = draw.beta(2, 2, size=ITEMS)
        base, treat = (np.clip(draw.random((SEEDS, ITEMS)) * 0.3 + ability, 0, 1) > 0.65 for _ in range(2))  # noqa: PLR2004 - some right, some wrong
        ids = tuple(f"item-{n}" for n in range(ITEMS))
        items = ItemTable(f"task{number}", "acc", ids, "0" * 12)
        for arm, scores in (("lora", base), ("talan+lora", treat)):
            matrices.append(ScoreMatrix("micro", arm, items, tuple(range(SEEDS)), scores.astype(float)))
            for seed in range(SEEDS):
                starts = draw.integers(0, len(text) - LENGTH, ITEMS).tolist()
                answers = [text[start : start + LENGTH] for start in starts]
                graded = zip(ids, scores[seed].tolist(), answers, strict=True)
                payload = write_samples([sample(item, answer, right=right) for item, right, answer in graded])
                data = {"kind": "evaluation", "arm": arm, "backbone": "micro", "seed": seed, "task": items.task}
                store.seal(f"eval_{items.task}_{arm}_{seed}", data, {f"{items.task}/{arm}-{seed}.parquet": payload})
    quick = StatisticsSettings(resamples=100)
    tasks: list[JsonValue] = [{"name": f"task{number}", "publish_text": True} for number in range(CELLS)]
    origin = Origin(provenance={"experiment": {"tasks": tasks}})
    result = compare(matrices, [ContrastSpec("lora", "talan+lora")], origin, quick)
    (directory / "result.json").write_text(result.to_json())


def sample(item: str, answer: str, *, right: bool) -> Sample:
    """Return one graded answer."""
    verdict = "match" if right else "mismatch"
    return Sample(item, "0", float(right), verdict, "42", "equal" if right else "differs from 43", answer)


def timed(title: str, *words: str) -> None:
    """Run one command in a process of its own; print its wall time and its processor time."""
    command = [sys.executable, "-m", "talan_eval.cli.main", *words]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{title}: {wall:.2f} s, {used:.2f} s of processor time, exit code {done.returncode}{done.stderr[-300:]}")


if __name__ == "__main__":
    main()
