"""The columns of cells, slices and means: the one list from which every format is derived.

A column that is added here appears in the terminal (as the width allows), in Markdown, LaTeX, the page and the CSV.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.report.own_recipes import different_recipes
from talan_eval.report.table import ColumnOf
from talan_eval.result.evidence import POINTS
from talan_eval.result.schema import Aggregate, Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from talan_eval.report.view import View
    from talan_eval.result.schema import E0, E1, E2, Ci, MarginTest, Pairedness

FLAG: Final = "*"
"""Marks a verdict that rests on the t test alone."""


@dataclass(frozen=True)
class CellLine:
    """A row about one cell, one slice, or the mean of a contrast.

    Attributes:
        view: The contrast.
        name: What the row is called.
        found: What was found.
    """

    view: View
    name: str
    found: Cell | Aggregate

    @property
    def cell(self) -> Cell | None:
        """The cell or slice; None in the row of the mean."""
        return self.found if isinstance(self.found, Cell) else None

    @property
    def mean(self) -> Aggregate | None:
        """The mean; None in the row of a cell."""
        return self.found if isinstance(self.found, Aggregate) else None

    @property
    def cells(self) -> Sequence[Cell]:
        """The cells that it sums up."""
        return self.view.cells if self.cell is None else (self.cell,)


def _of_cell(value: Callable[[Cell], fmt.Value]) -> Callable[[CellLine], fmt.Value]:
    return lambda line: None if line.cell is None else value(line.cell)


def _of_e0(value: Callable[[E0], fmt.Value]) -> Callable[[CellLine], fmt.Value]:
    return lambda line: None if line.found.e0_mean is None else value(line.found.e0_mean)


def _judged_e0(value: Callable[[E0], fmt.Value]) -> Callable[[CellLine], fmt.Value]:
    """Return a value of E0 where the verdict is about it; else the table of checkpoint pairs shows it."""
    return lambda line: _of_e0(value)(line) if line.found.verdict_estimand == "E0" else None


def _of_e1(value: Callable[[E1], fmt.Value]) -> Callable[[CellLine], fmt.Value]:
    return lambda line: None if line.found.e1 is None or too_few(line) else value(line.found.e1)


def _of_e2(value: Callable[[E2], fmt.Value]) -> Callable[[CellLine], fmt.Value]:
    return lambda line: None if line.found.e2 is None or too_few(line) else value(line.found.e2)


def too_few(line: CellLine) -> bool:
    """Say whether so few seeds allow no interval; older results have one of two seeds all the same."""
    return line.found.verdict == "not estimable"


def _of_pairing(value: Callable[[Pairedness], fmt.Value]) -> Callable[[CellLine], fmt.Value]:
    return lambda line: None if line.found.pairedness is None else value(line.found.pairedness)


def _level(line: CellLine) -> str:
    if line.cell is None:
        return "mean"
    return "cell" if line.cell.slice is None else "slice"


def _backbone(line: CellLine) -> str:
    if line.cell is not None:
        return line.cell.backbone
    return "+".join(entry.backbone for entry in line.view.mean.backbones)


def seeds_of_mean(mean: Aggregate) -> int:
    """Return the training seeds of each backbone, the smallest number where they differ."""
    return min(len(entry.seeds) for entry in mean.backbones)


def _recipes(line: CellLine) -> str | None:
    return different_recipes(line.view.result, (line.view.base, line.view.treatment)) or None


def _seeds(line: CellLine) -> int:
    return line.cell.n_seeds if line.cell is not None else seeds_of_mean(line.view.mean)


def flipped(cells: Sequence[Cell]) -> fmt.Flipped | None:
    """Return the flips of some cells over all seeds; None where their seeds are not paired."""
    pairs = [pair for cell in cells for pair in cell.e0]
    lost = [pair.lost for pair in pairs if pair.lost is not None]
    gained = [pair.gained for pair in pairs if pair.gained is not None]
    return fmt.Flipped(sum(lost), sum(gained)) if lost and gained else None


def base_mean(line: CellLine) -> float | None:
    """Return the base arm's mean score, over the cells in the row of the mean."""
    return line.found.base_mean


def treatment_mean(line: CellLine) -> float | None:
    """Return the treatment's mean score, over the cells in the row of the mean."""
    return line.found.treat_mean


def adjusted_p(line: CellLine) -> float | None:
    """Return the p that was adjusted for something: a mean's only where there are other contrasts or variants."""
    tried = line.view.result.settings.variants_tried
    if line.cell is not None:
        alone = len(line.view.cells) == 1 and not line.view.slices and not line.view.several and tried == 1
        return None if alone else line.cell.adjusted_p
    mean = line.view.mean
    if line.view.several:
        return mean.family_p
    return mean.adjusted_p if tried > 1 else None


