"""Runs of HELM: directories with ``run_spec.json`` and ``per_instance_stats.json``, one per scenario and model.

The runs of one suite and model are one run here, whose tasks are the scenarios: the name of the run without its model.
An item is known by its instance id; it is the same question if input and references in ``instances.json`` are equal.
Train trials (other few-shot examples) are samples of one checkpoint. Perturbed instances are left aside and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from talan_core.errors import UserError
from talan_eval.importers.documents import digest, is_number, read_document
from talan_eval.importers.files import natural
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, TaskLog
from talan_eval.importers.reader import LogReader, chosen_arm

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.documents import Node
    from talan_eval.importers.files import FileReader, Pending
    from talan_eval.importers.reader import Source

_SPEC: Final = "run_spec.json"
_STATS: Final = "per_instance_stats.json"
_INSTANCES: Final = "instances.json"
_NOT_SCORES: Final = (
    *("num_", "inference_", "training_", "finish_reason", "prompt_", "batch_size", "max_prob", "logprob"),
    *("predicted_index", "estimated_", "perplexity", "bits_per_byte"),
)
"""Beginnings of statistics that say what an answer cost, not what it is worth."""
_OF_MODEL: Final = ("model=", "model_deployment=")


@dataclass(frozen=True, slots=True)
class _HelmRun:
    """One directory, its specification read."""

    directory: Path
    task: str
    model: str
    stamps: tuple[Pending, ...]


class HelmRuns(LogReader):
    """Reads directories of runs, those of one suite and model as one run."""

    harness: ClassVar[str] = "helm"
    readable: ClassVar[str] = "HELM runs (run_spec.json and per_instance_stats.json)"

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether a file is the one with the scores, named itself."""
        return typed and file.name == _STATS

    def recognises_directory(self, directory: Path, names: Collection[str]) -> bool:
        """Return whether a directory is that of a run."""
        del directory
        return _SPEC in names and _STATS in names

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm: the runs of its model in each suite.

        Raises:
            UserError: A file is missing or cannot be read, or it is not clear which model is meant.
        """
        suites: dict[Path, list[_HelmRun]] = {}
        for place in source.places:
            directory = place.path if place.path.is_dir() else place.path.parent
            suites.setdefault(directory.parent, []).append(self._opened(directory))
        return [self._suite(suite, runs, source) for suite, runs in suites.items()]

    def _opened(self, directory: Path) -> _HelmRun:
        spec, pending = read_document(_there(directory / _SPEC), self._files)
        name = spec["name"].label()
        scenario, colon, arguments = name.partition(":")
        kept = ",".join(one for one in arguments.split(",") if one and not one.startswith(_OF_MODEL))
        return _HelmRun(
            directory, f"{scenario}{colon if kept else ''}{kept}", spec["adapter_spec"]["model"].label(), (pending,)
        )

    def _suite(self, suite: Path, runs: Sequence[_HelmRun], source: Source) -> LoggedRun:
        models = {run.model for run in runs}
        model = chosen_arm(models, source, suite) if len(models) > 1 else next(iter(models))
        own = {run.task: run for run in runs if run.model == model}
        if len(own) < sum(run.model == model for run in runs):
            raise UserError(
                f"{source.word.typed}: {suite} holds a scenario of {model} twice.",
                "Name the directories of the runs that are meant, one by one.",
            )
        stamps = [stamp for run in own.values() for stamp in run.stamps]
        notes: list[str] = []
        tasks = {task: self._task(own[task], stamps, notes) for task in sorted(own, key=natural)}
        return LoggedRun(
            path=suite,
            harness=HelmRuns.harness,
            tasks=tasks,
            files=tuple(stamp.stamp() for stamp in stamps),
            model=model,
            notes=tuple(notes),
        )

    def _task(self, run: _HelmRun, stamps: list[Pending], notes: list[str]) -> TaskLog:
        stats, pending = read_document(_there(run.directory / _STATS), self._files)
        stamps.append(pending)
        questions = self._questions(run.directory / _INSTANCES, stamps)
        answers, perturbed = Answers(), 0
        for number, one in enumerate(stats.list(), 1):
            if one.get("perturbation") is not None:
                perturbed += 1
                continue
            item = one["instance_id"].name()
            trial = one.get("train_trial_index")
            answers.items.append(item)
            answers.prompts.append(questions.get(item, ""))
            answers.values.append(_values(one["stats"]))
            answers.lines.append(number)
            answers.samples.append(0 if trial is None else trial.count())
        if perturbed:
            notes.append(f"{run.directory}: {perturbed} answers to perturbed instances are left aside")
        return TaskLog(run.task, run.directory / _STATS, {NO_FILTER: answers}, unit="entry")

    def _questions(self, file: Path, stamps: list[Pending]) -> Mapping[str, str]:
        """Return the hash of each instance's question; empty where the file is not there."""
        if not file.is_file():
            return {}
        found, pending = read_document(file, self._files)
        stamps.append(pending)
        return {
            one["id"].name(): digest(one["input"].value, one.table().get("references"))
            for one in found.list()
            if one.get("perturbation") is None
        }


def _values(stats: Node) -> dict[str, object]:
    """Return the mean of each statistic of an instance; one that was never counted has no value."""
    values: dict[str, object] = {}
    for stat in stats.list():
        name = stat["name"]["name"].label()
        if name.startswith(_NOT_SCORES) or stat["name"].get("perturbation") is not None:
            continue
        count, total = stat["count"].count(), stat.table().get("sum")
        if count and not is_number(total):
            raise stat.error("its sum is no number")
        values[name] = None if count == 0 or total is None else total / count
    return values


def _there(file: Path) -> Path:
    if not file.is_file():
        raise UserError(f"{file.parent} has no {file.name}.", "Run it again: helm-run ...; or leave the directory out.")
    return file
