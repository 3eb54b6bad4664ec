"""Benchmark data in JSON lines: found, counted and hashed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from talan_core.bounded import MEGABYTE, BoundsError, parse_json, read_bounded, said
from talan_core.errors import UserError

_MOST = 256 * MEGABYTE
DATA_DIR_VARIABLE = "TALAN_EVAL_DATA_DIR"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One JSON-lines file of a benchmark, with what must be true of it.

    Attributes:
        path: Where it is.
        rows: How many rows it has.
        fields: Fields that every row has.
        sha256: Hash of its bytes; None where several published encodings exist and only the count is checked.
    """

    path: Path
    rows: int
    fields: tuple[str, ...]
    sha256: str | None = None


def named_data_dir(given: str | Path | None) -> Path | None:
    """Return the directory of the real benchmarks' data, or None where no directory was named.

    Args:
        given: ``--data-dir``, or None to read the environment variable ``TALAN_EVAL_DATA_DIR``.

    Raises:
        UserError: The directory does not exist.
    """
    named = given if given is not None else os.environ.get(DATA_DIR_VARIABLE)
    if named is None:
        return None
    directory = Path(named)
    if not directory.is_dir():
        raise UserError(
            f"The data directory {str(directory)!r} does not exist.", "Type --data-dir with an existing directory."
        )
    return directory


def read_rows(file: DataFile) -> list[dict[str, object]]:
    """Read and check one file.

    Args:
        file: The file and what must be true of it.

    Returns:
        Its rows in order.

    Raises:
        UserError: It is missing, has another hash or count, or a row lacks a field; the message names file and line.
    """
    content = read_bytes(file.path, file.rows)
    digest = hashlib.sha256(content).hexdigest()
    if file.sha256 is not None and digest != file.sha256:
        raise UserError(
            f"The data file {file.path} was changed: sha256 {digest[:12]}, expected {file.sha256[:12]}.",
            "Restore the published file; scores on other items cannot be compared.",
        )
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"The data file {file.path} is not UTF-8 (byte {error.start}).", "Restore the published file and run again."
        ) from error
    rows = [_parse(line, number, file) for number, line in enumerate(lines, 1) if line.strip()]
    if len(rows) != file.rows:
        raise UserError(
            f"The data file {file.path} has {len(rows)} rows, expected {file.rows}.",
            "Restore the published file and run again.",
        )
    return rows


def read_bytes(path: Path, rows: int) -> bytes:
    """Read a whole file.

    Args:
        path: Where it is.
        rows: How many items it should hold, for the error.

    Raises:
        UserError: It is missing, or cannot be read.
    """
    try:
        return read_bounded(path, _MOST)
    except BoundsError as error:
        raise UserError(
            f"The data file {path} does not hold {rows} items: {error}.", "Restore the published file and run again."
        ) from error
    except FileNotFoundError as error:
        raise UserError(
            f"The data file {path} is missing; it should hold {rows} items.",
            "Type --data-dir with the directory that holds it, or leave it out (and unset "
            f"{DATA_DIR_VARIABLE}) to take the items from the Hub.",
        ) from error
    except OSError as error:
        raise UserError(
            f"The data file {path} cannot be read: {error.strerror}.", "Type --data-dir with a readable directory."
        ) from error


def _parse(line: str, number: int, file: DataFile) -> dict[str, object]:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise UserError(
            f"{file.path}, line {number}: not JSON ({said(error)}).", "Restore the published file and run again."
        ) from error
    missing = [field for field in file.fields if not isinstance(row, dict) or field not in row]
    if missing:
        raise UserError(
            f"{file.path}, line {number}: no field {', '.join(map(repr, missing))}.",
            "Restore the published file and run again.",
        )
    return dict(row)
