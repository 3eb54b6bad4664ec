"""Which checkpoints a comparison has left, and which others each is set against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pydantic

from talan_core.arms import parse_arm
from talan_core.errors import UserError
from talan_eval.experiment import Experiment
from talan_eval.grid import confirmation, plan
from talan_eval.result.labels import backbones
from talan_eval.result.reading import RESULT_NAME, read_result
from talan_eval.store.records import CorruptedError
from talan_eval.store.store import MANIFEST_NAME, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from talan_eval.grid import Run


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run whose checkpoint is on disk.

    Attributes:
        cell_id: Name of its training in the store.
        arm: Canonical arm name.
        backbone: Backbone name.
        seed: Training seed.
        directory: Its checkpoint.
        weights: Hash over the checkpoint's weights.
    """

    cell_id: str
    arm: str
    backbone: str
    seed: int
    directory: Path
    weights: str


@dataclass(frozen=True, slots=True)
class ExaminedRun:
    """A checkpoint to measure, and the others that give its quantities a scale.

    Attributes:
        run: The checkpoint.
        base: The base arm's of the same seed, from which a matched run diverges; None where the arm is compared with
            none without a block, or where that checkpoint is gone.
        other: The same arm's of the next seed, the last one's next being the first: what re-seeding does. None with
            one seed.
    """

    run: StoredRun
    base: StoredRun | None
    other: StoredRun | None


@dataclass(frozen=True, slots=True)
class StoredComparison:
    """A comparison's directory, with the checkpoints in it.

    Attributes:
        store: The directory.
        experiment: What was asked for.
        subjects: Its checkpoints, by backbone, arm and seed.
        missing: Runs that have seeds and no sound checkpoint, in words.
    """

    store: Store
    experiment: Experiment
    subjects: tuple[ExaminedRun, ...]
    missing: tuple[str, ...]


def find_subjects(directory: Path) -> StoredComparison:
    """Open a comparison and find its checkpoints.

    Args:
        directory: Where it was run.

    Raises:
        UserError: There is no comparison, or it is archived: results without checkpoints. The message says what to run.
    """
    if not (directory / MANIFEST_NAME).is_file():
        if (directory / RESULT_NAME).is_file():
            if "experiment" not in read_result(directory).provenance:
                raise UserError(
                    f"{directory} compares logs of another harness: there are no checkpoints that could be measured.",
                    "Measure arms that were trained here: talan-eval compare ...; talan-eval internals results/NAME",
                )
            raise _archived(directory)
        raise UserError(
            f"{directory} holds no comparison: there is no {MANIFEST_NAME}.",
            "Name a directory that `talan-eval compare` wrote: talan-eval internals results/NAME",
        )
    store = Store.load(directory)
    try:
        experiment = Experiment(**store.manifest.experiment)
    except pydantic.ValidationError as error:
        raise _archived(directory) from error
    seeded = [run for run in _every_run(experiment) if run.arm not in experiment.fixed]
    seeded = [run for run in seeded if experiment.trains(run.arm)]
    if not seeded:
        why = "All arms of {} are stored elsewhere" if experiment.stored else "No arm of {} is trained"
        raise UserError(
            f"{why.format(directory)}; this measures checkpoints that a comparison trained.",
            "Train the arms that are to be measured: talan-eval compare --base lora --treat talan+lora",
        )
    found = {run.cell_id: stored for run in seeded if (stored := _stored(store, run)) is not None}
    if not found:
        raise _archived(directory, experiment)
    missing = tuple(
        f"{run.arm} on {run.backbone}, seed {run.seed}"
        for run in seeded
        if run.cell_id not in found and run.seed in experiment.seeds
    )
    return StoredComparison(store, experiment, tuple(_subjects(experiment, tuple(found.values()))), missing)


def base_of(experiment: Experiment, arm: str) -> str | None:
    """Return the arm without a block that an arm is first compared with on equal seeds; None where there is none."""
    bases = (one.base for one in experiment.contrasts if one.treatment == arm and one.pairing == "paired")
    return next((base for base in bases if experiment.trains(base) and parse_arm(base).block is None), None)


def _every_run(experiment: Experiment) -> tuple[Run, ...]:
    return (*plan(experiment), *confirmation(experiment, experiment.arms))


def _stored(store: Store, run: Run) -> StoredRun | None:
    try:
        store.check_checkpoint(run.cell_id)
        directory, weights = store.checkpoint(run.cell_id), store.checkpoint_digest(run.cell_id)
    except CorruptedError:
        return None
    if directory is None or weights is None:
        return None
    return StoredRun(run.cell_id, run.arm, run.backbone, run.seed, directory, weights)


def _subjects(experiment: Experiment, stored: Sequence[StoredRun]) -> Iterator[ExaminedRun]:
    by_place = {(run.backbone, run.arm, run.seed): run for run in stored}
    for backbone in experiment.backbones:
        for arm in experiment.arms:
            own = sorted((run for run in stored if (run.backbone, run.arm) == (backbone.name, arm)), key=_seed)
            for place, run in enumerate(own):
                other = own[(place + 1) % len(own)] if len(own) > 1 else None
                base = base_of(experiment, arm)
                yield ExaminedRun(run, None if base is None else by_place.get((run.backbone, base, run.seed)), other)


def _seed(run: StoredRun) -> int:
    return run.seed


def _archived(directory: Path, experiment: Experiment | None = None) -> UserError:
    again = directory.with_name(f"{directory.name}-again")
    return UserError(
        f"{directory} is archived: it holds results and no checkpoints, in which alone the inside of a model is.",
        "Train them again, minutes on the bundled backbone, with the recipe and limits that were typed then, if any "
        "were (the manifest has them), and measure those:\n"
        f"{_command(directory, experiment)} --out {again}\n"
        f"talan-eval internals {again}",
    )


def _command(directory: Path, experiment: Experiment | None) -> str:
    """Return the comparison's command, from its own request or else from its manifest or its result."""
    request = directory / "request.json"
    if request.is_file():
        return f"talan-eval compare {request}"
    if experiment is not None:
        base, *treated = experiment.arms
        names = tuple(one.name for one in experiment.backbones)
        return _typed(names, (base, treated), experiment.seeds, tuple(task.name for task in experiment.tasks))
    result = read_result(directory)
    treated = list(dict.fromkeys(one.treatment for one in result.contrasts))
    seeds = sorted({seed for arm in result.arms for seed in arm.seeds})
    tasks = tuple(dict.fromkeys(cell.task for one in result.contrasts for cell in one.cells))
    return _typed(backbones(result), (result.contrasts[0].base, treated), seeds, tasks)


def _typed(names: Sequence[str], arms: tuple[str, Sequence[str]], seeds: Sequence[int], tasks: Sequence[str]) -> str:
    """Return a command for backbones, the base and its treatments, seeds, and benchmarks."""
    base, treated = arms
    options = (
        *(f"--backbone {name}" for name in names),
        f"--base '{base}'",
        *(f"--treat '{arm}'" for arm in treated),
        f"--seeds {','.join(map(str, seeds))}{',' if len(seeds) == 1 else ''}",
        f"--tasks {','.join(tasks)}",
    )
    return f"talan-eval compare {' '.join(options)}"
