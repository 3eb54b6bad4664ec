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
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from talan_core.errors import UserError
from talan_eval.importers.model import Answers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD = b'{"doc_id": '
_HEAD_END = b', "doc": '
_HEAD_MOST = 64
_TAIL = b', "filter": "'
_NOT_METRICS = frozenset(
    ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
     "target_hash")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tail:
    filter: str
    prompt: str
    values: Mapping[str, object]


class LineReader:
    """Reads sample files; what it has read of one makes the next one faster, since all runs answer the same items."""

    def __init__(self) -> None:
        self._tails: dict[bytes, _Tail] = {}
        self._heads: dict[bytes, str] = {}

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
        found: dict[str, Answers] = {}
        tails, heads = self._tails, self._heads
        for number, line in enumerate(data.splitlines(), 1):
            start = line.rfind(_TAIL)
            tail = tails.get(line[start:]) if start > 0 else None
            head = heads.get(line[: line.find(_HEAD_END, 0, _HEAD_MOST)])
            if tail is None or head is None or line.find(_HEAD, 1) != -1:
                if not line.strip():
                    continue
                head, tail = self._learn(line, path, number)
            answers = found.get(tail.filter)
            if answers is None:
                answers = found[tail.filter] = Answers()
            answers.items.append(head)
            answers.prompts.append(tail.prompt)
            answers.values.append(tail.values)
            answers.lines.append(number)
        return found

    def _learn(self, line: bytes, path: Path, number: int) -> tuple[str, _Tail]:
        """Parse what was not met before: the two ends if they stand alone, else the whole line."""
        start, end = line.rfind(_TAIL), line.find(_HEAD_END, 0, _HEAD_MOST)
        if start > 0 and end > 0 and line.startswith(_HEAD) and line.find(_HEAD, 1) == -1:
            try:
                row = json.loads(b"{" + line[start + 2 :])
                identity = json.loads(line[len(_HEAD) : end])
            except ValueError:
                pass  # the whole line tells what is wrong with it
            else:
                if "prompt_hash" in row:
                    tail = self._tails[line[start:]] = _tail(row, path, number)
                    head = self._heads[line[:end]] = str(identity)
                    return head, tail
        whole = _whole(line, path, number)
        return str(whole["doc_id"]), _tail(whole, path, number)


def _whole(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        cut = "was cut off" if line.lstrip().startswith(b"{") else "is not JSON"
        raise UserError(
            f"{path}, line {number}: the line {cut} ({error}).",
            f"Score this run again with --log_samples, or leave it out; to look at it: sed -n {number}p '{path}'",
        ) from error
    if not isinstance(row, dict) or "doc_id" not in row:
        raise UserError(
            f"{path}, line {number}: no lm-eval sample (it has no doc_id).",
            "Name directories that `lm_eval --log_samples --output_path DIR` wrote, or a table with the columns "
            "arm, seed, task, item, score.",
        )
    return row


def _tail(row: Mapping[str, Any], path: Path, number: int) -> _Tail:
    named = row.get("metrics")
    names = named if isinstance(named, list) else [key for key in row if key not in _NOT_METRICS]
    missing = [str(name) for name in names if name not in row]
    if missing or not names:
        raise UserError(
            f"{path}, line {number}: no value for {', '.join(missing) if missing else 'any metric'}.",
            "Score this run again with --log_samples.",
        )
    return _Tail(str(row.get("filter", "none")), _question(row), {str(name): row[name] for name in names})


def _question(row: Mapping[str, Any]) -> str:
    """Return what makes it the same question: the prompt and the expected answer."""
    if "prompt_hash" in row:
        return f"{row['prompt_hash']}:{row.get('target_hash', '')}"
    # Before 0.4.3 lm-eval wrote no hashes.
    asked = json.dumps([row.get("doc"), row.get("arguments"), row.get("target")], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()
