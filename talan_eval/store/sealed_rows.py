"""Rows of records as the payload of a sealed cell: Parquet, which every data tool reads; JSON Lines of older versions.

Text that is no valid Unicode (lone surrogates, which JSON can escape and Parquet cannot hold) is kept readable: each
such code unit is written as its escape, as in U+D800 becoming its six ASCII characters.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final

from talan_eval.store.records import CorruptedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from talan_eval.store.canonical import JsonObject

_COMPRESSION: Final = "zstd"
Kinds = dict[str, type]
"""Type of each column, in order: str, int, float or bool; every column may hold None."""


def to_parquet(rows: Sequence[Mapping[str, Any]], kinds: Kinds) -> bytes:
    """Write rows as one Parquet file; equal rows give equal bytes under one version of pyarrow.

    Args:
        rows: Each with a value for every column.
        kinds: The columns.
    """
    import pyarrow as pa  # noqa: PLC0415 - a listing of cells must not wait for it
    from pyarrow import parquet  # noqa: PLC0415 - as above

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    columns = {name: [_valid(row[name]) for row in rows] for name in kinds}
    target = io.BytesIO()
    parquet.write_table(pa.table(columns, schema=schema), target, compression=_COMPRESSION)
    return target.getvalue()


def read_rows(path: Path) -> list[JsonObject]:
    """Read the rows of a payload file, Parquet or JSON Lines by its name.

    Raises:
        CorruptedError: The file is neither, or damaged.
    """
    if path.suffix == ".jsonl":
        try:
            return [dict(json.loads(line)) for line in path.read_text(encoding="ascii").splitlines()]
        except (ValueError, TypeError) as error:
            raise CorruptedError(f"{path} is not a JSON Lines file ({error})") from error
    import pyarrow as pa  # noqa: PLC0415 - a listing of cells must not wait for it
    from pyarrow import parquet  # noqa: PLC0415 - as above

    try:
        rows: list[JsonObject] = parquet.read_table(path, memory_map=False).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptedError(f"{path} is not a Parquet file ({error})") from error
    return rows


def read_columns(path: Path, names: Sequence[str]) -> pa.Table:
    """Read some columns of a payload file; of Parquet the others are not decoded.

    Args:
        path: Parquet or JSON Lines, by its name.
        names: The columns; one that the file lacks, because it was written by an older version, holds None.

    Raises:
        CorruptedError: The file is neither, or damaged.
    """
    import pyarrow as pa  # noqa: PLC0415 - a listing of cells must not wait for it
    from pyarrow import parquet  # noqa: PLC0415 - as above

    if path.suffix == ".jsonl":
        rows = read_rows(path)
        return pa.table({name: [_valid(row.get(name)) for row in rows] for name in names})
    try:
        with parquet.ParquetFile(path, memory_map=False) as file:
            there = [name for name in names if name in file.schema_arrow.names]
            found = file.read(columns=there, use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptedError(f"{path} is not a Parquet file ({error})") from error
    empty = pa.nulls(found.num_rows)
    return pa.table({name: found[name] if name in there else empty for name in names})


def count_rows(path: Path) -> int:
    """Return how many rows a payload file holds: lines of text, or rows of Parquet.

    Raises:
        CorruptedError: It is called Parquet and is not.
    """
    if path.suffix != ".parquet":
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    import pyarrow as pa  # noqa: PLC0415 - a listing of cells must not wait for it
    from pyarrow import parquet  # noqa: PLC0415 - as above

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptedError(f"{path} is not a Parquet file ({error})") from error


def _valid(value: object) -> object:
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
