"""Checkpoints: directories that appear whole, each with ``checkpoint.json``, which names and hashes the other files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_eval.store.atomic import (
    TEMPORARY_PREFIX,
    atomic_write_bytes,
    explained,
    flush_directory,
    flush_tree,
    link_or_copy,
    make_directory,
    remove,
    sha256_of,
    temporary_sibling,
)
from talan_eval.store.records import CorruptedError, SealedFile, SealedRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX: Final = "checkpoint.json"


@contextlib.contextmanager
def building(final: Path) -> Iterator[Path]:
    """Give an empty directory to build a checkpoint in; it takes its final name only if the block succeeds.

    A checkpoint that is there already is replaced. In the instant between, a kill leaves none, never a mixture.

    Args:
        final: Its directory, named after its cell.

    Raises:
        UserError: No space or no permission.
    """
    with _renamed(final) as directory:
        yield directory
        files = tuple(_described(directory, path) for path in sorted(directory.rglob("*")) if path.is_file())
        (directory / INDEX).write_bytes(SealedRecord(final.name, {}, files).to_bytes())


def read_index(directory: Path) -> SealedRecord:
    """Read what a checkpoint holds.

    Raises:
        CorruptedError: Its index is missing or damaged, or that of another checkpoint.
    """
    return read_record(directory / INDEX, directory.name)


def check(directory: Path) -> SealedRecord:
    """Check every file of a checkpoint against its index.

    Raises:
        CorruptedError: A file is missing or was changed; the message names it.
    """
    record = read_index(directory)
    for file in record.files:
        check_file(directory / file.name, file)
    return record


def check_file(path: Path, sealed: SealedFile) -> None:
    """Check one file against its description.

    Raises:
        CorruptedError: It is missing or was changed.
    """
    try:
        size = path.stat().st_size
        intact = size == sealed.size and sha256_of(path) == sealed.sha256
    except OSError as error:
        raise CorruptedError(f"{path} cannot be read ({error.strerror})") from error
    if not intact:
        raise CorruptedError(f"{path} was changed: it had {sealed.size} bytes, now {size}, or its hash differs")


def adopt(source: Path, final: Path) -> None:
    """Bring a sound checkpoint of a sibling experiment here, by hard links where the file system has them.

    Raises:
        CorruptedError: It is not sound.
        UserError: No space or no permission.
    """
    record = read_index(source)
    with _renamed(final) as directory:
        for file in record.files:
            target = directory / file.name
            make_directory(target.parent)
            try:
                link_or_copy(source / file.name, target)
            except FileNotFoundError as error:
                raise CorruptedError(f"{source / file.name} is missing") from error
            check_file(target, file)
        atomic_write_bytes(directory / INDEX, record.to_bytes())


def directories(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, by name; what is still being built is none."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(TEMPORARY_PREFIX))


@contextlib.contextmanager
def _renamed(final: Path) -> Iterator[Path]:
    directory = temporary_sibling(final)
    make_directory(directory)
    try:
        with explained(final):
            yield directory
            flush_tree(directory)
            if final.exists():
                outdated = temporary_sibling(final)
                final.rename(outdated)
                directory.rename(final)
                remove(outdated)
            else:
                directory.rename(final)
    except BaseException:  # also KeyboardInterrupt must not leave half a checkpoint
        with contextlib.suppress(UserError, OSError):
            remove(directory)
        raise
    flush_directory(final.parent)


def _described(directory: Path, path: Path) -> SealedFile:
    return SealedFile(path.relative_to(directory).as_posix(), sha256_of(path), path.stat().st_size, 0)
