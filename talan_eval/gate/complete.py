"""Is everything there that was declared? A gate on what happened to finish is not the declared test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_eval.report import format as fmt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from talan_eval.result.schema import Cell, Result


def missing(result: Result, baseline: Result | None = None) -> tuple[str, ...]:
    """List what was declared and is not in a result.

    Args:
        result: The result.
        baseline: A result of the same family, whose seeds are declared for this one too.

    Returns:
        One phrase for each benchmark that is missing, or that lacks seeds or items. Declared is what the experiment in
        the provenance names; results from other harnesses' logs have none, and for them only the baseline counts.
    """
    return (*_from_experiment(result), *(() if baseline is None else _from_baseline(result, baseline)))


def _from_experiment(result: Result) -> Iterator[str]:
    experiment = result.provenance.get("experiment")
    if not isinstance(experiment, dict):
        return
    declared, seeds = experiment.get("tasks"), experiment.get("seeds")
    if not isinstance(declared, list) or not isinstance(seeds, list):
        return
    for task in declared:
        if not isinstance(task, dict):
            continue
        cells = [cell for cell in result.cells if cell.task == task.get("name")]
        if not cells:
            yield f"{task.get('name')}: not in the result"
        for cell in cells:
            yield from _gaps(cell, seeds, task.get("n_items"))


def _gaps(cell: Cell, seeds: Sequence[JsonValue], n_items: JsonValue) -> Iterator[str]:
    lacking = [str(seed) for seed in seeds if seed not in cell.seeds]
    if lacking:
        yield f"{cell.task}: no complete pair for seed {', '.join(lacking)}"
    if isinstance(n_items, int) and cell.n_items < n_items:
        yield f"{cell.task}: {cell.n_items} of {fmt.count(n_items, 'item')}"


def _from_baseline(result: Result, baseline: Result) -> Iterator[str]:
    now = {(cell.backbone, cell.task, cell.metric): cell for cell in result.cells}
    for was in baseline.cells:
        cell = now[was.backbone, was.task, was.metric]
        if cell.n_seeds < was.n_seeds:
            yield f"{cell.task}: {fmt.count(cell.n_seeds, 'seed')}, the baseline has {was.n_seeds}"
        if cell.n_items < was.n_items:
            yield f"{cell.task}: {fmt.count(cell.n_items, 'item')}, the baseline has {was.n_items}"
