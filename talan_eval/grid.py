"""From an experiment to its runs and evaluations, each with the name under which its result is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from talan_core.partners.plain import Base
from talan_eval.experiment import file_name
from talan_eval.store.canonical import canonical_hash

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from talan_eval.experiment import Experiment, StoredArm, TunedBackbone
    from talan_eval.store.canonical import JsonObject

EVALUATION = "eval_"
"""How the names of evaluations begin."""

_HASH_LENGTH = 12
_CHANGE_NO_ANSWER = frozenset({"n_train", "train_hash", "publish_text"})
_CHANGE_UNTRAINED = ("dtype", "quantization")  # of a recipe: how the backbone is stored while it answers
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
        is_stored: Whether its checkpoint was trained elsewhere: then nothing has that name in the store.
    """

    cell_id: str
    arm: str
    backbone: str
    seed: int
    evaluations: tuple[Evaluation, ...]
    is_stored: bool = False

    def missing(self, finished: Container[str]) -> Run | None:
        """Return the run with what is not finished, or None when all its evaluations are."""
        rest = tuple(cell for cell in self.evaluations if cell.cell_id not in finished)
        return replace(self, evaluations=rest) if rest else None


def plan(experiment: Experiment) -> tuple[Run, ...]:
    """Return all runs, backbone by backbone and seed by seed: the arms of a seed stand side by side.

    Args:
        experiment: What was asked for.

    Returns:
        One run per backbone, arm and seed; one per backbone of an arm without seeds. Of a stored arm the seeds that it
        has. What is trained for a confirmation is known when the others are read; see ``confirmation``.
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
                stored = experiment.stored_arm(arm)
                own = _FIXED_SEED if arm in experiment.fixed else seed
                if (arm in experiment.fixed and place > 0) or (stored is not None and own not in stored.seeds):
                    continue
                if stored is not None:
                    digest = _given(everything, asked, stored, own)
                elif arm != Base.kind:
                    digest = _trained(everything, asked, arm, own)
                else:
                    digest = _untrained(everything, asked, arm)
                found.append(_run(everything, backbone, asked, _Identified(arm, own, digest, stored is not None)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Identified:
    """A checkpoint by all that can change it.

    Attributes:
        arm: Its arm.
        seed: Its seed.
        digest: Hash of what can change it.
        is_stored: Whether it was trained elsewhere.
    """

    arm: str
    seed: int
    digest: str
    is_stored: bool


def _trained(everything: JsonObject, asked: JsonObject, arm: str, seed: int) -> str:
    """Return the hash of all that can change a checkpoint that is trained here; what is evaluated is no part of it."""
    return canonical_hash(
        {
            "arm": arm,
            "seed": seed,
            "train": [
                [source[key] for key in ("name", "train_hash", "weight") if key in source]
                for source in everything["train"]
            ],
            "backbone": asked["identity"],
            "training": {**asked["training"], **asked.get("training_by_arm", {}).get(arm, {})},
            "operating_point": asked["operating_point"],
            **({"partner": by_others[arm]} if arm in (by_others := everything.get("extensions", {})) else {}),
            **{key: everything[key] for key in ("device", "versions")},
        }
    )


def _untrained(everything: JsonObject, asked: JsonObject, arm: str) -> str:
    """Return the hash of the backbone as it is: what other arms are trained on changes none of its answers."""
    recipe = asked["training"]
    return canonical_hash(
        {
            "arm": arm,
            "backbone": asked["identity"],
            "training": {key: recipe[key] for key in _CHANGE_UNTRAINED if key in recipe},
            **{key: everything[key] for key in ("device", "versions")},
        }
    )


def _given(everything: JsonObject, asked: JsonObject, stored: StoredArm, seed: int) -> str:
    """Return the hash of a checkpoint that was trained elsewhere: its files, wherever they are, and what loads them."""
    return canonical_hash(
        {
            "arm": stored.name,
            "stored": stored.at(seed).model_dump(mode="json"),
            "backbone": asked["identity"],
            **{key: everything[key] for key in ("device", "versions")},
        }
    )


def _run(everything: JsonObject, backbone: TunedBackbone, asked: JsonObject, named: _Identified) -> Run:
    """Name a run after its checkpoint, and its evaluations after that and all that takes answers.

    What a benchmark would be trained on is no part of these: another benchmark, backbone, arm or seed in an experiment
    leaves the names of the others as they are.
    """
    label = f"{file_name(named.arm)}_seed-{named.seed}"
    evaluations = []
    for task in everything["tasks"]:
        wording = {key: value for key, value in task.items() if key not in _CHANGE_NO_ANSWER}
        identity = {
            "training": named.digest,
            "task": wording,
            **{key: asked[key] for key in ("eval_batch", "answering")},
        }
        name = f"{EVALUATION}{task['name']}_{label}_{canonical_hash(identity)[:_HASH_LENGTH]}"
        evaluations.append(Evaluation(name, task["name"]))
    how = "stored" if named.is_stored else "train"
    cell_id = f"{how}_{label}_{named.digest[:_HASH_LENGTH]}"
    return Run(cell_id, named.arm, backbone.name, named.seed, tuple(evaluations), named.is_stored)
