"""What a worker process needs to know of each backbone, in a form that can be sent to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talan_core.arms import parse_arm

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from talan_core.backbones.load import Revision
    from talan_core.config import TalanConfig
    from talan_core.training_settings import TrainingSettings
    from talan_eval.experiment import TrainingSource
    from talan_eval.generation.backend import ArmsAsked, Backend, Checkpoint, Endpoint
    from talan_eval.generation_settings import GenerationSettings
    from talan_eval.intake.training_names import TrainingNames
    from talan_eval.sandbox.tiers import Tier
    from talan_eval.tasks.task_sources import TaskSources


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A checkpoint that was trained elsewhere.

    Attributes:
        directory: Where it is, absolute.
        whole: Whether it is a model and nothing else: it is loaded in the backbone's place.
        has_backbone: Whether the backbone's weights are taken from its directory, which those of a whole model are.
        block: The configuration of its TALAN block, or None.
        unmergeable: What it has learned that is no change of weights, in words; None where it is one.
        sha256: Hash of its files when the experiment was checked; None for the Hub, whose commits do not change.
        commit: Commit on the Hub, or None.
        tokenizer: Where the tokenizer and chat template are by which it is asked; None for the backbone's.
    """

    directory: Path
    whole: bool
    has_backbone: bool
    block: TalanConfig | None
    sha256: str | None
    commit: str | None
    tokenizer: Revision | None
    unmergeable: str | None = None

    def checkpoint(self) -> Checkpoint:
        """Return it as a backend takes it."""
        from talan_core.backbones.load import Revision  # noqa: PLC0415 - heavy
        from talan_eval.generation.backend import Checkpoint  # noqa: PLC0415 - as above

        own = Revision(str(self.directory), None, None) if self.has_backbone else None
        return Checkpoint(None if self.whole else self.directory, backbone=own, tokenizer=self.tokenizer)

    @property
    def digest(self) -> str:
        """What identifies its weights."""
        return str(self.sha256 or self.commit)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Everything about one backbone of an experiment that a worker needs, the same for all runs on it.

    Attributes:
        backbone: Its name.
        directory: The experiment directory.
        revision: Where the backbone's weights are.
        training: The recipe of all arms.
        recipes: The recipe of each arm that has one of its own.
        operating_point: The TALAN configuration that arms' options are laid over.
        tasks: Short names of the evaluated tasks, in order.
        training_names: What adapters are trained on.
        train: What identifies it; a worker that finds other items there refuses to train on them.
        sources: Where the tasks are, and how they are asked.
        limit: Items evaluated per task, or None for all.
        backend: What runs the model to answer, by its registered name.
        loss: Whether evaluations measure the held-out loss too.
        eval_batch: Prompts answered at a time.
        device: torch device name, such as "cpu" or "cuda".
        arms: Canonical names of all arms.
        served: By arm and seed, under which name a server has it; empty where this machine answers.
        endpoint: That server.
        gpus: GPUs of one run, among whose memory the backbone's layers are divided where there are several.
        gpu_share: Part of a GPU's memory that a worker may take: less than all where several share one.
        threads: CPU threads of one worker; None for what a run has where it is performed, which its executor knows.
        save_every: Time between two states of a training that are written to disk, to go on from; None for none.
        sandbox_tier: The boundary around model-written programs, found out before anything was computed; None where
            no task runs any.
        stored: The checkpoints that were trained elsewhere, by arm and seed.
        keep_answers: Whether what models wrote is kept beside its score.
    """

    backbone: str
    directory: Path
    revision: Revision
    training: TrainingSettings
    recipes: Mapping[str, TrainingSettings]
    operating_point: TalanConfig
    tasks: tuple[str, ...]
    training_names: TrainingNames
    train: tuple[TrainingSource, ...]
    sources: TaskSources
    limit: int | None
    backend: str
    loss: bool
    eval_batch: int
    device: str
    gpus: int
    gpu_share: float
    threads: int | None
    save_every: dt.timedelta | None
    sandbox_tier: Tier | None
    stored: Mapping[tuple[str, int], StoredSource] = field(default_factory=dict)
    keep_answers: bool = True
    arms: tuple[str, ...] = ()
    served: Mapping[tuple[str, int], str] = field(default_factory=dict)
    endpoint: Endpoint | None = None

    @property
    def generation(self) -> GenerationSettings:
        """How questions are put and answers are drawn."""
        return self.sources.settings

    def block_of(self, arm: str, seed: int) -> TalanConfig | None:
        """Return the configuration of an arm's block, by its name; None without one."""
        if (arm, seed) in self.stored:
            return self.stored[arm, seed].block
        block = parse_arm(arm).block
        return None if block is None else block.config(self.operating_point)

    def backend_on(self, device: str) -> Backend:
        """Make what runs the model to answer on a device; no weights are loaded."""
        from talan_eval.generation.backend import BackendOptions  # noqa: PLC0415 - loaded where answers are taken
        from talan_eval.generation.registry import make_backend  # noqa: PLC0415 - as above

        recipe = self.training
        options = BackendOptions(
            recipe.dtype,
            device,
            self.eval_batch,
            recipe.quantization,
            divided=self.gpus > 1,
            endpoint=self.endpoint,
            gpu_share=self.gpu_share,
        )
        return make_backend(self.backend, options)

    @property
    def asked(self) -> ArmsAsked:
        """What its arms bring along."""
        return arms_asked(self.arms, self.stored, self.operating_point)

    def recipe_of(self, arm: str) -> TrainingSettings:
        """Return the recipe of an arm, by its canonical name."""
        return self.recipes.get(arm, self.training)


def arms_asked(
    names: Collection[str], stored: Mapping[tuple[str, int], StoredSource], operating_point: TalanConfig
) -> ArmsAsked:
    """Return what arms bring along for a backend.

    Args:
        names: All arms, by their canonical names.
        stored: The checkpoints of those that were trained elsewhere, by arm and seed.
        operating_point: What the options of trained blocks are laid over.
    """
    from talan_eval.generation.backend import ArmsAsked, BlockShape  # noqa: PLC0415 - loaded where answers are taken

    given = {arm for arm, _ in stored}
    trained = [parse_arm(name) for name in names if name not in given]
    blocks = [source.block for source in stored.values()]
    blocks += [arm.block.config(operating_point) for arm in trained if arm.block is not None]
    fixed = {source.unmergeable for source in stored.values() if source.unmergeable is not None}
    return ArmsAsked(
        shapes=frozenset(BlockShape.of(block) for block in blocks if block is not None),
        trained=frozenset(arm.partner.kind for arm in trained),
        unmergeable=frozenset(fixed | {arm.partner.kind for arm in trained if not arm.partner.is_mergeable}),
    )
