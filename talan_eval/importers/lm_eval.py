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
from typing import TYPE_CHECKING, Any, ClassVar, Final

from talan_core.bounded import parse_json, said
from talan_core.errors import UserError
from talan_eval.importers.files import first_bytes, natural
from talan_eval.importers.lm_eval_lines import LineReader
from talan_eval.importers.logged import LoggedRun, Stamp, TaskLog
from talan_eval.importers.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.files import FileReader, Pending
    from talan_eval.importers.reader import Place, Source

_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
_SAMPLES: Final = re.compile(rf"samples_(?P<task>.+?)(?:_(?P<time>{_TIME}))?\.jsonl")
_RESULTS: Final = re.compile(rf".+_(?P<time>{_TIME})\.json")
_COMMON_SETTINGS: Final = ("chat_template_sha", "system_instruction_sha", "fewshot_as_multiturn")
_ADAPTERS: Final = ("peft", "delta")
_MODELS: Final = ("pretrained", "model", "path", "engine")


@dataclass(frozen=True, slots=True)
class _Summary:
    """What ``results_<time>.json`` says; all empty where the file is missing."""

    content: Mapping[str, Any]

    def of_task(self, key: str, task: str) -> Any:  # noqa: ANN401 - JSON
        table = self.content.get(key)
        return table.get(task) if isinstance(table, dict) else None

    def settings(self, task: str) -> dict[str, str]:
        shots = self.of_task("n-shot", task)
        found = {} if shots is None else {"num_fewshot": str(shots)}
        return found | {key: str(self.content[key]) for key in _COMMON_SETTINGS if self.content.get(key) is not None}

    def version(self, task: str) -> str | None:
        version = self.of_task("versions", task)
        return None if version in (None, "N/A", "Yaml") else str(version)

    def lower_is_better(self, task: str) -> frozenset[str]:
        table = self.of_task("higher_is_better", task)
        return (
            frozenset(name for name, higher in table.items() if higher is False)
            if isinstance(table, dict)
            else frozenset()
        )

    def argument(self, names: Sequence[str]) -> str | None:
        config = self.content.get("config")
        arguments = config.get("model_args") if isinstance(config, dict) else None
        if isinstance(arguments, str):
            arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
        if not isinstance(arguments, dict):
            return None
        return next((str(arguments[name]) for name in names if arguments.get(name)), None)


class LmEvalLogs(LogReader):
    """Reads what ``lm_eval --log_samples`` wrote, each directory as one run."""

    harness: ClassVar[str] = "lm-eval"
    readable: ClassVar[str] = "lm-eval --log_samples directories"

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files
        self._lines = LineReader()

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether a file has the name of a sample file, or its first line the keys of one."""
        del typed
        if file.suffix.lower() != ".jsonl":
            return False
        return _SAMPLES.fullmatch(file.name) is not None or b'"doc_id"' in first_bytes(file).split(b"\n", 1)[0]

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm: the newest log of each task in each directory.

        Raises:
            UserError: A file cannot be read as what its name says.
        """
        return [self._run(place.path, place.files) for place in _joined(source.places)]

    def _run(self, path: Path, files: Sequence[Path]) -> LoggedRun:
        newest, older = _newest(files)
        times = sorted({time for time, _ in newest.values()})
        stamps: list[Stamp] = []
        summaries = {time: _summary(path, time, self._files, stamps) for time in times}
        tasks: dict[str, TaskLog] = {}
        pending: list[Pending] = []
        for task in sorted(newest, key=natural):
            time, file = newest[task]
            data, waiting = self._files.read(file)
            pending.append(waiting)
            summary = summaries[time]
            tasks[task] = TaskLog(
                task=task,
                file=file,
                answers=self._lines.read(data, file),
                version=summary.version(task),
                settings=summary.settings(task),
                lower_is_better=summary.lower_is_better(task),
            )
        latest = summaries[times[-1]]
        return LoggedRun(
            path=path,
            harness=LmEvalLogs.harness,
            tasks=tasks,
            files=(*stamps, *(waiting.stamp() for waiting in pending)),
            model=_model(latest, path),
            backbone=latest.argument(_MODELS),
            version=_text(latest.content.get("lm_eval_version")),
            notes=_notes(path, older, times[-1]),
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


def _newest(files: Sequence[Path]) -> tuple[dict[str, tuple[str, Path]], int]:
    """Return (time, file) of each task's newest log, and how many older ones there are."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for file in files:
        match = _SAMPLES.fullmatch(file.name)
        task, time = (file.stem, "") if match is None else (match["task"], match["time"] or "")
        found.setdefault(task, []).append((time, file))
    return {task: max(logs) for task, logs in found.items()}, sum(len(logs) - 1 for logs in found.values())


def _notes(path: Path, older: int, latest: str) -> tuple[str, ...]:
    if not older:
        return ()
    count = "1 older log" if older == 1 else f"{older} older logs"
    return (f"{path}: the newest log of each task is used (last {latest}); {count} left aside",)


def _summary(directory: Path, time: str, reader: FileReader, stamps: list[Stamp]) -> _Summary:
    """Read the results file of one time; without one, versions and models are unknown."""
    folder = directory if directory.is_dir() else directory.parent
    named = [file for file in folder.glob("*.json") if (m := _RESULTS.fullmatch(file.name)) and m["time"] == time]
    if not named:
        return _Summary({})
    file = min(named)
    data, pending = reader.read(file)
    stamps.append(pending.stamp())
    try:
        content = parse_json(data)
    except ValueError as error:
        raise UserError(
            f"{file} is not JSON or was cut off ({said(error)}).",
            f"Score this run again, or move the file away (versions are then not checked): mv '{file}' '{file}.bad'",
        ) from error
    return _Summary(content if isinstance(content, dict) else {})


def _model(summary: _Summary, path: Path) -> str | None:
    # lm-eval makes up a random name for a model whose arguments name none; the directory bears it then
    named = summary.argument((*_ADAPTERS, *_MODELS))
    if named is not None or summary.content.get("model_source") is None:
        return named or (None if summary.content else path.name)
    return str(summary.content["model_source"])


def _text(value: object) -> str | None:
    return None if value is None else str(value)
