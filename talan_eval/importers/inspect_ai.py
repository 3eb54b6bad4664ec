"""Logs of inspect_ai, ``.eval`` or ``.json``, read through its own package (the extra ``inspect``).

An item is known by its sample id; it is the same question if input, choices and target are equal. Scores are read as
inspect_ai's own default does: C, P, I and N are 1, 0.5, 0 and 0. Epochs are repeated answers of one checkpoint, hence
samples, never seeds.

Not covered: edits of scores that a log records are taken as they stand; scores that are lists.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Final

from talan_core.bounded import MEGABYTE, BoundsError, check_archive, check_depth, real_number, said, shown
from talan_core.errors import UserError
from talan_eval.importers.files import first_bytes, natural
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, TaskLog
from talan_eval.importers.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.files import FileReader
    from talan_eval.importers.logged import Stamp
    from talan_eval.importers.reader import Source

_KEYS: Final = (b'"eval"', b'"status"')
_FINISHED: Final = "success"
_TRANSCRIPT: Final = ("messages", "events", "store")
_MESSAGE: Final = 200
_LEAST_UNPACKED: Final = 32 * MEGABYTE
_RATIO: Final = 200  # logs of text and JSON are packed to a fifth, or a thirtieth where a prompt comes again and again
_MOST_OF_A_SAMPLE: Final = 512 * MEGABYTE
_MOST_OF_ALL: Final = 16384 * MEGABYTE
_LETTERS: Final = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS: Final = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class _Log:
    path: Path
    content: Any  # inspect_ai's EvalLog
    stamp: Stamp

    @property
    def task(self) -> str:
        return str(self.content.eval.task)

    @property
    def checkpoint(self) -> tuple[str, str]:
        spec = self.content.eval
        return str(spec.model), json.dumps(spec.model_args, sort_keys=True, default=str)


class InspectLogs(LogReader):
    """Reads logs of inspect_ai, each directory or lone file of them as one run."""

    harness: ClassVar[str] = "inspect_ai"
    readable: ClassVar[str] = "inspect_ai logs (.eval, .json)"

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether a file is a log: by its name, or by the first keys of its JSON."""
        del typed
        suffix = file.suffix.lower()
        return suffix == ".eval" or (suffix == ".json" and all(key in first_bytes(file) for key in _KEYS))

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm: the newest log of each task in each place.

        Raises:
            UserError: The package is missing, a log is unreadable or unfinished, or a place has logs of several models.
        """
        return [_run(place.path, [_open(file, self._files) for file in place.files], source) for place in source.places]


def _run(path: Path, logs: Sequence[_Log], source: Source) -> LoggedRun:
    _refuse_several_models(path, logs, source)
    newest: dict[str, _Log] = {}
    for log in sorted(logs, key=lambda log: (str(log.content.eval.created), log.path.name)):
        newest[log.task] = log
    tasks = {task: _task(newest[task]) for task in sorted(newest, key=natural)}
    older = len(logs) - len(newest)
    note = f"{path}: the newest log of each task is used; {older} older left aside"
    spec = next(iter(newest.values())).content.eval
    return LoggedRun(
        path=path,
        harness=InspectLogs.harness,
        tasks=tasks,
        files=tuple(newest[task].stamp for task in tasks),
        model=str(spec.model),
        version=_text(spec.packages.get("inspect_ai")),
        notes=(note,) if older else (),
    )


def _open(path: Path, reader: FileReader) -> _Log:
    api = _package(path)
    data, pending = reader.read(path)
    try:
        _check_bounds(path, data)
        content = _whole_log(api, path)
    except UserError:
        raise
    except Exception as error:  # a reader that is not ours, on bytes of others: it raises whatever it meets
        raise UserError(
            f"{path} is not a readable inspect_ai log ({type(error).__name__}: {said(error)}).",
            f"Look at it: inspect log dump '{path}'",
        ) from error
    if content.status != _FINISHED:
        raise UserError(
            f"{path}: the evaluation did not finish (status {content.status!r}).",
            f"Finish it: inspect eval-retry '{path}', or leave this log out.",
        )
    return _Log(path, content, pending.stamp())


def _check_bounds(path: Path, data: bytes) -> None:
    """Unpack and measure a log before its own package reads it, which trusts what the file says of itself.

    Raises:
        ValueError: It is larger, deeper or packed more densely than logs are.
    """
    if path.suffix.lower() != ".eval":
        check_depth(data)
        return
    with io.BytesIO(data) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len({member.filename for member in members}) < len(members):
            raise ValueError("two members of the archive have one name")
        for member in members:
            if member.file_size > max(_LEAST_UNPACKED, _RATIO * member.compress_size):
                raise BoundsError(f"its {shown(member.filename)} is said to unpack to {member.file_size:,} bytes")
        for content in check_archive(file, members, of_one=_MOST_OF_A_SAMPLE, of_all=_MOST_OF_ALL):
            check_depth(content)


def _whole_log(api: Any, path: Path) -> Any:  # noqa: ANN401 - a module of an optional package, and its EvalLog
    """Read a log with its samples, but without transcripts where the installed version can leave them out.

    The summaries that newer versions also offer would be faster, but their prompts are cut after 5,120 letters.
    """
    if "exclude_fields" in signature(api.read_eval_log).parameters:
        return api.read_eval_log(str(path), exclude_fields=set(_TRANSCRIPT))
    return api.read_eval_log(str(path))


def _package(path: Path) -> Any:  # noqa: ANN401 - a module of an optional package
    try:
        import inspect_ai.log as api  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise UserError(
            f"{path} is an inspect_ai log, and the package inspect_ai is not installed.",
            "Install the extra: pip install 'talan-eval[inspect]'",
        ) from error
    return api


def _refuse_several_models(path: Path, logs: Sequence[_Log], source: Source) -> None:
    by_model: dict[tuple[str, str], list[_Log]] = {}
    for log in logs:
        by_model.setdefault(log.checkpoint, []).append(log)
    if len(by_model) == 1:
        return
    listed = "; ".join(f"{model} ({found[0].path.name})" for (model, _), found in by_model.items())
    name = source.word.name or "NAME"
    raise UserError(
        f"{source.word.typed}: {path} holds logs of {len(by_model)} models or model arguments: {listed}.",
        f"Name the logs of one arm, one per seed, in the order of the seeds: {name}={logs[0].path} {name}=...",
    )


def _task(log: _Log) -> TaskLog:
    spec = log.content.eval
    answers = Answers()
    for number, sample in enumerate(log.content.samples or [], 1):
        if sample.error is not None or not sample.scores:
            why = "it was not scored" if sample.error is None else f"error: {str(sample.error.message)[:_MESSAGE]}"
            raise UserError(
                f"{log.path}, sample {sample.id!r} epoch {sample.epoch}: no score ({why}).",
                f"Score it: inspect score '{log.path}', or run it again: inspect eval-retry '{log.path}'",
            )
        answers.items.append(str(sample.id))
        answers.prompts.append(_question(sample))
        answers.values.append(_values(sample.scores))
        answers.lines.append(number)
        answers.samples.append(sample.epoch)
    settings = {"task_args": json.dumps(spec.task_args, sort_keys=True, default=str)} if spec.task_args else {}
    return TaskLog(
        task=log.task,
        file=log.path,
        answers={NO_FILTER: answers},
        unit="sample",
        version=_text(spec.task_version),
        settings=settings,
    )


def _question(sample: Any) -> str:  # noqa: ANN401 - inspect_ai's EvalSample
    asked = sample.input if isinstance(sample.input, str) else [_message(message) for message in sample.input]
    return f"{_digest([asked, sample.choices])}:{_digest(sample.target)}"


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _message(message: Any) -> list[str]:  # noqa: ANN401 - inspect_ai's ChatMessage, whose id differs from run to run
    return [str(message.role), str(message.text)]


def _values(scores: Mapping[str, Any]) -> dict[str, object]:
    """Return metric name to value: the scorer's name, or scorer/key where a score is a dictionary."""
    return dict(_flat(scores))


def _flat(scores: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    for scorer, score in scores.items():
        if isinstance(score.value, dict):
            yield from ((f"{scorer}/{key}", _number(value)) for key, value in score.value.items())
        else:
            yield scorer, _number(score.value)


def _number(value: object) -> object:
    if not isinstance(value, str):
        return value
    known = _LETTERS.get(value, _WORDS.get(value.lower()))
    if known is not None:
        return known
    try:
        return real_number(value)
    except ValueError:
        return value  # refused where the metric is chosen


def _text(value: object) -> str | None:
    return None if value is None else str(value)
