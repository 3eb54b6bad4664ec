"""One run in this process: train an arm with a seed, keep the checkpoint, evaluate it, seal each evaluation."""

from __future__ import annotations

import gc
import json
import math
import time
import weakref
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model
from talan_core.errors import UserError
from talan_core.found import find_checkpoint
from talan_core.portable import make_portable
from talan_core.quiet import library_warnings_silenced
from talan_core.training.data import Example, Mixture, encode
from talan_core.training.drawing import LazyData
from talan_core.training.fit import fit
from talan_core.training.rendering import render_prompt
from talan_core.training.state import OtherRunError
from talan_eval.execution.attempts import failure_of
from talan_eval.execution.events import Event
from talan_eval.generation.backend import BlockShape, Checkpoint, Prompt
from talan_eval.generation.evaluate import evaluate
from talan_eval.generation.prompts import frame_of, open_tokenizer
from talan_eval.intake.training_data import load_training_data
from talan_eval.records.samples import NOT_KEPT, withheld, write_samples
from talan_eval.store.canonical import readable_json
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from talan_core.backbones.load import Revision
    from talan_core.plain import PlainModel
    from talan_core.training.data import EncodedData
    from talan_core.training.trainer import TrainingLog
    from talan_eval.generation.backend import Engine, Generator
    from talan_eval.grid import Evaluation, Run
    from talan_eval.intake.assignment import Assignment
    from talan_eval.intake.training_data import TrainingData
    from talan_eval.store.failures import Failure

TRAINING_LOG = "training.json"
_DIGEST_LENGTH: Final = 16
_HELD_OUT: Final = 16
"""Examples whose loss is measured while an arm is trained: enough to see that it falls, and cheap."""


class Crew:
    """A worker for each backbone, loaded when its first run arrives.

    Args:
        assignments: One for each backbone.
        device: torch device of this process, such as "cpu" or "cuda:1".
    """

    def __init__(self, assignments: Sequence[Assignment], device: str) -> None:
        self._assignments = {assignment.backbone: assignment for assignment in assignments}
        self._device = device
        self._workers: dict[str, RunWorker] = {}

    def perform(self, run: Run, report: Callable[[Event], None]) -> tuple[Failure, ...]:
        """Do what is missing of a run; see ``Worker.perform``."""
        assignment = self._assignments[run.backbone]
        if assignment.threads is not None:
            torch.set_num_threads(assignment.threads)
        if run.backbone not in self._workers:
            self._workers[run.backbone] = RunWorker(assignment, self._device)
        return self._workers[run.backbone].perform(run, report)


