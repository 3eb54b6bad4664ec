"""Plain tables: CSV, TSV, Parquet or JSON lines with one row per scored answer.

Columns: ``arm``, ``seed``, ``task``, ``item``, ``score``; optional ``prompt`` (text or hash of the question),
``sample`` (which of several answers), ``metric``, ``cluster``, and ``label_<name>`` for slices. Other columns are
ignored, and named in a note.

Without ``prompt`` nothing but the item id says that two rows are the same question.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError
from talan_eval.importers.files import natural
from talan_eval.importers.model import NO_FILTER, Answers, LoggedRun, TaskLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from talan_eval.importers.files import Reader
    from talan_eval.importers.model import Stamp

HARNESS: Final = "table"
REQUIRED: Final = ("arm", "seed", "task", "item", "score")
OPTIONAL: Final = ("prompt", "sample", "metric", "cluster")
LABEL: Final = "label_"
_ONLY_METRIC: Final = "score"
_Row = dict[str, Any]
_Seeds = dict[int, dict[str, tuple["Path", Answers]]]  # seed -> task -> where the answers are


@dataclass(frozen=True, eq=False, slots=True)
class _Parsed:
    """A whole table.

    Attributes:
        arms: Arm to seed to task to file and answers.
        stamps: The files.
        ignored: Columns that mean nothing here.
    """

    arms: dict[str, _Seeds]
    stamps: tuple[Stamp, ...]
    ignored: tuple[str, ...]


class TableReader:
    """Reads tables, each of them once: usually both arms are in one.

    Args:
        reader: Reads and stamps files.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._parsed: dict[tuple[Path, ...], _Parsed] = {}

    def read(self, files: Sequence[Path], arm: str | None, option: str) -> list[LoggedRun]:
        """Read one arm of a table.

        Args:
            files: Its files; together they are one table.
            arm: Which arm, or None where there is one only.
            option: The option that named it, for messages.

        Returns:
            One run per seed, in ascending order.

        Raises:
            UserError: A column is missing, a value cannot be read, or it is not clear which arm is meant.
        """
        key = tuple(files)
        if key not in self._parsed:
            self._parsed[key] = _parse(key, self._reader)
        table = self._parsed[key]
        name = _choose(table.arms, arm, files[0], option)
        seeds = table.arms[name]
        ignored = ", ".join(table.ignored)
        return [
            LoggedRun(
                path=files[0],
                harness=HARNESS,
                tasks={
                    task: TaskLog(task, path, {NO_FILTER: answers}, unit="row")
                    for task, (path, answers) in sorted(seeds[seed].items(), key=lambda entry: natural(entry[0]))
                },
                files=table.stamps,
                model=name,
                seed=seed,
                notes=(f"{files[0]}: columns ignored: {ignored}",) if ignored else (),
            )
            for seed in sorted(seeds)
        ]


def _parse(files: Sequence[Path], reader: Reader) -> _Parsed:
    arms: dict[str, _Seeds] = {}
    stamps: list[Stamp] = []
    labels: dict[tuple[str, ...], tuple[str, ...]] = {}  # by the columns of a row, which are nearly always the same
    metrics: dict[tuple[object, ...], dict[str, object]] = {}
    for path in files:
        data, pending = reader.read(path)
        for number, row in _rows(path, data):
            columns = tuple(row)
            if columns not in labels:
                _check_columns(row, path, number)
                labels[columns] = tuple(name for name in columns if name.startswith(LABEL))
            _add(row, (path, number, labels[columns]), arms, metrics)
        stamps.append(pending.stamp())
    ignored = {name for columns in labels for name in columns if not _known(name)}
    return _Parsed(arms, tuple(stamps), tuple(sorted(ignored)))


