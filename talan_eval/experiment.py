"""What the user asked for, frozen and hashed: the identity of a results directory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from talan_core.arms import parse_arm
from talan_core.errors import UserError
from talan_eval.generation_settings import GenerationSettings
from talan_eval.result.contrast import ContrastSpec
from talan_eval.store.canonical import canonical_hash

if TYPE_CHECKING:
    from talan_eval.store.canonical import JsonObject

_RANGE = re.compile(r"[0-9]+(,[0-9]+)*")
_MOST_SEEDS = 1000


class BackboneIdentity(BaseModel):
    """Which weights were tuned.

    Attributes:
        name: As typed.
        commit: Commit on the Hub, or None for local weights.
        sha256: Hash of all local files that can change an answer, or None for the Hub.
        note: How the weights came to be, where that matters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    commit: str | None
    sha256: str | None
    note: str


class TaskSpec(BaseModel):
    """What identifies a benchmark in an experiment: two runs with equal specs ask the same questions.

    Attributes:
        name: Short name, as typed and shown.
        version: The task's version, the hash of its evaluated items with all settings, and those settings that are not
            the default, as in ``1:0123abcd`` or ``1:89abcdef[few_shot=5,plain]``.
        metric: The score that is compared.
        grader: Name of the grader.
        n_items: Items that are evaluated.
        n_train: Items that adapters may be trained on.
        items_hash: Hash over id, prompt and target of the evaluated items, in order, and over all settings below.
        train_hash: Hash over prompt and completion of the training items, in order.
        runs_code: Whether grading runs programs that the model wrote.
        generation: How questions are put and answers are drawn.
        max_tokens: Most tokens of an answer.
        stop: Strings that end an answer; they are not part of it.
        publish_text: Whether reports may show questions and answers; otherwise they name items by their id alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    metric: str
    grader: str
    n_items: int
    n_train: int
    items_hash: str
    train_hash: str
    runs_code: bool
    generation: GenerationSettings = GenerationSettings()
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    publish_text: bool = False


class TrainingSource(BaseModel):
    """What adapters are trained on: a benchmark's worked solutions, whether or not it is evaluated, or other data.

    Attributes:
        name: The benchmark, the name of the file, or the data set as it was typed.
        n_train: Number of items.
        train_hash: Hash over the items, in order, and over how they are worded.
        weight: Its weight in a mixture; None, and left out of the JSON, where every item counts alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    n_train: int
    train_hash: str
    weight: float | None = None

    @model_serializer(mode="wrap")
    def _without_no_weight(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if key != "weight" or value is not None}


