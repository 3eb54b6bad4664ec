"""What a worker process needs to know of each backbone, in a form that can be sent to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talan_core.arms import parse_arm

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    from talan_core.backbones.load import Revision
    from talan_core.config import TalanConfig
    from talan_core.training_settings import TrainingSettings
    from talan_eval.experiment import TrainingSource
    from talan_eval.generation.backend import Backend, BlockShape, Checkpoint, Endpoint
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
        threads: CPU threads of one worker.
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
    threads: int
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
            recipe.dtype, device, self.eval_batch, recipe.quantization, divided=self.gpus > 1, endpoint=self.endpoint
        )
        return make_backend(self.backend, options)

    @property
    def shapes(self) -> frozenset[BlockShape]:
        """The shapes of all blocks that arms carry."""
        from talan_eval.generation.backend import BlockShape  # noqa: PLC0415 - loaded where answers are taken

        given = {arm for arm, _ in self.stored}
        blocks = [source.block for source in self.stored.values()]
        blocks += [self.block_of(arm, 0) for arm in self.arms if arm not in given]
        return frozenset(BlockShape.of(block) for block in blocks if block is not None)

    @property
    def partners(self) -> frozenset[str]:
        """What arms are trained with here, by kind."""
        given = {arm for arm, _ in self.stored}
        return frozenset(parse_arm(arm).partner.kind for arm in self.arms if arm not in given)

    def recipe_of(self, arm: str) -> TrainingSettings:
        """Return the recipe of an arm, by its canonical name."""
        return self.recipes.get(arm, self.training)
