"""A directory that ``lm_eval --log_samples --output_path DIR`` wrote into.

There are ``results_<time>.json`` and one ``samples_<task>_<time>.jsonl`` per task, several times over when the model
was scored again; the newest file of each task counts. With ``--output_path FILE.json`` the results are in
``FILE_<time>.json`` instead.

An item is known by its ``doc_id``; it is the same question if prompt and target have equal hashes. lm-eval has scored
repeated answers (``repeats`` in a task) before it writes the line, so that one line is one score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from talan_core.bounded import open_regular
from talan_core.errors import Problems, UserError
from talan_eval.importers.files import first_line, natural
from talan_eval.importers.lm_eval_filters import with_filters
from talan_eval.importers.lm_eval_lines import LineReader
from talan_eval.importers.lm_eval_results import MODELS, Summary, read_summary
from talan_eval.importers.logged import LoggedRun, OlderLog, Stamp, TaskLog
from talan_eval.importers.reader import LogReader
from talan_eval.importers.words import several, typed_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.files import FileReader, Pending
    from talan_eval.importers.reader import Place, Source

_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
_SAMPLES: Final = re.compile(rf"samples_(?P<task>.+?)(?:_(?P<time>{_TIME}))?\.jsonl")
_RESULTS: Final = re.compile(rf".+_(?P<time>{_TIME})\.json")
_SEVERAL: Final = 2


@dataclass(frozen=True, slots=True, order=True)
class _SampleFile:
    """Samples of one task from one run of lm-eval."""

    time: str
    file: Path


_SampleFiles = dict[str, list[_SampleFile]]  # by task, the newest last


class LmEvalLogs(LogReader):
    """Reads what ``lm_eval --log_samples`` wrote, each directory as one run."""

    harness: ClassVar[str] = "lm-eval"
    readable: ClassVar[str] = "lm-eval --log_samples directories"
    files_are_tasks: ClassVar[bool] = True

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files
        self._lines = LineReader()

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether a file has the name of a sample file, or its first line the keys of one."""
        del typed
        if file.suffix.lower() != ".jsonl":
            return False
        return _SAMPLES.fullmatch(file.name) is not None or b'"doc_id"' in first_line(file)

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm: the newest log of each task in each directory.

        Raises:
            UserError: A file cannot be read as what its name says, or a directory has logs of several models; all
                directories that have such a problem are named.
        """
        problems = Problems()
        runs: list[LoggedRun] = []
        for place in _joined(source.places):
            with problems.collecting():
                runs.append(self._run(place.path, _by_task(place.files), source))
        problems.raise_any()
        return runs

    def _run(self, path: Path, logs: _SampleFiles, source: Source) -> LoggedRun:
        stamps: list[Stamp] = []
        newest = {task: own[-1] for task, own in logs.items()}
        summaries = self._summaries(path, logs, {log.time for log in newest.values()}, stamps)
        _refuse_several_models(path, summaries, source)
        tasks: dict[str, TaskLog] = {}
        pending: list[Pending] = []
        problems = Problems()
        for task in sorted(newest, key=natural):
            with problems.collecting():
                data, waiting = self._files.read(newest[task].file)
                pending.append(waiting)
                tasks[task] = self._task(task, data, logs[task], summaries[newest[task].time])
        problems.raise_any()
        latest = summaries[max(log.time for log in newest.values())]
        return LoggedRun(
            path=path,
            harness=LmEvalLogs.harness,
            tasks=tasks,
            files=(*stamps, *(waiting.stamp() for waiting in pending)),
            model=latest.model(path),
            backbone=latest.argument(MODELS),
            version=_text(latest.content.get("lm_eval_version")),
            notes=(*_older_notes(path, logs), *_missing_notes(path, newest, summaries)),
        )

    def _summaries(self, path: Path, logs: _SampleFiles, used: set[str], stamps: list[Stamp]) -> dict[str, Summary]:
        """Read the results file of every time, by time; those of older logs say only which model was scored."""
        found = {}
        for time in sorted({log.time for own in logs.values() for log in own}):
            file = _results_file(path, time)
            found[time] = (
                Summary({}) if file is None else read_summary(file, self._files, stamps if time in used else [])
            )
        return found

    def _task(self, task: str, data: bytes, logs: Sequence[_SampleFile], summary: Summary) -> TaskLog:
        file = logs[-1].file
        return TaskLog(
            task=task,
            file=file,
            answers=with_filters(self._lines.read(data, file), task, file, summary),
            version=summary.version(task),
            settings=summary.settings(task),
            lower_is_better=summary.lower_is_better(task),
            claims=summary.claims(task),
            older=tuple(OlderLog(log.file, _lines_in(log.file)) for log in logs[:-1]),
        )


def _joined(places: Sequence[Place]) -> list[Place]:
    """Join lone files of one directory, which a glob names one by one: they are the tasks of one run."""
    by_path: dict[Path, list[Place]] = {}
    for place in places:
        by_path.setdefault(place.path.parent if place.path.is_file() else place.path, []).append(place)
    return [
        found[0]
        if len(found) == 1
        else replace(found[0], path=path, files=tuple(f for one in found for f in one.files))
        for path, found in by_path.items()
    ]


def _by_task(files: Sequence[Path]) -> _SampleFiles:
    """Return the logs of each task, the newest last."""
    found: dict[str, list[_SampleFile]] = {}
    for file in files:
        match = _SAMPLES.fullmatch(file.name)
        task, time = (file.stem, "") if match is None else (match["task"], match["time"] or "")
        found.setdefault(task, []).append(_SampleFile(time, file))
    return {task: sorted(logs) for task, logs in found.items()}


def _lines_in(file: Path) -> int:
    with open_regular(file) as lines:
        return sum(1 for line in lines if line.strip())


def _results_file(path: Path, time: str) -> Path | None:
    """Return the results file of one time; without one, versions and models are unknown."""
    found = [file for file, its in _results_files(path) if its == time]
    return min(found, default=None)


def _results_files(path: Path) -> list[tuple[Path, str]]:
    folder = path if path.is_dir() else path.parent
    matches = ((file, _RESULTS.fullmatch(file.name)) for file in folder.glob("*.json"))
    return [(file, match["time"]) for file, match in matches if match is not None]


def _refuse_several_models(path: Path, summaries: Mapping[str, Summary], source: Source) -> None:
    """Refuse a directory into which several models were scored: the newest of them would stand for all."""
    times: dict[str, list[str]] = {}
    for time, summary in summaries.items():
        if summary.checkpoint is not None:
            times.setdefault(summary.checkpoint, []).append(time)
    if len(times) < _SEVERAL:
        return
    folder = path if path.is_dir() else path.parent
    listed = "; ".join(f"{model} ({', '.join(own)})" for model, own in times.items())
    name = source.word.name or "NAME"
    words = typed_words(*(f"{name}={folder}/samples_*_{time}.jsonl" for time in next(iter(times.values()))))
    raise UserError(
        f"{source.word.typed}: {path} holds logs of {len(times)} models: {listed}.",
        f"Name the logs of one of them, instead of {source.word.typed}: {words}",
    )


def _older_notes(path: Path, logs: _SampleFiles) -> tuple[str, ...]:
    older = sum(len(own) - 1 for own in logs.values())
    if not older:
        return ()
    count = "1 older log" if older == 1 else f"{older} older logs"
    latest = max(own[-1].time for own in logs.values())
    return (f"{path}: the newest log of each task is used (last {latest}); {count} left aside",)


def _missing_notes(path: Path, newest: Mapping[str, _SampleFile], summaries: Mapping[str, Summary]) -> tuple[str, ...]:
    """Say which tasks were scored and have no samples, and whether a newer run has none at all."""
    folder = path if path.is_dir() else path.parent
    used = {log.time for log in newest.values()}
    lost = sorted(
        {
            task
            for time in used
            for task in summaries[time].tasks
            if task not in newest and not (folder / f"samples_{task}_{time}.jsonl").exists()
        },
        key=natural,
    )
    later = [file.name for file, time in _results_files(path) if time > max(used) and "" not in used]
    notes = [f"{path}: no samples of {several(lost)}, which the results name"] if lost else []
    if later:
        notes.append(f"{path}: {several(sorted(later))} is newer than the samples, and has none of its own")
    return tuple(notes)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
