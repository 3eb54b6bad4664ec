"""One experiment directory: what was asked for, which cells are finished, and their payload.

Layout::

    DIR/manifest.json              what was asked for, with its hash
    DIR/cells/<cell_id>.json       one small sealed record for each finished cell
    DIR/samples/<name>             payload files (Parquet), named and hashed by the record of their cell
    DIR/checkpoints/<cell_id>/     built beside, then renamed; its checkpoint.json names and hashes the other files
    DIR/running/<cell_id>.jsonl    the journal of an evaluation that is under way
    DIR/running/<cell_id>/         the state of a training that is under way
    DIR/failures/<cell_id>.json    why a cell was given up
    DIR/reports.json               hashes of result.json, report.md and the records that they were made from

A cell is finished when, and only when, its record is in place and every payload file has the size and hash that the
record names. The record is written last. Whatever a kill leaves at any other moment counts as missing and is made
again; docs/design/recovery.md goes through the moments.

Not covered: sealed records prove that nothing changed by accident, not who wrote them.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.bounded import BoundsError, read_bounded
from talan_core.errors import UserError
from talan_eval.store import checkpoints, failures
from talan_eval.store.atomic import (
    TEMPORARY_PREFIX,
    atomic_copy,
    atomic_write_bytes,
    link_or_copy,
    make_directory,
    remove,
    remove_leftovers,
    sha256_of,
    temporary_sibling,
)
from talan_eval.store.canonical import JsonObject, canonical_hash, first_difference
from talan_eval.store.journal import Journal
from talan_eval.store.lock import LOCK_NAMES, exclusive
from talan_eval.store.records import (
    MOST_OF_A_RECORD,
    CorruptedError,
    Manifest,
    SealedFile,
    SealedRecord,
    check_name,
    read_record,
)
from talan_eval.store.sealed_rows import count_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST_NAME: Final = "manifest.json"
_FOLDERS: Final = ("cells", "samples", "checkpoints", "running")
_WEIGHTS: Final = (".safetensors", ".bin", ".pt")
_DIGEST_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Verification:
    """What is sound in a directory and what is not.

    Args:
        records: The finished cells, by id, in the order of their ids.
        problems: One sentence for each cell that was sealed and is not sound any more; it counts as missing.
    """

    records: dict[str, SealedRecord]
    problems: tuple[str, ...]


class Store:
    """The records of one experiment; made by ``Store.open`` or ``Store.load``.

    Args:
        directory: The experiment directory.
        manifest: The manifest in it, which is the first process's, not necessarily the caller's.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest

    @classmethod
    def open(cls, directory: Path, manifest: Manifest) -> Store:
        """Create the directory, or resume the same experiment in it; leftovers of killed writers are removed.

        Args:
            directory: May not exist yet, be empty, or hold the same experiment.
            manifest: What the caller asks for.

        Raises:
            UserError: The directory holds another experiment or something else, its manifest is damaged, another
                process writes to it, or it cannot be written.
        """
        with cls.held(directory, manifest) as store:
            return store

    @classmethod
    @contextlib.contextmanager
    def held(cls, directory: Path, manifest: Manifest) -> Iterator[Store]:
        """Do as ``open`` does, and stay the only process that writes to the directory inside the block.

        What is missing must be found out inside: outside, another process may be filling the same directory.

        Raises:
            UserError: As for ``open``.
        """
        refuse_foreign(directory)
        make_directory(directory)
        with exclusive(directory):
            remove_leftovers(directory)
            if (directory / MANIFEST_NAME).exists():
                store = cls.load(directory)
                refuse_other_experiment(directory, store.manifest, manifest)
            else:
                atomic_write_bytes(directory / MANIFEST_NAME, manifest.to_bytes())
                store = cls(directory, manifest)
            for folder in _FOLDERS:
                make_directory(directory / folder)
            yield store

    @classmethod
    def load(cls, directory: Path) -> Store:
        """Open an existing experiment for reading; needs no lock and changes nothing.

        Raises:
            UserError: There is no experiment, or its manifest is damaged.
        """
        path = directory / MANIFEST_NAME
        try:
            return cls(directory, Manifest.from_bytes(read_bounded(path, MOST_OF_A_RECORD)))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UserError(
                f"{directory} holds no experiment: there is no {MANIFEST_NAME}.",
                "Name a directory that `talan-eval compare` wrote.",
            ) from error
        except (CorruptedError, BoundsError) as error:
            raise UserError(
                f"{path} is damaged: {error}.",
                f"Restore it from a copy, or start again with the directory moved away: mv {directory} {directory}.old",
            ) from error
        except OSError as error:
            raise UserError(
                f"Cannot read {path}: {error.strerror}.", f"Make it readable: chmod -R u+r {directory}"
            ) from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that writes to this directory, and start without leftovers of killed ones.

        Raises:
            UserError: Another process is, named where it can be.
        """
        with exclusive(self.directory):
            remove_leftovers(self.directory)
            yield

    def seal(self, cell_id: str, record: JsonObject, payload: dict[str, bytes | Path] | None = None) -> SealedRecord:
        """Record a cell as finished: its payload first, its record last.

        Args:
            cell_id: The cell's name: letters, digits and ``._+=@-``.
            record: What to keep of it, as JSON.
            payload: Content, or files to copy, by name below ``samples/``; names may contain ``/``.

        Returns:
            The sealed record.

        Raises:
            UserError: No space or no permission; the cell is then not finished.
            ValueError: A name that cannot be a file name, or a number in ``record`` that is not finite.
        """
        path = self._record_path(cell_id)
        contents = {check_name(name, nested=True): content for name, content in (payload or {}).items()}
        SealedRecord(cell_id, record, ()).to_bytes()  # a record without JSON form is refused before anything is written
        remove(path)  # sealing again: an old record must not stand beside new payload
        files = []
        for name, content in sorted(contents.items()):
            target = self.payload_path(name)
            make_directory(target.parent)
            if isinstance(content, Path):
                atomic_copy(content, target)
            else:
                atomic_write_bytes(target, content)
            files.append(SealedFile(name, sha256_of(target), target.stat().st_size, count_rows(target)))
        sealed = SealedRecord(cell_id, record, tuple(files))
        self._write_record(sealed)
        return sealed

    def adopt(self, cell_id: str, sibling: Path) -> SealedRecord:
        """Take a finished cell from another experiment's directory, by hard links where the file system has them.

        Args:
            cell_id: The cell; equal names mean equal work.
            sibling: The other directory, which is only read.

        Raises:
            CorruptedError: The sibling's cell is not sound.
            UserError: No space or no permission.
        """
        theirs = Store(sibling, self.manifest).record(cell_id)
        for file in theirs.files:
            target = self.payload_path(file.name)
            make_directory(target.parent)
            temporary = temporary_sibling(target)
            try:
                link_or_copy(sibling / "samples" / file.name, temporary)
                checkpoints.check_file(temporary, file)
                temporary.replace(target)
            except FileNotFoundError as error:
                raise CorruptedError(f"{sibling / 'samples' / file.name} is missing") from error
            finally:
                temporary.unlink(missing_ok=True)
        origin = sibling.name if theirs.adopted_from is None else theirs.adopted_from
        sealed = SealedRecord(cell_id, theirs.data, theirs.files, origin)
        self._write_record(sealed)
        return sealed

    def adopt_checkpoint(self, cell_id: str, sibling: Path) -> None:
        """Take a checkpoint from another experiment's directory.

        Raises:
            CorruptedError: The sibling's checkpoint is not sound.
            UserError: No space or no permission.
        """
        checkpoints.adopt(sibling / "checkpoints" / check_name(cell_id), self._checkpoint_path(cell_id))

    def journal(self, cell_id: str, header: JsonObject) -> Journal:
        """Open the journal of a cell that is under way; sealing the cell removes it.

        Args:
            cell_id: The cell.
            header: What its entries depend on; entries under another header are dropped.

        Raises:
            UserError: No space or no permission.
        """
        return Journal.open(self._journal_path(cell_id), header)

    def is_sound(self, cell_id: str) -> bool:
        """Return whether a cell is finished, its payload included."""
        try:
            self._checked(self._record_path(cell_id))
        except CorruptedError:
            return False
        return True

    def tidy(self) -> None:
        """Remove what killed workers left: temporary names, journals and states of finished cells; none may be at work.

        Raises:
            UserError: No permission.
        """
        remove_leftovers(self.directory)
        for name in self.journal_names() & self.record_names():
            remove(self._journal_path(name))
        for name in self.training_names() & self.record_names():
            self.forget_training(name)

    def record_names(self) -> frozenset[str]:
        """Return the cells that were sealed, from the names of their records alone."""
        return _stems(self.directory / "cells", ".json")

    def record_hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each sealed record's file, by cell; without those that cannot be read."""
        found = {}
        for name in self.record_names():
            with contextlib.suppress(OSError, BoundsError):  # `verify` names it
                content = read_bounded(self._record_path(name), MOST_OF_A_RECORD)
                found[name] = hashlib.sha256(content).hexdigest()
        return found

    def journal_names(self) -> frozenset[str]:
        """Return the cells that were begun and not sealed."""
        return _stems(self.directory / "running", ".jsonl")

    def training_names(self) -> frozenset[str]:
        """Return the trainings that were begun and not sealed."""
        folder = self.directory / "running"
        return frozenset(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else frozenset()

    def training_dir(self, cell_id: str) -> Path:
        """Return where a training that is under way keeps its state; it need not exist."""
        return self.directory / "running" / check_name(cell_id)

    def forget_training(self, cell_id: str) -> None:
        """Remove the state of a training; one that is not there is fine."""
        remove(self.training_dir(cell_id))

    def has_record(self, cell_id: str) -> bool:
        """Return whether a cell was sealed; its payload may have been damaged since."""
        return self._record_path(cell_id).exists()

    def record(self, cell_id: str) -> SealedRecord:
        """Return a finished cell without checking its payload.

        Raises:
            CorruptedError: There is none, or its record is damaged.
        """
        return read_record(self._record_path(cell_id), cell_id)

    def fail(self, failure: failures.Failure) -> None:
        """Keep why a cell was given up, until it is sealed.

        Raises:
            UserError: No space or no permission.
        """
        failures.write(self.directory, failure)

    def failures(self) -> dict[str, failures.Failure]:
        """Return the cells that were given up and have not succeeded since."""
        return failures.read(self.directory)

    def finished(self) -> dict[str, SealedRecord]:
        """Return the finished cells whose record and payload are sound, by id; see ``verify`` for the others."""
        return self.verify().records

    def verify(self) -> Verification:
        """Check every sealed record and the size and hash of every payload file."""
        records: dict[str, SealedRecord] = {}
        problems: list[str] = []
        for path in sorted((self.directory / "cells").glob("*.json")):
            if path.name.startswith(TEMPORARY_PREFIX):
                continue
            try:
                records[path.stem] = self._checked(path)
            except CorruptedError as error:
                problems.append(f"Cell {path.stem} counts as missing: {error}.")
        return Verification(records, tuple(problems))

    def payload_path(self, name: str) -> Path:
        """Return where the payload file ``name`` is."""
        return self.directory / "samples" / check_name(name, nested=True)

    def checkpoint(self, cell_id: str) -> Path | None:
        """Return the complete checkpoint directory of a cell, or None where there is none; see ``check_checkpoint``."""
        path = self._checkpoint_path(cell_id)
        return path if path.is_dir() else None

    def checkpoint_digest(self, cell_id: str) -> str | None:
        """Return a hash over the weights of a checkpoint as they were built, or None where there is none.

        Raises:
            CorruptedError: The checkpoint's index is damaged.
        """
        path = self.checkpoint(cell_id)
        if path is None:
            return None
        files = checkpoints.read_index(path).files
        weights = {file.name: file.sha256 for file in files if file.name.endswith(_WEIGHTS)}
        return canonical_hash(weights or {file.name: file.sha256 for file in files})[:_DIGEST_LENGTH]

    def check_checkpoint(self, cell_id: str) -> None:
        """Check every file of a checkpoint that is there against the hashes that were taken when it was built.

        Raises:
            CorruptedError: A file is missing or was changed.
        """
        path = self.checkpoint(cell_id)
        if path is not None:
            checkpoints.check(path)

    def remove_checkpoint(self, cell_id: str) -> None:
        """Remove a checkpoint; one that is not there is fine."""
        remove(self._checkpoint_path(cell_id))

    def checkpoint_names(self) -> list[str]:
        """Return the cells that have a checkpoint."""
        return [path.name for path in checkpoints.directories(self.directory / "checkpoints")]

    def checkpoint_dir(self, cell_id: str) -> contextlib.AbstractContextManager[Path]:
        """Give an empty directory to build a checkpoint in; it takes its final name only if the block succeeds.

        Raises:
            UserError: No space or no permission.
        """
        return checkpoints.building(self._checkpoint_path(cell_id))

    def _checked(self, path: Path) -> SealedRecord:
        """Read one record and check its payload.

        Raises:
            CorruptedError: Something is not as it was sealed.
        """
        record = read_record(path, path.stem)
        for file in record.files:
            checkpoints.check_file(self.payload_path(file.name), file)
        return record

    def _write_record(self, record: SealedRecord) -> None:
        """Finish a cell; from here on its journal and its failure mean nothing."""
        atomic_write_bytes(self._record_path(record.cell_id), record.to_bytes())
        remove(self._journal_path(record.cell_id))
        failures.clear(self.directory, record.cell_id)

    def _record_path(self, cell_id: str) -> Path:
        return self.directory / "cells" / f"{check_name(cell_id)}.json"

    def _journal_path(self, cell_id: str) -> Path:
        return self.directory / "running" / f"{check_name(cell_id)}.jsonl"

    def _checkpoint_path(self, cell_id: str) -> Path:
        return self.directory / "checkpoints" / check_name(cell_id)


def _stems(folder: Path, suffix: str) -> frozenset[str]:
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return frozenset(
        name.removesuffix(suffix) for name in names if name.endswith(suffix) and not name.startswith(TEMPORARY_PREFIX)
    )


def refuse_foreign(directory: Path) -> None:
    """Refuse a directory that holds something other than an experiment.

    Raises:
        UserError: It does, or it is a file.
    """
    if not directory.is_dir() or (directory / MANIFEST_NAME).exists():
        return
    others = [
        path.name
        for path in directory.iterdir()
        if path.name not in LOCK_NAMES and not path.name.startswith(TEMPORARY_PREFIX)
    ]
    if others:
        raise UserError(
            f"{directory} is not empty and holds no experiment of ours (there is {min(others)!r} in it).",
            f"Choose a new directory: --out {directory / 'run'}",
        )


def refuse_other_experiment(directory: Path, stored: Manifest, asked: Manifest) -> None:
    """Refuse to go on with another experiment in a directory.

    Raises:
        UserError: The two differ; the message names the first field that does.
    """
    difference = first_difference(stored.experiment, asked.experiment)
    if difference is not None:
        name, there, here = difference
        raise UserError(
            f"{directory} holds another experiment: {name} is {there} there and {here} in this command.",
            f"Give this one its own directory: --out {directory}-2 (which takes over what is finished here)",
        )
