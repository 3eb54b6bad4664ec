"""Lines of lm-eval's ``samples_*.jsonl``, read at both ends.

A line holds the document, the prompt and the answers, a few kilobytes, and after them what a comparison needs. lm-eval
writes the keys in one order: ``doc_id``, ``doc``, ..., ``filter``, ``metrics``, the hashes, the metrics. The last
``, "filter": "`` of a line starts a key, because a quotation mark inside a JSON string is escaped; if what follows is
one balanced object up to the end of the line, that key is at the top level. So the tail is parsed alone, and equal
tails only once. A line that does not look so is parsed whole.

Not covered: damage in the middle of a line whose two ends are intact. It cannot change a score.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from talan_core.bounded import parse_json, said, shown
from talan_core.errors import UserError
from talan_eval.importers.lm_eval_filters import UNNAMED
from talan_eval.importers.logged import Answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_HEAD = b'{"doc_id": '
_HEAD_END = b', "doc": '
_HEAD_MOST = 64
_EXAMPLES = 3
_NUMBER = re.compile(rb'\{"doc_id": (\d+)')
_TAIL = b', "filter": "'
_HASHES = re.compile(
    rb', "doc_hash": "[0-9a-f]{64}", "prompt_hash": "([0-9a-f]{64})", "target_hash": "([0-9a-f]{64})"(?=, ")'
)
_NOT_METRICS = frozenset(
    ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
     "target_hash")
)  # fmt: skip


class _Tail(NamedTuple):
    filter: str
    prompt: str
    values: Mapping[str, object]


_Columns = tuple[list[str], list[_Tail], "Sequence[int]"]  # item ids, tails, line numbers


class LineReader:
    """Reads sample files; what it has read of one makes the next one faster, since all runs answer the same items."""

    def __init__(self) -> None:
        self._tails: dict[bytes, _Tail] = {}
        self._heads: dict[bytes, str] = {}
        self._alike: dict[bytes, _Tail] = {}  # by what a tail holds beside the hashes: few tails differ there
        self._whole: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()

    def read(self, data: bytes, path: Path) -> dict[str, Answers]:
        """Read one file.

        Args:
            data: Its bytes.
            path: Its name, for messages.

        Returns:
            The answers by filter.

        Raises:
            UserError: A line is not JSON, was cut off, or lacks what lm-eval writes.
        """
        known = self._at_once(data, path)
        return _by_filter(known if known is not None else _one_by_one(data, path))

    def _at_once(self, data: bytes, path: Path) -> _Columns | None:
        """Look all lines up by their ends, or return None where one must be parsed whole."""
        heads: list[bytes] = []
        tails: list[bytes] = []
        for line in io.BytesIO(data):  # one line in memory at a time is much faster than all of them
            heads.append(line[: line.find(_HEAD_END, 0, _HEAD_MOST)])
            tails.append(line[line.rfind(_TAIL) :])
        owners = list(map(self._heads.get, heads))
        found = list(map(self._tails.get, tails))
        for index, (owner, tail) in enumerate(
            zip(owners, found, strict=True) if None in owners or None in found else ()
        ):
            if owner is None and (owner := self._learn_head(heads[index])) is None:
                return None
            if tail is None and (tail := self._learn_tail(tails[index], path, index + 1)) is None:
                return None
            owners[index], found[index] = owner, tail
        columns = cast("list[str]", owners), cast("list[_Tail]", found), range(1, len(heads) + 1)
        return columns if self._is_whole(columns, data) else None

    def _is_whole(self, columns: _Columns, data: bytes) -> bool:
        """Return whether no line was cut off, which swallows the start of the next and takes its end for its own.

        The items under their prompts cannot be those of a whole file then.
        """
        owners, tails, _ = columns
        asked = tuple(owners), tuple(tail.prompt for tail in tails)
        if asked not in self._whole:
            if data.count(_HEAD) != len(owners):
                return False
            self._whole.add(asked)
        return True

    def _learn_head(self, head: bytes) -> str | None:
        """Remember whose line it is, if the head says so on its own."""
        found = _NUMBER.fullmatch(head)
        if found is None:
            return None
        return self._heads.setdefault(head, found[1].decode())

    def _learn_tail(self, tail: bytes, path: Path, number: int) -> _Tail | None:
        """Remember what a tail says, if it stands on its own."""
        hashes = _HASHES.search(tail)
        rest = tail if hashes is None else tail[: hashes.start()] + tail[hashes.end() :]
        alike = self._alike.get(rest)
        if alike is None:
            try:
                row = parse_json(b"{" + tail[2:], unique=True)
            except ValueError:
                return None  # the whole line tells what is wrong with it
            if "prompt_hash" not in row:
                return None
            alike = self._alike.setdefault(rest, _tail(row, path, number))
        if hashes is not None:
            alike = _Tail(alike.filter, f"{hashes[1].decode()}:{hashes[2].decode()}", alike.values)
        return self._tails.setdefault(tail, alike)


def _one_by_one(data: bytes, path: Path) -> _Columns:
    heads: list[str] = []
    tails: list[_Tail] = []
    numbers: list[int] = []
    for number, line in enumerate(io.BytesIO(data), 1):
        if line.strip():
            row = _whole(line, path, number)
            heads.append(str(row["doc_id"]))
            tails.append(_tail(row, path, number))
            numbers.append(number)
    return heads, tails, numbers


def _by_filter(columns: _Columns) -> dict[str, Answers]:
    heads, tails, numbers = columns
    names = [tail.filter for tail in tails]
    if len(set(names)) == 1:
        return {names[0]: _answers(heads, tails, numbers)}
    found: dict[str, Answers] = {}
    for name in dict.fromkeys(names):
        chosen = [other == name for other in names]
        found[name] = _answers(
            list(compress(heads, chosen)), list(compress(tails, chosen)), list(compress(numbers, chosen))
        )
    return found


def _answers(items: list[str], tails: Sequence[_Tail], lines: Sequence[int]) -> Answers:
    return Answers(
        items=items,
        prompts=[tail.prompt for tail in tails],
        values=[tail.values for tail in tails],
        lines=list(lines),
    )


def _whole(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = parse_json(line, unique=True)
    except ValueError as error:
        begun = isinstance(error, json.JSONDecodeError) and line.lstrip().startswith(b"{")
        cut = "was cut off" if begun else "is not JSON"
        raise UserError(
            f"{path}, line {number}: the line {cut} ({said(error)}).",
            f"Score this run again with --log_samples, or leave it out; to look at it: sed -n {number}p '{path}'",
        ) from error
    if not isinstance(row, dict) or not isinstance(row.get("doc_id"), str | int | float):
        raise UserError(
            f"{path}, line {number}: no lm-eval sample (it has no doc_id).",
            "Name directories that `lm_eval --log_samples --output_path DIR` wrote, or a table with the columns "
            "arm, seed, task, item, score.",
        )
    return row


def _tail(row: Mapping[str, Any], path: Path, number: int) -> _Tail:
    named = row.get("metrics")
    names = named if isinstance(named, list) else [key for key in row if key not in _NOT_METRICS]
    missing = [shown(name).strip("'") for name in names if not isinstance(name, str) or name not in row]
    if missing or (not names and not isinstance(named, list)):  # an empty list: the task gave this item no score
        raise UserError(
            f"{path}, line {number}: no value for {', '.join(missing[:_EXAMPLES]) if missing else 'any metric'}.",
            "Score this run again with --log_samples.",
        )
    under = row.get("filter", UNNAMED)
    if not isinstance(under, str):
        raise UserError(
            f"{path}, line {number}: filter is {shown(under)}, not a name.", "Score this run again with --log_samples."
        )
    return _Tail(under, _question(row), {str(name): row[name] for name in names})


def _question(row: Mapping[str, Any]) -> str:
    """Return what makes it the same question: the prompt and the expected answer."""
    if "prompt_hash" in row:
        return f"{row['prompt_hash']}:{row.get('target_hash', '')}"
    # Before 0.4.3 lm-eval wrote no hashes.
    parts = (row.get("arguments"), [row.get("doc"), row.get("target")])
    return ":".join(hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest() for part in parts)
