"""Items in a password-protected archive, as GPQA's authors publish them: read in memory, never written anywhere.

The password keeps the items out of crawls; it is no secret. Nothing here puts an item's text into an error.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_core.bounded import MEGABYTE, BoundsError, read_stream
from talan_core.errors import UserError
from talan_eval.tasks.datafiles.local import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 64 * MEGABYTE
_FIX = "Restore the archive that the authors publish and run again."


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One CSV file in a ZIP archive, with what must be true of it.

    The archive is known in several encodings of its rare characters, so its bytes are not hashed. The ZIP format's own
    check sums find damage; the hash of the ids finds other items; and the text of the items is part of the task's
    version, so scores on different texts are never compared.

    Attributes:
        path: The archive.
        member: Name of the CSV file in it.
        password_base64: The published password, in base64: like the items, it does not stand here in plain text.
        rows: How many rows it has.
        fields: Columns that every row fills.
        id_field: The column with the items' ids.
        ids_sha256: SHA-256 over the sorted ids, joined by line breaks.
    """

    path: Path
    member: str
    password_base64: str
    rows: int
    fields: tuple[str, ...]
    id_field: str
    ids_sha256: str


def read_archive(file: ArchiveFile) -> list[dict[str, object]]:
    """Read and check one file of an archive, in memory.

    Args:
        file: The file and what must be true of it.

    Returns:
        Its rows in order.

    Raises:
        UserError: The archive is missing, damaged or not readable with the password, or holds other rows.
    """
    content = read_bytes(file.path, file.rows)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            declared = archive.getinfo(file.member).file_size
            with archive.open(file.member, pwd=base64.b64decode(file.password_base64)) as member:
                raw = read_stream(member, _MOST, declared)
        table = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
        rows: list[dict[str, object]] = [dict(row) for row in table]
    except KeyError as error:
        raise UserError(f"The archive {file.path} holds no {file.member}.", _FIX) from error
    except BoundsError as error:
        raise UserError(
            f"The archive {file.path} does not hold {file.rows} items: in {file.member}, {error}.", _FIX
        ) from error
    except (zipfile.BadZipFile, zlib.error, csv.Error, EOFError, NotImplementedError, ValueError) as error:
        raise UserError(
            f"The archive {file.path} is damaged ({type(error).__name__}); "
            f"{file.member} in it should hold {file.rows} items.",
            _FIX,
        ) from error
    except RuntimeError as error:  # zipfile's way of refusing a password
        raise UserError(f"The archive {file.path} does not open with the published password.", _FIX) from error
    check_items(rows, f"{file.path} ({file.member})", file)
    return rows


def check_items(rows: list[dict[str, object]], where: str, file: ArchiveFile) -> None:
    """Raise ``UserError`` where rows are not the published items: their number, their fields, their ids."""
    if len(rows) != file.rows:
        raise UserError(f"{where} has {len(rows)} rows, expected {file.rows}.", _FIX)
    for number, row in enumerate(rows, 1):
        missing = [field for field in file.fields if not str(row.get(field) or "").strip()]
        if missing:
            raise UserError(f"{where}, row {number}: no field {', '.join(map(repr, missing))}.", _FIX)
    digest = hashlib.sha256("\n".join(sorted(str(row[file.id_field]) for row in rows)).encode()).hexdigest()
    if digest != file.ids_sha256:
        raise UserError(
            f"{where} holds other items: the hash of their ids is {digest[:12]}, expected {file.ids_sha256[:12]}.", _FIX
        )
