"""What lies beside logs and is read as none of them: whether it is something else, or was meant to be a log.

A training log or a configuration is something else, and no word is lost about it. A file that cannot be read as what
its name says may be the log of a seed, and must not be left out in silence.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

from talan_core.bounded import parse_json, said
from talan_eval.importers.files import LFS_POINTER, SNIFFED, first_bytes
from talan_eval.importers.table_rows import EXPORTED, header, parquet_names

if TYPE_CHECKING:
    from pathlib import Path

_TEXTS: Final = frozenset({".csv", ".tsv", ".jsonl", ".json"})
_PARQUET: Final = ".parquet"
_MARK: Final = b"\xef\xbb\xbf"
_OTHER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
NOT_JSON: Final = "it is not JSON"
"""How a reason begins that speaks of a whole document."""
_COMMENTS: Final = (b"//", b"/*")


def kind_of(path: Path) -> str:
    """Return the ending by which a file says what it is; "" where no format here has such files."""
    if path.name.lower().endswith(EXPORTED):
        return EXPORTED
    suffix = path.suffix.lower()
    return suffix if suffix in _TEXTS or suffix == _PARQUET else ""


def damage_of(path: Path) -> str:
    """Return why a file is not what its name says, as the rest of a sentence about it; "" where it is.

    Args:
        path: A file that no format recognised.

    Raises:
        UserError: It cannot be opened.
    """
    kind = kind_of(path)
    if not kind:
        return ""
    head = first_bytes(path)
    if not head or (head.isspace() and len(head) < SNIFFED):
        return "it is empty"
    if head.startswith(LFS_POINTER):
        return "it is a git-lfs pointer, not the file itself"
    if kind == _PARQUET:
        return _of_parquet(path)
    return _of_bytes(head) or _of_text(kind, head.removeprefix(_MARK))


def _of_parquet(path: Path) -> str:
    try:
        parquet_names(path)
    except ValueError as error:
        return f"it is no readable Parquet file: {said(error).rstrip('.')}"
    return ""


def _of_bytes(head: bytes) -> str:
    """Return why the first bytes of a file are no text; "" where they are."""
    if head.startswith(_OTHER_MARKS):
        return "it is UTF-16, not UTF-8"
    if b"\0" in head:
        return "it holds bytes of zero, so it is no text"
    if head.startswith(_MARK + _MARK):
        return "it begins with two marks of byte order"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) < SNIFFED or error.start < len(head) - len(_MARK):  # else a character was cut by the reading
            return "it is not UTF-8"
    return ""


def _of_text(kind: str, head: bytes) -> str:
    """Return why the beginning of a text is not that of its kind; "" where it is."""
    if kind in (EXPORTED, ".json"):
        return _of_document(head)
    if kind == ".jsonl":
        line, end, _ = head.lstrip().partition(b"\n")
        return "" if not end and len(head) >= SNIFFED else _of_json(line, "its first line is not JSON")
    return _of_table(kind, head)


def _of_table(kind: str, head: bytes) -> str:
    line, end, _ = head.partition(b"\n")
    if not line.strip():
        return "its first line is blank"
    if not end and b"\r" not in head and len(head) < SNIFFED:
        return "it was cut off in its first line"
    if end and b"\r" in line.rstrip(b"\r"):
        return "its first line holds a carriage return"
    try:
        header(head.decode("utf-8", "replace"), kind)
    except csv.Error as error:
        return f"its first line is not readable as {kind[1:].upper()}: {error}"
    return ""


def _of_document(head: bytes) -> str:
    if len(head) >= SNIFFED or any(mark in head for mark in _COMMENTS):  # configurations may have comments
        return ""
    return _of_json(head, NOT_JSON)


def _of_json(text: bytes, what: str) -> str:
    try:
        parse_json(text)
    except ValueError as error:
        return f"{what} or was cut off: {said(error)}"
    return ""
