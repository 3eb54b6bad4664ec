"""Does a result agree with itself? Checked once, where it is read, so that no reader meets half a pair of arms."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from talan_eval.result import adjusted, following, following_items
from talan_eval.result.evidence import NAMED_ITEMS, POINTS, SPARSE_SEEDS, Measure
from talan_eval.result.grid_axes import grid_axes
from talan_eval.result.loss import of_loss
from talan_eval.result.near import ROUNDING, alike, same
from talan_eval.result.restated import as_computed
from talan_eval.result.scaled_scores import faults_of_weights, of_scaled_scores
from talan_eval.stats.aggregate import interquartile_mean, probability_of_improvement
from talan_eval.stats.guard import ErrorTerm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from talan_eval.result.schema import Aggregate, ArmRecord, Cell, Contrast, Result, Selection, Settings, TaskScore

_FULL: Final = 100.0  # points
_NARROWEST: Final = 1e-9  # of two bounds: nearer ones are one number in float64, and percent of them none
_TIE: Final = 1e-9  # of a p and the error rate
_Name = TypeVar("_Name")


def contradictions(result: Result) -> Iterator[str]:
    """Name what a result says twice and differently, each with its place; nothing for one that compare wrote.

    Names and lengths first; the numbers of what has no such fault are computed from those below them, by
    ``talan_eval.result.following``, ``talan_eval.result.following_items`` and ``talan_eval.result.adjusted``,
    which say what is not covered. Neither is what rests on bounds where a metric has another unit than points.
    """
    yield from _of_names(result)
    if unusable := (*_of_measure(result.measure), *faults_of_weights(result)):
        yield from unusable
        return
    computed = as_computed(result)
    yield from _of_contrasts(computed)
    for number, record in enumerate(result.arms):
        yield from (f"arms.{number}.{said}" for said in _of_arm(record))
    yield from _of_families(result)
    yield from adjusted.of_families(result)
    if computed.selection is not None:
        yield from (f"selection.{said}" for said in _of_selection(computed.selection, computed))
    yield from _of_axes(computed)
    if (loss := of_loss(result)) is not None:
        yield from (f"loss.{said}" for said in contradictions(loss))
    if not result.provenance:
        yield "provenance is empty, and whoever writes a result says where it comes from"
    elif any(arm.kind == "trained" for arm in result.arms) and "experiment" not in result.provenance:
        yield "provenance: arms were trained, and no experiment says what was declared"


def _of_measure(measure: Measure) -> Iterator[str]:
    """Name bounds between which no score can be placed."""
    if measure.unit == POINTS and (measure.lower, measure.upper) != (0.0, _FULL):
        yield "measure: points lie between 0 and 100, and these bounds are others"
    elif measure.lower is not None and measure.upper is not None:
        if measure.upper <= measure.lower:
            yield "measure.upper is not above measure.lower"
        elif not _NARROWEST < measure.upper - measure.lower < 1 / _NARROWEST:
            yield "measure.upper and measure.lower are no bounds of scores that can be told apart"


def _of_contrasts(result: Result) -> Iterator[str]:
    """Name what contradicts itself in the contrasts of a result as it was computed."""
    arms = {(arm.name, arm.backbone) for arm in result.arms}
    scores = {(arm.name, arm.backbone, one.task): one for arm in result.arms for one in arm.scores}
    for number, contrast in enumerate(result.contrasts):
        place = f"contrasts.{number}"
        for arm, backbone in dict.fromkeys(
            (arm, cell.backbone) for arm in (contrast.base, contrast.treatment) for cell in contrast.cells
        ):
            if (arm, backbone) not in arms:
                yield f"{place}: the arm {arm} on {backbone} is not among the arms"
        faults = tuple(_of_contrast(contrast, place, result.primary.weights))
        yield from faults
        if not faults:
            yield from (f"{place}.{said}" for said in _numbers(contrast, result, primary=number == 0))
        if not faults and scores:  # those of the held-out loss stand elsewhere
            yield from (f"{place}.{said}" for said in _of_both_arms(contrast, scores))


def _of_names(result: Result) -> Iterator[str]:
    named = [(one.base, one.treatment) for one in result.contrasts]
    if named[0] != (result.primary.contrast.base, result.primary.contrast.treatment):
        yield "primary.contrast is not the first of contrasts"
    yield from (f"contrasts: {treatment} against {base} stands there twice" for base, treatment in _twice(named))
    arms = [(arm.name, arm.backbone) for arm in result.arms]
    yield from (f"arms: {arm} on {backbone} stands there twice" for arm, backbone in _twice(arms))
    for number, (base, treatment) in enumerate(named):
        if base == treatment:
            yield f"contrasts.{number}: the arm {base} is compared with itself"


def _of_contrast(contrast: Contrast, place: str, weights: Mapping[str, float]) -> Iterator[str]:
    for kind, cells in (("cells", contrast.cells), ("slices", contrast.slices)):
        keys = [(cell.backbone, cell.task, cell.metric, cell.slice) for cell in cells]
        yield from (f"{place}.{kind}: {key[1]} on {key[0]} stands there twice" for key in _twice(keys))
        for number, cell in enumerate(cells):
            yield from (f"{place}.{kind}.{number}.{said}" for said in _of_cell(cell, contrast))
    yield from (f"{place}.aggregate.{said}" for said in _of_mean(contrast.aggregate, contrast.cells, weights))


def _of_cell(cell: Cell, contrast: Contrast) -> Iterator[str]:
    independent = contrast.pairing == "independent"
    of_base = cell.seeds if cell.base_seeds is None else cell.base_seeds
    n_base = 1 if contrast.pairing == "fixed" else len(of_base)
    pairs = 0 if independent else len(cell.seeds)
    lengths = (
        ("n_seeds", cell.n_seeds, min(len(cell.seeds), n_base) if independent else len(cell.seeds)),
        ("deltas", len(cell.deltas), pairs),
        ("e0", len(cell.e0), pairs),
        ("base_by_seed", len(cell.base_by_seed), n_base),
        ("treat_by_seed", len(cell.treat_by_seed), len(cell.seeds)),
    )
    yield from (f"{name}: {found} in place of {due}, as its seeds say" for name, found, due in lengths if found != due)
    if len(set(cell.seeds)) < len(cell.seeds) or len(set(of_base)) < len(of_base):
        yield "seeds: one stands there twice"
    if cell.pairing_hash is not None and len(cell.dropped_items) != min(cell.n_dropped, NAMED_ITEMS):
        yield f"dropped_items: {len(cell.dropped_items)} are named of n_dropped {cell.n_dropped}"
    if cell.deltas and not same(cell.delta, sum(cell.deltas) / len(cell.deltas)):
        yield "delta is not the mean of deltas"
    if not same(cell.delta, cell.treat_mean - cell.base_mean):
        yield "delta is not treat_mean minus base_mean"


def _of_mean(mean: Aggregate, cells: Sequence[Cell], weights: Mapping[str, float]) -> Iterator[str]:
    if mean.n_cells != len(cells):
        yield f"n_cells: {mean.n_cells} in place of {len(cells)}"
    names = [one.backbone for one in mean.backbones]
    if set(names) != {cell.backbone for cell in cells} or len(set(names)) < len(names):
        yield "backbones are not those of the cells"
    if len(mean.deltas) != (len(mean.seeds) if mean.deltas else 0):
        yield f"deltas: {len(mean.deltas)} in place of {len(mean.seeds)}, as its seeds say"
        return
    if mean.deltas and mean.delta is not None and not same(mean.delta, sum(mean.deltas) / len(mean.deltas)):
        yield "delta is not the mean of deltas"
    for seed, delta in zip(mean.seeds, mean.deltas, strict=False):
        own = [
            (cell.deltas[cell.seeds.index(seed)], weights.get(cell.task, 1.0))
            for cell in cells
            if seed in cell.seeds and _paired(cell)
        ]
        weighed = sum(gain * weight for gain, weight in own) / sum(weight for _, weight in own) if own else 0.0
        if len(own) < len(cells) or not same(delta, weighed):
            yield f"deltas: that of seed {seed} is not the mean over the cells"


def _numbers(contrast: Contrast, result: Result, *, primary: bool) -> Iterator[str]:
    """Name what does not follow in a contrast whose names and lengths agree."""
    settings, shares = result.settings, result.measure == Measure()
    for kind, cells in (("cells", contrast.cells), ("slices", contrast.slices)):
        for number, cell in enumerate(cells):
            yield from (f"{kind}.{number}.{said}" for said in _numbers_of_cell(cell, contrast, settings, shares=shares))
    scaled = of_scaled_scores(contrast, result.primary.weights)
    yield from (f"aggregate.{said}" for said in _evidence_of_mean(scaled, settings.alpha, shares=shares))
    yield from (f"aggregate.{said}" for said in _decided(contrast, settings, primary=primary))


def _evidence_of_mean(contrast: Contrast, alpha: float, *, shares: bool) -> Iterator[str]:
    """Name what the mean says of its cells that does not follow from them; all cells weigh alike."""
    mean, pairing = contrast.aggregate, contrast.pairing
    yield from _numbers_of_mean(mean, contrast)
    entries = tuple(following.backbone_means(mean, contrast.cells, pairing, alpha, shares=shares))
    yield from entries
    evidence = None if entries else following.of_mean(mean, contrast.cells, pairing)
    if mean.e1 is not None and evidence is not None:
        yield from following.of_e1(mean.e1, evidence, alpha, shares=shares)
    yield from following_items.pairs_of_mean(mean, contrast.cells, alpha, shares=shares)
    if mean.e2 is not None and mean.delta is not None:
        yield from following_items.of_e2(mean.e2, mean.delta, alpha)
        yield from following_items.e2_of_mean(mean, contrast.cells, pairing, shares=shares)


def _decided(contrast: Contrast, settings: Settings, *, primary: bool) -> Iterator[str]:
    """Name what the verdict of a mean and its tests say that contradicts itself."""
    mean = contrast.aggregate
    diverged = any(cell.diverged_seeds for cell in contrast.cells)
    yield from _verdict(mean, mean.adjusted_p if primary else mean.family_p, settings, diverged=diverged)
    yield from _of_tests(mean, settings.alpha)


def _numbers_of_cell(cell: Cell, contrast: Contrast, settings: Settings, *, shares: bool) -> Iterator[str]:
    """Name what does not follow in a cell; ``shares`` says whether its scores are shares in points."""
    every = (cell.base_mean, cell.treat_mean, *cell.base_by_seed, *cell.treat_by_seed)
    if shares and any(not -ROUNDING <= score <= _FULL + ROUNDING for score in every):
        yield "a score is not between 0 and 100 points"
    for name, mean, by_seed in (
        ("base_mean", cell.base_mean, cell.base_by_seed),
        ("treat_mean", cell.treat_mean, cell.treat_by_seed),
    ):
        if not same(mean, sum(by_seed) / len(by_seed)):
            yield f"{name} is not the mean of its seeds"
    yield from _seed_by_seed(cell, contrast, shares=shares)
    if shares and cell.n_seeds >= SPARSE_SEEDS and cell.e1 is None:
        yield "e1 stands there with three seeds or more, and here it does not"
    if cell.e0_mean is not None and not same(cell.e0_mean.delta, cell.delta):
        yield "e0_mean.delta is not delta"
    yield from following_items.pairs_of_cell(cell, settings.alpha, shares=shares)
    if cell.e2 is not None:
        yield from following_items.of_e2(cell.e2, cell.delta, settings.alpha)
        yield from following_items.e2_of_cell(cell, contrast.pairing, shares=shares)
    yield from _of_tests(cell, settings.alpha)
    yield from () if len(cell.deltas) <= 1 else _spread_of_seeds(cell)
    if cell.e1 is not None:
        evidence = following.of_cell(cell, contrast.pairing)
        yield from following.of_e1(cell.e1, evidence, settings.alpha, shares=shares)
    yield from _verdict(cell, cell.adjusted_p, settings, diverged=bool(cell.diverged_seeds))


def _spread_of_seeds(cell: Cell) -> Iterator[str]:
    if cell.mean_squares is None:
        yield "mean_squares stands there with two seeds or more, and here it does not"
        return
    spread = float(np.var(cell.deltas, ddof=1)) * cell.n_items
    if not same(cell.mean_squares.seed / max(spread, 1.0), spread / max(spread, 1.0)):
        yield "mean_squares.seed does not follow from deltas"


def _of_tests(found: Cell | Aggregate, alpha: float) -> Iterator[str]:
    """Name tests whose p and interval contradict each other."""
    for name, test in (("e0_mean", found.e0_mean), ("e1", found.e1), ("e2", found.e2)):
        if test is not None and abs(test.p - alpha) > _TIE and (test.p < alpha) != (test.ci[0] > 0 or test.ci[1] < 0):
            yield f"{name}: p and ci contradict each other"


def _seed_by_seed(cell: Cell, contrast: Contrast, *, shares: bool) -> Iterator[str]:
    of_base = cell.base_by_seed * len(cell.seeds) if contrast.pairing == "fixed" else cell.base_by_seed
    for seed, delta, treatment, base in zip(cell.seeds, cell.deltas, cell.treat_by_seed, of_base, strict=False):
        if not same(delta, treatment - base):
            yield f"deltas: that of seed {seed} is not treatment minus base"
    for seed, delta, pair in zip(cell.seeds, cell.deltas, cell.e0, strict=False):
        if pair.seed != seed or not same(pair.delta, delta):
            yield f"e0: that of seed {seed} is not its delta"
        elif (pair.lost or 0) + (pair.gained or 0) > cell.n_items:
            yield f"e0: seed {seed} has more items lost and gained than there are"
        elif shares and abs(delta) > _FULL * ((pair.lost or 0) + (pair.gained or 0)) / cell.n_items + ROUNDING:
            yield f"e0: seed {seed} has a larger delta than its changed items can make"


def _numbers_of_mean(mean: Aggregate, contrast: Contrast) -> Iterator[str]:
    cells = contrast.cells
    for name, found, due in (
        ("base_mean", mean.base_mean, sum(cell.base_mean for cell in cells) / len(cells)),
        ("treat_mean", mean.treat_mean, sum(cell.treat_mean for cell in cells) / len(cells)),
    ):
        if found is not None and not same(found, due):
            yield f"{name} is not the mean over the cells"
    if mean.delta is not None:
        parts = [entry.weight * entry.delta for entry in mean.backbones if entry.delta is not None]
        if len(parts) < len(mean.backbones) or not same(mean.delta, sum(parts)):
            yield "delta is not the mean of its backbones"
    if len(mean.backbones) == 1 and (mean.seeds, mean.deltas) != (mean.backbones[0].seeds, mean.backbones[0].deltas):
        yield "seeds and deltas are not those of its backbone"
    if mean.positive is not None:
        surely, at_most = (sum(cell.delta > slack for cell in cells) for slack in (ROUNDING, -ROUNDING))
        if mean.positive.n_cells != len(cells) or not surely <= mean.positive.positive <= at_most:
            yield "positive does not follow from the cells"
    if contrast.pairing != "independent" and mean.delta is not None:
        yield from _descriptive(mean, cells)


def _descriptive(mean: Aggregate, cells: Sequence[Cell]) -> Iterator[str]:
    seeds = {entry.backbone: entry.seeds for entry in mean.backbones}
    if not any(seeds.values()):
        return
    gains = np.array(
        [
            delta
            for cell in cells
            for seed, delta in zip(cell.seeds, cell.deltas, strict=True)
            if seed in seeds[cell.backbone]
        ]
    )
    if mean.iqm is not None and not same(mean.iqm, interquartile_mean(gains)):
        yield "iqm does not follow from the cells"
    if mean.poi is not None and not same(mean.poi, probability_of_improvement(gains)):
        yield "poi does not follow from the cells"


def _verdict(part: Aggregate | Cell, decides: float | None, settings: Settings, *, diverged: bool) -> Iterator[str]:
    if (part.verdict == "withheld") != diverged and part.verdict != "not estimable":
        yield "verdict: it is withheld exactly where a training diverged, and here it is otherwise"
    yield from following.of_verdict(part, decides, settings)


def _of_arm(arm: ArmRecord) -> Iterator[str]:
    for name, seeds in (("seeds", arm.seeds), ("diverged", arm.diverged)):
        if len(set(seeds)) < len(seeds):
            yield f"{name}: one stands there twice"
    yield from (f"scores: {task} stands there twice" for task in _twice([one.task for one in arm.scores]))
    for number, one in enumerate(arm.scores):
        if len(one.by_seed) != len(one.seeds) or not one.by_seed:
            yield f"scores.{number}.by_seed: {len(one.by_seed)} in place of {len(one.seeds)}, as its seeds say"
        elif not same(one.mean, sum(one.by_seed) / len(one.by_seed)):
            yield f"scores.{number}.mean is not the mean of by_seed"


def _of_both_arms(contrast: Contrast, scores: Mapping[tuple[str, str, str], TaskScore]) -> Iterator[str]:
    """Name cells whose scores are not those that the arms are said to have."""
    for number, cell in enumerate(contrast.cells):
        of_base = cell.seeds if cell.base_seeds is None else cell.base_seeds
        for arm, seeds, by_seed in (
            (contrast.base, of_base, cell.base_by_seed),
            (contrast.treatment, cell.seeds, cell.treat_by_seed),
        ):
            said = scores.get((arm, cell.backbone, cell.task))
            if said is None:
                yield f"cells.{number}: the arm {arm} has no scores on {cell.task}"
                continue
            fixed = contrast.pairing == "fixed" and arm == contrast.base
            known = dict(zip(said.seeds, said.by_seed, strict=False))
            due = said.by_seed if fixed else [known.get(seed) for seed in seeds]
            if len(due) != len(by_seed) or any(
                one is None or not same(one, two) for one, two in zip(due, by_seed, strict=False)
            ):
                yield f"cells.{number}: the scores of {arm} are not those that arms says"


def _of_families(result: Result) -> Iterator[str]:
    cells, slices = (sum(len(getattr(one, kind)) for one in result.contrasts) for kind in ("cells", "slices"))
    apart = any(family.name == "slices" for family in result.families)  # in a result of schema 1 they are not
    tests = {"scores": cells if apart else cells + slices, "slices": slices, "means": len(result.contrasts)}
    for number, family in enumerate(result.families):
        due = (len(result.contrasts), tests.get(family.name), result.primary.family_hash)
        if (family.contrasts, family.cells, family.hash) != due:
            yield f"families.{number} is not that of the contrasts"


def _of_selection(selection: Selection, result: Result) -> Iterator[str]:
    best = (selection.best.base, selection.best.treatment)
    yield from _of_confirmation(selection, result.primary.weights)
    if selection.held_out_items:
        return  # chosen on some of the items, whose scores are not in the result
    found = [one for one in result.contrasts if (one.base, one.treatment) == best]
    gains = [one.aggregate.delta for one in result.contrasts if one.base == best[0] and one.aggregate.delta is not None]
    if not found or found[0].aggregate.delta is None or not same(selection.selection_gain, max(gains)):
        yield "selection_gain is not the largest mean gain of the contrasts"
    elif not same(found[0].aggregate.delta, selection.selection_gain):
        yield "best is not the contrast with the largest mean gain"
    mean = selection.confirmed
    if mean is None or mean.delta is None:
        return
    if selection.difference is not None and not same(selection.difference, mean.delta - selection.selection_gain):
        yield "difference is not the confirmed gain minus the selection gain"
    if mean.e1 is not None:
        terms = [ErrorTerm(term.name, term.se, np.inf if term.df is None else term.df) for term in mean.e1.terms]
        yield from (
            f"confirmed.{said}" for said in following.from_terms(mean.e1, mean.delta, terms, result.settings.alpha)
        )


def _of_axes(result: Result) -> Iterator[str]:
    """Compare what is said by option with what follows from the contrasts; older results say nothing."""
    if not result.axes:
        return
    due = grid_axes(result)
    if [one.backbone for one in due] != [one.backbone for one in result.axes]:
        yield "axes are not those of the contrasts"
        return
    for number, (one, other) in enumerate(zip(result.axes, due, strict=True)):
        pairs = zip(one.model_dump().items(), other.model_dump().values(), strict=True)
        yield from (
            f"axes.{number}.{name} do not follow from the contrasts"
            for (name, said), follows in pairs
            if not alike(said, follows)
        )


def _of_confirmation(selection: Selection, weights: Mapping[str, float]) -> Iterator[str]:
    """Compare the arms of a confirmation with what it says; where seeds are missing its means are of fewer."""
    for number, record in enumerate(selection.arms):
        yield from (f"arms.{number}.{said}" for said in _of_arm(record))
    mean = selection.confirmed
    if not selection.arms or mean is None:
        return
    sides = ((selection.best.base, mean.base_mean), (selection.best.treatment, mean.treat_mean))
    for name, due in sides:
        scores = [one for record in selection.arms if record.name == name for one in record.scores]
        if not scores:
            yield f"arms: {name}, which was confirmed, is not among them"
            continue
        whole = all(set(one.seeds) == set(selection.confirmation_seeds) or len(one.seeds) == 1 for one in scores)
        found = sum(one.mean for one in scores) / len(scores)
        if due is not None and whole and not weights and not same(due, found):
            yield f"arms: the mean of {name} is not that of its scores"


def _paired(cell: Cell) -> bool:
    return len(cell.deltas) == len(cell.seeds)


def _twice(names: Sequence[_Name]) -> list[_Name]:
    return [name for name, count in Counter(names).items() if count > 1]