class StoredCheckpoint(BaseModel):
    """One checkpoint of a stored arm.

    Attributes:
        seed: The seed that it stands for; 0 where its arm is one checkpoint.
        sha256: Hash of all of its files that can change an answer; None for the Hub.
        commit: Its commit on the Hub, or None for local files.
        tokenizer: Hash of the tokenizer and chat template by which it is asked; None for the backbone's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    sha256: str | None
    commit: str | None = None
    tokenizer: str | None = None


class StoredArm(BaseModel):
    """An arm that was trained elsewhere: checkpoints by seed, or one alone. How they were trained is not known.

    Attributes:
        name: As typed.
        where: As typed: a directory or a Hub id, perhaps with ``{seed}`` in it.
        form: "adapter", "arm" or "model"; see ``talan_core.found.FoundCheckpoint``.
        what: What its checkpoints are, in words.
        options: What is worth showing of the adapter.
        base_model: The backbone that they say they were trained on: by the name of the experiment's own where it was
            found to be that one; None where they name none.
        checkpoints: By seed, ascending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    where: str
    form: str
    what: str
    options: dict[str, Any] = {}
    base_model: str | None = None
    checkpoints: tuple[StoredCheckpoint, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that its checkpoints stand for."""
        return tuple(one.seed for one in self.checkpoints)

    @property
    def is_asked_its_own_way(self) -> bool:
        """Whether a checkpoint of it is asked with a tokenizer or chat template that is not the backbone's."""
        return any(one.tokenizer is not None for one in self.checkpoints)

    @property
    def has_own_backbone(self) -> bool:
        """Whether its weights stand in the place of the backbone's."""
        return self.form == "model"

    def at(self, seed: int) -> StoredCheckpoint:
        """Return the checkpoint of a seed; a ``StopIteration`` is a bug of the caller."""
        return next(one for one in self.checkpoints if one.seed == seed)


class TunedBackbone(BaseModel):
    """A backbone and what goes with it: its own recipe, the same for all arms but for what is listed by arm.

    Attributes:
        identity: Which weights are tuned.
        training: The recipe (``TrainingSettings`` as JSON).
        training_by_arm: What of the recipe is different for an arm, by its name; left out of the JSON where there is
            none, so that a recipe for all keeps its identity.
        operating_point: The TALAN configuration that arms' options are laid over (``TalanConfig`` as JSON).
        eval_batch: Prompts answered at a time, the same for all arms.
        answering: What takes and grades answers, by name: no part of a training's identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: BackboneIdentity
    training: dict[str, Any]
    operating_point: dict[str, Any]
    eval_batch: int
    answering: dict[str, str] = {}
    training_by_arm: dict[str, dict[str, Any]] = {}

    @model_serializer(mode="wrap")
    def _without_nothing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if key != "training_by_arm" or value}

    @property
    def name(self) -> str:
        """As typed."""
        return self.identity.name


class Experiment(BaseModel):
    """Backbones by arms by seeds by tasks, and contrasts between arms: complete enough to be repeated.

    Attributes:
        backbones: Which weights are tuned, and how.
        arms: Canonical names; the first is the base of the primary contrast.
        fixed: Those of them that have no seeds, and are answered once.
        stored: Those of them that were trained elsewhere; left out of the JSON where there is none, so that a
            comparison of trained arms keeps its identity.
        contrasts: What is compared, the primary one first; none where one arm is asked alone.
        seeds: Training seeds, the same for all arms that have seeds.
        confirm: Fresh seeds on which the best treatment is trained anew, with its base; 0 for none.
        tasks: Benchmarks in the order of the table.
        train: What adapters are trained on, in order.
        device: "cpu" or "cuda".
        versions: What trains: versions that can change a checkpoint, by name; see ``talan_eval.identity``.
        contaminated: Training items that are also evaluated items; above 0 only where the user allowed it.
        extensions: Package and version that add an arm's partner, by arm; left out of the JSON where there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbones: tuple[TunedBackbone, ...]
    arms: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    stored: tuple[StoredArm, ...] = ()
    contrasts: tuple[ContrastSpec, ...]
    seeds: tuple[int, ...]
    confirm: int = 0
    tasks: tuple[TaskSpec, ...]
    train: tuple[TrainingSource, ...]
    device: str
    versions: dict[str, str]
    contaminated: int = 0
    extensions: dict[str, str] = {}

    @model_serializer(mode="wrap")
    def _without_nothing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if key not in ("stored", "extensions") or value}

    def stored_arm(self, name: str) -> StoredArm | None:
        """Return what is known of an arm that was trained elsewhere; None of one that is trained here, or not at all.

        Whether an arm is trained is asked here: the name of a stored one may read like any other's.
        """
        return next((one for one in self.stored if one.name == name), None)

    def trains(self, name: str) -> bool:
        """Return whether an arm is trained here: neither a stored one nor the backbone as it is."""
        return self.stored_arm(name) is None and parse_arm(name).has_seeds

    def to_json(self) -> JsonObject:
        """Return the JSON form, whose canonical hash is the identity."""
        return self.model_dump(mode="json")

    @property
    def n_train(self) -> int:
        """Number of training items, those that turn out too long included."""
        return sum(source.n_train for source in self.train)

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical JSON."""
        return canonical_hash(self.to_json())

    @property
    def recipe_digest(self) -> str:
        """The SHA-256 of all but the seeds: experiments with equal ones differ in their seeds at most."""
        return canonical_hash({key: value for key, value in self.to_json().items() if key != "seeds"})

    @property
    def fresh_seeds(self) -> tuple[int, ...]:
        """The seeds of the confirmation, which select nothing."""
        first = max(self.seeds) + 1
        return tuple(range(first, first + self.confirm))

    @property
    def default_name(self) -> str:
        """A directory name that says what was asked or compared, and cannot meet another experiment's."""
        where = file_name(self.backbones[0].name) if len(self.backbones) == 1 else f"{len(self.backbones)}-backbones"
        base, *others = self.arms
        if not others:
            return f"{where}_{file_name(base)}_{self.digest[:8]}"
        against = file_name(others[0]) if len(others) == 1 else f"{len(others)}-arms"
        return f"{where}_{file_name(base)}_vs_{against}_{self.digest[:8]}"


def file_name(text: str) -> str:
    """Return a text as part of a file name: letters, digits and ``.+=-`` stay, all else becomes ``-``."""
    return re.sub(r"[^A-Za-z0-9.+=]+", "-", text).strip("-.")[:60]


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``--seeds``: a count or a list.

    Args:
        text: "7" means 0 to 6; "0,3,5" means these three. A single seed is written with a comma: "4,".

    Returns:
        The seeds in ascending order.

    Raises:
        UserError: It is neither, or a seed is given twice.
    """
    fix = "Type a count such as --seeds 7 (seeds 0 to 6), or a list such as --seeds 0,3,5."
    compact = text.replace(" ", "")
    single = compact.endswith(",") and compact.count(",") == 1
    if _RANGE.fullmatch(compact.removesuffix(",") if single else compact) is None:
        raise UserError(f"The seeds {text!r} are neither a count nor a list of numbers from 0 upwards.", fix)
    numbers = [int(part) for part in compact.split(",") if part]
    if "," not in compact:
        if not 1 <= numbers[0] <= _MOST_SEEDS:
            raise UserError(f"A comparison needs 1 to {_MOST_SEEDS} seeds, not {numbers[0]}.", fix)
        return tuple(range(numbers[0]))
    if len(set(numbers)) < len(numbers):
        raise UserError(f"The seeds {text!r} name one twice; a copy is no new observation.", fix)
    return tuple(sorted(numbers))
