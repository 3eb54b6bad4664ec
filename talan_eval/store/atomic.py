"""Writing files so that a final name never holds half of anything, whenever the process is killed.

Everything is built under a temporary name (``.tmp-...``) in the directory of its final name, flushed to the disk and
renamed; the directory is flushed too. What a kill leaves behind has a temporary name and is removed the next time.

Not covered: disks that confirm a flush they did not do, and file systems where a rename is not atomic (some network
ones).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING, BinaryIO, Final

from talan_core.bounded import NotRegularError, open_regular
from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPORARY_PREFIX: Final = ".tmp-"
_CHUNK: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_UNUSABLE: Final = frozenset({errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ESTALE})


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system says about ``path`` into an error that names it and what to do.

    Raises:
        UserError: No space, no permission, or the place cannot hold a file. Any other ``OSError`` is a bug and passes.
    """
    try:
        yield
    except NotRegularError as error:
        raise UserError(f"{path} cannot be used: {error}.", f"Move it away: mv '{path}' '{path}.old'") from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise UserError(
                f"{path} would be larger than files may be here ({error.strerror}).",
                "Finished cells are kept. Allow larger files (ulimit -f unlimited) and give the same command again, or "
                "write to another disk: --out DIR",
            ) from error
        if error.errno in _FULL:
            raise UserError(
                f"No space left on the disk while writing {path}.",
                f"Finished cells are kept. Free some space (df -h {path.parent}) and give the same command again, "
                "or write to another disk: --out DIR",
            ) from error
        if error.errno in _FORBIDDEN:
            raise UserError(
                f"No permission to write {path} ({error.strerror}).",
                f"Make it writable (chmod -R u+w {path.parent}) or write elsewhere: --out DIR",
            ) from error
        if error.errno in _UNUSABLE:
            raise UserError(f"Cannot write {path}: {error.strerror}.", "Write elsewhere: --out DIR") from error
        raise


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: afterwards, and after a kill, the file is the old one or the new one.

    Args:
        path: The final name; its directory exists.
        data: The whole content.

    Raises:
        UserError: No space or no permission; nothing is left under the final name that was not there before.
    """
    with explained(path), _replacing(path) as file:
        file.write(data)


def atomic_copy(source: Path, path: Path) -> None:
    """Copy the file ``source`` to ``path`` with the promise of ``atomic_write_bytes``.

    Raises:
        UserError: No space or no permission.
    """
    with open_regular(source) as content, explained(path), _replacing(path) as file:
        shutil.copyfileobj(content, file, _CHUNK)


def link_or_copy(source: Path, path: Path) -> None:
    """Give the file ``source`` the second name ``path``, which costs nothing, or a copy where the file system refuses.

    Not atomic: a copy may be cut off by a kill, so ``path`` must be a temporary name or below one.

    Raises:
        FileNotFoundError: ``source`` is not there.
        UserError: No space or no permission.
    """
    try:
        os.link(source, path)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or a file system without links
        with explained(path):
            shutil.copyfile(source, path)


def temporary_sibling(path: Path) -> Path:
    """Return a name beside ``path`` that no other process uses and that ``remove_leftovers`` recognises."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{path.name[:80]}")


def refuse_unwritable(path: Path | None, option: str) -> None:
    """Refuse a place that would only be found missing when everything is computed; directories may still be missing.

    Args:
        path: The file that is going to be written; None for none.
        option: The option that names it.

    Raises:
        UserError: It cannot be written.
    """
    if path is None:
        return
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if path.is_dir() or not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise UserError(
            f"{option} {path} cannot be written: it is a directory, or {parent} is not one that can be written to.",
            f"Name a file such as {option} result.json.",
        )


def make_directory(path: Path) -> None:
    """Create a directory with its parents; one that is there is fine.

    Raises:
        UserError: No space, no permission, or a file is in the way.
    """
    with explained(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UserError(f"{path} is a file, not a directory.", "Choose another directory: --out DIR") from error
        except FileNotFoundError as error:  # all parents are there: a file system that makes none, such as /proc
            raise UserError(f"{path} cannot be made: {error.strerror}.", "Choose another place: --out DIR") from error


def remove_leftovers(directory: Path) -> int:
    """Remove what killed writers left in ``directory`` and below; only for the one process that may write there.

    Returns:
        How many files and directories were removed.
    """
    removed = 0
    for root, names, files in os.walk(directory):
        leftovers = [name for name in (*names, *files) if name.startswith(TEMPORARY_PREFIX)]
        names[:] = [name for name in names if not name.startswith(TEMPORARY_PREFIX)]
        for name in leftovers:
            remove(directory.__class__(root) / name)
            removed += 1
    return removed


def remove(path: Path) -> None:
    """Remove a file or a directory with all it holds; one that is not there is fine."""
    with explained(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def flush_directory(path: Path) -> None:
    """Flush the names in a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(path: Path) -> None:
    """Flush every file and every directory below ``path`` to the disk."""
    for root, _, files in os.walk(path):
        for name in files:
            flush_directory(path.__class__(root) / name)
        flush_directory(path.__class__(root))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal digits; raises an ``OSError`` for what cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write; rename it to ``path`` if the block succeeds and remove it if not."""
    temporary = temporary_sibling(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileNotFoundError as error:
        if not path.parent.is_dir():
            raise
        raise UserError(  # the directory is there: a file system that makes no files, such as /proc
            f"{path} cannot be written: {path.parent} takes no new files.", "Write elsewhere: --out DIR"
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # also KeyboardInterrupt must not leave the temporary file
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    flush_directory(path.parent)
