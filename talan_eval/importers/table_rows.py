"""Rows of plain tables: CSV, TSV, Parquet or JSON lines; a missing value is a missing key."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import MEGABYTE, BoundsError, open_regular, parse_json, said, shown
from talan_core.errors import UserError
from talan_eval.importers.documents import parsed
from talan_eval.importers.files import first_bytes, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]
EXPORTED: Final = ".table.json"
"""How names of tables of Weights & Biases end."""
_ROWS_PER_BYTE = 16
_MOST_CELLS = 5_000_000
"""Values of one Parquet file, each of which takes a hundred bytes of memory; 40 seeds of 20,000 items have so many."""
_MOST_UNPACKED = 1024 * MEGABYTE
_LEAST_UNPACKED = 64 * MEGABYTE
_RATIO = 100
_BATCH = 8192  # rows


def column_names(path: Path) -> frozenset[str]:
    """Return the names of a table's columns from its header or first row; none for what is no table."""
    suffix = path.suffix.lower()
    if path.name.lower().endswith(EXPORTED):
        return frozenset(re.findall(r'"([^"\\]*)"', first_bytes(path).partition(b"]")[0].decode("utf-8", "replace")))
    try:
        if suffix == ".parquet":
            return parquet_names(path)
        text = (first_line(path) if suffix == ".jsonl" else first_bytes(path)).removeprefix(b"\xef\xbb\xbf")
        if suffix != ".jsonl":
            return frozenset(header(text.decode("utf-8", "replace"), suffix))
        row = parse_json(text)
    except (ValueError, csv.Error):
        return frozenset()
    return frozenset(row) if isinstance(row, dict) else frozenset()


def header(text: str, suffix: str) -> list[str]:
    """Return the names in the first line of a table in CSV or TSV, as it is going to be read.

    Raises:
        csv.Error: It has no such line.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if suffix == ".tsv" else ",")
    return [name.strip() for name in next(rows, [])]


def parquet_names(path: Path) -> frozenset[str]:
    """Return the names of the columns of a Parquet file.

    Raises:
        ValueError: It is not readable as one.
    """
    import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        with open_regular(path) as file:
            return frozenset(pq.read_schema(file).names)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(said(error)) from error


def read_rows(path: Path, data: bytes) -> Iterator[tuple[int, Row]]:
    """Read a table.

    Args:
        path: Its name decides how it is read.
        data: Its bytes.

    Yields:
        Number of the line or row, and column name to value.

    Raises:
        UserError: It is not readable as what its name says; the message has the line.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from read_parquet(path, data)
        return
    if path.name.lower().endswith(EXPORTED):
        yield from _exported(path, data)
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8.", f"Convert it: iconv -t utf-8 '{path}'") from error
    if suffix == ".jsonl":
        yield from _json_lines(path, text)
        return
    yield from _delimited(path, text, "\t" if suffix == ".tsv" else ",")


def _delimited(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, Row]]:
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(table, [])]
        if (twice := _twice(header)) is not None:
            raise UserError(
                f"{path}, line 1: two columns are called {shown(twice)}.", f"Rename one of them: sed -n 1p '{path}'"
            )
        for row in table:
            if len(row) != len(header) and row:
                raise UserError(
                    f"{path}, line {table.line_num}: {'more' if len(row) > len(header) else 'fewer'} fields than the "
                    "header has.",
                    f"Look at it: sed -n {table.line_num}p '{path}'",
                )
            if "" in row:
                yield table.line_num, {name: value for name, value in zip(header, row, strict=True) if value != ""}
            elif row:
                yield table.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(
            f"{path}, line {table.line_num}: not readable as CSV ({error}).",
            f"Look at it: sed -n {table.line_num}p '{path}'",
        ) from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, unique=True)
        except ValueError as error:
            raise UserError(
                f"{path}, line {number}: the line is not JSON or was cut off ({said(error)}).",
                f"Look at it: sed -n {number}p '{path}'",
            ) from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: not a JSON object.", "Write one object per line.")
        yield number, {name: value for name, value in row.items() if value is not None}


