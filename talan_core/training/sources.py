"""Where training items come from: the training splits of GSM8K, MATH and MBPP, JSON lines, the Hub, and mixtures.

A source is written NAME or NAME:WEIGHT, several are separated by commas: "gsm8k:2,math:1", "mine.jsonl",
"owner/dataset@train". Prompts of the named benchmarks are worded as their evaluation asks them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import MEGABYTE, parse_json, read_text_bounded, said
from talan_core.errors import UserError, unknown_name
from talan_core.training.benchmarks import TRAINING_SPLITS
from talan_core.training.data import Dialogue, Example, Mixture
from talan_core.training.rows import item_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST: Final = 4096 * MEGABYTE
_HUB: Final = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?:(?P<config>[\w.-]+)/)?(?P<split>[\w.-]+))?")
_LINES: Final = (".jsonl", ".ndjson")
_EXAMPLE: Final = 'Type for example "gsm8k", "gsm8k:2,math:1", "mine.jsonl" or "owner/dataset@train".'


@dataclass(frozen=True)
class SourceSpec:
    """A source as it was named.

    Args:
        name: A benchmark, a file of JSON lines, or a data set of the Hub with its split.
        weight: Its weight in a mixture.
    """

    name: str
    weight: float


def parse_sources(text: str) -> tuple[SourceSpec, ...]:
    """Read sources and weights.

    Args:
        text: As typed; see the module's description.

    Returns:
        The sources in the order given. Nothing is opened.

    Raises:
        UserError: A source is named twice, a weight is not a positive number, or nothing is named.
    """
    specs = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, colon, weight = part.rpartition(":")
        if not colon:
            name, weight = part, "1"
        try:
            value = float(weight)
        except ValueError:
            value = math.nan
        if not name or not (math.isfinite(value) and value > 0):
            raise UserError(f"The source {part!r} has the weight {weight!r}, not a positive number.", _EXAMPLE)
        specs.append(SourceSpec(name, value))
    names = [spec.name for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not specs:
        problem = "No source is named." if twice is None else f"The source {twice!r} is named twice."
        raise UserError(problem, _EXAMPLE)
    return tuple(specs)


def load_sources(text: str, data_dir: str | Path | None = None) -> tuple[Example | Dialogue, ...] | Mixture:
    """Load the training items that a text names.

    Args:
        text: Sources and weights; see the module's description.
        data_dir: Directory of the benchmarks' data, with gsm8k/train.jsonl, math/train.jsonl and mbpp/mbpp.jsonl.

    Returns:
        The items of one source, or a mixture of several. Each item's `source` is the name that was typed.

    Raises:
        UserError: A source does not exist or a row of it is unusable; the message names file and line.
    """
    specs = parse_sources(text)
    loaded = [_load(spec.name, data_dir) for spec in specs]
    if len(specs) == 1:
        return loaded[0]
    together = tuple(item for items in loaded for item in items)
    return Mixture(together, {spec.name: spec.weight for spec in specs})


def _load(name: str, data_dir: str | Path | None) -> tuple[Example | Dialogue, ...]:
    if name in TRAINING_SPLITS:
        return _benchmark(name, data_dir)
    if name.endswith(_LINES):
        items = tuple(item_of(row, where, name) for row, where in read_lines(Path(name)))
    elif (match := _HUB.fullmatch(name)) is not None:
        items = _hub(match["name"], match["config"], match["split"] or "train", name)
    else:
        raise unknown_name("source", name, [*TRAINING_SPLITS, "FILE.jsonl", "owner/dataset@split"])
    if not items:
        raise UserError(f"The source {name!r} has no items.", _EXAMPLE)
    return items


def read_lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Read a file of JSON lines; blank lines are passed over.

    Args:
        path: The file, in UTF-8.

    Yields:
        Each row, and where it stands for error messages.

    Raises:
        UserError: The file cannot be read, or a line is no JSON object.
    """
    try:
        content = read_text_bounded(path, _MOST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else said(error)
        if isinstance(error, UnicodeDecodeError):
            reason = f"not UTF-8 at byte {error.start}"
        raise UserError(f"The training data {path} cannot be read: {reason}.", "Check the path.") from error
    # Not splitlines(): a JSON string may hold U+2028 and its like, which end no line of JSON lines.
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = parse_json(line)
        except ValueError as error:
            raise UserError(f"{where}: not JSON ({said(error)}).", "Write one JSON object per line.") from error
        if not isinstance(row, dict):
            raise UserError(f"{where}: not a JSON object.", "Write one JSON object per line.")
        yield row, where


def _benchmark(name: str, data_dir: str | Path | None) -> tuple[Example | Dialogue, ...]:
    split = TRAINING_SPLITS[name]
    if data_dir is None:
        raise UserError(
            f"The training data of {name} needs a directory.",
            f"Give data_dir=DIR with DIR/{split.file} in it.",
        )
    rows = list(read_lines(Path(data_dir) / split.file))
    items = []
    for row, where in rows:
        missing = [field for field in split.fields if field not in row]
        if missing:
            raise UserError(
                f"{where}: no field {', '.join(map(repr, missing))}.", "Restore the published file and run again."
            )
        if split.belongs(row):
            prompt, completion = split.words(row)
            items.append(Example(prompt, completion, name))
    if len(items) != split.items:
        raise UserError(
            f"{Path(data_dir) / split.file} has {len(items)} training items, expected {split.items}.",
            "Restore the published file and run again.",
        )
    return tuple(items)


def _hub(name: str, config: str | None, split: str, source: str) -> tuple[Example | Dialogue, ...]:
    """Load a data set of the Hub, or of a local directory of that path, which `datasets` looks for first."""
    from datasets import load_dataset  # noqa: PLC0415 - heavy, only for the Hub
    from datasets.exceptions import DatasetNotFoundError  # noqa: PLC0415 - as above

    try:
        rows: Sequence[dict[str, Any]] = load_dataset(name, config, split=split)
    except (DatasetNotFoundError, ValueError, OSError) as error:
        raise UserError(
            f"The data set {source!r} cannot be loaded: {str(error).splitlines()[0]}",
            "Check name, split and network (gated data sets need `hf auth login`), or give a file: mine.jsonl",
        ) from error
    return tuple(item_of(row, f"{name}, {split} row {number}", source) for number, row in enumerate(rows, 1))
