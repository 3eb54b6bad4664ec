"""Logs of inspect_ai, ``.eval`` or ``.json``, read through its own package (the extra ``inspect``).

An item is known by its sample id; it is the same question if input, choices and target are equal. Scores are read as
inspect_ai's own default does: C, P, I and N are 1, 0.5, 0 and 0. A score counts also where an error stands beside it
(``score_on_error``). Epochs are repeated answers of one checkpoint, hence samples, never seeds. A task that was run
with several arguments is several tasks.

Not covered: edits of scores that a log records are taken as they stand; scores that are lists.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Final

from talan_core.bounded import MEGABYTE, BoundsError, check_archive, check_unique, real_number, said, shown
from talan_core.errors import Problems, UserError
from talan_core.extras import lacking
from talan_eval.importers.files import first_bytes, natural
from talan_eval.importers.logged import NO_FILTER, Answers, Claims, LoggedRun, OlderLog, TaskLog
from talan_eval.importers.reader import LogReader
from talan_eval.importers.words import several, typed_words

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
_MEAN: Final = "mean"
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
    def variant(self) -> dict[str, str]:
        return {str(name): _argument(value) for name, value in (self.content.eval.task_args or {}).items()}

    @property
    def key(self) -> str:
        """What is one task: its name and all of its arguments."""
        return json.dumps([self.task, self.variant], sort_keys=True)

    @property
    def checkpoint(self) -> tuple[str, str]:
        spec = self.content.eval
        return str(spec.model), json.dumps(spec.model_args, sort_keys=True, default=str)

    @property
    def finished(self) -> bool:
        return bool(self.content.status == _FINISHED)


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
            UserError: The package is missing, a log is unreadable or unfinished, or a place has logs of several models;
                all places that have such a problem are named.
        """
        problems = Problems()
        runs: list[LoggedRun] = []
        for place in source.places:
            with problems.collecting():
                runs.append(_run(place.path, self._open(place.files), source))
        problems.raise_any()
        return runs

    def _open(self, files: Sequence[Path]) -> list[_Log]:
        problems = Problems()
        logs = []
        for file in files:
            with problems.collecting():
                logs.append(_open(file, self._files))
        problems.raise_any()
        return logs


def _run(path: Path, logs: Sequence[_Log], source: Source) -> LoggedRun:
    _refuse_several_models(path, logs, source)
    by_task: dict[str, list[_Log]] = {}
    for log in sorted(logs, key=lambda log: (str(log.content.eval.created), log.path.name)):
        by_task.setdefault(log.key, []).append(log)
    problems = Problems()
    tasks: dict[str, TaskLog] = {}
    for key, own in sorted(by_task.items(), key=lambda item: (natural(item[1][0].task), natural(item[0]))):
        with problems.collecting():
            tasks[key] = _task(own, source)
    problems.raise_any()
    newest = [own[-1] for own in by_task.values()]
    older = len(logs) - len(newest)
    note = f"{path}: the newest log of each task is used; {older} older left aside"
    spec = newest[0].content.eval
    return LoggedRun(
        path=path,
        harness=InspectLogs.harness,
        tasks=tasks,
        files=tuple(by_task[key][-1].stamp for key in tasks),
        model=_model(spec),
        version=_text(spec.packages.get("inspect_ai")),
        notes=(*((note,) if older else ()), *(said for log in newest for said in _remarks(log))),
    )


def _model(spec: Any) -> str:  # noqa: ANN401 - inspect_ai's EvalSpec
    """Return the model's name: where its weights are, if the provider loads them from a place that it is told."""
    place = spec.model_args.get("model_path") if isinstance(spec.model_args, dict) else None
    return str(place or spec.model)


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
    return _Log(path, content, pending.stamp())


def _check_bounds(path: Path, data: bytes) -> None:
    """Unpack and measure a log before its own package reads it, which trusts what the file says of itself.

    Raises:
        ValueError: It is larger, deeper or packed more densely than logs are, or says something twice, of which its
            package would take the last.
    """
    if path.suffix.lower() != ".eval":
        check_unique(data)
        return
    with io.BytesIO(data) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len({member.filename for member in members}) < len(members):
            raise ValueError("two members of the archive have one name")
        for member in members:
            if member.file_size > max(_LEAST_UNPACKED, _RATIO * member.compress_size):
                raise BoundsError(f"its {shown(member.filename)} is said to unpack to {member.file_size:,} bytes")
        for content in check_archive(file, members, of_one=_MOST_OF_A_SAMPLE, of_all=_MOST_OF_ALL):
            check_unique(content)


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
        raise lacking(
            f"{path} is an inspect_ai log, and the package inspect_ai is not installed.", "inspect"
        ) from error
    return api


def _refuse_several_models(path: Path, logs: Sequence[_Log], source: Source) -> None:
    by_model: dict[tuple[str, str], list[_Log]] = {}
    for log in logs:
        by_model.setdefault(log.checkpoint, []).append(log)
    if len(by_model) == 1:
        return
    told = len({model for model, _ in by_model}) < len(by_model)  # where names are equal, the arguments tell
    listed = "; ".join(
        f"{model}{f' {arguments}' if told else ''} ({found[0].path.name})"
        for (model, arguments), found in by_model.items()
    )
    name = source.word.name or "NAME"
    raise UserError(
        f"{source.word.typed}: {path} holds logs of {len(by_model)} models or model arguments: {listed}.",
        f"Name the logs of one arm, one per seed, in the order of the seeds: {name}={logs[0].path} {name}=...",
    )