def _exported(path: Path, data: bytes) -> Iterator[tuple[int, Row]]:
    """Read a table of Weights & Biases, as its runs keep it: columns, and rows of values."""
    table = parsed(path, "", data)
    columns = [one.text() for one in table["columns"].list()]
    if (twice := _twice(columns)) is not None:
        raise UserError(f"{path}: two columns are called {shown(twice)}.", "Log the table again with other names.")
    for number, row in enumerate(table["data"].list(), 1):
        values = [one.value for one in row.list()]
        if len(values) != len(columns):
            raise row.error(f"it has {len(values)} values, and there are {len(columns)} columns")
        yield number, {name: value for name, value in zip(columns, values, strict=True) if value is not None}


def read_parquet(path: Path, data: bytes, columns: Sequence[str] | None = None) -> Iterator[tuple[int, Row]]:
    """Read rows of a Parquet file within bounds; arguments as for ``read_rows``, and which columns are read."""
    import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        metadata = pq.read_metadata(pa.BufferReader(data))
        leaves = _leaves(metadata, columns)
        _check_declared(metadata, len(leaves), len(data))
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        with (
            pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts) as packed,
            pq.ParquetFile(pa.BufferReader(data)) as file,
        ):
            twice = _twice(file.schema_arrow.names)
            measured, read = (one.iter_batches(_BATCH, columns=columns) for one in (packed, file))
            rows = _rows(measured, read, len(leaves)) if twice is None else []
    except (pa.ArrowException, OSError, ValueError, OverflowError, TypeError, KeyError) as error:
        raise UserError(f"{path} is not a readable Parquet file ({said(error)}).", "Write it again.") from error
    if twice is not None:
        raise UserError(f"{path}: two columns are called {shown(twice)}.", "Write it again with other names.")
    for number, row in enumerate(rows, 1):
        yield number, {name: value for name, value in row.items() if value is not None}


def _leaves(metadata: Any, columns: Sequence[str] | None) -> list[Any]:  # noqa: ANN401 - pyarrow has no types
    """Return the columns that hold values, those of a table in a column one by one."""
    found = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    return [leaf for leaf in found if columns is None or leaf.path.split(".", 1)[0] in columns]


def _rows(measured: Iterable[Any], read: Iterator[Any], width: int) -> list[Row]:
    """Unpack batches until they hold more than they may, whatever the file says of itself.

    Args:
        measured: Batches whose texts are references into their dictionary: they are measured before they are written
            out.
        read: The same batches as they are read.
        width: How many columns there are.

    Raises:
        BoundsError: They do.
    """
    rows: list[Row] = []
    size = known = 0
    for packed in measured:
        known += packed.num_rows
        size += sum(map(_unpacked_size, packed.columns))
        if known * max(width, 1) > _MOST_CELLS:
            raise BoundsError(f"it holds more than {_MOST_CELLS:,} values")
        if size > _MOST_UNPACKED:
            raise BoundsError(f"it unpacks to more than {_MOST_UNPACKED // MEGABYTE:,} MiB")
        while len(rows) < known and (batch := next(read, None)) is not None:  # which may be cut in other places
            rows += batch.to_pylist()
    return rows


def _unpacked_size(array: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    """Return the bytes of an array, with each text counted as often as it stands there."""
    import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    if pa.types.is_dictionary(array.type):
        lengths = pc.take(pc.binary_length(array.dictionary), array.indices)
        return int(pc.sum(lengths).as_py() or 0)
    if pa.types.is_struct(array.type):
        return sum(map(_unpacked_size, array.flatten()))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _unpacked_size(array.flatten())
    return int(array.nbytes)


def _twice(names: list[str]) -> str | None:
    """Return a name that stands there more than once, or None."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _check_declared(metadata: Any, width: int, size: int) -> None:  # noqa: ANN401 - pyarrow has no types
    """Refuse a file that says it unpacks to far more than rows of scores can: each row differs from all others.

    Args:
        metadata: What it says.
        width: How many columns are read.
        size: Its bytes.

    Raises:
        BoundsError: It does.
    """
    rows = metadata.num_rows
    if rows > _ROWS_PER_BYTE * size or rows * max(width, 1) > _MOST_CELLS:
        raise BoundsError(f"it is said to hold {rows:,} rows of {width:,} columns in {size:,} bytes")
    unpacked = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if unpacked > max(_LEAST_UNPACKED, _RATIO * size):
        raise BoundsError(f"it is said to unpack to {unpacked:,} bytes")
