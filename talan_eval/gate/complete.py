"""Is everything there that was declared? A gate on what happened to finish is not the declared test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.report import format as fmt
from talan_eval.result.labels import cell_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from talan_eval.result.schema import Cell, Contrast, Result


@dataclass(frozen=True)
class Gap:
    """Something that was declared and is not there.

    Attributes:
        name: The benchmark, or the contrast.
        text: What is missing of it.
    """

    name: str
    text: str


def missing_contrasts(result: Result) -> tuple[Gap, ...]:
    """List the declared contrasts of which a result has nothing, because an arm has no finished run."""
    experiment = result.provenance.get("experiment")
    declared = experiment.get("contrasts") if isinstance(experiment, dict) else None
    there = {(one.base, one.treatment) for one in result.contrasts}
    pairs = [(one.get("base"), one.get("treatment")) for one in _records(declared)]
    return tuple(
        Gap(f"{treatment} against {base}", "not in the result")
        for base, treatment in pairs
        if (base, treatment) not in there
    )


def missing_confirmation(result: Result) -> tuple[Gap, ...]:
    """Name the confirmation that was declared and is not there, or lacks seeds."""
    experiment = result.provenance.get("experiment")
    declared = experiment.get("confirm") if isinstance(experiment, dict) else None
    there = () if result.selection is None else result.selection.confirmation_seeds
    if not isinstance(declared, int) or len(there) >= declared:
        return ()
    return (Gap("confirmation", f"{len(there)} of {fmt.count(declared, 'fresh seed')}"),)


def missing(
    result: Result, contrast: Contrast, baseline: Contrast | None = None, least: float = 1.0
) -> tuple[Gap, ...]:
    """List what was declared of a contrast, or is in one of its runs, and is not in what is compared.

    A training that diverged is an outcome, so its seed is not missing.

    Args:
        result: The result.
        contrast: One of its contrasts.
        baseline: The same contrast in a result whose seeds and items are declared for this one too.
        least: Share of items, and of seeds, that must be there.

    Returns:
        One gap for each benchmark that is missing, or that lacks seeds or items. Declared is what the experiment in
        the provenance names; results from other harnesses' logs have none. What the comparison was allowed to leave
        out, because one arm lacks it, is missing all the same.
    """
    found = [*_from_experiment(result, contrast, least), *_left_out(result, contrast, least)]
    found += () if baseline is None else _from_baseline(result, contrast, baseline)
    return tuple(dict.fromkeys(found))


def _left_out(result: Result, contrast: Contrast, least: float) -> Iterator[Gap]:
    """Yield the items and seeds that some run has and the comparison left out."""
    every: dict[str, set[int]] = {}
    for cell in contrast.cells:
        every.setdefault(cell.backbone, set()).update((*cell.seeds, *cell.dropped_seeds))
    for cell, name in zip(contrast.cells, cell_names(result, contrast), strict=True):
        whole = cell.n_items + cell.n_dropped
        if cell.n_items < least * whole:
            more = ", ..." if len(cell.dropped_items) < cell.n_dropped else ""
            named = f": {', '.join(cell.dropped_items)}{more}" if cell.dropped_items else ""
            yield Gap(name, f"{cell.n_items} of {fmt.count(whole, 'item')}; not every run has the others{named}")
        seeds = every[cell.backbone] - set(cell.diverged_seeds)
        gone = sorted(seeds - set(cell.seeds))
        if len(seeds) - len(gone) < least * len(seeds):
            yield Gap(name, f"no complete pair for seed {', '.join(map(str, gone))}")


def _from_experiment(result: Result, contrast: Contrast, least: float) -> Iterator[Gap]:
    experiment = result.provenance.get("experiment")
    if not isinstance(experiment, dict):
        return
    declared, seeds = experiment.get("tasks"), experiment.get("seeds")
    if not isinstance(declared, list) or not isinstance(seeds, list):
        return
    seeds = _seeds_of(experiment, contrast, seeds)
    backbones = _backbones(experiment)
    named = list(zip(contrast.cells, cell_names(result, contrast), strict=True))
    for task in _records(declared):
        of_task = [(cell, name) for cell, name in named if cell.task == task.get("name")]
        there = {cell.backbone for cell, _ in of_task}
        if not of_task:
            yield Gap(str(task.get("name")), "not in the result")
        else:
            yield from (Gap(f"{one}/{task.get('name')}", "not in the result") for one in backbones if one not in there)
        for cell, name in of_task:
            yield from _gaps(cell, name, (seeds, task.get("n_items")), least)


def _seeds_of(experiment: dict[str, JsonValue], contrast: Contrast, seeds: Sequence[JsonValue]) -> list[JsonValue]:
    """Return the seeds that both arms were declared with; stored ones may have fewer than the experiment."""
    fixed = experiment.get("fixed")
    alone = set(map(str, fixed)) if isinstance(fixed, list) else set()
    if {contrast.base, contrast.treatment} <= alone:
        return [0]  # one pair of checkpoints
    owned = {
        str(one.get("name")): [two.get("seed") for two in _records(one.get("checkpoints"))]
        for one in _records(experiment.get("stored"))
        if str(one.get("name")) not in alone
    }
    arms = [owned[arm] for arm in (contrast.base, contrast.treatment) if arm in owned]
    return [seed for seed in seeds if all(seed in own for own in arms)]


def _backbones(experiment: dict[str, JsonValue]) -> tuple[str, ...]:
    """Return the declared backbones by name; an experiment of one pair of arms names one, which its cells are of."""
    identities = [one.get("identity") for one in _records(experiment.get("backbones"))]
    return tuple(str(one.get("name")) for one in _records(identities))


def _records(found: JsonValue | Sequence[JsonValue]) -> tuple[dict[str, JsonValue], ...]:
    return tuple(one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def _gaps(cell: Cell, name: str, declared: tuple[Sequence[JsonValue], JsonValue], least: float) -> Iterator[Gap]:
    seeds, n_items = declared
    # base_seeds is empty for an arm without seeds, and None where both arms have the same
    there = set(cell.seeds) & set(cell.base_seeds) if cell.base_seeds else set(cell.seeds)
    lacking = [str(seed) for seed in seeds if seed not in there and seed not in cell.diverged_seeds]
    if len(seeds) - len(lacking) < least * len(seeds):
        yield Gap(name, f"no complete pair for seed {', '.join(lacking)}")
    if isinstance(n_items, int) and cell.n_items < least * n_items:
        yield Gap(name, f"{cell.n_items} of {fmt.count(n_items, 'item')}")


def _from_baseline(result: Result, contrast: Contrast, baseline: Contrast) -> Iterator[Gap]:
    before = {(cell.backbone, cell.task, cell.metric): cell for cell in baseline.cells}
    for cell, name in zip(contrast.cells, cell_names(result, contrast), strict=True):
        was = before[cell.backbone, cell.task, cell.metric]
        if _trainings(cell) < _trainings(was):
            yield Gap(name, f"{fmt.count(cell.n_seeds, 'seed')}, the baseline has {was.n_seeds}")
        if cell.n_items < was.n_items:
            yield Gap(name, f"{fmt.count(cell.n_items, 'item')}, the baseline has {was.n_items}")


def _trainings(cell: Cell) -> int:
    return cell.n_seeds + len(cell.diverged_seeds)