def _rows(path: Path, data: bytes) -> Iterator[tuple[int, _Row]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet(path, data)
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8.", f"Convert it: iconv -t utf-8 '{path}'") from error
    if suffix == ".jsonl":
        yield from _json_lines(path, text)
        return
    table = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if suffix == ".tsv" else ",", strict=True)
    try:
        header = [name.strip() for name in next(table)]
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise UserError(
                f"{path}, line 1: two columns are called {twice!r}.", f"Rename one of them: sed -n 1p '{path}'"
            )
        for row in table:
            if len(row) != len(header) and row:
                raise UserError(
                    f"{path}, line {table.line_num}: {'more' if len(row) > len(header) else 'fewer'} fields than the "
                    "header has.",
                    f"Look at it: sed -n {table.line_num}p '{path}'",
                )
            if "" in row:
                yield table.line_num, {name: value for name, value in zip(header, row, strict=True) if value != ""}
            elif row:
                yield table.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(
            f"{path}, line {table.line_num}: not readable as CSV ({error}).",
            f"Look at it: sed -n {table.line_num}p '{path}'",
        ) from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, _Row]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(
                f"{path}, line {number}: the line is not JSON or was cut off ({error}).",
                f"Look at it: sed -n {number}p '{path}'",
            ) from error
        if not isinstance(row, dict):
            raise UserError(
                f"{path}, line {number}: not a JSON object.", f"Write one object with {_required()} per line."
            )
        yield number, {name: value for name, value in row.items() if value is not None}


def _parquet(path: Path, data: bytes) -> Iterator[tuple[int, _Row]]:
    import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is not a readable Parquet file ({error}).", "Write it again.") from error
    for number, row in enumerate(table.to_pylist(), 1):
        yield number, {name: value for name, value in row.items() if value is not None}


def _known(name: str) -> bool:
    return name in REQUIRED or name in OPTIONAL or name.startswith(LABEL)


def _check_columns(row: _Row, path: Path, number: int) -> None:
    missing = [name for name in REQUIRED if name not in row]
    if missing:
        raise UserError(
            f"{path}, row {number}: no value for {', '.join(missing)} (there are: {', '.join(sorted(row)) or 'none'}).",
            f"A table of scores has the columns {_required()}; optional are {', '.join(OPTIONAL)} and {LABEL}NAME.",
        )


def _required() -> str:
    return ", ".join(REQUIRED)


def _add(
    row: _Row,
    where: tuple[Path, int, tuple[str, ...]],
    arms: dict[str, _Seeds],
    rows: dict[tuple[object, ...], dict[str, object]],
) -> None:
    """Add one row; rows that differ in the metric alone become one answer with several metrics."""
    path, number, labels = where
    seed = _whole(row, "seed", path, number)
    sample = _whole(row, "sample", path, number) if "sample" in row else 0
    task, item, metric = str(row["task"]), str(row["item"]), str(row.get("metric", _ONLY_METRIC))
    arm = str(row["arm"])
    key = (arm, seed, task, item, sample)
    values = rows.get(key)
    if values is not None and metric not in values:
        values[metric] = _score(row["score"])
        return
    values = rows[key] = {metric: _score(row["score"])}
    _, answers = arms.setdefault(arm, {}).setdefault(seed, {}).setdefault(task, (path, Answers()))
    answers.items.append(item)
    answers.prompts.append(_digest(row.get("prompt")))
    answers.values.append(values)
    answers.lines.append(number)
    answers.samples.append(sample)
    answers.clusters.append(None if "cluster" not in row else str(row["cluster"]))
    answers.labels.append({name.removeprefix(LABEL): str(row[name]) for name in labels})


def _whole(row: Mapping[str, Any], column: str, path: Path, number: int) -> int:
    value = row[column]
    if type(value) is int and value >= 0:
        return value
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if whole < 0 or (isinstance(value, float) and value != whole):
        raise UserError(
            f"{path}, row {number}: {column} is {value!r}, not a whole number from 0 upwards.",
            f"Number the {column}s 0, 1, 2, ...",
        )
    return whole


def _score(value: object) -> object:
    """Return a number where the text is one; what it may be is checked where the metric is chosen."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        lowered = value.strip().lower()
        return lowered == "true" if lowered in {"true", "false"} else value


def _digest(prompt: object) -> str:
    return "" if prompt is None else hashlib.sha256(str(prompt).encode()).hexdigest()


def _choose(arms: Mapping[str, object], arm: str | None, path: Path, option: str) -> str:
    """Return the name of the arm that is meant."""
    names = sorted(arms, key=natural)
    listed = ", ".join(map(repr, names))
    if not names:
        raise UserError(f"{path} has no rows.", f"Write one row per answer with the columns {_required()}.")
    if arm is not None and arm not in arms:
        raise UserError(f"{path} has no arm {arm!r}; it has {listed}.", f"Type {option} '{names[0]}={path}'")
    if arm is None and len(names) > 1:
        raise UserError(f"{path} holds several arms: {listed}.", f"Say which is meant: {option} '{names[0]}={path}'")
    return names[0] if arm is None else arm
