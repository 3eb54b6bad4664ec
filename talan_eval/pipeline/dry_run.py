"""What a command would find and do, without writing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.grid import plan
from talan_eval.intake.hours import hours
from talan_eval.pipeline.session import still_missing
from talan_eval.records.adoption import offers
from talan_eval.store.records import Manifest
from talan_eval.store.store import MANIFEST_NAME, Store, refuse_foreign, refuse_other_experiment

if TYPE_CHECKING:
    from talan_eval.experiment import Experiment
    from talan_eval.grid import Run
    from talan_eval.intake.assignment import Assignment
    from talan_eval.intake.hours import Hours
    from talan_eval.intake.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Outlook:
    """The grid and what is there of it.

    Attributes:
        runs: All runs of the experiment.
        finished: Evaluations that are finished in the directory.
        offered: Evaluations that a sibling directory offers.
        missing: Runs with what must be computed.
        trained: Runs of the experiment whose checkpoint is there.
        trainings_offered: Runs whose checkpoint only a sibling directory has.
        problems: What is damaged in the directory.
    """

    runs: tuple[Run, ...]
    finished: int
    offered: int
    missing: tuple[Run, ...]
    trained: frozenset[str]
    trainings_offered: frozenset[str]
    problems: tuple[str, ...]


def outlook(prepared: Prepared) -> Outlook:
    """Find out what is there.

    Raises:
        UserError: The directory holds another experiment or something else, or cannot be read.
    """
    directory = prepared.assignments[0].directory
    refuse_foreign(directory)
    runs = plan(prepared.experiment)
    records: frozenset[str] = frozenset()
    here: list[str] = []
    problems: tuple[str, ...] = ()
    if (directory / MANIFEST_NAME).exists():
        store = Store.load(directory)
        refuse_other_experiment(directory, store.manifest, Manifest(prepared.experiment.to_json(), ""))
        state = store.verify()
        records, problems, here = frozenset(state.records), state.problems, store.checkpoint_names()
    found = offers(directory, answers=prepared.assignments[0].keep_answers)
    needed = still_missing(runs, records)
    missing = still_missing(needed, found.cells)
    return Outlook(
        runs,
        finished=_evaluations(runs) - _evaluations(needed),
        offered=_evaluations(needed) - _evaluations(missing),
        missing=missing,
        trained=frozenset(here),
        trainings_offered=frozenset(r.cell_id for r in needed if r.cell_id in found.checkpoints) - frozenset(here),
        problems=problems,
    )


def hours_of(prepared: Prepared, assignment: Assignment, missing: tuple[Run, ...]) -> Hours:
    """Estimate what is missing on a backbone of which the configuration alone is here.

    Args:
        prepared: The checked request.
        assignment: The backbone's.
        missing: Runs with what must be computed.
    """
    items = {task.name: task.n_items * task.generation.samples for task in prepared.experiment.tasks}
    runs = [run for run in missing if run.backbone == assignment.backbone]
    return hours(assignment, runs, prepared.lengths, items)


def arm_to_measure(experiment: Experiment, found: Outlook) -> str:
    """Return the arm that a pilot is to measure.

    The first treatment or the only arm, or one that is still to be trained before it.
    """
    treatment = experiment.contrasts[0].treatment if experiment.contrasts else experiment.arms[0]
    if experiment.trains(treatment):
        return treatment
    return next((run.arm for run in found.missing if experiment.trains(run.arm)), treatment)


def _evaluations(runs: tuple[Run, ...]) -> int:
    return sum(len(run.evaluations) for run in runs)
