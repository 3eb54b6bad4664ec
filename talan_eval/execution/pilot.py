"""A short pilot in a process of its own: how long a training step and an answer take here, and what they need."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from talan_core.arms import parse_arm
from talan_core.errors import UserError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from transformers import PreTrainedTokenizerBase

    from talan_eval.execution.run_worker import RunWorker
    from talan_eval.generation.backend import Checkpoint, Generator
    from talan_eval.intake.assignment import Assignment

_STEPS = 3
_KILOBYTE = 1024
_SEED = 0


@dataclass(frozen=True, slots=True)
class Pilot:
    """What was measured.

    Attributes:
        arm: What was measured.
        start_seconds: To load libraries, tokenizer and benchmarks; once for each worker.
        step_seconds: A training step, the first one left out.
        item_seconds: An answer with its grade, by benchmark, in a batch of the longest prompts: others are faster.
        memory_bytes: Largest resident memory of the process.
        device_bytes: Largest memory on the device; 0 without one.
        checkpoint_bytes: Size of a checkpoint.
        item_bytes: Size of a kept answer.
    """

    arm: str
    start_seconds: float
    step_seconds: float
    item_seconds: dict[str, float]
    memory_bytes: int
    device_bytes: int
    checkpoint_bytes: int
    item_bytes: float


def measure(assignment: Assignment, arm: str) -> Pilot:
    """Train an arm for a few steps, if it is trained here, and answer one batch of each benchmark; nothing is kept.

    Args:
        assignment: The experiment, as a worker sees it.
        arm: Canonical arm name.

    Raises:
        UserError: The pilot failed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(assignment, arm, theirs))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        process.join()
        raise UserError(
            f"The pilot's process ended without a result (exit code {process.exitcode}; -9 means that memory ran out).",
            "Choose a smaller --batch-size or --eval-batch, or a larger machine.",
        ) from None
    process.join()
    if isinstance(found, UserError):
        raise found
    if not isinstance(found, Pilot):
        raise TypeError(f"the pilot sent {found!r}")
    return found


def _measure(assignment: Assignment, arm: str, connection: Connection) -> None:
    try:
        connection.send(_measured(assignment, arm))
    except UserError as error:
        connection.send(error)


def _measured(assignment: Assignment, arm: str) -> Pilot:
    began = time.perf_counter()
    import torch  # noqa: PLC0415 - heavy, only in this process

    from talan_eval.execution.run_worker import RunWorker  # noqa: PLC0415 - as above

    if assignment.threads is not None:
        torch.set_num_threads(assignment.threads)
    worker = RunWorker(assignment, assignment.device)
    start_seconds = time.perf_counter() - began
    ticks: list[float] = []
    checkpoint_bytes = 0
    stored = next((key for key in assignment.stored if key[0] == arm), None)
    with tempfile.TemporaryDirectory() as directory:
        if stored is None:
            checkpoint = _trained(worker, arm, Path(directory), ticks)
            checkpoint_bytes = sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
        else:
            checkpoint = assignment.stored[stored].checkpoint()
        seed = _SEED if stored is None else stored[1]
        checkpoint = replace(checkpoint, served=assignment.served.get((arm, seed)))
        with worker.engine_for(arm, seed).open(checkpoint) as generator:
            tokenizer = worker.tokenizer_of(arm, seed)
            answered = {name: _answered(worker, generator, tokenizer, name) for name in assignment.tasks}
    return Pilot(
        arm=arm,
        start_seconds=start_seconds,
        step_seconds=(ticks[-1] - ticks[0]) / (len(ticks) - 1) if len(ticks) > 1 else 0.0,
        item_seconds={name: seconds for name, (seconds, _) in answered.items()},
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE,
        device_bytes=torch.cuda.max_memory_allocated() if worker.device.type == "cuda" else 0,
        checkpoint_bytes=checkpoint_bytes,
        item_bytes=max(size for _, size in answered.values()),
    )


def _trained(worker: RunWorker, arm: str, directory: Path, ticks: list[float]) -> Checkpoint:
    """Train an arm for a few steps, noting when each ended, and save it."""
    from talan_core.quiet import library_warnings_silenced  # noqa: PLC0415 - heavy
    from talan_core.training.fit import fit  # noqa: PLC0415 - as above
    from talan_eval.generation.backend import Checkpoint  # noqa: PLC0415 - as above

    model = worker.built(arm, _SEED)
    fit(
        model,
        worker.tokenizer,
        worker.examples if parse_arm(arm).has_seeds else (),
        worker.assignment.recipe_of(arm).with_steps(_STEPS),
        seed=_SEED,
        work_dir=directory / "work",
        on_step=lambda *_: ticks.append(time.perf_counter()),
    )
    with library_warnings_silenced():
        model.save_pretrained(str(directory))
    return Checkpoint(directory, trained=model)


def _answered(
    worker: RunWorker, generator: Generator, tokenizer: PreTrainedTokenizerBase, name: str
) -> tuple[float, float]:
    """Answer one batch of the longest prompts; return seconds and bytes of an answer."""
    from talan_eval.generation.evaluate import evaluate  # noqa: PLC0415 - heavy
    from talan_eval.records.samples import write_samples  # noqa: PLC0415 - as above

    benchmark = worker.benchmarks[name]
    longest = sorted(benchmark.items, key=lambda item: -len(item.prompt))[: worker.assignment.eval_batch]
    kept = tuple(item for item in benchmark.items if item in longest)
    began = time.perf_counter()
    evaluation = evaluate(generator, tokenizer, replace(benchmark, items=kept), len(kept))
    seconds = time.perf_counter() - began
    return seconds / len(kept), len(write_samples(evaluation.samples)) / len(kept)
