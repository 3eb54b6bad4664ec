"""What cells have to say beside their scores: failures, checkpoints that differ, graders that disagree."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from talan_eval.result.schema import FailedCell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.experiment import Experiment
    from talan_eval.grid import Run
    from talan_eval.store.failures import Failure
    from talan_eval.store.records import SealedRecord


def failed_evaluations(
    runs: Sequence[Run], records: Mapping[str, SealedRecord], failures: Mapping[str, Failure]
) -> tuple[FailedCell, ...]:
    """Return the evaluations without result in the order of the grid."""
    failed = []
    for run in runs:
        for cell in run.evaluations:
            failure = failures.get(cell.cell_id, failures.get(run.cell_id))
            if cell.cell_id not in records and failure is not None:
                reason = " ".join(failure.message.split())
                failed.append(
                    FailedCell(arm=run.arm, backbone=run.backbone, seed=run.seed, task=cell.task, reason=reason)
                )
    return tuple(failed)


def failure_notes(experiment: Experiment, failed: Sequence[FailedCell]) -> list[str]:
    """Say what is missing, why, and what was left out for it."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for cell in failed:
        tasks.setdefault((_run(experiment, cell), cell.reason), []).append(cell.task)
    left_out = "the pair is left out of the arm's contrasts" if experiment.contrasts else "it counts in no mean"
    return [
        f"{', '.join(names)}: no result of {run}, so {left_out} ({reason})." for (run, reason), names in tasks.items()
    ]


def mixed_checkpoints(experiment: Experiment, runs: Sequence[Run], records: Mapping[str, SealedRecord]) -> list[str]:
    """Name the runs whose benchmarks were answered by different weights: trained twice, and not bit-equal."""
    notes = []
    for run in runs:
        weights = {records[c.cell_id].data.get("weights") for c in run.evaluations if c.cell_id in records}
        if len(weights) > 1:
            notes.append(
                f"{_run(experiment, run)} was trained more than once, and its benchmarks were answered by different "
                "weights."
            )
    return notes


def _run(experiment: Experiment, one: Run | FailedCell) -> str:
    """Name a run: its backbone where there are several, its seed where it has one."""
    where = f" on {one.backbone}" if len(experiment.backbones) > 1 else ""
    seed = "" if one.arm in experiment.fixed else f" at seed {one.seed}"
    return f"{one.arm}{where}{seed}"


def grader_disagreements(
    experiment: Experiment, runs: Sequence[Run], records: Mapping[str, SealedRecord]
) -> Iterator[str]:
    """Say on how many answers the two graders of a benchmark differ, where one has two."""
    for task in experiment.tasks:
        counted: dict[str, Counter[str]] = {arm: Counter() for arm in experiment.arms}
        for run in runs:
            for cell in run.evaluations:
                if cell.task == task.name and cell.cell_id in records:
                    counted[run.arm].update(records[cell.cell_id].data.get("disagreements") or {})
        if any(count.total() for count in counted.values()):
            strict, symbolic = (
                " / ".join(str(count[key]) for count in counted.values()) for key in ("strict_only", "symbolic_only")
            )
            yield (
                f"{task.name}: the two graders disagree on some answers, {' / '.join(experiment.arms)}: {strict} are "
                f"right by the normaliser alone and {symbolic} by math-verify alone; they are marked in samples/."
            )


def without_answers(runs: Sequence[Run], records: Mapping[str, SealedRecord]) -> Iterator[str]:
    """Say of how many evaluations scores alone were kept."""
    names = [cell.cell_id for run in runs for cell in run.evaluations if cell.cell_id in records]
    count = sum(records[name].data.get("answers") == "not kept" for name in names)
    if count:
        yield f"The answers of {count} of {len(names)} evaluations were not kept (--no-samples), only their scores."


def stored_notes(experiment: Experiment) -> Iterator[str]:
    """Say of arms that were trained elsewhere what cannot be known or checked of them."""
    names = ", ".join(one.name for one in experiment.stored)
    if not names:
        return
    unknown = "a difference may be one of recipes or of training data, and " if experiment.contrasts else ""
    yield (
        f"How stored arms were trained is not known here ({names}): {unknown}whether they were trained on evaluated "
        "items cannot be checked."
    )
    backbone = experiment.backbones[0].name
    for one in experiment.stored:
        if one.has_own_backbone:
            yield f"{one.name} is a whole model ({one.what}): its own weights answer, not those of {backbone}."
        elif one.base_model is not None and one.base_model != backbone:
            yield (
                f"{one.name} says that it was trained on {one.base_model} and was asked on {backbone}; its shapes fit, "
                "and whether these are the same weights could not be checked."
            )
        elif one.base_model is None and one.form == "adapter":
            yield f"{one.name} does not say on which backbone it was trained; it was asked on {backbone}."


def contamination(experiment: Experiment) -> list[str]:
    """Say how many training items are also evaluated items, where any are."""
    if not experiment.contaminated:
        return []
    what = "a gain" if experiment.contrasts else "the score"
    return [f"{experiment.contaminated} training items are also evaluated items; {what} could be memory."]
