"""What the store costs a cell: one micro fine-tuning and its four evaluations, and of it the time inside the store.

Counted are journals (with their flush to disk after each batch), Parquet files, sealing with its hashes, building the
checkpoint and checking it. With `--save-minutes` the state of the training is written as well, which is counted too.

python benchmarks/cell_overhead.py [--save-minutes 0.02]
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from talan_core.training import state
from talan_core.training.trainer import TalanTrainer
from talan_eval.execution import run_worker as cell
from talan_eval.intake.prepare import prepare
from talan_eval.pipeline.session import open_session
from talan_eval.requests.compare import CompareRequest
from talan_eval.store import checkpoints
from talan_eval.store.journal import Journal
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNTED = (
    (Journal, "append"), (Store, "journal"), (Store, "seal"), (Store, "is_sound"), (Store, "checkpoint"),
    (Store, "checkpoint_digest"), (Store, "forget_training"), (cell, "write_samples"), (checkpoints, "flush_tree"),
    (checkpoints, "_described"), (checkpoints, "make_directory"), (TalanTrainer, "_save_checkpoint"),
    (state, "last_complete"),
)  # fmt: skip


class Clock:
    """Sums the time inside functions; a function that is called by another counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._depth = 0

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a clock around it."""

        @functools.wraps(function)
        def timed(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - any function's
            began = time.perf_counter()
            self._depth += 1
            try:
                return function(*args, **options)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

        return timed


@contextlib.contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Put the clock around what is counted, inside the block."""
    kept = [(owner, name, owner.__dict__[name]) for owner, name in COUNTED]
    try:
        for owner, name, function in kept:
            setattr(owner, name, clock.around(name, function))
        yield
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def main() -> None:
    """Perform one run and print what the store took of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save-minutes", type=float, default=10.0)
    parser.add_argument("--limit", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        prepared = prepare(
            CompareRequest(
                seeds="1", limit=options.limit, save_minutes=options.save_minutes, out=Path(directory) / "out"
            )
        )
        with open_session(prepared) as session:
            worker = cell.RunWorker(prepared.assignments[0], "cpu")
            began = time.perf_counter()
            with watched(clock):
                failures = worker.perform(session.runs[0], lambda _event: None)
            whole = time.perf_counter() - began
    if failures:
        raise RuntimeError(failures[0].message)
    print(f"\none fine-tuning, {len(session.runs[0].evaluations)} evaluations of {options.limit} items: {whole:.1f} s")
    for name, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(f"  {name:<20}{1000 * seconds:>8.1f} ms{100 * seconds / whole:>8.2f} %")
    total = sum(clock.seconds.values())
    print(f"  {'the store in all':<20}{1000 * total:>8.1f} ms{100 * total / whole:>8.2f} %")
    print(f"{platform.system()} {platform.release()}, {len(os.sched_getaffinity(0))} cores, one thread")


if __name__ == "__main__":
    main()
