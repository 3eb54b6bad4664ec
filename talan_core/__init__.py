"""TALAN: a sequence-conditioned latent side path, trained together with a PEFT adapter (Zhang et al., 2026).

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from talan_core.arms import Arm, build, parse_arm
    from talan_core.config import TalanConfig
    from talan_core.errors import UserError
    from talan_core.loading import load
    from talan_core.model import TalanPeftModel, add_talan
    from talan_core.plain import PlainModel
    from talan_core.training.data import Example
    from talan_core.training.fit import fit
    from talan_core.training_settings import TrainingSettings

__all__ = [
    "Arm",
    "Example",
    "PlainModel",
    "TalanConfig",
    "TalanPeftModel",
    "TrainingSettings",
    "UserError",
    "add_talan",
    "build",
    "fit",
    "load",
    "parse_arm",
]

_HOMES = {
    "Arm": "talan_core.arms",
    "Example": "talan_core.training.data",
    "PlainModel": "talan_core.plain",
    "TalanConfig": "talan_core.config",
    "TalanPeftModel": "talan_core.model",
    "TrainingSettings": "talan_core.training_settings",
    "UserError": "talan_core.errors",
    "add_talan": "talan_core.model",
    "build": "talan_core.arms",
    "fit": "talan_core.training.fit",
    "load": "talan_core.loading",
    "parse_arm": "talan_core.arms",
}


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
