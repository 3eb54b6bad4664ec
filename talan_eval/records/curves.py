"""What was seen of each training while it ran, out of the sealed records of a results directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from talan_eval.store.store import MANIFEST_NAME, Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOSS: Final = "loss"
HELD_OUT: Final = "held_out_loss"
ADAPTER_GRADIENTS: Final = "adapter_gradients"
BLOCK_GRADIENTS: Final = "block_gradients"
GATES: Final = "gates"
BY_STEP: Final = {ADAPTER_GRADIENTS: "gradient/adapter", BLOCK_GRADIENTS: "gradient/block", GATES: "gate_rms"}
"""The curves of a record with a number for each step, and the names that they have here."""


@dataclass(frozen=True)
class Curves:
    """The curves of one training.

    Args:
        arm: Canonical arm name.
        backbone: Backbone name; empty in directories of the first version.
        seed: Training seed.
        steps: By number of optimizer steps done, from 0, what was seen then: "loss" (nats per target token) and
            "gradient/adapter", "gradient/block" (norms before clipping) of the step that was just done, "gate_rms"
            after it, and "held_out_loss" (nats per target token) where it was measured. What an arm does not have is
            missing.
    """

    arm: str
    backbone: str
    seed: int
    steps: Mapping[int, Mapping[str, float]]


def read_curves(directory: Path) -> tuple[Curves, ...]:
    """Read the curves of all finished trainings of a directory.

    Args:
        directory: The directory of a comparison; one without trainings, such as a result alone, has none.

    Returns:
        One for each training, by arm, backbone and seed. Trainings of the first version have losses only, arms without
        gradient steps nothing, and are left out.
    """
    if not (directory / MANIFEST_NAME).is_file():
        return ()
    found = [
        Curves(data["arm"], data.get("backbone", ""), data["seed"], steps)
        for record in Store.load(directory).finished().values()
        if (data := record.data).get("kind") == "training" and (steps := _steps(data["log"]))
    ]
    return tuple(sorted(found, key=lambda one: (one.arm, one.backbone, one.seed)))


def _steps(log: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    signs = log.get("signs", {})
    curves = {LOSS: log["losses"], **{name: signs.get(key, ()) for key, name in BY_STEP.items()}}
    steps: dict[int, dict[str, float]] = {}
    for name, values in curves.items():
        for step, value in enumerate(values, 1):
            steps.setdefault(step, {})[name] = value
    for look in signs.get("held_out", ()):
        steps.setdefault(look["step"], {})[HELD_OUT] = look["loss"]
    return dict(sorted(steps.items()))