def verdict(line: CellLine) -> str:
    """Return the verdict with its mark, or what a margin makes of "inconclusive"."""
    word, margin = line.found.verdict, line.found.margin_test
    within = None if margin is None else _within(margin)
    if word == "inconclusive" and within is not None:
        return within
    return f"{word}{FLAG}" if line.found.verdict_basis == "normality-based" else word


def _bootstrap_ci(e1: E1) -> Ci | None:
    return None if e1.bootstrap is None else e1.bootstrap.ci


IDENTITY: Final[tuple[ColumnOf[CellLine], ...]] = tuple(
    ColumnOf((key,), key, "left", keys=(key,), shown=False, value=value)
    for key, value in (
        ("level", _level),
        ("base", lambda line: line.view.base),
        ("treatment", lambda line: line.view.treatment),
        ("pairing", lambda line: line.view.contrast.pairing),
        ("recipes", _recipes),
        ("backbone", _backbone),
        ("task", _of_cell(lambda cell: cell.task)),
        ("slice", _of_cell(lambda cell: cell.slice)),
        ("metric", _of_cell(lambda cell: cell.metric)),
        ("unit", lambda line: line.view.unit),
        ("n_items", _of_cell(lambda cell: cell.n_items)),
        ("n_dropped", _of_cell(lambda cell: cell.n_dropped)),
        ("n_seeds", _seeds),
        ("k", _of_cell(lambda cell: cell.k)),
    )
)
"""What a row of a data file is about."""

CORRELATION: Final = ColumnOf[CellLine](
    ("r over", "seeds"), "r over seeds", kind="decimals", keys=("r",), shown=False,
    value=_of_pairing(lambda pairing: pairing.correlation),
)  # fmt: skip
WIDTH_RATIO: Final = ColumnOf[CellLine](
    ("width", "unpaired/paired"), "width unpaired/paired", kind="decimals", keys=("width_ratio",), shown=False,
    value=_of_pairing(lambda pairing: pairing.width_ratio),
)  # fmt: skip


def cell_columns(level: str, unit: str = POINTS) -> tuple[ColumnOf[CellLine], ...]:
    """Return the columns in reading order.

    Args:
        level: The intervals' level in words, such as "95 %".
        unit: What differences are measured in.
    """
    return (
        *IDENTITY, ColumnOf(("benchmark",), "benchmark", "left", value=lambda line: line.name),
        ColumnOf(("base", "mean"), "base mean", rank=2, kind="score", keys=("base_mean",), value=base_mean),
        ColumnOf(("treat", "mean"), "treat mean", rank=2, kind="score", keys=("treat_mean",), value=treatment_mean),
        ColumnOf(("delta", unit), "delta", kind="gain", keys=("delta",), value=lambda line: line.found.delta),
        *_checkpoints(level),
        ColumnOf(
            (f"E1 {level} CI",), f"E1 {level} CI", kind="interval", keys=("e1_lo", "e1_hi"), optional=True,
            value=_of_e1(lambda e1: e1.ci),
        ),
        ColumnOf(
            ("E1 p",), "E1 p", rank=1, kind="p", keys=("e1_p",), optional=True, value=_of_e1(lambda e1: e1.p)
        ),
        ColumnOf(
            ("E1", "binding"), "E1 binding", shown=False, keys=("e1_binding",), value=_of_e1(lambda e1: e1.binding)
        ),
        *_beside_e1(level),
        ColumnOf(
            (f"E2 {level} CI",), f"E2 {level} CI", rank=5, kind="interval", keys=("e2_lo", "e2_hi"), optional=True,
            value=_of_e2(lambda e2: e2.ci),
        ),
        ColumnOf(("E2 p",), "E2 p", shown=False, kind="p", keys=("e2_p",), value=_of_e2(lambda e2: e2.p)),
        ColumnOf(
            ("flips", "lost/gained"), "flips lost/gained", rank=6, kind="flips", keys=("lost", "gained"),
            value=lambda line: flipped(line.cells),
        ),
        *_adjusted(level),
        ColumnOf(
            ("MDE", "80 %"), "MDE 80 %", rank=7, kind="score", keys=("mde80",), optional=True,
            value=lambda line: None if too_few(line) else line.found.mde80,
        ),
        CORRELATION,
        WIDTH_RATIO,
        ColumnOf(("verdict",), "verdict", "left", value=verdict),
        *_ends(),
    )  # fmt: skip


