"""A plan: what an experiment would see, from assumed variance components or from those of a stored run."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.errors import UserError
from talan_eval.planning.floors import floor_of_mean, floor_of_scores, shares
from talan_eval.planning.verdicts import KnownNoise, VerdictPlan
from talan_eval.result.choosing import chosen_contrast
from talan_eval.result.labels import cell_names
from talan_eval.result.reading import RESULT_NAME, read_result
from talan_eval.stats.mean_squares import MeanSquares
from talan_eval.stats.planner import (
    Design,
    DesignAnalysis,
    design_analysis,
    detectable,
    holm_floor,
    seeds_for_holm,
    seeds_needed,
    standard_error,
    t_test_power,
)
from talan_eval.stats.signflip import sign_flip_floor
from talan_eval.stats.variance import Components, component_bounds
from talan_eval.stats.verdict_power import FamilySize

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.requests.power import PowerRequest
    from talan_eval.result.schema import Contrast, Result

POINTS = 100.0
DEFAULT_SEEDS = 7
TABLE_SEEDS = (3, 5, 7, 10, 15, 20)
TABLE_SAMPLES = (1, 4, 8)
MEAN = "mean of the benchmarks"
WEIGHTED = "weighted mean of the benchmarks"
_MOST = 1_000_000_000
_LARGEST_FAMILY = 1000
_MOST_ALPHA = 0.5  # one-sided bounds, which gates have, are none from here on
_LEAST_SHARE = 1e-12  # quantiles are finite from here on
_MAX_PHI = 2.0  # two independent right-or-wrong answers differ by at most 1, with variance at most 1 each


@dataclass(frozen=True)
class Row:
    """The plan of one benchmark, or of the mean. Differences in points; None where nothing up to the limit suffices.

    The verdict is what a comparison says: of a benchmark after adjustment for its family, of the mean on its own. The t
    beside it is the plain paired t over seeds, unadjusted, as other planners have it.

    Attributes:
        name: Benchmark.
        n_items: Items, None for the mean over benchmarks.
        seed_sd: Standard deviation of one seed's difference.
        mde: True gain that is called better with the wanted power.
        t_mde: True gain that the plain t finds.
        table: MDE of the verdict by seeds (rows) and samples (columns), for the extremes of what samples can do; before
            adjustment for a family.
        power: Chance that delta is called better.
        t_power: Chance that the plain t rejects.
        seeds: Seeds with which delta is called better with the wanted power.
        t_seeds: The same of the plain t.
        samples: Samples per item with which it is, with the planned seeds, at best and at worst.
        exaggeration: What a significant result looks like if delta is true.
        gate_margin: Margin at which a gate says PASS with the wanted power where nothing changed; None of a single
            benchmark among several, which never passes.
        gate_pass: Chance of PASS with a margin of delta where nothing changed; None likewise.
    """

    name: str
    n_items: int | None
    seed_sd: float
    mde: float | None
    t_mde: float
    table: tuple[tuple[tuple[float | None, ...], ...], ...]
    power: float | None
    t_power: float | None
    seeds: int | None
    t_seeds: int | None
    samples: tuple[int | None, ...]
    exaggeration: DesignAnalysis | None
    gate_margin: float | None = None
    gate_pass: float | None = None


@dataclass(frozen=True)
class Plan:
    """A whole plan.

    Attributes:
        n_seeds: S.
        k: Samples per item.
        alpha: Two-sided error rate.
        power: Wanted power.
        delta: Gain to plan for, points, or None.
        basis: Where the variance components come from, a sentence.
        n_cells: Size of the family: the benchmarks of all contrasts.
        n_contrasts: Contrasts in the family.
        unit: What gains are measured in.
        floor: Smallest sign-flip p, 2/2^S; also of joint max-T.
        holm_floor: Smallest Holm-adjusted sign-flip p.
        seeds_for_holm: Seeds from which Holm over sign-flip p can reject.
        rows: One per benchmark, and the mean where there are several.
    """

    n_seeds: int
    k: int
    alpha: float
    power: float
    delta: float | None
    basis: str
    n_cells: int
    floor: float
    holm_floor: float
    seeds_for_holm: int
    rows: tuple[Row, ...]
    n_contrasts: int = 1
    unit: str = "points"


def make_plan(request: PowerRequest) -> Plan:
    """Plan an experiment.

    Args:
        request: The options as typed.

    Returns:
        The plan, in points.

    Raises:
        UserError: For options that do not fit together, or a file that is no result with two seeds or more.
    """
    _check(request)
    basis = _assumptions(request) if request.from_ is None else _stored(request.from_, request)
    n_seeds, k = request.seeds or basis.n_seeds, request.samples or basis.k
    n_cells = basis.family.size
    return Plan(
        n_seeds=n_seeds,
        k=k,
        alpha=request.alpha,
        power=request.power,
        delta=request.delta,
        basis=basis.text,
        n_cells=n_cells,
        floor=sign_flip_floor(n_seeds),
        holm_floor=holm_floor(n_seeds, n_cells),
        seeds_for_holm=seeds_for_holm(n_cells, request.alpha),
        rows=tuple(_row(source, n_seeds, k, request) for source in basis.sources),
        n_contrasts=basis.family.contrasts,
        unit=basis.unit,
    )


def _check(request: PowerRequest) -> None:
    if request.from_ is None and request.items is None:
        raise UserError("A plan needs the number of items.", "Type --items 500, or --from RESULT to plan from a run.")
    least = {"--seeds": (request.seeds, 2), "--items": (request.items, 1), "--samples": (request.samples, 1)}
    for name, (value, bound) in (
        least | {"--cells": (request.cells, 1), "--contrasts": (request.contrasts, 1)}
    ).items():
        if value is not None and not bound <= value <= _MOST:
            size = "more than" if value > 0 else "below minus"
            shown = str(value) if abs(value) <= _MOST else f"{size} {_MOST:,}"  # str refuses thousands of digits
            raise UserError(
                f"{name} is {shown}.", f"Type a number from {bound} to {_MOST:,}, such as {name} {max(bound, 7)}"
            )
    for name, share, usual in (("--alpha", request.alpha, 0.05), ("--power", request.power, 0.8)):
        if not _LEAST_SHARE <= share <= 1 - _LEAST_SHARE:
            raise UserError(
                f"{name} is {share:g}, not between {_LEAST_SHARE:g} and 1 - {_LEAST_SHARE:g}.",
                f"Type a share, such as {name} {usual:g}",
            )
    if request.power <= request.alpha:
        raise UserError("A power below the error rate needs no experiment.", "Type --power 0.8.")
    if request.from_ is None:
        _check_gain(request.delta, POINTS)
    _check_assumptions(request)


def _check_gain(delta: float | None, most: float, unit: str = "points") -> None:
    if delta is not None and not 0 < abs(delta) <= most:  # NaN is neither
        raise UserError(f"A gain of {delta:g} {unit} cannot be planned for.", "Type --delta 1.4 or the like.")


def _check_assumptions(request: PowerRequest) -> None:
    for name, phi in (("--phi-train", request.phi_train), ("--phi-decode", request.phi_decode)):
        if not 0 <= phi <= _MAX_PHI:
            raise UserError(f"{name} is {phi:g}.", f"Type a variance from 0 to {_MAX_PHI:g}, such as {name} 0.1.")
    if not 0 <= request.tau <= POINTS:
        raise UserError(f"--tau is {request.tau:g} points.", "Type a spread from 0 to 100, such as --tau 1.")


@dataclass(frozen=True)
class _Basis:
    """What a plan starts from: variance components, and the design that it takes where the request names none."""

    sources: tuple[KnownNoise, ...]
    n_seeds: int
    k: int
    family: FamilySize
    text: str
    unit: str = "points"


def _family(request: PowerRequest, cells: int, contrasts: int) -> FamilySize:
    """Return the size of the family; one that was asked for must be one that can be drawn."""
    family = FamilySize(request.cells or cells, request.contrasts or contrasts)
    if family.size > _LARGEST_FAMILY:
        raise UserError(
            f"A family of {family.size:,} tests cannot be planned.",
            f"Type --cells and --contrasts whose product is at most {_LARGEST_FAMILY}.",
        )
    return family


def _assumptions(request: PowerRequest) -> _Basis:
    if request.contrast is not None:
        raise UserError(
            "--contrast names a contrast of a result, and there is none without --from.",
            f"Type --from RESULT --contrast '{request.contrast}', or leave --contrast out.",
        )
    parts = Components((request.tau / POINTS) ** 2, request.phi_train, request.phi_decode)
    text = (
        f"assumed: tau {request.tau:g} points, phi_train {request.phi_train:g}, phi_decode {request.phi_decode:g}; "
        "--from RESULT takes them from a run"
    )
    family, items = _family(request, 1, 1), request.items or 1
    sources = [KnownNoise(f"{items:,} items", (items,), (parts,), items, family)]
    if family.cells > 1:
        count = family.cells
        shared = Components(
            parts.tau2 / count, parts.phi_train / count / items, parts.phi_decode / count / items
        )  # benchmarks whose seed effects are independent
        sources.append(KnownNoise(f"mean of {count} such", (items,) * count, (shared,)))
    return _Basis(tuple(sources), DEFAULT_SEEDS, 1, family, text)


def _stored(path: Path, request: PowerRequest) -> _Basis:
    result = read_result(path, "talan-eval power --from results/NAME")
    contrast = chosen_contrast(result, request.contrast)
    _check_spread(contrast, path)
    width = POINTS * floor_of_scores(result)
    _check_gain(request.delta, width or sys.float_info.max, result.measure.unit)
    cells = contrast.cells
    seeds = min(cell.n_seeds for cell in cells)
    several = len(result.contrasts)
    others = "; --contrast chooses another" if request.contrast is None else ""
    which = f" for {contrast.name} (one of {several} contrasts{others})" if several > 1 else ""
    file = path / RESULT_NAME if path.is_dir() else path
    text = f"measured in {file}{which} with {seeds} seeds; a spread from few seeds is known to within a factor of two"
    family = _family(request, len(cells), several)
    sources = _measured(result, contrast, request.items, family)
    return _Basis(sources, seeds, cells[0].k, family, text, result.measure.unit)


def _check_spread(contrast: Contrast, path: Path) -> None:
    assume = "--items 500 --tau 1 --phi-train 0.02 --phi-decode 0.2"
    if contrast.pairing == "independent":
        raise UserError(
            f"The seeds of {contrast.name} in {path} are independent, and a plan needs differences by seed.",
            f"Choose a paired contrast with --contrast, or plan from assumptions: {assume}",
        )
    if any(cell.mean_squares is None for cell in contrast.cells):
        raise UserError(
            f"{path} has a benchmark with a single seed, which shows no spread.",
            f"Plan from assumptions instead: {assume}.",
        )


def _measured(result: Result, contrast: Contrast, items: int | None, family: FamilySize) -> tuple[KnownNoise, ...]:
    cells, weights = contrast.cells, shares(result, contrast)
    sources, noise = [], 0.0
    for cell, name, weight in zip(cells, cell_names(result, contrast), weights, strict=True):
        stored = cell.mean_squares
        if stored is None or stored.error is None:
            raise UserError(
                f"{cell.task} has a single item, which shows no spread.", "Type --items 500 without --from."
            )
        squares = MeanSquares(
            cell.n_seeds,
            cell.n_items,
            stored.seed / POINTS**2,
            None if stored.item is None else stored.item / POINTS**2,
            stored.error / POINTS**2,
        )
        count, parts = items or cell.n_items, component_bounds(squares, cell.k)
        sources.append(KnownNoise(name, (count,), parts, count, family, floor_of_scores(result)))
        noise += weight * weight * (squares.error or 0.0) / cell.n_items
    single = len({cell.backbone for cell in cells}) == 1
    same_seeds = len({cell.seeds for cell in cells}) == 1
    if len(cells) > 1 and single and same_seeds and items is None:
        sources.append(_mean(contrast, noise, result))
    return tuple(sources)


def _mean(contrast: Contrast, noise: float, result: Result) -> KnownNoise:
    """The mean over benchmarks as one benchmark of one item: seeds are joint, so the spread is that of their mean."""
    cells, weights = contrast.cells, shares(result, contrast)
    n_seeds, k = cells[0].n_seeds, cells[0].k
    gains = [
        sum(weight * cell.deltas[seed] for weight, cell in zip(weights, cells, strict=True)) / POINTS
        for seed in range(n_seeds)
    ]
    centre = sum(gains) / n_seeds
    spread = sum((gain - centre) ** 2 for gain in gains) / (n_seeds - 1)
    tau2 = max(spread - noise, 0.0)
    rest = max(spread - tau2, noise)
    parts = Components(tau2, 0.0, rest * k), Components(tau2, rest, 0.0)
    name = WEIGHTED if result.primary.weights else MEAN
    return KnownNoise(name, tuple(cell.n_items for cell in cells), parts, floor=floor_of_mean(result, contrast))


def _row(source: KnownNoise, n_seeds: int, k: int, request: PowerRequest) -> Row:
    first, design = source.parts[0], Design(n_seeds, source.divisor, k, request.alpha)
    verdicts = [VerdictPlan(source, part, request.alpha, request.power) for part in source.parts]
    last = verdicts[-1]
    delta = None if request.delta is None else abs(request.delta) / POINTS
    se = standard_error(first, design)
    chance, plain, needed, by_t, size = None, None, None, None, None
    samples: tuple[int | None, ...] = ()
    if delta is not None:
        chance, plain = last.chance(n_seeds, k, delta), t_test_power(last.part, design, delta)
        needed, by_t = last.seeds(k, delta), seeds_needed(last.part, design, delta, request.power)
        samples = tuple(verdict.samples(n_seeds, delta) for verdict in verdicts)
        size = design_analysis(se, n_seeds - 1, delta, request.alpha) if se > 0 else None
    gated = source.family.size == 1 and request.alpha < _MOST_ALPHA
    table = tuple(
        tuple(tuple(_points(verdict.detectable_alone(seeds, count)) for verdict in verdicts) for count in TABLE_SAMPLES)
        for seeds in TABLE_SEEDS
    )
    return Row(
        name=source.name,
        n_items=None if source.divisor == 1 else source.divisor,
        seed_sd=POINTS * se * math.sqrt(n_seeds),
        mde=_points(last.detectable(n_seeds, k)),
        t_mde=POINTS * detectable(last.part, design, request.power),
        table=table,
        power=chance,
        t_power=plain,
        seeds=needed,
        t_seeds=by_t,
        samples=samples,
        exaggeration=size,
        gate_margin=_points(last.margin(n_seeds, k)) if gated else None,
        gate_pass=last.passes(n_seeds, k, delta) if gated and delta is not None else None,
    )


def _points(value: float | None) -> float | None:
    return None if value is None else POINTS * value
