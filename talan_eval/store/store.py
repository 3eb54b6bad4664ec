"""One experiment directory: what was asked for, which cells are finished, and their payload.

Layout::

    DIR/manifest.json              what was asked for, with its hash
    DIR/cells/<cell_id>.json       one small sealed record for each finished cell
    DIR/samples/<name>             payload files (JSON Lines), named and hashed by the record of their cell
    DIR/checkpoints/<cell_id>/     built beside, then renamed

A cell is finished when, and only when, its record is in place and every payload file has the size and hash that the
record names. The record is written last. Whatever a kill leaves at any other moment counts as missing and is made
again.

Not covered: sealed records prove that nothing changed by accident, not who wrote them; checkpoints carry no hash.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_eval.store.atomic import (
    TEMPORARY_PREFIX,
    atomic_copy,
    atomic_write_bytes,
    explained,
    flush_directory,
    flush_tree,
    make_directory,
    remove,
    remove_leftovers,
    sha256_of,
    temporary_sibling,
)
from talan_eval.store.canonical import JsonObject, first_difference
from talan_eval.store.lock import LOCK_NAMES, exclusive
from talan_eval.store.records import CorruptedError, Manifest, Record, check_name, describe_file

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST_NAME: Final = "manifest.json"
_FOLDERS: Final = ("cells", "samples", "checkpoints")


@dataclass(frozen=True, slots=True)
class Verification:
    """What is sound in a directory and what is not.

    Args:
        records: The finished cells, by id, in the order of their ids.
        problems: One sentence for each cell that was sealed and is not sound any more; it counts as missing.
    """

    records: dict[str, Record]
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
        _refuse_foreign(directory)
        make_directory(directory)
        with exclusive(directory):
            remove_leftovers(directory)
            if (directory / MANIFEST_NAME).exists():
                store = cls.load(directory)
                _refuse_other_experiment(directory, store.manifest, manifest)
            else:
                atomic_write_bytes(directory / MANIFEST_NAME, manifest.to_bytes())
                store = cls(directory, manifest)
            for folder in _FOLDERS:
                make_directory(directory / folder)
        return store

    @classmethod
    def load(cls, directory: Path) -> Store:
        """Open an existing experiment for reading; needs no lock and changes nothing.

        Raises:
            UserError: There is no experiment, or its manifest is damaged.
        """
        path = directory / MANIFEST_NAME
        try:
            return cls(directory, Manifest.from_bytes(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UserError(
                f"{directory} holds no experiment: there is no {MANIFEST_NAME}.",
                "Name a directory that `talan-eval compare` wrote.",
            ) from error
        except CorruptedError as error:
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

    def seal(self, cell_id: str, record: JsonObject, payload: dict[str, bytes | Path] | None = None) -> Record:
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
        Record(cell_id, record, ()).to_bytes()  # a record without JSON form is refused before anything is written
        remove(path)  # sealing again: an old record must not stand beside new payload
        files = []
        for name, content in sorted(contents.items()):
            target = self.payload_path(name)
            make_directory(target.parent)
            if isinstance(content, Path):
                atomic_copy(content, target)
            else:
                atomic_write_bytes(target, content)
            files.append(describe_file(name, target, sha256_of(target)))
        sealed = Record(cell_id, record, tuple(files))
        atomic_write_bytes(path, sealed.to_bytes())
        return sealed

    def finished(self) -> dict[str, Record]:
        """Return the finished cells whose record and payload are sound, by id; see ``verify`` for the others."""
        return self.verify().records

    def verify(self) -> Verification:
        """Check every sealed record and the size and hash of every payload file."""
        records: dict[str, Record] = {}
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
        """Return the complete checkpoint directory of a cell, or None where there is none."""
        path = self._checkpoint_path(cell_id)
        return path if path.is_dir() else None

    @contextlib.contextmanager
    def checkpoint_dir(self, cell_id: str) -> Iterator[Path]:
        """Give an empty directory to build a checkpoint in; it takes its final name only if the block succeeds.

        A checkpoint that is there already is replaced. In the instant between, a kill leaves none, never a mixture.

        Raises:
            UserError: No space or no permission.
        """
        final = self._checkpoint_path(cell_id)
        building = temporary_sibling(final)
        make_directory(building)
        try:
            with explained(final):
                yield building
                flush_tree(building)
                if final.exists():
                    outdated = temporary_sibling(final)
                    final.rename(outdated)
                    building.rename(final)
                    remove(outdated)
                else:
                    building.rename(final)
        except BaseException:  # also KeyboardInterrupt must not leave half a checkpoint
            with contextlib.suppress(UserError, OSError):
                remove(building)
            raise
        flush_directory(final.parent)

    def _checked(self, path: Path) -> Record:
        """Read one record and check its payload.

        Raises:
            CorruptedError: Something is not as it was sealed.
        """
        try:
            record = Record.from_bytes(path.read_bytes())
        except OSError as error:
            raise CorruptedError(f"{path} cannot be read ({error.strerror})") from error
        except CorruptedError as error:
            raise CorruptedError(f"{path} is damaged: {error}") from error
        if record.cell_id != path.stem:
            raise CorruptedError(f"{path} is the record of cell {record.cell_id}")
        for file in record.files:
            target = self.payload_path(file.name)
            try:
                size = target.stat().st_size
                intact = size == file.size and sha256_of(target) == file.sha256
            except OSError as error:
                raise CorruptedError(f"{target} cannot be read ({error.strerror})") from error
            if not intact:
                raise CorruptedError(f"{target} was changed: it had {file.size} bytes, now {size}, or its hash differs")
        return record

    def _record_path(self, cell_id: str) -> Path:
        return self.directory / "cells" / f"{check_name(cell_id)}.json"

    def _checkpoint_path(self, cell_id: str) -> Path:
        return self.directory / "checkpoints" / check_name(cell_id)


def _refuse_foreign(directory: Path) -> None:
    """Refuse a directory that holds something other than an experiment."""
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


def _refuse_other_experiment(directory: Path, stored: Manifest, asked: Manifest) -> None:
    difference = first_difference(stored.experiment, asked.experiment)
    if difference is not None:
        name, there, here = difference
        raise UserError(
            f"{directory} holds another experiment: {name} is {there} there and {here} in this command.",
            f"Give this one its own directory: --out {directory}-2",
        )
