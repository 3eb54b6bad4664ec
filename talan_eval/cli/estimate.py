"""The words of a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_eval.cli.remaining import spoken
from talan_eval.pipeline.dry_run import arm_to_measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_core.recipes.footprint import Footprint
    from talan_eval.execution.pilot import Pilot
    from talan_eval.experiment import Experiment
    from talan_eval.grid import Run
    from talan_eval.intake.hours import Hours
    from talan_eval.intake.prepare import Prepared
    from talan_eval.pipeline.dry_run import Outlook
    from talan_eval.result.contrast import ContrastSpec

_WHOLE: Final = 10  # hours from which on tenths say nothing
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def lines(
    prepared: Prepared,
    found: Outlook,
    pilots: Mapping[str, Pilot],
    footprints: Mapping[str, Footprint] | None = None,
    planned: Mapping[str, Hours] | None = None,
) -> Iterator[str]:
    """Say what a command would do.

    Args:
        prepared: The checked request.
        found: What is there.
        pilots: What was measured on each backbone of which something is to be computed; empty without a pilot.
        footprints: What the architecture tells of the first treatment's memory, by backbone.
        planned: What is estimated for backbones of which the configuration alone is here.
    """
    experiment = prepared.experiment
    seeds = ", ".join(map(str, experiment.seeds))
    where = ", ".join(backbone.name for backbone in experiment.backbones)
    asked = _compared(experiment.contrasts) if experiment.contrasts else f"{experiment.arms[0]} alone"
    yield f"{asked} on {where}, seeds {seeds}"
    if experiment.confirm:
        fresh = experiment.fresh_seeds
        yield f"then the best of them and its base again on seeds {fresh[0]} to {fresh[-1]} (not counted below)"
    yield f"Directory: {prepared.assignments[0].directory}"
    yield from _stored(experiment)
    yield from found.problems
    missing = sum(len(run.evaluations) for run in found.missing)
    yield f"{'':<14}{'grid':>6}{'finished':>10}{'adopted':>9}{'to do':>7}"
    every = sum(experiment.trains(run.arm) for run in found.runs)
    trainings = len(_trainings(prepared, found))
    taken = len(found.trainings_offered)
    yield f"{'fine-tunings':<14}{every:>6}{every - trainings - taken:>10}{taken:>9}{trainings:>7}"
    total = sum(len(run.evaluations) for run in found.runs)
    yield f"{'evaluations':<14}{total:>6}{found.finished:>10}{found.offered:>9}{missing:>7}"
    if not found.missing:
        yield "Nothing is to be computed; the table would be printed from what is there."
        return
    yield from _recipes(prepared)
    yield _work(prepared, found)
    if footprints:
        yield from footprint_lines(footprints, arm_to_measure(prepared.experiment, found))
    for name, one in (planned or {}).items():
        yield from _elsewhere(name, one)
    if pilots:
        yield from _estimates(prepared, found, pilots)
    yield f"Nothing was written.{'' if pilots or planned else ' Time and disk are measured by a pilot: --pilot'}"


def _compared(contrasts: Sequence[ContrastSpec]) -> str:
    """Name the contrasts; those of one base together."""
    treatments: dict[str, list[str]] = {}
    for one in contrasts:
        treatments.setdefault(one.base, []).append(one.treatment)
    return "; ".join(f"{', '.join(names)} against {base}" for base, names in treatments.items())


def _stored(experiment: Experiment) -> Iterator[str]:
    """Say which arms were trained elsewhere, and how many of their checkpoints there are."""
    for one in experiment.stored:
        where = f"{one.what}, {one.where}"
        many = f"seeds {', '.join(map(str, one.seeds))}" if one.name not in experiment.fixed else "one checkpoint"
        asked = ", asked with its own tokenizer or chat template" if one.is_asked_its_own_way else ""
        yield f"{one.name} is stored ({where}; {many}{asked}): nothing is trained for it"


def _trainings(prepared: Prepared, found: Outlook) -> list[Run]:
    there = found.trained | found.trainings_offered
    return [run for run in found.missing if run.cell_id not in there and prepared.experiment.trains(run.arm)]


def _work(prepared: Prepared, found: Outlook) -> str:
    """Say how many steps and answers are to come."""
    sizes = {task.name: task.n_items * task.generation.samples for task in prepared.experiment.tasks}
    steps = {one.backbone: one.training.steps_for(prepared.experiment.n_train) for one in prepared.assignments}
    of_training = sum(steps[run.backbone] for run in _trainings(prepared, found))
    answers = sum(sizes[cell.task] for run in found.missing for cell in run.evaluations)
    return f"work    {of_training:,} training steps, {answers:,} answers"


def _estimates(prepared: Prepared, found: Outlook, pilots: Mapping[str, Pilot]) -> Iterator[str]:
    sizes = {task.name: task.n_items for task in prepared.experiment.tasks}
    steps = {one.backbone: one.training.steps_for(prepared.experiment.n_train) for one in prepared.assignments}
    side_by_side = min(prepared.workers, len(found.missing))
    trained = _trainings(prepared, found)
    work = sum(steps[run.backbone] * pilots[run.backbone].step_seconds for run in trained)
    work += sum(
        sizes[cell.task] * pilots[run.backbone].item_seconds[cell.task]
        for run in found.missing
        for cell in run.evaluations
    )
    disk = float(sum(pilots[run.backbone].checkpoint_bytes for run in trained))
    disk += sum(sizes[c.task] * pilots[run.backbone].item_bytes for run in found.missing for c in run.evaluations)
    for name, pilot in pilots.items():
        where = f" on {name}" if len(pilots) > 1 else ""
        step = f"{pilot.step_seconds:.3f} s a training step, " if prepared.experiment.trains(pilot.arm) else ""
        yield (
            f"Measured now on {pilot.arm}{where}, one process: {step}up to "
            f"{max(pilot.item_seconds.values()):.3f} s an answer (longest prompts first), {pilot.start_seconds:.0f} s "
            "to start a worker"
        )
    start = max(pilot.start_seconds for pilot in pilots.values())
    memory = max(pilot.memory_bytes for pilot in pilots.values())
    on_device = max(pilot.device_bytes for pilot in pilots.values())
    yield (
        f"time    at most about {spoken(start + work / side_by_side)} on {side_by_side} worker(s), if they do not slow "
        "each other down"
    )
    device = f", {_size(on_device)} on the device" if on_device else ""
    yield f"memory  {_size(memory)} a worker{device}; {_size(memory * side_by_side)} together"
    each = f" ({_size(max(pilot.checkpoint_bytes for pilot in pilots.values()))} a checkpoint)" if trained else ""
    yield f"disk    {_size(disk)}{each}"


def _elsewhere(backbone: str, planned: Hours) -> Iterator[str]:
    """Say what a backbone that is not here takes where it is run, and on which assumptions."""
    yield (
        f"{backbone} is not on this machine: planned from its published configuration; prompts were not checked "
        "against its tokenizer"
    )
    divided = f" --gpus-per-run {planned.devices}" if planned.devices > 1 else ""
    if planned.changes or divided:
        yield f"To fit {planned.device} of 80 GB: {planned.changes}{divided}"
    yield from footprint_lines({backbone: planned.footprint}, planned.arm)
    yield (
        f"time    on {planned.devices} {planned.device}: training about {_hours(planned.training)} GPU hours, "
        f"answering about {_hours(planned.answering)} if every answer is as long as it may be (two fifths of the peak "
        "arithmetic and half of the bandwidth are taken to be reached; a pilot there tells more)"
    )


def _hours(count: float) -> str:
    return f"{count:,.0f}" if count >= _WHOLE else f"{count:.2g}"


def _recipes(prepared: Prepared) -> Iterator[str]:
    """Say which arms have a recipe of their own."""
    for backbone in prepared.experiment.backbones:
        for arm, own in backbone.training_by_arm.items():
            where = f" on {backbone.name}" if len(prepared.experiment.backbones) > 1 else ""
            yield f"{arm}{where} is trained with {', '.join(f'{key}={value}' for key, value in own.items())}"


def footprint_lines(footprints: Mapping[str, Footprint], arm: str) -> Iterator[str]:
    """Say by part what the architecture tells of an arm's memory, by backbone."""
    for name, found in footprints.items():
        parts = ("weights", "adapter", "optimizer", "activations", "logits")
        said = ", ".join(f"{part} {_size(getattr(found, part))}" for part in parts)
        yield (
            f"From the architecture, {arm} on {name}: training {_size(found.training)} ({said}), answering "
            f"{_size(found.answering)} (cache {_size(found.cache)}), libraries not counted"
        )


def _size(count: float) -> str:
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"
