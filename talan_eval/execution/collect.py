"""From sealed samples to the result: pair, compare, and say where the numbers come from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from talan_eval.comparison import ScoredItem, compare, pair_scores
from talan_eval.execution.evaluate import read_samples
from talan_eval.execution.provenance import provenance
from talan_eval.grading.verdict import Verdict
from talan_eval.schema import LiveProbe, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.execution.evaluate import Sample
    from talan_eval.experiment import Experiment
    from talan_eval.grid import Run
    from talan_eval.store.records import Record
    from talan_eval.store.store import Store


def collect(store: Store, experiment: Experiment, runs: Sequence[Run]) -> Result:
    """Compare the two arms of a finished grid.

    Args:
        store: The experiment directory.
        experiment: What was asked for.
        runs: All runs of the experiment.

    Returns:
        The result. It depends on the sealed samples and on the experiment only, provenance times aside.

    Raises:
        UserError: Samples of the two arms do not pair.
    """
    records = store.finished()
    cells = pair_scores(
        _scores(store, runs, experiment.base, records),
        _scores(store, runs, experiment.treat, records),
        backbone=experiment.backbone.name,
        metrics={task.name: task.metric for task in experiment.tasks},
        k=max(task.asking.samples for task in experiment.tasks),
    )
    result = compare(
        cells,
        base=experiment.base,
        treat=experiment.treat,
        provenance=provenance(store, experiment, list(records.values())),
        sandbox=_sandbox(records),
        task_versions={task.name: task.version for task in experiment.tasks},
        live_probes=_probes(runs, records),
    )
    return result.model_copy(update={"warnings": (*result.warnings, *_disagreements(experiment, runs, records))})


def _scores(store: Store, runs: Sequence[Run], arm: str, records: dict[str, Record]) -> Iterator[ScoredItem]:
    for run in runs:
        for cell in run.evaluations:
            if run.arm != arm or cell.cell_id not in records:
                continue
            (file,) = records[cell.cell_id].files
            by_item: dict[str, list[Sample]] = {}
            for sample in read_samples(store.payload_path(file.name).read_bytes()):
                by_item.setdefault(sample.item_id, []).append(sample)
            for item_id, samples in by_item.items():
                yield ScoredItem(
                    task=cell.task,
                    seed=run.seed,
                    item_id=item_id,
                    prompt_hash=samples[0].prompt_hash,
                    score=sum(sample.score for sample in samples) / len(samples),
                    unparsed=sum(sample.verdict == Verdict.UNPARSED for sample in samples) / len(samples),
                )


def _disagreements(experiment: Experiment, runs: Sequence[Run], records: dict[str, Record]) -> Iterator[str]:
    """Say on how many answers the two graders of a benchmark differ, where one has two."""
    for task in experiment.tasks:
        counted: dict[str, Counter[str]] = {experiment.base: Counter(), experiment.treat: Counter()}
        for run in runs:
            for cell in run.evaluations:
                if cell.task == task.name and cell.cell_id in records:
                    counted[run.arm].update(records[cell.cell_id].data.get("disagreements") or {})
        if any(count.total() for count in counted.values()):
            strict, symbolic = (
                " / ".join(str(count[key]) for count in counted.values()) for key in ("strict_only", "symbolic_only")
            )
            yield (
                f"{task.name}: the two graders disagree on some answers, base / treat: {strict} are right by the "
                f"normaliser alone and {symbolic} by math-verify alone; they are marked in samples/."
            )


def _probes(runs: Sequence[Run], records: dict[str, Record]) -> list[LiveProbe]:
    """Return the weakest probe of each run: an adapter must be alive in every one of its evaluations."""
    probes = []
    for run in runs:
        changes = [
            records[cell.cell_id].data["max_logit_change"] for cell in run.evaluations if cell.cell_id in records
        ]
        if changes:
            probes.append(LiveProbe(arm=run.arm, seed=run.seed, max_logit_change=min(changes)))
    return probes


def _sandbox(records: dict[str, Record]) -> dict[str, Any]:
    """Return how programs were run; empty where no benchmark runs any."""
    described = [record.data["sandbox"] for record in records.values() if record.data.get("sandbox")]
    return dict(described[0]) if described else {}
