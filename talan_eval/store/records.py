"""The two kinds of small JSON files in an experiment directory: the manifest and the sealed records of cells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from talan_core.bounded import MEGABYTE, BoundsError, parse_json, read_bounded
from talan_eval.store.canonical import JsonObject, canonical_hash, readable_json

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA: Final = 1
MOST_OF_A_RECORD: Final = 64 * MEGABYTE
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,179}")


class CorruptedError(Exception):
    """A file of ours does not hold what it held when it was written; the message says how."""


class ForeignError(CorruptedError):
    """It was never one of ours: JSON without our checksum."""


class OtherVersionError(CorruptedError):
    """It is whole, and a version wrote it whose files this one cannot read."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was asked for in an experiment directory.

    Args:
        experiment: The experiment as JSON. Its hash is the identity of the directory.
        created: When, as an ISO 8601 time with offset.
        versions: Versions of the packages that the first process used, by name. No part of the identity.
    """

    experiment: JsonObject
    created: str
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def experiment_hash(self) -> str:
        """The SHA-256 of the experiment's canonical JSON."""
        return canonical_hash(self.experiment)

    def to_bytes(self) -> bytes:
        """Return the manifest as the content of its file."""
        return sealed_json(
            {
                "created": self.created,
                "experiment": self.experiment,
                "experiment_sha256": self.experiment_hash,
                "versions": self.versions,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            CorruptedError: The content is truncated, changed, foreign, or of another schema.
        """
        content = unsealed_json(data)
        for name, kind in (("experiment", dict), ("created", str), ("versions", dict)):
            if not isinstance(content.get(name), kind):
                raise OtherVersionError(f"it has no field {name!r} that this version can read")
        return cls(content["experiment"], content["created"], content["versions"])


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One payload file of a sealed cell.

    Args:
        name: Path below the payload directory, with forward slashes.
        sha256: Hexadecimal digest of the content.
        size: Bytes.
        lines: Records in it: lines of text, rows of Parquet.
    """

    name: str
    sha256: str
    size: int
    lines: int


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A finished cell, or a whole checkpoint.

    Args:
        cell_id: The cell's name in the directory.
        data: What the caller sealed, as JSON.
        files: The payload files that belong to it.
        adopted_from: Name of the sibling directory that computed it; None where this one did.
    """

    cell_id: str
    data: JsonObject
    files: tuple[SealedFile, ...]
    adopted_from: str | None = None

    def to_bytes(self) -> bytes:
        """Return the record as the content of its file."""
        files = [{"lines": f.lines, "name": f.name, "sha256": f.sha256, "size": f.size} for f in self.files]
        origin = {} if self.adopted_from is None else {"adopted_from": self.adopted_from}
        return sealed_json({"cell": self.cell_id, "data": self.data, "files": files, **origin})

    @classmethod
    def from_bytes(cls, data: bytes) -> SealedRecord:
        """Read a record.

        Raises:
            CorruptedError: The content is truncated, changed, or of another schema.
        """
        content = unsealed_json(data)
        try:
            files = tuple(SealedFile(f["name"], f["sha256"], f["size"], f["lines"]) for f in content["files"])
            for file in files:
                check_name(file.name, nested=True)
            record = cls(content["cell"], content["data"], files, content.get("adopted_from"))
        except KeyError as error:
            raise CorruptedError(f"the field {error} is missing") from error
        except (TypeError, ValueError) as error:
            raise CorruptedError("a field of it has another type") from error
        if not isinstance(record.cell_id, str) or not isinstance(record.data, dict):
            raise CorruptedError("a field of it has another type")
        return record


def read_record(path: Path, name: str) -> SealedRecord:
    """Read the sealed record in a file.

    Args:
        path: The file.
        name: Whose record it must be.

    Raises:
        CorruptedError: It cannot be read, is damaged, or is another's; the message names the file.
    """
    try:
        record = SealedRecord.from_bytes(read_bounded(path, MOST_OF_A_RECORD))
    except OSError as error:
        raise CorruptedError(f"{path} cannot be read ({error.strerror})") from error
    except (CorruptedError, BoundsError) as error:
        raise CorruptedError(f"{path} is damaged: {error}") from error
    if record.cell_id != name:
        raise CorruptedError(f"{path} is the record of cell {record.cell_id}")
    return record


def check_name(name: str, *, nested: bool = False) -> str:
    """Return ``name`` if it can be a file name everywhere.

    Args:
        name: A cell id, or a payload name.
        nested: Whether forward slashes between valid names are allowed.

    Raises:
        ValueError: It cannot; a bug in the caller, not a mistake of the user.
    """
    parts = str(name).split("/") if nested else [str(name)]
    if not isinstance(name, str) or not all(_NAME.fullmatch(part) and part not in {".", ".."} for part in parts):
        raise ValueError(f"{name!r} cannot be a name in the store: letters, digits and ._+=@- only, 180 at most.")
    return name


def sealed_json(content: JsonObject) -> bytes:
    """Return content as a file, with its schema and a checksum: a change of any byte that matters is seen."""
    whole = {**content, "schema": SCHEMA}
    return readable_json({**whole, "sha256": canonical_hash(whole)})


def unsealed_json(data: bytes) -> JsonObject:
    """Read what ``sealed_json`` wrote.

    Raises:
        CorruptedError: It is truncated, changed, foreign, or of another schema.
    """
    try:
        content = parse_json(data)
    except ValueError as error:
        raise CorruptedError("it is not JSON, so it was cut off or overwritten") from error
    if not isinstance(content, dict) or "sha256" not in content:
        raise ForeignError("it is no file of talan-eval: it has no checksum of its own")
    checksum = content.pop("sha256")
    try:
        actual = canonical_hash(content)
    except ValueError as error:
        raise CorruptedError("it holds numbers that are not finite") from error
    if actual != checksum:
        raise CorruptedError("its checksum does not fit its content")
    if content.get("schema") != SCHEMA:
        raise OtherVersionError(f"it has schema {content.get('schema')!r}, and this version reads {SCHEMA}")
    return content
