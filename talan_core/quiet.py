"""Silence the library warnings that a user can do nothing about, each by its text and only where it is expected."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXPECTED: Final = (
    # PEFT asks transformers for a name that transformers has deprecated.
    "`is_gradient_checkpointing` is deprecated",
    # The key that announces a block in a checkpoint is meant for those who load it without this package.
    r"Unexpected keyword arguments \['talan'\]",
    # BOFT has a CUDA kernel that is optional, and chooses the faster of two equal ways.
    "Failed to load the CUDA extension",
    "Setting boft_n_butterfly_factor to 1",
    # LN-tuning knows torch's norms by type; those of transformers have the same weight.
    "Unsupported layer type",
    # True of PEFT alone; `talan_core.exact` keeps the original biases.
    "Careful, disabling adapter layers with bias",
    # PEFT checks AdaLoRA's masks of ranks as if they were LoRA's ranks by layer name; it does apply them.
    r"The following rank_pattern keys did not match any targeted module",
    # Prompt learning computes its own positions.
    "Position ids are not supported for parameter efficient tuning",
)


@contextlib.contextmanager
def library_warnings_silenced() -> Iterator[None]:
    """Silence the warnings of `_EXPECTED` inside."""
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        yield
