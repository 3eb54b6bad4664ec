"""Where training items come from: the training splits of GSM8K, MATH and MBPP, JSON lines, the Hub, and mixtures.

How sources are written: `talan_core.training_sources`. Prompts of the named benchmarks are worded as their evaluation
asks them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_core.bounded import MEGABYTE, parse_json, read_text_bounded, said
from talan_core.errors import UserError, unknown_name
from talan_core.training.benchmarks import TRAINING_SPLITS
from talan_core.training.data import Dialogue, Example, Mixture
from talan_core.training.rows import item_of
from talan_core.training_sources import EXAMPLE, HUB, LINES, parse_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST: Final = 4096 * MEGABYTE
_ESCAPED: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE: Final = re.compile("[\ud800-\udfff]")


def load_sources(text: str, data_dir: str | Path | None = None) -> tuple[Example | Dialogue, ...] | Mixture:
    """Load the training items that a text names.

    Args:
        text: Sources and weights; see `talan_core.training_sources`.
        data_dir: Directory of the benchmarks' data, with gsm8k/train.jsonl, math/train.jsonl and mbpp/mbpp.jsonl.

    Returns:
        The items of one source, or a mixture of several. Each item's `source` is the name that was typed.

    Raises:
        UserError: A source does not exist or a row of it is unusable; the message names file and line.
    """
    specs = parse_sources(text)
    loaded = [load_source(spec.name, data_dir) for spec in specs]
    if len(specs) == 1:
        return loaded[0]
    together = tuple(item for items in loaded for item in items)
    return Mixture(together, {spec.name: spec.weight for spec in specs})


def load_source(name: str, data_dir: str | Path | None = None) -> tuple[Example | Dialogue, ...]:
    """Load the items of one source; arguments and errors as for `load_sources`.

    Args:
        name: The source, without a weight.
        data_dir: As there.
    """
    if name in TRAINING_SPLITS:
        return _benchmark(name, data_dir)
    if name.endswith(LINES):
        items = tuple(item_of(row, where, name) for row, where in read_lines(Path(name).expanduser()))
    elif (match := HUB.fullmatch(name)) is not None:
        items = _hub(match, name)
    else:
        raise unknown_name("source", name, [*TRAINING_SPLITS, "FILE.jsonl", "owner/dataset@split"])
    if not items:
        raise UserError(f"The source {name!r} has no items.", EXAMPLE)
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
    for number, line in enumerate(content.removeprefix("\N{BYTE ORDER MARK}").split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = parse_json(line, unique=True)
        except ValueError as error:
            raise UserError(f"{where}: not JSON ({said(error)}).", "Write one JSON object per line.") from error
        if not isinstance(row, dict):
            raise UserError(f"{where}: not a JSON object.", "Write one JSON object per line.")
        if _ESCAPED.search(line) and _LONE.search(json.dumps(row, ensure_ascii=False)):
            raise UserError(
                f"{where}: an escape in it, such as \\ud800, is half a character.", "Write the text of that row again."
            )
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


def _hub(match: re.Match[str], source: str) -> tuple[Example | Dialogue, ...]:
    """Load a data set of the Hub, or of a local directory of that path, which `datasets` looks for first."""
    name, split = match["name"], match["split"] or "train"
    from datasets import load_dataset  # noqa: PLC0415 - heavy, only for the Hub
    from datasets.exceptions import DatasetNotFoundError  # noqa: PLC0415 - as above

    try:
        rows: Sequence[dict[str, Any]] = load_dataset(name, match["config"], split=split, revision=match["revision"])
    except (DatasetNotFoundError, ValueError, OSError) as error:
        raise UserError(
            f"The data set {source!r} cannot be loaded: {str(error).splitlines()[0]}",
            "Check name, split and network (gated data sets need `hf auth login`), or give a file: mine.jsonl",
        ) from error
    return tuple(item_of(row, f"{name}, {split} row {number}", source) for number, row in enumerate(rows, 1))
