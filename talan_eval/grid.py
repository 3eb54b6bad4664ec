"""From an experiment to its runs and evaluations, each with the name under which its result is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.experiment import file_name
from talan_eval.store.canonical import canonical_hash

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from talan_eval.experiment import Experiment, TunedBackbone
    from talan_eval.store.canonical import JsonObject

_HASH_LENGTH = 12
_CHANGE_NO_ANSWER = frozenset({"n_train", "train_hash", "publish_text"})
_FIXED_SEED = 0  # of an arm without seeds: it is answered once, whatever seeds the others have


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run answers one benchmark.

    Attributes:
        cell_id: Name in the store; a hash of all that can change the answers.
        task: Short task name.
    """

    cell_id: str
    task: str


@dataclass(frozen=True, slots=True)
class Run:
    """One arm on one backbone with one seed: a training and its evaluations.

    Attributes:
        cell_id: Name of the training in the store, which is also that of its checkpoint.
        arm: Canonical arm name.
        backbone: Backbone name.
        seed: Training seed.
        evaluations: One per benchmark, in the order of the experiment.
    """

    cell_id: str
    arm: str
    backbone: str
    seed: int
    evaluations: tuple[Evaluation, ...]

    def missing(self, finished: Container[str]) -> Run | None:
        """Return the run with what is not finished, or None when all its evaluations are."""
        rest = tuple(cell for cell in self.evaluations if cell.cell_id not in finished)
        return Run(self.cell_id, self.arm, self.backbone, self.seed, rest) if rest else None


def plan(experiment: Experiment) -> tuple[Run, ...]:
    """Return all runs, backbone by backbone and seed by seed: the arms of a seed stand side by side.

    Args:
        experiment: What was asked for.

    Returns:
        One run per backbone, arm and seed; one per backbone of an arm without seeds. What is trained for a confirmation
        is known when the others are read; see :func:`confirmation`.
    """
    return _runs(experiment, experiment.arms, experiment.seeds)


def confirmation(experiment: Experiment, arms: Sequence[str]) -> tuple[Run, ...]:
    """Return the runs of some arms on the fresh seeds of the confirmation; none where none was asked for."""
    return _runs(experiment, arms, experiment.fresh_seeds) if experiment.confirm else ()


def _runs(experiment: Experiment, arms: Sequence[str], seeds: Sequence[int]) -> tuple[Run, ...]:
    everything = experiment.to_json()
    found = []
    for backbone, asked in zip(experiment.backbones, everything["backbones"], strict=True):
        for place, seed in enumerate(seeds):
            for arm in arms:
                if arm not in experiment.fixed:
                    found.append(_run(everything, backbone, asked, arm, seed))
                elif place == 0:
                    found.append(_run(everything, backbone, asked, arm, _FIXED_SEED))
    return tuple(found)


def _run(everything: JsonObject, backbone: TunedBackbone, asked: JsonObject, arm: str, seed: int) -> Run:
    """Name a run after all that can change its checkpoint, and its evaluations after that and all that takes answers.

    Which benchmarks are evaluated is no part of the first, and what a benchmark would be trained on no part of the
    second: another benchmark, backbone, arm or seed in an experiment leaves the names of the others as they are.
    """
    recipe = {**asked["training"], **asked.get("training_by_arm", {}).get(arm, {})}
    training = canonical_hash(
        {
            "arm": arm,
            "seed": seed,
            "train": [
                [source[key] for key in ("name", "train_hash", "weight") if key in source]
                for source in everything["train"]
            ],
            "backbone": asked["identity"],
            "training": recipe,
            "operating_point": asked["operating_point"],
            **{key: everything[key] for key in ("device", "versions")},
        }
    )
    label = f"{file_name(arm)}_seed-{seed}"
    evaluations = []
    for task in everything["tasks"]:
        wording = {key: value for key, value in task.items() if key not in _CHANGE_NO_ANSWER}
        identity = {"training": training, "task": wording, **{key: asked[key] for key in ("eval_batch", "answering")}}
        name = f"eval_{task['name']}_{label}_{canonical_hash(identity)[:_HASH_LENGTH]}"
        evaluations.append(Evaluation(name, task["name"]))
    return Run(f"train_{label}_{training[:_HASH_LENGTH]}", arm, backbone.name, seed, tuple(evaluations))
