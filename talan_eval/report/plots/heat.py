"""Heat map of flips: which items the treatment gains and loses at which seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from talan_eval.report.clean import one_line
from talan_eval.report.plots.style import GAINED, LOST, PAGE, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from talan_eval.report.context import Flip
    from talan_eval.report.view import View
    from talan_eval.result.schema import Cell

_MOST_CELLS: Final = 16
_ROW: Final = 0.16
_PARTS: Final = 2  # of a row: a loss fills them all, a gain the lower one


def heat_map(view: View, flips: Sequence[Flip], width: float = PAGE) -> Figure:
    """Draw one strip per cell of a contrast: seeds down, items that flip at least once across.

    Items are ordered by how often they are lost minus gained, so systematic losses stand at the left end and systematic
    gains at the right one. A loss is dark and fills its row, a gain is light and fills half of it: they differ in grey.
    """
    from matplotlib.patches import Patch  # noqa: PLC0415 - an extra

    chosen = sorted({flip.cell for flip in flips})[:_MOST_CELLS]
    names = view.cell_names
    heights = [max(0.5, _ROW * view.cells[index].n_seeds) for index in chosen]
    figure = new_figure(width, 0.6 + sum(heights) + 0.55 * len(chosen))
    strips = figure.subplots(len(chosen), 1, squeeze=False, height_ratios=heights).ravel()
    for axes, index in zip(strips, chosen, strict=True):
        cell = view.cells[index]
        signs = _signs(flips, index, cell)
        _strip(axes, signs, cell)
        axes.set_title(one_line(f"{names[index]}: {signs.shape[1]} of {cell.n_items} items flip at some seed"))
    strips[-1].set_xlabel("items, most often lost first")
    patches = [Patch(color=LOST, label="lost (whole row)"), Patch(color=GAINED, label="gained (half a row)")]
    figure.legend(handles=patches, loc="outside upper right", ncols=2)
    return figure


def _strip(axes: Axes, signs: NDArray[np.int8], cell: Cell) -> None:
    from matplotlib.colors import to_rgba  # noqa: PLC0415 - an extra

    parts = np.repeat(signs, _PARTS, axis=0)
    lower = np.arange(len(parts)) % _PARTS == _PARTS - 1
    image = np.zeros((*parts.shape, 4))
    image[parts < 0], image[(parts > 0) & lower[:, None]] = to_rgba(LOST), to_rgba(GAINED)
    axes.imshow(image, aspect="auto", interpolation="none")
    middles = np.arange(cell.n_seeds) * _PARTS + (_PARTS - 1) / 2
    axes.set_yticks(middles, [str(seed) for seed in cell.seeds], fontsize=7)
    axes.set_xticks([])
    axes.set_ylabel("seed")


def _signs(flips: Sequence[Flip], index: int, cell: Cell) -> NDArray[np.int8]:
    """Return -1, 0 or +1 per seed and flipping item, shape (S, F), items ordered by their sum."""
    rows = {seed: row for row, seed in enumerate(cell.seeds)}
    columns: dict[str, int] = {}
    places = []
    for flip in flips:
        if flip.cell == index:
            column = columns.setdefault(flip.item_id, len(columns))
            places.append((rows[flip.seed], column, -1 if flip.lost else 1))
    signs = np.zeros((cell.n_seeds, len(columns)), dtype=np.int8)
    for row, column, sign in places:
        signs[row, column] = sign
    return signs[:, np.argsort(signs.sum(axis=0), kind="stable")]
