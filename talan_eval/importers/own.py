"""Results directories that ``talan-eval compare`` wrote: sealed samples, with arm, seed and task version known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from talan_core.bounded import said
from talan_core.errors import UserError
from talan_eval.importers.files import natural
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, Stamp, TaskLog
from talan_eval.importers.reader import LogReader, chosen_arm

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from talan_eval.importers.files import FileReader
    from talan_eval.importers.reader import Source
    from talan_eval.store.records import SealedRecord
    from talan_eval.store.store import Store

_MANIFEST: Final = "manifest.json"
_UNPARSED: Final = "unparsed"
_LABELS: Final = ("subject", "level")


class _Checkpoint(NamedTuple):
    """One trained checkpoint of an arm."""

    backbone: str
    seed: int


class OwnResults(LogReader):
    """Reads results directories, which hold all arms of a comparison."""

    harness: ClassVar[str] = "talan-eval"
    readable: ClassVar[str] = "results directories of talan-eval"

    def __init__(self, files: FileReader) -> None:
        """Take what reads files; the store reads and checks its own."""
        del files

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return False: a results directory is read as a whole."""
        del file, typed
        return False

    def recognises_directory(self, directory: Path, names: Collection[str]) -> bool:
        """Return whether it is a results directory."""
        return _MANIFEST in names and (directory / "cells").is_dir()

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm of each results directory.

        Returns:
            One run per backbone and seed.

        Raises:
            UserError: A directory has no such arm, no finished sample, or a file that was changed.
        """
        from talan_eval.store.records import CorruptedError  # noqa: PLC0415 - only results directories need the store

        found: list[LoggedRun] = []
        for place in source.places:
            try:
                found += _runs(place.path, source)
            except (KeyError, TypeError, ValueError, AttributeError, CorruptedError) as error:
                raise UserError(
                    f"{place.path}: its records are not those of a comparison ({type(error).__name__}: {said(error)}).",
                    "Run the `talan-eval compare` command that made it again.",
                ) from error
        return found


def _runs(directory: Path, source: Source) -> list[LoggedRun]:
    from talan_eval.store.store import Store  # noqa: PLC0415 - only results directories need the store

    store = Store.load(directory)
    experiment = store.manifest.experiment
    state = store.verify()
    if state.problems:
        raise UserError(
            f"{directory}: {state.problems[0]}",
            "Run the `talan-eval compare` command that made it again: it repairs it.",
        )
    evaluations = [record for record in state.records.values() if record.data["kind"] == "evaluation"]
    if not evaluations:
        raise UserError(
            f"{directory} has no finished samples.",
            "Finish it first: run the `talan-eval compare` command that made it again.",
        )
    arm = chosen_arm((str(record.data["arm"]) for record in evaluations), source, directory)
    tasks = {task["name"]: task for task in experiment["tasks"]}
    found: dict[_Checkpoint, dict[str, tuple[TaskLog, Stamp]]] = {}
    for record in evaluations:
        if record.data["arm"] == arm:
            task = str(record.data["task"])
            key = _Checkpoint(_backbone(record, experiment), int(record.data["seed"]))
            found.setdefault(key, {})[task] = _read(store, record, tasks[task])
    order = sorted(found, key=lambda key: (natural(key.backbone), key.seed))
    version = str(experiment["versions"].get("talan-eval"))
    return [_run(directory, arm, key, found[key], version) for key in order]


def _backbone(record: SealedRecord, experiment: Mapping[str, Any]) -> str:
    """Return the record's backbone, or that of the experiment where records name none: it had one then."""
    return str(record.data["backbone"] if "backbone" in record.data else experiment["backbone"]["name"])


def _run(
    directory: Path, arm: str, key: _Checkpoint, logs: Mapping[str, tuple[TaskLog, Stamp]], version: str
) -> LoggedRun:
    order = sorted(logs, key=natural)
    return LoggedRun(
        path=directory,
        harness=OwnResults.harness,
        tasks={task: logs[task][0] for task in order},
        files=tuple(logs[task][1] for task in order),
        model=arm,
        backbone=key.backbone,
        version=version,
        seed=key.seed,
        proven=True,  # each training is sealed under an identity of its own
    )


def _read(store: Store, record: SealedRecord, task: Mapping[str, Any]) -> tuple[TaskLog, Stamp]:
    from talan_eval.store.sealed_rows import read_rows  # noqa: PLC0415 - as above

    (sealed,) = record.files
    path = store.payload_path(sealed.name)
    answers, metric = Answers(), str(task["metric"])
    for number, row in enumerate(read_rows(path), 1):  # the store has checked its hash
        answers.items.append(row["item_id"])
        answers.prompts.append(row["prompt_hash"])
        answers.values.append({metric: row["score"], _UNPARSED: float(row["verdict"] == "unparsed")})
        answers.lines.append(number)
        answers.samples.append(int(row.get("sample") or 0))
        answers.labels.append({name: str(row[name]) for name in _LABELS if row.get(name)})
    log = TaskLog(
        task=str(task["name"]),
        file=path,
        answers={NO_FILTER: answers},
        version=f"{task['version']}:{task['items_hash']}",
        lower_is_better=frozenset({_UNPARSED}),
    )
    return log, Stamp(path, sealed.sha256, sealed.size)
