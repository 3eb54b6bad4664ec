"""What a running grid tells whoever shows its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["start", "train", "evaluate", "sealed", "finished", "again", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of progress.

    Attributes:
        run: Cell id of the run's training cell.
        arm: Canonical arm name.
        seed: Training seed.
        stage: "start" of a run, a step of "train" or "evaluate", one evaluation "sealed"; and the end of an attempt:
            the run "finished", will be tried "again", or has "failed".
        done: Steps of this stage that are done.
        total: Steps of this stage.
        task: The benchmark, while evaluating.
        text: Why, where it failed.
    """

    run: str
    arm: str
    seed: int
    stage: Stage
    done: int
    total: int
    task: str = ""
    text: str = ""
