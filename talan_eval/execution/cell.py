"""One run in this process: train an arm with a seed, keep the checkpoint, evaluate it, seal each evaluation."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, load_tokenizer
from talan_core.probe import adapter_is_live
from talan_core.quiet import library_warnings_silenced
from talan_core.training.data import Example
from talan_core.training.fit import fit
from talan_eval.execution.evaluate import evaluate
from talan_eval.execution.events import Event
from talan_eval.store.store import Store
from talan_eval.tasks import load_benchmark

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peft import PeftModel

    from talan_core.plain import PlainModel
    from talan_eval.execution.plan import Assignment
    from talan_eval.grid import EvaluationCell, Run


class Worker:
    """What is loaded once and used by all runs of a process.

    Args:
        assignment: The experiment, as a worker sees it.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.store = Store.load(assignment.directory)
        self.tokenizer = load_tokenizer(assignment.revision)
        if not assignment.asking.chat_template:
            self.tokenizer.chat_template = None  # training, probe and evaluation see plain prompts alike
        self.benchmarks = {
            name: load_benchmark(name, data_dir=assignment.data_dir, limit=assignment.limit, asking=assignment.asking)
            for name in assignment.tasks
        }
        self.examples = [
            Example(prompt, completion, name)
            for name, benchmark in self.benchmarks.items()
            for prompt, completion in benchmark.training
        ]

    def perform(self, run: Run, report: Callable[[Event], None]) -> None:
        """Do what is missing of a run; every finished part is sealed at once.

        Args:
            run: The run with its missing evaluations.
            report: Told of each step.

        Raises:
            UserError: Training diverged, or the results cannot be written.
        """
        report(Event(run.cell_id, run.arm, run.seed, "start", 0, len(run.evaluations)))
        checkpoint = self.store.checkpoint(run.cell_id)
        model = self._trained(run, report) if checkpoint is None else self._loaded(checkpoint)
        for done, cell in enumerate(run.evaluations, 1):
            self._evaluate(model, run, cell, report)
            report(Event(run.cell_id, run.arm, run.seed, "sealed", done, len(run.evaluations), cell.task))
        report(Event(run.cell_id, run.arm, run.seed, "finished", 1, 1))

    def _trained(self, run: Run, report: Callable[[Event], None]) -> PeftModel | PlainModel:
        a = self.assignment
        backbone = load_model(a.revision, a.training.dtype, torch.device(a.device))
        model = build(backbone, parse_arm(run.arm), seed=run.seed, defaults=a.operating_point)
        with self.store.checkpoint_dir(run.cell_id) as directory:
            log = fit(
                model,
                self.tokenizer,
                self.examples,
                a.training,
                seed=run.seed,
                work_dir=directory,
                on_step=lambda step, total, _loss: report(Event(run.cell_id, run.arm, run.seed, "train", step, total)),
            )
            with library_warnings_silenced():
                model.save_pretrained(str(directory))
        self.store.seal(run.cell_id, {"kind": "training", "arm": run.arm, "seed": run.seed, "log": asdict(log)})
        return model

    def _loaded(self, checkpoint: Path) -> PeftModel | PlainModel:
        a = self.assignment
        backbone = load_model(a.revision, a.training.dtype, torch.device(a.device))
        return talan_core.load(checkpoint, backbone).eval()

    def _evaluate(
        self, model: PeftModel | PlainModel, run: Run, cell: EvaluationCell, report: Callable[[Event], None]
    ) -> None:
        benchmark = self.benchmarks[cell.task]
        total = len(benchmark.items)
        report(Event(run.cell_id, run.arm, run.seed, "evaluate", 0, total, cell.task))
        began = time.perf_counter()
        probe = adapter_is_live(model, self.tokenizer, benchmark.items[0].prompt)
        evaluation = evaluate(
            model, self.tokenizer, benchmark, self.assignment.eval_batch, tier=self.assignment.sandbox_tier
        )
        self.store.seal(
            cell.cell_id,
            {
                "kind": "evaluation",
                "arm": run.arm,
                "seed": run.seed,
                "task": cell.task,
                "max_logit_change": probe,
                "sandbox": evaluation.sandbox,
                "disagreements": evaluation.disagreements,
                "seconds": round(time.perf_counter() - began, 3),
            },
            {sample_name(cell): evaluation.to_jsonl()},
        )
        report(Event(run.cell_id, run.arm, run.seed, "evaluate", total, total, cell.task))


def sample_name(cell: EvaluationCell) -> str:
    """Return the payload name of an evaluation's samples."""
    return f"{cell.task}/{cell.cell_id}.jsonl"