class RunWorker:
    """What is loaded once and used by all runs of a process.

    The backbone's weights are not among it: each training takes them anew from the memory-mapped file, which costs less
    than a copy (SmolLM2-135M: 0.2 s against 5 s) and leaves no way for one arm's adapter to stay in another's backbone.
    What answers is the backend's matter; an engine is kept until a run needs one for another shape of block.

    Args:
        assignment: The experiment, as a worker sees it.
        device: torch device of this worker, such as "cpu" or "cuda:1".
    """

    def __init__(self, assignment: Assignment, device: str) -> None:
        self.assignment = assignment
        self.device = torch.device(device)
        self.tokenizer = open_tokenizer(assignment.revision, assignment.generation)
        self.backend = assignment.backend_on(device)
        self._tokenizers: dict[Revision, PreTrainedTokenizerBase] = {}
        self._engine: Engine | None = None
        self._engine_stack = ExitStack()
        weakref.finalize(self, self._engine_stack.close)
        self.benchmarks = {
            name: assignment.sources.load(name, assignment.limit if name in assignment.tasks else None)
            for name in dict.fromkeys((*assignment.tasks, *assignment.training_names.tasks))
        }

    @cached_property
    def examples(self) -> EncodedData | LazyData:
        """The training set, each item encoded at most once for all runs; one that only evaluates does not need it."""
        recipe, to_learn = self.assignment.training, self._learned.to_learn
        if recipe.encoding == "drawn" and recipe.steps is not None and not isinstance(to_learn, Mixture):
            return LazyData(self.tokenizer, to_learn, self._held_out())
        return encode(self.tokenizer, to_learn, recipe.max_length, held_out=self._held_out())

    @cached_property
    def _learned(self) -> TrainingData:
        """What adapters are trained on, as it was when the experiment was named after it."""
        a = self.assignment
        found = load_training_data(a.training_names, self.benchmarks, a.generation)
        changed = [new.name for new, known in zip(found.sources, a.train, strict=True) if new != known]
        if changed:
            raise UserError(
                f"The training data {', '.join(changed)} changed since this comparison was started.",
                "Leave it as it is while arms are trained on it, and type the same command again.",
            )
        return found

    def _held_out(self) -> tuple[Example, ...]:
        """A fixed sample of the evaluated items with their solutions, which no arm learns from."""
        learned = self._learned.pairs
        every = [
            Example(*pair, name)
            for name in self.assignment.tasks
            for pair in self.benchmarks[name].solutions
            if pair not in learned
        ]
        return tuple(every[:: max(1, math.ceil(len(every) / _HELD_OUT))])

    @cached_property
    def store(self) -> Store:
        """The experiment directory; a dry run's pilot has none."""
        return Store.load(self.assignment.directory)

    def perform(self, run: Run, report: Callable[[Event], None]) -> tuple[Failure, ...]:
        """Do what is missing of a run; every finished part is sealed at once.

        Args:
            run: The run with its missing evaluations.
            report: Told of each step.

        Returns:
            The cells that have no result now: the training, for all its evaluations, or single evaluations.

        Raises:
            UserError: What was asked for cannot be done by any run, or the results cannot be written.
        """
        report(Event(run.cell_id, run.arm, run.seed, "start", 0, len(run.evaluations)))
        try:
            failures = self._perform(run, report)
            if failures:  # in whatever state that left it
                self._end_engine()
            return failures
        finally:
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _perform(self, run: Run, report: Callable[[Event], None]) -> tuple[Failure, ...]:
        with ExitStack() as opened:
            try:
                checkpoint = self._given(run) if run.is_stored else self._made(run, report)
                checkpoint = replace(checkpoint, served=self.assignment.served.get((run.arm, run.seed)))
                generator = opened.enter_context(self.engine_for(run.arm, run.seed).open(checkpoint))
            except Exception as error:  # noqa: BLE001 - whatever one run does, the others go on; the traceback is kept
                return (failure_of(run, run.cell_id, "", error),)
            return self._answer(generator, run, report)

    def _given(self, run: Run) -> Checkpoint:
        """Return the checkpoint of a stored arm, whose files must be those that the experiment was declared with."""
        source = self.assignment.stored[run.arm, run.seed]
        if source.sha256 is not None and find_checkpoint(source.directory).sha256() != source.sha256:
            raise UserError(
                f"The checkpoint {source.directory} of the stored arm {run.arm} was changed meanwhile.",
                "Give the same command again when nothing writes there any more: what was asked of it is asked again.",
            )
        return source.checkpoint()

    def _made(self, run: Run, report: Callable[[Event], None]) -> Checkpoint:
        """Return the checkpoint of an arm that is trained here, which is trained now where it is not there."""
        directory = self.store.checkpoint(run.cell_id)
        return self._train(run, report) if directory is None else self._sealed(run, directory)

    def _answer(self, generator: Generator, run: Run, report: Callable[[Event], None]) -> tuple[Failure, ...]:
        failures = []
        for done, cell in enumerate(run.evaluations, 1):
            try:
                if not self.store.is_sound(cell.cell_id):  # an attempt that was killed may have sealed it
                    self._evaluate(generator, run, cell, report)
            except Exception as error:  # noqa: BLE001 - as above
                failures.append(failure_of(run, cell.cell_id, cell.task, error))
            else:
                report(Event(run.cell_id, run.arm, run.seed, "sealed", done, len(run.evaluations), cell.task))
        return tuple(failures)

    def tokenizer_of(self, arm: str, seed: int) -> PreTrainedTokenizerBase:
        """Return the tokenizer by which a checkpoint is asked: the backbone's, or that which a stored one brings."""
        source = self.assignment.stored.get((arm, seed))
        if source is None or source.tokenizer is None:
            return self.tokenizer
        if source.tokenizer not in self._tokenizers:
            self._tokenizers[source.tokenizer] = open_tokenizer(source.tokenizer, self.assignment.generation)
        return self._tokenizers[source.tokenizer]

    def engine_for(self, arm: str, seed: int) -> Engine:
        """Return the live engine if it takes the block of an arm, else a new one in its place."""
        shape = self._shape_of(arm, seed)
        if self._engine is None or not self._engine.takes(shape):
            self._end_engine()
            started = self.backend.start(self.assignment.revision, shape or self._shape_of_others)
            self._engine = self._engine_stack.enter_context(started)
        return self._engine

    def _end_engine(self) -> None:
        self._engine = None
        self._engine_stack.close()

    def _shape_of(self, arm: str, seed: int) -> BlockShape | None:
        block = self.assignment.block_of(arm, seed)
        return None if block is None else BlockShape.of(block)

    @cached_property
    def _shape_of_others(self) -> BlockShape | None:
        """The shape of an engine for arms without a block that serves those with one, too; None where none can."""
        shapes = self.assignment.asked.shapes
        return next((one for one in shapes if one.is_silent_when_closed), None) if len(shapes) == 1 else None

    def _train(self, run: Run, report: Callable[[Event], None]) -> Checkpoint:
        model = self.built(run.arm, run.seed)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        with self.store.checkpoint_dir(run.cell_id) as directory:
            try:
                log = self._fitted(model, run, report)
            except OtherRunError:  # the cell is the same and the code is not; a state is only there to save time
                self.store.forget_training(run.cell_id)
                log = self._fitted(model, run, report)
            with library_warnings_silenced():
                model.save_pretrained(str(directory))
            make_portable(directory, self.assignment.revision.location, run.backbone)
            (directory / TRAINING_LOG).write_bytes(readable_json({**asdict(log), **self._size(model)}))
        self._seal_training(run, directory=self.store.checkpoint(run.cell_id))
        self.store.forget_training(run.cell_id)
        # With another attention, or in bitsandbytes' layouts after training, it would not answer as its files do.
        recipe = self.assignment.recipe_of(run.arm)
        as_trained = model if recipe.attention is None and recipe.quantization is None else None
        return Checkpoint(self.store.checkpoint(run.cell_id), trained=as_trained)

    def built(self, arm: str, seed: int) -> PeftModel | PlainModel:
        """Load the backbone and make an arm's model, ready to be trained."""
        a, recipe = self.assignment, self.assignment.recipe_of(arm)
        backbone = load_model(
            a.revision,
            recipe.loaded_dtype,
            self.device,
            attention=recipe.attention,
            quantization=recipe.quantization,
            divided=a.gpus > 1,
        )
        return build(backbone, parse_arm(arm), seed=recipe.seed_of(seed), defaults=a.operating_point)

    def _fitted(self, model: PeftModel | PlainModel, run: Run, report: Callable[[Event], None]) -> TrainingLog:
        return fit(
            model,
            self.tokenizer,
            self.examples if parse_arm(run.arm).has_seeds else (),
            self.assignment.recipe_of(run.arm),
            seed=run.seed,
            work_dir=self.store.training_dir(run.cell_id),
            save_every=self.assignment.save_every,
            on_step=lambda step, total, _loss: report(Event(run.cell_id, run.arm, run.seed, "train", step, total)),
        )

    def _size(self, model: PeftModel | PlainModel) -> dict[str, int | None]:
        """Return how many parameters were trained, and the most memory that a GPU gave for it, backbone included."""
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        memory = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        return {"trained_parameters": trained, "peak_memory_bytes": memory}

    def _sealed(self, run: Run, directory: Path) -> Checkpoint:
        if not self.store.has_record(run.cell_id):  # killed between the two
            self._seal_training(run, directory)
        return Checkpoint(directory)

    def _seal_training(self, run: Run, directory: Path | None) -> None:
        if directory is not None:
            log = json.loads((directory / TRAINING_LOG).read_bytes())
            self.store.seal(
                run.cell_id,
                {"kind": "training", "arm": run.arm, "backbone": run.backbone, "seed": run.seed, "log": log},
            )

    def _evaluate(self, generator: Generator, run: Run, cell: Evaluation, report: Callable[[Event], None]) -> None:
        benchmark, tokenizer = self.benchmarks[cell.task], self.tokenizer_of(run.arm, run.seed)
        source = self.assignment.stored.get((run.arm, run.seed))
        weights = self.store.checkpoint_digest(run.cell_id) if source is None else source.digest[:_DIGEST_LENGTH]
        began = time.perf_counter()
        probe = generator.liveness(Prompt(render_prompt(tokenizer, benchmark.items[0].prompt)))
        if source is None:
            probe.check(parse_arm(run.arm))
        elif not source.whole:
            learned = source.block is not None and source.block.scope != "frozen"
            probe.check_stored(run.arm, source.directory, with_block=learned)
        evaluation = evaluate(
            generator,
            tokenizer,
            benchmark,
            self.assignment.eval_batch,
            tier=self.assignment.sandbox_tier,
            with_loss=self.assignment.loss,
            record=lambda header: self.store.journal(cell.cell_id, {**header, "weights": weights}),
            on_items=lambda done, total: report(
                Event(run.cell_id, run.arm, run.seed, "evaluate", done, total, cell.task)
            ),
        )
        kept = self.assignment.keep_answers
        samples = evaluation.samples if kept else tuple(map(withheld, evaluation.samples))
        self.store.seal(
            cell.cell_id,
            {
                "kind": "evaluation",
                **({} if kept else {"answers": NOT_KEPT}),
                "arm": run.arm,
                "backbone": run.backbone,
                "seed": run.seed,
                "task": cell.task,
                "weights": weights,
                **({} if source is not None and source.whole else asdict(probe)),
                "frame": frame_of(tokenizer, self.assignment.generation),
                "own_settings": asdict(generator.own_settings),
                "sandbox": evaluation.sandbox,
                "disagreements": evaluation.disagreements,
                "seconds": round(evaluation.seconds_before + time.perf_counter() - began, 3),
            },
            {sample_name(cell): write_samples(samples)},
        )


def sample_name(cell: Evaluation) -> str:
    """Return the payload name of an evaluation's samples."""
    return f"{cell.task}/{cell.cell_id}.parquet"
