"""Logs of OpenAI evals: ``oaieval`` writes one file of JSON lines per evaluation, its specification first.

A ``match`` event scores a sample (``correct``), a ``metrics`` event may hold several numbers. A sample is the same
question if it has the same prompt, where the log holds what was sampled, and the same expected answer.

Not covered: evaluations that record neither, such as those whose final report is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from talan_core.errors import UserError
from talan_eval.importers.documents import digest, is_number, parsed
from talan_eval.importers.files import first_line, natural
from talan_eval.importers.logged import NO_FILTER, Answers, LoggedRun, TaskLog
from talan_eval.importers.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from talan_eval.importers.documents import Node
    from talan_eval.importers.files import FileReader
    from talan_eval.importers.reader import Source

_MATCH: Final = "match"
_METRICS: Final = "metrics"
_SAMPLING: Final = "sampling"


@dataclass(slots=True)
class _Sample:
    """What the events of one sample say."""

    line: int
    values: dict[str, object] = field(default_factory=dict)
    prompt: Any = None
    expected: Any = None


class OpenAIEvals(LogReader):
    """Reads such logs, each as one run of one task."""

    harness: ClassVar[str] = "openai-evals"
    readable: ClassVar[str] = "logs of OpenAI evals (.jsonl)"
    files_are_tasks: ClassVar[bool] = True

    def __init__(self, files: FileReader) -> None:
        """Take what reads and stamps files."""
        self._files = files

    def recognises(self, file: Path, *, typed: bool) -> bool:
        """Return whether the first line is the specification of an evaluation."""
        del typed
        if file.suffix.lower() != ".jsonl":
            return False
        line = first_line(file).removeprefix(b"\xef\xbb\xbf").lstrip()
        return line.startswith(b'{"spec"') and b'"eval_name"' in line

    def read(self, source: Source) -> list[LoggedRun]:
        """Read one arm: the logs of a directory are tasks of one run.

        Raises:
            UserError: A line cannot be read, an evaluation is logged twice or scores nothing.
        """
        homes: dict[Path, list[Path]] = {}
        for place in source.places:
            for file in place.files:
                homes.setdefault(file.parent if place.path.is_dir() else file, []).append(file)
        return [self._run(home, files) for home, files in homes.items()]

    def _run(self, home: Path, files: list[Path]) -> LoggedRun:
        tasks: dict[str, TaskLog] = {}
        models, stamps = set(), []
        for file in files:
            data, pending = self._files.read(file)
            stamps.append(pending)
            lines = [
                parsed(file, f"line {number}", line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()
            ]
            spec = lines[0]["spec"]
            name = spec["eval_name"].label()
            models |= {one.name() for one in spec["completion_fns"].list()}
            if name in tasks:
                raise UserError(
                    f"{file} and {tasks[name].file} are both logs of {name}.",
                    "Keep one of them, or give each run a directory of its own.",
                )
            tasks[name] = TaskLog(name, file, {NO_FILTER: _answers(file, _samples(lines[1:]))})
        if len(models) > 1:
            raise UserError(
                f"{home} holds logs of several models: {', '.join(sorted(models))}.",
                "Give the logs of each a directory of its own.",
            )
        return LoggedRun(
            path=home,
            harness=OpenAIEvals.harness,
            tasks={task: tasks[task] for task in sorted(tasks, key=natural)},
            files=tuple(stamp.stamp() for stamp in stamps),
            model=next(iter(models), None),
        )


def _samples(lines: Iterator[Node] | list[Node]) -> dict[str, _Sample]:
    """Gather the events of each sample, in their order."""
    found: dict[str, _Sample] = {}
    for line in lines:
        kind = line.get("type")
        if kind is None or kind.value not in (_MATCH, _METRICS, _SAMPLING):
            if kind is None and line.get("final_report") is None and line.get("spec") is None:
                raise line.error("it is no event: it has no type")
            continue
        data, number = line["data"], int(line.place.removeprefix("line "))
        sample = found.setdefault(line["sample_id"].label(), _Sample(number))
        if kind.value == _SAMPLING:
            sample.prompt = data.table().get("prompt") if sample.prompt is None else sample.prompt
            continue
        values = (
            {"correct": data["correct"].value} if kind.value == _MATCH
            else {name: value for name, value in data.table().items() if is_number(value)}
        )  # fmt: skip
        twice = values.keys() & sample.values.keys()
        if twice:
            raise line.error(f"{min(twice)} of this sample stands there already")
        sample.values |= values
        sample.expected = data.table().get("expected") if sample.expected is None else sample.expected
        sample.line = number
    return {name: sample for name, sample in found.items() if sample.values}


def _answers(file: Path, samples: dict[str, _Sample]) -> Answers:
    if not samples:
        raise UserError(f"{file} scores no sample: it has no event of the type match or metrics.", "Leave it out.")
    answers = Answers()
    for name, sample in samples.items():
        known = sample.prompt is not None or sample.expected is not None
        answers.items.append(name)
        answers.prompts.append(digest(sample.prompt, sample.expected) if known else "")
        answers.values.append(sample.values)
        answers.lines.append(sample.line)
        answers.samples.append(0)
    return answers
