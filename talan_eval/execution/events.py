"""What a running grid tells whoever shows its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["start", "train", "evaluate", "sealed", "finished"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of progress.

    Attributes:
        run: Cell id of the run's training cell.
        arm: Canonical arm name.
        seed: Training seed.
        stage: "start" of a run, a step of "train" or "evaluate", one evaluation "sealed", or the run "finished".
        done: Steps of this stage that are done.
        total: Steps of this stage.
        task: The benchmark, while evaluating.
    """

    run: str
    arm: str
    seed: int
    stage: Stage
    done: int
    total: int
    task: str = ""
