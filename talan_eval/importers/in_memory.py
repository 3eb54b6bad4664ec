"""Scores that a program holds: data frames, Arrow tables, columns and arrays, as the rows of one table.

What a row may say is what a row of a file may: see ``talan_eval.importers.tables``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from talan_core.bounded import shown
from talan_core.errors import UserError, unknown_name
from talan_eval.importers.logged import LoggedArm, Stamp
from talan_eval.importers.tables import REQUIRED, Gathered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from talan_eval.importers.table_rows import Row

_PLACE: Final = Path("scores")  # what messages call the table
_LEAST: Final = 2
_WHAT: Final = (
    "Give a data frame (pandas, polars, pyarrow) or a dict of columns with arm, seed, task, item and score, or a dict "
    "of arrays by arm: {'lora': array, 'dora': array}, each of shape (seeds, items), or by arm and task."
)


def arms_in_memory(scores: object, base: str | None) -> tuple[LoggedArm, ...]:
    """Return the arms of a table or of arrays.

    Args:
        scores: A data frame of any library with Arrow's C interface, columns by name, or arrays by arm (and task) of
            shape (S, N), one row per training seed, or (N,), one checkpoint.
        base: The arm to compare with; the first one where None.

    Returns:
        The arms, the base first, the others in the order in which they appear.

    Raises:
        UserError: It is none of these, a value cannot be read, or the base is not there.
    """
    rows = list(_rows(scores))
    table = Gathered()
    table.add(_PLACE, enumerate(rows, 1))
    if None in table.arms or len(table.arms) < _LEAST:
        named = ", ".join(str(arm) for arm in table.arms if arm is not None) or "no arm"
        raise UserError(f"The scores name {named}; a comparison needs two arms or more.", _WHAT)
    names = [arm for arm in table.arms if arm is not None]
    if base is not None and base not in names:
        raise unknown_name("arm", base, names)
    content = json.dumps(rows, sort_keys=True, default=str).encode()
    table.stamps.append(Stamp(_PLACE, hashlib.sha256(content).hexdigest(), len(content)))
    ordered = names if base is None else [base, *(name for name in names if name != base)]
    return tuple(LoggedArm(name, tuple(table.runs(name, _PLACE)), (name,)) for name in ordered)


def _rows(scores: object) -> Iterator[Row]:
    """Yield the rows; each states its seed, so that one checkpoint without a number has seed 0."""
    if hasattr(scores, "__arrow_c_stream__"):
        yield from _of_records(_of_frame(scores))
    elif not isinstance(scores, Mapping) or not scores:
        raise UserError(f"The scores are {shown(scores)}, no table and no arrays.", _WHAT)
    elif REQUIRED[-1] in scores:
        yield from _of_records(_of_columns(scores))
    else:
        for arm, found in scores.items():
            tasks = found if isinstance(found, Mapping) else {"scores": found}
            for task, values in tasks.items():
                yield from _of_array(str(arm), str(task), values)


def _of_frame(frame: object) -> list[dict[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415 - only frames need it

    try:
        return pa.table(frame).to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
    except pa.ArrowException as error:
        raise UserError(f"The data frame cannot be read: {error}.", "Give each column values of one type.") from error


def _of_columns(columns: Mapping[Any, Any]) -> Iterator[Row]:
    lists = {str(name): _listed(str(name), values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise UserError(f"The columns have unequal lengths: {told}.", _WHAT)
    for values in zip(*lists.values(), strict=True):
        yield dict(zip(lists, values, strict=True))


def _listed(name: str, values: object) -> list[Any]:
    if isinstance(values, np.ndarray) or hasattr(values, "to_numpy"):
        values = np.asarray(values).tolist()
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise UserError(f"The column {name} is {shown(values)}, no list and no array.", _WHAT)
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _of_records(records: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for record in records:
        row = {name: value for name, value in record.items() if value is not None and value == value}  # noqa: PLR0124 - NaN is what a frame writes for nothing
        yield {"seed": 0, **row}


def _of_array(arm: str, task: str, values: object) -> Iterator[Row]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"The scores of {arm} in {task} are no array of numbers: {error}.", _WHAT) from error
    if array.ndim not in (1, 2) or array.size == 0:
        raise UserError(
            f"The scores of {arm} in {task} have the shape {array.shape}, neither (seeds, items) nor (items,).", _WHAT
        )
    for seed, row in enumerate(np.atleast_2d(array).tolist()):
        for item, score in enumerate(row):
            yield {"arm": arm, "seed": seed, "task": task, "item": str(item), "score": score}
