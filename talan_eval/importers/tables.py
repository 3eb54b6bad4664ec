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


def read_table(files: Sequence[Path], arm: str | None, option: str, reader: Reader) -> list[LoggedRun]:
    """Read one arm of a table.

    Args:
        files: Its files; together they are one table.
        arm: Which arm, or None where there is one only.
        option: The option that named it, for messages.
        reader: Reads and stamps files.

    Returns:
        One run per seed, in ascending order.

    Raises:
        UserError: A column is missing, a value cannot be read, or it is not clear which arm is meant.
    """
    runs: dict[int, dict[str, tuple[Path, Answers]]] = {}
    stamps: list[Stamp] = []
    ignored: set[str] = set()
    arms: set[str] = set()
    metrics: dict[tuple[object, ...], dict[str, object]] = {}
    for path in files:
        data, pending = reader.read(path)
        for number, row in _rows(path, data):
            _check_columns(row, path, number)
            arms.add(str(row["arm"]))
            if arm is not None and str(row["arm"]) != arm:
                continue
            ignored |= {name for name in row if not _known(name)}
            _add(row, (path, number), runs, metrics)
        stamps.append(pending.stamp())
    _refuse_arms(arms, arm, files[0], option)
    notes = (f"{files[0]}: columns ignored: {', '.join(sorted(ignored))}",) if ignored else ()
    return [
        LoggedRun(
            path=files[0],
            harness=HARNESS,
            tasks={
                task: TaskLog(task, *_filters(runs[seed][task]), unit="row") for task in sorted(runs[seed], key=natural)
            },
            files=tuple(stamps),
            model=arm or next(iter(arms)),
            seed=seed,
            notes=notes,
        )
        for seed in sorted(runs)
    ]


def _filters(found: tuple[Path, Answers]) -> tuple[Path, dict[str, Answers]]:
    path, answers = found
    return path, {NO_FILTER: answers}


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
    table = csv.DictReader(io.StringIO(text), delimiter="\t" if suffix == ".tsv" else ",", strict=True)
    try:
        for row in table:
            if None in row or None in row.values():
                raise UserError(
                    f"{path}, line {table.line_num}: {'more' if None in row else 'fewer'} fields than the header has.",
                    f"Look at it: sed -n {table.line_num}p '{path}'",
                )
            yield table.line_num, {str(name): value for name, value in row.items() if value != ""}
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
    where: tuple[Path, int],
    runs: dict[int, dict[str, tuple[Path, Answers]]],
    rows: dict[tuple[object, ...], dict[str, object]],
) -> None:
    """Add one row; rows that differ in the metric alone become one answer with several metrics."""
    path, number = where
    seed = _whole(row, "seed", path, number)
    sample = _whole(row, "sample", path, number) if "sample" in row else 0
    task, item, metric = str(row["task"]), str(row["item"]), str(row.get("metric", _ONLY_METRIC))
    key = (seed, task, item, sample)
    values = rows.get(key)
    if values is not None and metric not in values:
        values[metric] = _score(row["score"])
        return
    values = rows[key] = {metric: _score(row["score"])}
    _, answers = runs.setdefault(seed, {}).setdefault(task, (path, Answers()))
    answers.items.append(item)
    answers.prompts.append(_digest(row.get("prompt")))
    answers.values.append(values)
    answers.lines.append(number)
    answers.samples.append(sample)
    answers.clusters.append(None if "cluster" not in row else str(row["cluster"]))
    answers.labels.append({name.removeprefix(LABEL): str(row[name]) for name in row if name.startswith(LABEL)})


def _whole(row: Mapping[str, Any], column: str, path: Path, number: int) -> int:
    value = row[column]
    try:
        whole = int(value)
    except (TypeError, ValueError):
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
    lowered = value.strip().lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    try:
        return float(value)
    except ValueError:
        return value


def _digest(prompt: object) -> str:
    return "" if prompt is None else hashlib.sha256(str(prompt).encode()).hexdigest()


def _refuse_arms(arms: set[str], arm: str | None, path: Path, option: str) -> None:
    listed = ", ".join(repr(name) for name in sorted(arms, key=natural))
    if not arms:
        raise UserError(f"{path} has no rows.", f"Write one row per answer with the columns {_required()}.")
    if arm is None and len(arms) > 1:
        raise UserError(
            f"{path} holds several arms: {listed}.",
            f"Say which one is meant: {option} '{min(arms)}={path}'",
        )
    if arm is not None and arm not in arms:
        raise UserError(f"{path} has no arm {arm!r}; it has {listed}.", f"Type {option} '{min(arms)}={path}'")
