"""Logs of other harnesses that are JSON documents: read within bounds, and asked for each field by name and place."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import MEGABYTE, parse_json, said, shown
from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from talan_eval.importers.files import FileReader, Pending

_MOST: Final = 512 * MEGABYTE
"""Bytes of a document that is parsed as a whole, which takes several times as much memory."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document, which knows where it stands.

    Attributes:
        file: The document.
        place: Where in it, for messages; "" for the whole.
        value: As parsed.
    """

    file: Path
    place: str
    value: Any

    def __getitem__(self, key: str) -> Node:
        """Return a field of a table that must be there and hold something; raises a ``UserError`` without it."""
        found = self.get(key)
        if found is None:
            raise self.error(f"there is no {key!r}")
        return found

    def get(self, key: str) -> Node | None:
        """Return a field of a table; None where it is not there or null. What is no table is refused."""
        value = self.table().get(key)
        return None if value is None else Node(self.file, f"{self.place}.{key}" if self.place else key, value)

    def table(self) -> dict[str, Any]:
        """Return it as a table."""
        if not isinstance(self.value, dict):
            raise self.error(f"it is {shown(self.value)}, no table")
        return self.value

    def list(self) -> Iterator[Node]:
        """Return the members of a list, from the first one on."""
        if not isinstance(self.value, list):
            raise self.error(f"it is {shown(self.value)}, no list")
        return (Node(self.file, f"{self.place}[{place}]", value) for place, value in enumerate(self.value))

    def text(self) -> str:
        """Return it as a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            raise self.error(f"it is {shown(self.value)}, no text")
        return self.value

    def label(self) -> str:
        """Return it as the name of something: a text that a table can hold."""
        if len(text := self.text()) > _LONGEST:
            raise self.error(f"it is a text of {len(text):,} letters, no name")
        return text

    def name(self) -> str:
        """Return a name, or a whole number as one: what tells items apart."""
        if type(self.value) is int and abs(self.value) < _LARGEST:
            return str(self.value)
        return self.label()

    def count(self) -> int:
        """Return it as a whole number from 0 upwards."""
        if type(self.value) is not int or not 0 <= self.value < _LARGEST:
            raise self.error(f"it is {shown(self.value)}, no whole number")
        return self.value

    def error(self, what: str) -> UserError:
        """Return the error that names the place."""
        where = f", {self.place[:_SHOWN]}" if self.place else ""
        return UserError(f"{self.file}{where}: {what}.", "Score this run again, or leave the file out.")


_LARGEST: Final = 10**18
_LONGEST: Final = 1000  # letters
_SHOWN: Final = 200


def read_document(path: Path, files: FileReader) -> tuple[Node, Pending]:
    """Read a document.

    Raises:
        UserError: It cannot be read, is larger than what is parsed as a whole, or is no JSON.
    """
    data, pending = files.read(path)
    return parsed(path, "", data), pending


def parsed(path: Path, place: str, data: bytes) -> Node:
    """Parse a document, or a part of one.

    Args:
        path: The file.
        place: Where in it, for messages.
        data: The bytes.

    Raises:
        UserError: They are too many, or no JSON.
    """
    empty = Node(path, place, None)
    if len(data) > _MOST:
        raise empty.error(f"it is larger than {_MOST // MEGABYTE} MiB")
    try:
        return Node(path, place, parse_json(data, unique=True))
    except ValueError as error:
        raise empty.error(f"it is not JSON or was cut off ({said(error)})") from error


def digest(*parts: object) -> str:
    """Return a hash of texts and other JSON values: equal ones are the same question."""
    text = "\0".join(part if isinstance(part, str) else json.dumps(part, sort_keys=True, default=str) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_number(value: object) -> bool:
    """Return whether a value may be a score: a number, or true or false."""
    return isinstance(value, bool | int | float)
