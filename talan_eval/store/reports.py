"""The reports of an experiment, sealed: what their bytes are, and from which records they were made.

``reports.json`` is removed before a report is written and written after the last one, so that it never vouches for
half of them. Directories of earlier versions have none, or one that names records without their hashes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from talan_core.bounded import read_bounded
from talan_eval.store.atomic import atomic_write_bytes, remove
from talan_eval.store.checkpoints import check_file
from talan_eval.store.records import (
    MOST_OF_A_RECORD,
    CorruptedError,
    SealedFile,
    check_name,
    sealed_json,
    unsealed_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

REPORTS_NAME: Final = "reports.json"


def write_reports(directory: Path, files: Mapping[str, bytes], cells: Mapping[str, str]) -> None:
    """Write reports and their seal.

    Args:
        directory: The experiment directory, held by this process.
        files: Content by name.
        cells: Hashes of the sealed records that they were made from, by cell.

    Raises:
        UserError: No space or no permission.
    """
    remove(directory / REPORTS_NAME)
    for name, content in files.items():
        atomic_write_bytes(directory / name, content)
    described = [
        {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in files.items()
    ]
    atomic_write_bytes(directory / REPORTS_NAME, sealed_json({"cells": dict(cells), "files": described}))


def has_seal(directory: Path) -> bool:
    """Say whether the reports of a directory were sealed."""
    return (directory / REPORTS_NAME).exists()


def report_problems(directory: Path, there: Mapping[str, str]) -> Iterator[str]:
    """Name reports that are not what was written, and records that are not those that they were made from.

    Args:
        directory: An experiment directory whose reports were sealed.
        there: Hashes of the records that it has, by cell.
    """
    path = directory / REPORTS_NAME
    try:
        content = unsealed_json(read_bounded(path, MOST_OF_A_RECORD))
        files = [SealedFile(check_name(one["name"]), one["sha256"], one["size"], 0) for one in content["files"]]
        named = content["cells"] if isinstance(content["cells"], dict) else dict.fromkeys(content["cells"])
        cells = {check_name(name): digest for name, digest in named.items()}
    except (CorruptedError, OSError, KeyError, TypeError, ValueError) as error:
        yield f"{path} is damaged, so its reports cannot be checked: {error}."
        return
    for file in files:
        try:
            check_file(directory / file.name, file)
        except CorruptedError as error:
            yield f"Report {file.name} is damaged: {error}."
    for name, digest in sorted(cells.items()):
        if name not in there:
            yield f"Cell {name} counts as missing: its record was removed, and the reports were made from it."
        elif digest is not None and digest != there[name]:
            yield f"Cell {name} has another record than the one that the reports were made from."
