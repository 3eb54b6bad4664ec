"""Outputs of promptfoo: ``promptfoo eval -o FILE.json``, with one result per test, prompt and provider.

Arms are the providers (by label, else id), and their prompts where there are several. A test is known by its index; it
is the same question if the rendered prompt and the test's variables are equal. ``score`` and the named scores are the
metrics, and whether all assertions held is ``success``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Final

from talan_core.errors import UserError
from talan_eval.importers.documents import digest, is_number, read_document
from talan_eval.importers.files import first_bytes
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, TaskLog
from talan_eval.importers.reader import LogReader, chosen_arm

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.importers.documents import Node
    from talan_eval.importers.files import FileReader
    from talan_eval.importers.logged import Stamp
    from talan_eval.importers.reader import Source

_KEYS: Final = (b'"evalId"', b'"results"')
_TASK: Final = "promptfoo"
_ERROR: Final = 2  # of failureReason: 0 is none, 1 an assertion that failed
_LONGEST: Final = 200  # letters of a description that become the name of a task

_Arms = dict[str, tuple[str, Answers, "tuple[Stamp, ...]"]]


class PromptfooOutputs(LogReader):
    """Reads such outputs, each file as one run of each of its arms."""

    harness: ClassVar[str] = "promptfoo"
    readable: ClassVar[str] = "outputs of promptfoo (.json)"

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files
        self._parsed: dict[Path, _Arms] = {}

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether the first keys of a JSON file are those of an evaluation of promptfoo."""
        del typed
        return file.suffix.lower() == ".json" and all(key in first_bytes(file) for key in _KEYS)

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm of each file.

        Raises:
            UserError: A file cannot be read, holds no result, or it is not clear which arm is meant.
        """
        return [self._run(file, source) for place in source.places for file in place.files]

    def _run(self, file: Path, source: Source) -> LoggedRun:
        if file not in self._parsed:
            self._parsed[file] = self._arms(file)
        arms = self._parsed[file]
        arm = chosen_arm(arms, source, file)
        task, answers, stamps = arms[arm]
        log = TaskLog(task, file, {NO_FILTER: answers}, unit="result")
        return LoggedRun(path=file, harness=PromptfooOutputs.harness, tasks={task: log}, files=stamps, model=arm)

    def _arms(self, file: Path) -> _Arms:
        whole, pending = read_document(file, self._files)
        results = list(whole["results"]["results"].list())
        if not results:
            raise UserError(f"{file} holds no result.", "Run it again: promptfoo eval -o FILE.json")
        several = len({_prompt_label(one) for one in results}) > 1
        config = whole.get("config")
        described = None if config is None else config.get("description")
        task = _TASK if described is None else described.text()[:_LONGEST]
        found: dict[str, Answers] = {}
        asked: Counter[tuple[str, str]] = Counter()
        for number, one in enumerate(results, 1):
            name = _provider(one) + (f" with {_prompt_label(one)}" if several else "")
            answers = found.setdefault(name, Answers())
            item = str(one["testIdx"].count())
            answers.samples.append(asked[name, item])
            asked[name, item] += 1
            answers.items.append(item)
            answers.prompts.append(digest(one["prompt"]["raw"].value, one.table().get("vars")))
            answers.values.append({} if _failed(one) else _values(one))
            answers.lines.append(number)
            if _failed(one):
                answers.troubles[len(answers.items) - 1] = "an error was logged"
        stamps = (pending.stamp(),)
        return {name: (task, answers, stamps) for name, answers in found.items()}


def _failed(result: Node) -> bool:
    """Return whether there was no answer to score: promptfoo writes a score of 0 then, and failureReason 2 (ERROR)."""
    reason, error = result.get("failureReason"), result.get("error")
    if reason is not None:
        return bool(reason.value == _ERROR)
    return error is not None and not is_number(result.table().get("score"))


def _provider(result: Node) -> str:
    provider = result["provider"]
    if isinstance(provider.value, str):
        return provider.label()
    label = provider.get("label")
    return provider["id"].label() if label is None or label.value == "" else label.label()


def _prompt_label(result: Node) -> str:
    label = result["prompt"].get("label")
    return "" if label is None else str(label.value)


def _values(result: Node) -> dict[str, object]:
    named = result.get("namedScores")
    return {
        "score": result.table().get("score"),
        "success": result.table().get("success"),
        **({} if named is None else {name: value for name, value in named.table().items() if is_number(value)}),
    }
