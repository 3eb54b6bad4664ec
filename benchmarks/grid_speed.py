"""Time planning and listing of a large grid, without any model: 125 seeds x 2 arms x 4 benchmarks = 1,000 evaluations.

python benchmarks/grid_speed.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from talan_eval.experiment import BackboneIdentity, Experiment, TaskSpec, TrainingSource, TunedBackbone
from talan_eval.grid import plan
from talan_eval.records.adoption import offers
from talan_eval.records.listing import status_of
from talan_eval.records.samples import Sample, write_samples
from talan_eval.result.contrast import ContrastSpec
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS = ("gpqa_diamond_micro", "gsm8k_micro", "math500_micro", "mbpp_micro")


def experiment(seeds: int) -> Experiment:
    """Return an experiment with four benchmarks."""
    return Experiment(
        backbones=(
            TunedBackbone(
                identity=BackboneIdentity(name="micro", commit=None, sha256="0" * 64, note=""),
                training={"steps": 96, "batch_size": 8, "learning_rate": 0.003, "dtype": "float32"},
                operating_point={"slots": 2, "layer": 0.5, "mixer": "bilinear"},
                eval_batch=64,
            ),
        ),
        arms=("lora", "talan+lora"),
        contrasts=(ContrastSpec("lora", "talan+lora"),),
        seeds=tuple(range(seeds)),
        tasks=tuple(_task(name) for name in TASKS),
        train=tuple(TrainingSource(name=name, n_train=600, train_hash="t" * 16) for name in TASKS),
        device="cpu",
        versions={"torch": "2.13.0", "transformers": "5.16", "peft": "0.21"},
    )


def _task(name: str) -> TaskSpec:
    return TaskSpec(
        name=name, version="1:00000000", metric="exact_match", grader="number", n_items=200, n_train=600,
        items_hash="i" * 16, train_hash="t" * 16, runs_code=False,
    )  # fmt: skip


def fill(directory: Path, some: Experiment) -> Store:
    """Seal every cell of an experiment with a small payload."""
    store = Store.open(directory, Manifest(some.to_json(), "now"))
    payload = write_samples([Sample(f"item-{n}", "0" * 16, 1.0, "match", "4", "equal", "x" * 200) for n in range(200)])
    for run in plan(some):
        store.seal(run.cell_id, {"kind": "training"})
        for cell in run.evaluations:
            store.seal(cell.cell_id, {"kind": "evaluation"}, {f"{cell.task}/{cell.cell_id}.parquet": payload})
    return store


def timed(name: str, work: Callable[[], object]) -> None:
    """Print the shortest of three wall times, and its CPU time."""
    best = (float("inf"), 0.0)
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{name:<44}{best[0]:>8.3f} s wall{best[1]:>8.3f} s CPU")


def main() -> None:
    """Fill a directory and time what reads it."""
    parser = argparse.ArgumentParser(description="Time planning and listing of a large grid.")
    parser.add_argument("--seeds", type=int, default=125)
    seeds = parser.parse_args().seeds
    some = experiment(seeds)
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        store = fill(Path(root) / "one", some)
        cells = sum(1 + len(run.evaluations) for run in plan(some))
        each = (time.perf_counter() - began) / cells
        print(f"{cells} cells ({cells * 4 // 5} evaluations); sealing one took {1000 * each:.1f} ms")
        timed("plan", lambda: plan(some))
        timed("list (runs DIR)", lambda: status_of(Store.load(Path(root) / "one")))
        timed("look for cells in a sibling", lambda: offers(Path(root) / "two"))
        timed("check every hash (start, runs verify)", store.verify)


if __name__ == "__main__":
    main()
