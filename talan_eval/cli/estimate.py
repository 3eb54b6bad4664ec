"""The words of a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.cli.progress import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_eval.execution.pilot import Pilot
    from talan_eval.intake.prepare import Prepared
    from talan_eval.pipeline.dry_run import Outlook

_UNITS = ((2**30, "GB"), (2**20, "MB"), (2**10, "kB"))


def lines(prepared: Prepared, found: Outlook, pilot: Pilot | None) -> Iterator[str]:
    """Say what a command would do.

    Args:
        prepared: The checked request.
        found: What is there.
        pilot: What was measured, or None where nothing is to be computed.
    """
    experiment = prepared.experiment
    seeds = ", ".join(map(str, experiment.seeds))
    yield f"{experiment.base} against {experiment.treat} on {experiment.backbone.name}, seeds {seeds}"
    yield f"Directory: {prepared.assignment.directory}"
    yield from found.problems
    missing = sum(len(run.evaluations) for run in found.missing)
    yield f"{'':<14}{'grid':>6}{'finished':>10}{'adopted':>9}{'to do':>7}"
    there = found.trained | found.trainings_offered
    trainings = len([run for run in found.missing if run.cell_id not in there])
    taken = len(found.trainings_offered)
    yield f"{'fine-tunings':<14}{len(found.runs):>6}{len(found.runs) - trainings - taken:>10}{taken:>9}{trainings:>7}"
    total = sum(len(run.evaluations) for run in found.runs)
    yield f"{'evaluations':<14}{total:>6}{found.finished:>10}{found.offered:>9}{missing:>7}"
    if pilot is None:
        yield "Nothing is to be computed; the table would be printed from what is there."
        return
    yield from _estimates(prepared, found, pilot, trainings)
    yield "Nothing was written."


def _estimates(prepared: Prepared, found: Outlook, pilot: Pilot, trainings: int) -> Iterator[str]:
    sizes = {task.name: task.n_items for task in prepared.experiment.tasks}
    items = dict.fromkeys(sizes, 0)
    for run in found.missing:
        for cell in run.evaluations:
            items[cell.task] += sizes[cell.task]
    side_by_side = min(prepared.workers, len(found.missing))
    steps = trainings * prepared.assignment.training.steps
    answers = sum(count * pilot.item_seconds[name] for name, count in items.items())
    seconds = pilot.start_seconds + (steps * pilot.step_seconds + answers) / side_by_side
    disk = trainings * pilot.checkpoint_bytes + sum(items.values()) * pilot.item_bytes
    each = max(pilot.item_seconds.values())
    yield (
        f"Measured now on {prepared.experiment.treat}, one process: {pilot.step_seconds:.3f} s a training step, up to "
        f"{each:.3f} s an answer (longest prompts first), {pilot.start_seconds:.0f} s to start a worker"
    )
    yield f"time    at most about {spoken(seconds)} on {side_by_side} worker(s), if they do not slow each other down"
    device = f", {_size(pilot.device_bytes)} on the device" if pilot.device_bytes else ""
    yield f"memory  {_size(pilot.memory_bytes)} a worker{device}; {_size(pilot.memory_bytes * side_by_side)} together"
    yield f"disk    {_size(disk)} ({_size(pilot.checkpoint_bytes)} a checkpoint)"


def _size(count: float) -> str:
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"
