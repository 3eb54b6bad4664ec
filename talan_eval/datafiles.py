"""Benchmark data on disk: found, counted and hashed before anything is trained."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from talan_core.errors import UserError

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


def find_data_dir(given: str | Path | None, benchmark: str) -> Path:
    """Return the directory of the real benchmarks' data.

    Args:
        given: ``--data-dir``, or None to read the environment variable ``TALAN_EVAL_DATA_DIR``.
        benchmark: Who asks, for the error.

    Returns:
        An existing directory.

    Raises:
        UserError: No directory was named, or it does not exist.
    """
    named = given if given is not None else os.environ.get(DATA_DIR_VARIABLE)
    if named is None:
        raise UserError(
            f"The benchmark {benchmark!r} needs its data and no data directory was named.",
            f"Type --data-dir DIR with DIR/{benchmark}/ in it (or set {DATA_DIR_VARIABLE}), "
            f"or use the bundled {benchmark}_micro.",
        )
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
    if not file.path.is_file():
        raise UserError(f"The data file {file.path} is missing.", "Type --data-dir with the directory that holds it.")
    content = file.path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if file.sha256 is not None and digest != file.sha256:
        raise UserError(
            f"The data file {file.path} was changed: sha256 {digest[:12]}, expected {file.sha256[:12]}.",
            "Restore the published file; scores on other items cannot be compared.",
        )
    rows = [
        _parse(line, number, file)
        for number, line in enumerate(content.decode("utf-8").splitlines(), 1)
        if line.strip()
    ]
    if len(rows) != file.rows:
        raise UserError(
            f"The data file {file.path} has {len(rows)} rows, expected {file.rows}.",
            "Restore the published file and run again.",
        )
    return rows


def _parse(line: str, number: int, file: DataFile) -> dict[str, object]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{file.path}, line {number}: not JSON ({error.msg}).", "Restore the published file and run again."
        ) from error
    missing = [field for field in file.fields if not isinstance(row, dict) or field not in row]
    if missing:
        raise UserError(
            f"{file.path}, line {number}: no field {', '.join(map(repr, missing))}.",
            "Restore the published file and run again.",
        )
    return dict(row)
