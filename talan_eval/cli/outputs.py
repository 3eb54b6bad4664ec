"""Files that an option names: written whole or not at all, in directories that are made where they are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from talan_core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def write_named(path: Path, content: bytes, option: str) -> None:
    """Write what an option asks for.

    Args:
        path: The file; directories that are missing are made.
        content: All of it.
        option: The option, such as "--json", for the error.

    Raises:
        UserError: No space or no permission, or the place cannot hold a file.
    """
    from talan_eval.store.atomic import atomic_write_bytes, make_directory  # noqa: PLC0415 - --help must not wait for it

    try:
        make_directory(path.absolute().parent)
        atomic_write_bytes(path, content)
    except UserError as error:
        raise UserError(error.problem, f"Name a file that can be written: {option} FILE") from error
