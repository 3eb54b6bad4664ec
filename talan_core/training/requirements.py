"""What of a recipe needs a device or a package that is not there."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_core.training_settings import TrainingSettings

_CUDA: Final = "cuda"


def check_available(settings: TrainingSettings, device: str) -> None:
    """Refuse what this machine cannot do.

    Args:
        settings: The recipe.
        device: Type of the device that trains, such as "cpu" or "cuda".

    Raises:
        UserError: One error that names all that is missing, each with what to type.
    """
    refuse(_missing(settings, device))


def _missing(settings: TrainingSettings, device: str) -> Iterator[UserError]:
    if settings.optimizer != "adamw":
        yield from _without_cuda(f"optimizer={settings.optimizer}", "optimizer=adamw", device)
        yield from _without_package(f"optimizer={settings.optimizer}", "bitsandbytes")
    if settings.quantization is not None:
        yield from _without_package(f"quantization={settings.quantization}", "bitsandbytes")
    if settings.attention == "flash_attention_2":
        yield from _without_cuda("attention=flash_attention_2", "attention=sdpa", device)
        yield from _without_package("attention=flash_attention_2", "flash_attn")
        if settings.loaded_dtype == "float32" and not settings.computes_in_bfloat16:
            yield UserError("attention=flash_attention_2 has no float32.", "Type dtype=bfloat16 or autocast=true too.")


def _without_cuda(what: str, instead: str, device: str) -> Iterator[UserError]:
    if device != _CUDA:
        yield UserError(
            f"{what} needs a CUDA device, and this is {device}.",
            f"Type {instead}, or run it on a machine with an NVIDIA GPU: --device cuda",
        )


def _without_package(what: str, module: str) -> Iterator[UserError]:
    if importlib.util.find_spec(module) is None:
        name = module.replace("_", "-")
        yield UserError(f"{what} needs the package {name}, which is not installed.", f"Type: pip install {name}")
