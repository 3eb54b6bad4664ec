"""Results of schema 1, which knew one pair of arms, read as results of the present schema; nothing else does that.

Every number that version 1 has is copied. What it lacks follows from what it has where that is exact (the treatment's
scores by seed are the base's plus their differences; means of arms are means over cells; counts of gained cells follow
from the differences) and is null elsewhere: what pairing was worth, tests of single backbones. The family hash is that
of version 1, which is also the one of a single paired contrast in version 2, so that baselines of both versions are of
one family.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from pydantic import Field, JsonValue

from talan_eval.result.evidence import ArmKind, PublishedRecord
from talan_eval.result.restated import PERCENT
from talan_eval.result.schema import (
    Aggregate,
    ArmRecord,
    BackboneMean,
    Cell,
    Contrast,
    ContrastName,
    FailedCell,
    Family,
    LiveProbe,
    Method,
    PositiveCells,
    Primary,
    Result,
    Settings,
    TaskScore,
)
from talan_eval.stats.positive_count import positive_count, seed_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class FirstPrimary(PublishedRecord):
    """The primary test of a result of version 1."""

    statistic: Literal["equal_weight_mean"]
    estimand: Literal["E1"]
    rule: str
    family_hash: str


class FirstResult(PublishedRecord):
    """A result of version 1. Its cells and means are those of version 2 with fewer fields."""

    schema_version: Literal[1] = Field(alias="schema")
    signature: str
    base: str
    treat: str
    seeds: tuple[int, ...]
    primary: FirstPrimary
    settings: Settings
    cells: tuple[Cell, ...] = Field(min_length=1)
    slices: tuple[Cell, ...]
    aggregate: Aggregate
    methods: tuple[Method, ...]
    failed_cells: tuple[FailedCell, ...] = ()
    live_probes: tuple[LiveProbe, ...] = ()
    provenance: dict[str, JsonValue]
    sandbox: dict[str, JsonValue]
    warnings: tuple[str, ...]

    @classmethod
    def from_json(cls, text: str) -> FirstResult:
        """Read a result; raises pydantic's ``ValidationError`` if the text is not a version 1 result."""
        return cls.model_validate_json(text, strict=True)


def upgraded(first: FirstResult) -> Result:
    """Return a result of version 1 as one of version 2: one paired contrast, and one family of its cells.

    Args:
        first: The result as version 1 published it.
    """
    name = ContrastName(base=first.base, treatment=first.treat)
    cells = tuple(_with_treatment(cell) for cell in first.cells)
    contrast = Contrast(
        base=first.base,
        treatment=first.treat,
        pairing="paired",
        cells=cells,
        slices=tuple(_with_treatment(cell) for cell in first.slices),
        aggregate=_aggregate(first.aggregate, cells),
    )
    primary = first.primary
    return Result(
        schema_version=2,
        signature=first.signature,
        primary=Primary(
            contrast=name,
            statistic=primary.statistic,
            estimand=primary.estimand,
            rule=primary.rule,
            family_hash=primary.family_hash,
        ),
        arms=tuple(_arms(first, cells)),
        contrasts=(contrast,),
        families=(
            Family(name="scores", contrasts=1, cells=len(cells) + len(first.slices), hash=primary.family_hash),
            Family(name="means", contrasts=1, cells=1, hash=primary.family_hash),
        ),
        settings=first.settings,
        methods=first.methods,
        failed_cells=first.failed_cells,
        probes=first.live_probes,
        provenance=first.provenance,
        sandbox=first.sandbox,
        warnings=first.warnings,
    )


def _with_treatment(cell: Cell) -> Cell:
    pairs = zip(cell.base_by_seed, cell.deltas, strict=False)  # unequal lengths are found where a result is checked
    return cell.model_copy(update={"treat_by_seed": tuple(base + delta for base, delta in pairs)})


def _aggregate(mean: Aggregate, cells: Sequence[Cell]) -> Aggregate:
    backbones = tuple(
        _of_arms(one, [cell for cell in cells if cell.backbone == one.backbone]) for one in mean.backbones
    )
    of_arms = {} if mean.delta is None else _means(cells)
    known = {"backbones": backbones, "family_p": mean.adjusted_p, "positive": _positive(cells)}
    return mean.model_copy(update={**known, **of_arms})


def _of_arms(mean: BackboneMean, cells: Sequence[Cell]) -> BackboneMean:
    if mean.delta is None or not cells:
        return mean
    return mean.model_copy(update={"positive": _positive(cells), **_means(cells)})


def _positive(cells: Sequence[Cell]) -> PositiveCells | None:
    """Count the cells that gained; None where a cell contradicts itself, which is found where a result is checked."""
    if any(len(cell.seeds) != len(cell.deltas) or not cell.deltas for cell in cells):
        return None
    by_backbone: dict[str, list[dict[int, float]]] = {}
    for cell in cells:
        shares = {seed: delta / PERCENT for seed, delta in zip(cell.seeds, cell.deltas, strict=True)}
        by_backbone.setdefault(cell.backbone, []).append(shares)
    found = positive_count([cell.delta / PERCENT for cell in cells], [seed_rows(own) for own in by_backbone.values()])
    return PositiveCells(n_cells=len(cells), **asdict(found))


def _means(cells: Sequence[Cell]) -> dict[str, float]:
    return {
        "base_mean": sum(cell.base_mean for cell in cells) / len(cells),
        "treat_mean": sum(cell.treat_mean for cell in cells) / len(cells),
    }


def _arms(first: FirstResult, cells: Sequence[Cell]) -> Iterable[ArmRecord]:
    kind: ArmKind = "trained" if isinstance(first.provenance.get("experiment"), dict) else "logged"
    backbones = tuple(dict.fromkeys(cell.backbone for cell in cells))
    for backbone in backbones:
        own = [cell for cell in cells if cell.backbone == backbone]
        for arm in (first.base, first.treat):
            yield ArmRecord(
                name=arm,
                kind=kind,
                backbone=backbone,
                seeds=tuple(sorted({seed for cell in own for seed in cell.seeds})),
                # version 1 counts the parameters of an arm over all that it trained
                trained_parameters=_parameters(first.provenance, arm) if len(backbones) == 1 else None,
                scores=tuple(_score(cell, treatment=arm == first.treat) for cell in own),
            )


def _score(cell: Cell, *, treatment: bool) -> TaskScore:
    return TaskScore(
        task=cell.task,
        metric=cell.metric,
        n_items=cell.n_items,
        k=cell.k,
        mean=cell.treat_mean if treatment else cell.base_mean,
        by_seed=cell.treat_by_seed if treatment else cell.base_by_seed,
        seeds=cell.seeds,
        unparsed=cell.treat_unparsed if treatment else cell.base_unparsed,
    )


def _parameters(provenance: dict[str, JsonValue], arm: str) -> int | None:
    """Find the number of trained parameters under ``times.by_arm`` of the provenance, where compare leaves it."""
    place: JsonValue = provenance
    for key in ("times", "by_arm", arm, "trained_parameters"):
        place = place.get(key) if isinstance(place, dict) else None
    return place if isinstance(place, int) and not isinstance(place, bool) else None