def _task(logs: Sequence[_Log], source: Source) -> TaskLog:
    """Return the newest log of one task; older ones, finished or not, were left aside for it."""
    log = logs[-1]
    _refuse_unfinished(logs, source)
    spec = log.content.eval
    answers = Answers()
    for number, sample in enumerate(log.content.samples, 1):
        scores = {} if getattr(sample, "invalidation", None) is not None else dict(_flat(sample.scores or {}))
        trouble = _trouble(sample)
        if trouble:
            answers.troubles[len(answers.items)] = trouble
        answers.items.append(str(sample.id))
        answers.prompts.append(_question(sample))
        answers.values.append(scores)
        answers.lines.append(number)
        answers.samples.append(sample.epoch)
    settings = {"task_args": json.dumps(spec.task_args, sort_keys=True, default=str)} if spec.task_args else {}
    claims = _claims(log)
    return TaskLog(
        task=log.task,
        file=log.path,
        answers={NO_FILTER: answers},
        unit="sample",
        version=_text(spec.task_version),
        settings=settings | {"limit": claims.limit or "none"},
        claims=claims,
        older=tuple(OlderLog(one.path, len(one.content.samples or [])) for one in logs[:-1] if one.finished),
        variant=log.variant,
        reducer=_reducer(log),
    )


def _refuse_unfinished(logs: Sequence[_Log], source: Source) -> None:
    """Refuse a newest log that is not whole; an older unfinished one is what a retry leaves behind."""
    log = logs[-1]
    if not log.finished:
        finished = next((one.path for one in reversed(logs) if one.finished), None)
        name = source.word.name or "NAME"
        other = "" if finished is None else f" To compare the finished one, type {typed_words(f'{name}={finished}')}"
        raise UserError(
            f"{log.path}: the evaluation did not finish (status {log.content.status!r}).",
            f"Finish it: inspect eval-retry '{log.path}', or leave this log out.{other}",
        )
    if not log.content.samples:
        raise UserError(
            f"{log.path} holds no samples (its task {log.task!r} was scored without --log-samples, or they were taken "
            "out).",
            f"Score it again with its samples: inspect eval {log.task} --log-samples, or leave this log out.",
        )


def _trouble(sample: Any) -> str:  # noqa: ANN401 - inspect_ai's EvalSample
    """Return why a sample may have no score; "" where nothing is known."""
    if getattr(sample, "invalidation", None) is not None:
        return "it was invalidated"
    if sample.error is not None:
        return f"error: {str(sample.error.message)[:_MESSAGE]}"
    if not sample.scores:
        return "it was not scored"
    reasons = [getattr(score, "reason", None) for score in sample.scores.values()]
    return next((str(reason)[:_MESSAGE] for reason in reasons if reason), "")


def _remarks(log: _Log) -> Iterable[str]:
    if getattr(log.content.results, "early_stopping", None) is not None:
        yield f"{log.path}: the evaluation was stopped early, so that it does not say which items it was to hold"
    found = [sample.id for sample in log.content.samples if sample.error is not None and sample.scores]
    if found:
        items = several([repr(str(item)) for item in found])
        yield f"{log.path}: scores count also where an error stands beside them (score_on_error): items {items}"


def _claims(log: _Log) -> Claims:
    spec, results = log.content.eval, log.content.results
    epochs = spec.config.epochs or 1
    stopped = results is not None and getattr(results, "early_stopping", None) is not None
    ids = None if stopped else getattr(spec.dataset, "sample_ids", None)
    total = spec.dataset.samples
    counts = [results.total_samples] if results is not None and results.total_samples and not stopped else []
    chosen = getattr(spec.config, "sample_id", None)
    limit = "" if spec.config.limit is None else str(spec.config.limit)
    return Claims(
        source=log.path,
        counts=tuple(counts),
        total=None if limit else total,  # of a limited log, what the limit left
        limit=limit or ("" if chosen is None else f"sample_id {_argument(chosen)}"),
        keys=None if ids is None else frozenset((str(item), epoch) for item in ids for epoch in range(1, epochs + 1)),
        means=dict(_means(results)) if results is not None else {},
        binding=False,  # a scorer may turn its values into numbers in a way of its own
    )


def _means(results: Any) -> Iterable[tuple[tuple[str, str], float]]:  # noqa: ANN401 - inspect_ai's EvalResults
    for score in results.scores:
        if score.reducer not in {None, _MEAN}:
            continue
        for name in ("accuracy", "mean"):
            metric = score.metrics.get(name)
            if metric is not None and not metric.params:
                claimed = _float(metric.value)
                yield (NO_FILTER, str(score.name)), claimed
                yield (NO_FILTER, f"{score.scorer}/{score.name}"), claimed


def _float(value: float) -> float:
    """Return a number as a float; an integer beyond all floats is infinite, and so no mean of scores."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _reducer(log: _Log) -> str:
    """Return how the log makes one score of several epochs, or "" for their mean, which is its default."""
    config = log.content.eval.config
    named = [str(name) for name in config.epochs_reducer or []]
    return "" if (config.epochs or 1) == 1 or not named or _MEAN in named else named[0]


def _argument(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _question(sample: Any) -> str:  # noqa: ANN401 - inspect_ai's EvalSample
    asked = sample.input if isinstance(sample.input, str) else [_message(message) for message in sample.input]
    return f"{_digest([asked, sample.choices])}:{_digest(sample.target)}"


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _message(message: Any) -> list[str]:  # noqa: ANN401 - inspect_ai's ChatMessage, whose id differs from run to run
    return [str(message.role), str(message.text)]


def _flat(scores: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    """Return metric name and value: the scorer's name, or scorer/key where a score is a dictionary."""
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
