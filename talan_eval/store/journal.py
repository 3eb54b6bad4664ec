"""What a running cell has done so far: a JSON line for each finished part, flushed to the disk before the next begins.

The first line says what the journal is of; a journal of something else is started again. Each line carries a hash of
itself. What follows the last sound line (a line cut off by a kill, or one that was damaged since) is removed when the
journal is opened, and counts as not done.

Not covered: two writers. The experiment's lock sees to that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_core.bounded import open_regular, parse_json
from talan_eval.store.atomic import explained, flush_directory, make_directory, remove
from talan_eval.store.canonical import JsonObject, canonical_hash, canonical_json

if TYPE_CHECKING:
    from pathlib import Path

_HASH_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal.

    Args:
        path: Its file.
        entries: What was in it when it was opened.
        repaired: Bytes that were cut off because they were no sound line.
    """

    path: Path
    entries: tuple[JsonObject, ...]
    repaired: int

    @classmethod
    def open(cls, path: Path, header: JsonObject) -> Journal:
        """Open a journal, or begin it.

        Args:
            path: Its file; directories are made.
            header: What it is of. Another one in the file means that its entries are of no use here.

        Raises:
            UserError: No space or no permission.
        """
        make_directory(path.parent)
        with explained(path):
            content = b""
            if path.exists():
                with open_regular(path) as file:
                    content = file.read()
            lines, sound = _sound_lines(content)
            if lines and lines[0] == header:
                if sound < len(content):
                    _cut(path, sound)
                return cls(path, tuple(lines[1:]), len(content) - sound)
            remove(path)
        begun = cls(path, (), len(content))
        begun.append(header)
        flush_directory(path.parent)
        return begun

    def append(self, entry: JsonObject) -> None:
        """Add an entry; it is on the disk when this returns.

        Raises:
            UserError: No space or no permission; what was written of the line is cut off again at the next opening.
        """
        with explained(self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            with os.fdopen(descriptor, "ab") as file:
                file.write(journal_line(entry))
                file.flush()
                os.fsync(file.fileno())


def journal_line(entry: JsonObject) -> bytes:
    """Return an entry as a line with its hash."""
    return canonical_json({"entry": entry, "sha256": canonical_hash(entry)[:_HASH_LENGTH]}) + b"\n"


def _sound_lines(content: bytes) -> tuple[list[JsonObject], int]:
    """Return the entries up to the first line that is not sound, and how many bytes they take."""
    entries: list[JsonObject] = []
    place = 0
    seen: set[bytes] = set()
    for line in content.splitlines(keepends=True):
        entry = read_line(line)
        if entry is None or line in seen:  # a batch is answered once: a line that comes again is damage, too
            break
        seen.add(line)
        entries.append(entry)
        place += len(line)
    return entries, place


def read_line(line: bytes) -> JsonObject | None:
    """Return the entry of a line, or None where the line is not exactly what was written."""
    try:
        content = parse_json(line)
        entry = content["entry"]
        return entry if journal_line(entry) == line else None
    except (ValueError, KeyError, TypeError):
        return None


def _cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())
