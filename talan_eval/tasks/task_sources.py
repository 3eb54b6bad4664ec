"""Any task by its name: ours from the files of this project, others through lm-eval."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talan_eval.generation_settings import GenerationSettings
from talan_eval.tasks.benchmark import load_benchmark
from talan_eval.tasks.lm_eval_task import load_lm_eval_task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from talan_eval.tasks.benchmark import Benchmark


@dataclass(frozen=True, slots=True)
class TaskSources:
    """Where tasks and their data are, and how they are asked.

    Attributes:
        files: The YAML file of each task that is not ours, by name.
        metrics: METRIC or METRIC,FILTER of such a task, by name; its first where none is given.
        data_dir: Directory of our real benchmarks' data; None for the environment variable, and for the Hub where that
            is not set.
        settings: How questions are put and answers are drawn.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    data_dir: Path | None = None
    settings: GenerationSettings = field(default_factory=GenerationSettings)

    def load(self, name: str, limit: int | None) -> Benchmark:
        """Load a task and check its data.

        Args:
            name: A name that was found.
            limit: Evaluate only the first so many items; None for all.

        Raises:
            UserError: Its data is missing, was changed or cannot be fetched, it has fewer items or few-shot examples
                than asked for, or its scores cannot be compared.
        """
        if name not in self.files:
            return load_benchmark(name, data_dir=self.data_dir, limit=limit, settings=self.settings)
        return load_lm_eval_task(
            name, self.files[name], limit=limit, settings=self.settings, metric=self.metrics.get(name)
        )