def _beside_e1(level: str) -> tuple[ColumnOf[CellLine], ...]:
    """Return the tests and the interval that stand beside the guarded ones."""
    return (
        ColumnOf(
            ("sign-", "flip p"), "sign-flip p", rank=3, kind="p", keys=("signflip_p",), optional=True,
            value=_of_e1(lambda e1: None if e1.signflip is None else e1.signflip.p),
        ),
        ColumnOf(
            ("flip", "floor"), "sign-flip floor", rank=9, kind="floor", keys=("signflip_floor",), optional=True,
            value=_of_e1(lambda e1: None if e1.signflip is None else e1.signflip.floor),
        ),
        ColumnOf(
            ("permu-", "tation p"), "permutation p", rank=3, kind="p", keys=("permutation_p",), optional=True,
            value=_of_e1(lambda e1: None if e1.permutation is None else e1.permutation.p),
        ),
        ColumnOf(
            ("permutation", "floor"), "permutation floor", rank=9, kind="floor", keys=("permutation_floor",),
            optional=True, value=_of_e1(lambda e1: None if e1.permutation is None else e1.permutation.floor),
        ),
        ColumnOf(
            ("bootstrap",), "bootstrap", shown=False, keys=("bootstrap_method",),
            value=_of_e1(lambda e1: None if e1.bootstrap is None else e1.bootstrap.method),
        ),
        ColumnOf(
            (f"bootstrap {level} CI",), f"bootstrap {level} CI", rank=8, kind="interval",
            keys=("bootstrap_lo", "bootstrap_hi"), optional=True, value=_of_e1(_bootstrap_ci),
        ),
    )  # fmt: skip


def _checkpoints(level: str) -> tuple[ColumnOf[CellLine], ...]:
    """Return the columns of E0: shown where verdicts are about it, and always in data files."""
    return (
        ColumnOf(
            (f"E0 {level} CI",), f"E0 {level} CI", kind="interval", optional=True, value=_judged_e0(lambda e0: e0.ci)
        ),
        ColumnOf(("E0 p",), "E0 p", rank=1, kind="p", optional=True, value=_judged_e0(lambda e0: e0.p)),
        ColumnOf(("E0",), "E0", shown=False, kind="interval", keys=("e0_lo", "e0_hi"), value=_of_e0(lambda e0: e0.ci)),
        ColumnOf(("E0",), "E0", shown=False, kind="p", keys=("e0_p",), value=_of_e0(lambda e0: e0.p)),
    )


def _adjusted(level: str) -> tuple[ColumnOf[CellLine], ...]:
    return (
        ColumnOf(("Holm p",), "Holm p", shown=False, kind="p", keys=("holm_p",), value=_of_cell(lambda c: c.holm_p)),
        ColumnOf(("max-T p",), "max-T p", shown=False, kind="p", keys=("maxt_p",), value=_of_cell(lambda c: c.maxt_p)),
        ColumnOf(
            ("own", "p"), "own p", shown=False, kind="p", keys=("adjusted_p",), value=lambda line: line.found.adjusted_p
        ),
        ColumnOf(
            ("family", "p"), "family p", shown=False, kind="p", keys=("family_p",),
            value=lambda line: None if line.mean is None else line.mean.family_p,
        ),
        ColumnOf(("adjusted", "p"), "adjusted p", rank=4, kind="p", optional=True, value=adjusted_p),
        ColumnOf(
            (f"simultaneous {level} CI",), f"simultaneous {level} CI", rank=10, kind="interval", optional=True,
            keys=("simultaneous_lo", "simultaneous_hi"), value=lambda line: line.found.simultaneous_ci,
        ),
    )  # fmt: skip


def _ends() -> tuple[ColumnOf[CellLine], ...]:
    return tuple(
        ColumnOf((key,), key, "left", keys=(key,), shown=False, value=value)
        for key, value in (
            ("verdict", lambda line: line.found.verdict),
            ("verdict_estimand", lambda line: line.found.verdict_estimand),
            ("verdict_basis", lambda line: line.found.verdict_basis),
            ("signature", lambda line: line.view.result.signature),
        )
    )


def cell_lines(view: View) -> tuple[CellLine, ...]:
    """Return the rows of a contrast's cells, as tables for people name them, and of their mean."""
    lines = [CellLine(view, _named(cell, name), cell) for cell, name in zip(view.cells, view.cell_names, strict=True)]
    mean = CellLine(view, view.mean_name, view.mean)
    return (*lines, mean)


def shown_lines(view: View) -> tuple[CellLine, ...]:
    """Return the rows that people are shown: a single benchmark is its mean, and is shown once."""
    lines = cell_lines(view)
    if len(view.cells) > 1:
        return lines
    (only, _) = lines
    return (replace(only, name=f"{only.name} (primary)"),) if view.primary else (only,)


def _within(margin: MarginTest) -> str | None:
    """Return what a margin shows, in words; None where it shows nothing."""
    texts = {"no worse": "no worse than", "no better": "no better than", "equivalent": "equal within"}
    return None if margin.word is None else f"{texts[margin.word]} {margin.margin:g}"


def slice_lines(view: View) -> tuple[CellLine, ...]:
    """Return the rows of a contrast's slices."""
    return tuple(
        CellLine(view, f"{name} ({cell.n_items})", cell)
        for cell, name in zip(view.slices, view.slice_names, strict=True)
    )


def _named(cell: Cell, name: str) -> str:
    return name if not cell.n_dropped else f"{name} (without {fmt.count(cell.n_dropped, 'item')})"
