"""From an experiment to the cells that must be computed, each with the name under which its result is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.experiment import file_name
from talan_eval.store.canonical import canonical_hash

if TYPE_CHECKING:
    from collections.abc import Container

    from talan_eval.experiment import Experiment, TaskIdentity
    from talan_eval.store.canonical import JsonObject

_HASH_LENGTH = 12


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
    arms = dict.fromkeys((experiment.base, experiment.treat))
    return tuple(_run(experiment, arm, seed) for seed in experiment.seeds for arm in arms)


def _run(experiment: Experiment, arm: str, seed: int) -> Run:
    everything = experiment.to_json()
    training: JsonObject = {
        "arm": arm,
        "seed": seed,
        "train": [[task.name, task.train_hash] for task in experiment.tasks],
        **{key: everything[key] for key in ("backbone", "training", "operating_point", "device", "versions")},
    }
    label = f"{file_name(arm)}_seed-{seed}"
    evaluations = tuple(_evaluation(task, training, experiment.eval_batch, label) for task in experiment.tasks)
    return Run(f"train_{label}_{_digest(training)}", arm, seed, evaluations)


def _evaluation(task: TaskIdentity, training: JsonObject, eval_batch: int, label: str) -> EvaluationCell:
    identity = {"training": training, "task": task.model_dump(mode="json"), "eval_batch": eval_batch}
    return EvaluationCell(f"eval_{task.name}_{label}_{_digest(identity)}", task.name)


def _digest(identity: JsonObject) -> str:
    return canonical_hash(identity)[:_HASH_LENGTH]
