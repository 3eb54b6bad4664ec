"""What was measured of a checkpoint on one benchmark, as a sealed file: a killed measurement goes on where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from talan_core.bounded import BoundsError, read_bounded
from talan_eval.store.atomic import atomic_write_bytes, make_directory
from talan_eval.store.records import MOST_OF_A_RECORD, CorruptedError, sealed_json, unsealed_json

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.stats.arrays import FloatArray
    from talan_eval.store.canonical import JsonObject

MEASURING_VERSION: Final = 4
"""Of what is measured; what an earlier one kept is measured again."""

_DIGITS: Final = 7
"""Significant digits that are kept: float32 has no more."""

Numbers = tuple[float | None, ...]


class KeptRun(BaseModel):
    """One checkpoint on one benchmark of E examples, D control draws and L layers; None where nothing is defined.

    Attributes:
        layer: l*; None without a block.
        layers: L.
        hidden_size: d.
        values: By quantity, (E,).
        curves: By quantity, (E, L + 1).
        drawn: By control, its mean over examples for each draw: (D, 1), or (D, L + 1) by layer.
        seconds: Time that it took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    layer: int | None
    layers: int
    hidden_size: int
    values: dict[str, Numbers]
    curves: dict[str, tuple[Numbers, ...]]
    drawn: dict[str, tuple[Numbers, ...]]
    seconds: float

    def rows(self, name: str) -> FloatArray | None:
        """Return a quantity as (E, 1), or (E, L + 1) by layer, with NaN where it is not defined; None without it."""
        found: Any = self.curves.get(name)
        if found is None and name in self.values:
            found = [(value,) for value in self.values[name]]
        return None if found is None else np.array(found, dtype=np.float64)

    def draws(self, name: str) -> FloatArray | None:
        """Return the draws of a control, (D, 1) or (D, L + 1); None without it."""
        found: Any = self.drawn.get(name)
        return None if found is None else np.array(found, dtype=np.float64)


def numbers(values: FloatArray) -> Any:  # noqa: ANN401 - nested as the array is
    """Return an array as nested tuples with None for NaN, rounded to what float32 holds."""
    if values.ndim > 1:
        return tuple(numbers(row) for row in values)
    return tuple(None if np.isnan(value) else float(f"{value:.{_DIGITS}g}") for value in values)


def write_kept(path: Path, header: JsonObject, kept: BaseModel) -> None:
    """Write what was measured, whole or not at all.

    Args:
        path: The file; its directory is made.
        header: What the numbers depend on.
        kept: The numbers.

    Raises:
        UserError: No space or no permission.
    """
    make_directory(path.parent)
    atomic_write_bytes(path, sealed_json({"header": header, "kept": kept.model_dump(mode="json")}))


def read_kept(path: Path, header: JsonObject) -> JsonObject | None:
    """Read what was measured before under the same header; None where there is nothing sound."""
    try:
        content = unsealed_json(read_bounded(path, MOST_OF_A_RECORD))
    except (OSError, BoundsError, CorruptedError):
        return None
    kept = content.get("kept")
    return kept if content.get("header") == header and isinstance(kept, dict) else None
