"""From an experiment to the cells that must be computed, each with the name under which its result is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.experiment import file_name
from talan_eval.store.canonical import canonical_hash

if TYPE_CHECKING:
    from collections.abc import Container

    from talan_eval.experiment import Experiment
    from talan_eval.store.canonical import JsonObject

_HASH_LENGTH = 12
_OF_TRAINING = frozenset({"n_train", "train_hash"})


@dataclass(frozen=True, slots=True)
class EvaluationCell:
    """One checkpoint answers one benchmark.

    Attributes:
        cell_id: Name in the store; a hash of all that can change the answers.
        task: Short task name.
    """

    cell_id: str
    task: str


@dataclass(frozen=True, slots=True)
class Run:
    """One fine-tuning and its evaluations.

    Attributes:
        cell_id: Name of the training cell in the store, which is also that of its checkpoint.
        arm: Canonical arm name.
        seed: Training seed.
        evaluations: One cell per benchmark, in the order of the experiment.
    """

    cell_id: str
    arm: str
    seed: int
    evaluations: tuple[EvaluationCell, ...]

    def missing(self, finished: Container[str]) -> Run | None:
        """Return the run with what is not finished, or None when all its evaluations are."""
        rest = tuple(cell for cell in self.evaluations if cell.cell_id not in finished)
        return Run(self.cell_id, self.arm, self.seed, rest) if rest else None


def plan(experiment: Experiment) -> tuple[Run, ...]:
    """Return all runs, pair by pair: the base and the treat arm of a seed stand side by side.

    Args:
        experiment: What was asked for.

    Returns:
        Two runs per seed; one where both arms are the same.
    """
    everything = experiment.to_json()
    arms = dict.fromkeys((experiment.base, experiment.treat))
    return tuple(_run(everything, arm, seed) for seed in experiment.seeds for arm in arms)


def _run(everything: JsonObject, arm: str, seed: int) -> Run:
    """Name a run after all that can change its checkpoint, and its evaluations after that and all that takes answers.

    Which benchmarks are evaluated is no part of the first, and what a benchmark would be trained on no part of the
    second: another benchmark, arm or seed in an experiment leaves the names of the others as they are.
    """
    training = canonical_hash(
        {
            "arm": arm,
            "seed": seed,
            "train": [[source["name"], source["train_hash"]] for source in everything["train"]],
            **{key: everything[key] for key in ("backbone", "training", "operating_point", "device", "versions")},
        }
    )
    label = f"{file_name(arm)}_seed-{seed}"
    evaluations = []
    for task in everything["tasks"]:
        asked = {key: value for key, value in task.items() if key not in _OF_TRAINING}
        identity = {
            "training": training,
            "task": asked,
            **{key: everything[key] for key in ("eval_batch", "answering")},
        }
        name = f"eval_{task['name']}_{label}_{canonical_hash(identity)[:_HASH_LENGTH]}"
        evaluations.append(EvaluationCell(name, task["name"]))
    return Run(f"train_{label}_{training[:_HASH_LENGTH]}", arm, seed, tuple(evaluations))
