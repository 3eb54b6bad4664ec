"""Silence the library warnings that a user can do nothing about, each by its text and only where it is expected."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def library_warnings_silenced() -> Iterator[None]:
    """Silence two warnings inside.

    PEFT asks transformers for `is_gradient_checkpointing`, which transformers has deprecated. And PEFT warns about the
    key that announces a TALAN block in a checkpoint, which is meant for those who load it without this package.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r"Unexpected keyword arguments \['talan'\]")
        yield
