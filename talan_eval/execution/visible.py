"""Which GPUs a worker process sees: its own and no other, so that nothing lands on the first one by mistake.

transformers' Trainer puts a model on the first device that it sees, and libraries make contexts there. What a process
sees is read when CUDA starts, so it has to be in the environment before torch is imported.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VARIABLE: Final = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process sees, as the variable names them (numbers, or the UUIDs of parts of one)."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return tuple(name.strip() for name in given.split(",") if name.strip())
    import torch  # noqa: PLC0415 - heavy; only where the environment does not say

    return tuple(map(str, range(torch.cuda.device_count())))


def share_of(gpus: Sequence[str], number: int, each: int) -> str:
    """Return what a worker is to see.

    Args:
        gpus: All GPUs, as the variable names them.
        number: Number of the worker; they take the GPUs in turn.
        each: GPUs of one worker.

    Returns:
        The variable's value; several workers may have the same.
    """
    groups = max(1, len(gpus) // each)
    first = number % groups * each
    return ",".join(gpus[first : first + each])


@contextlib.contextmanager
def seeing(gpus: str | None) -> Iterator[None]:
    """Let a process that is started inside see these GPUs only; None changes nothing."""
    if gpus is None:
        yield
        return
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = gpus
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
