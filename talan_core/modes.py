"""Files of a checkpoint have the mode that the user's umask allows, as those of other programs have.

Writers of safetensors leave files that nobody else may read, whatever the umask says.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def follow_umask(directory: Path, files: Iterable[Path]) -> None:
    """Give files the mode of a new file; those of somebody else, and links, are left as they are.

    Args:
        directory: Where files can be made.
        files: Files in it.
    """
    mode = _mode(directory)
    for path in files:
        if path.is_file() and not path.is_symlink():
            with contextlib.suppress(PermissionError):
                path.chmod(mode)


def _mode(directory: Path) -> int:
    """Return the mode of a new file: the umask itself can only be read by changing it for all threads."""
    probe = directory / f".tmp-{secrets.token_hex(6)}"
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        return os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)
        probe.unlink()
