"""Whether logs are whole: what each says of itself against the answers that it holds, and against older logs beside it.

A log of fewer answers than it claims was cut off or thinned out, one of more belongs to another report, and one whose
mean is not the reported one holds other answers. A newer log of fewer answers than an older one, such as a trial with
``--limit``, leaves open which of them is meant.
"""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Final

from talan_core.errors import Problems, UserError, refuse
from talan_eval.importers.files import natural
from talan_eval.importers.words import several, typed_again

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from talan_eval.importers.logged import Answers, Claims, LoggedArm, TaskLog
    from talan_eval.importers.metrics import Chosen

_CLOSE: Final = 1e-6
_LARGEST: Final = sys.float_info.max
_Key = tuple[str, int]  # item, sample


def refuse_shorter_logs(arms: Sequence[LoggedArm], tasks: Sequence[str]) -> None:
    """Refuse runs whose newest log of a task holds fewer answers than an older one beside it.

    Raises:
        UserError: With all of them, and a command that names the longest log of each task.
    """
    shorter = [
        (arm, run, run.tasks[task]) for arm in arms for run in arm.runs for task in tasks if _longest(run.tasks[task])
    ]
    if not shorter:
        return
    if any(log.unit == "sample" and len(run.tasks) > 1 for _, run, log in shorter):  # a lone file is a run there
        moved = "; ".join(f"mv '{log.file}' '{log.file}.bad'" for _, _, log in shorter)
        fix = f"To compare the longer ones, move the others away: {moved}"
    else:
        command = typed_again(*(f"{arm.name}={word}" for arm in arms for word in _words(arm, tasks)))
        fix = f"To compare the longer ones, name them: {command}"
    problems = [
        UserError(
            f"{run.path}: the newest log of task {log.task!r}, {log.file.name}, holds {_held(log)} answers"
            f"{_limited(log)}, and an older one, {_longest(log).name}, holds more; which is meant?",  # type: ignore[union-attr] # chosen above
            fix,
        )
        for _, run, log in shorter
    ]
    refuse(problems)


def check_completeness(arms: Sequence[LoggedArm], chosen: Sequence[Chosen], *, drop: bool) -> tuple[str, ...]:
    """Check the answers of each task against what its log claims.

    Args:
        arms: All arms.
        chosen: Filter and metric of each task.
        drop: Whether missing answers may be left out of all arms.

    Returns:
        Warnings: missing answers that are left out, tasks that were scored in part, means that differ from the log's.

    Raises:
        UserError: With every log that is not whole, or whose answers are not those of its report.
    """
    problems = Problems()
    warnings: list[str] = []
    for one in chosen:
        for arm in arms:
            for run in arm.runs:
                with problems.collecting():
                    warnings += _check(run.tasks[one.task], one, drop=drop)
    problems.raise_any()
    return (*dict.fromkeys(warnings), *_limits(arms, chosen))


def _check(log: TaskLog, chosen: Chosen, *, drop: bool) -> Iterator[str]:
    claims = log.claims
    if claims is None:
        return
    answers = log.answers[chosen.filter]
    missing = missing_answers(log, answers)
    found, counts = len(answers.items), claims.counts
    named = several([f"{item!r} epoch {epoch}" if _repeated(answers) else repr(item) for item, epoch in missing])
    if claims.keys is not None and missing:
        problem = f"{log.file} lacks {len(missing)} of the {len(claims.keys)} answers that it was to hold: {named}"
    elif counts and found < min(counts):
        problem = f"{log.file} holds {found} of the {counts[0]} answers that {claims.source.name} reports" + (
            f"; items {named} are missing" if missing else ""
        )
    elif counts and found not in counts:
        raise UserError(
            f"{log.file} holds {found} answers, and {claims.source.name} reports {counts[0]}: they are not of one run.",
            "Score this run again, or leave it out."
            if claims.source == log.file
            else f"Score this run again, or move the report away (nothing is then checked against it): {_moved(log)}",
        )
    else:
        yield from _check_mean(log, answers, chosen)
        return
    if not drop:
        raise UserError(
            f"{problem}. The file was cut off, answers were taken out, or only some were scored.",
            "Score again, or restore the file. To leave out of all arms what is missing, type --allow-unpaired drop",
        )
    yield f"{problem}; they are left out of all arms"


def refuse_other_reducers(arms: Sequence[LoggedArm], chosen: Sequence[Chosen]) -> None:
    """Refuse logs whose own results are no means over the answers to an item, where nobody said what is compared.

    Raises:
        UserError: With every task, and the ways to compare it.
    """
    problems = Problems()
    for one in chosen:
        named = sorted({run.tasks[one.task].reducer for arm in arms for run in arm.runs} - {""})
        if named:
            k = max(answers for arm in arms for run in arm.runs for answers in [_epochs(run.tasks[one.task])])
            same = re.fullmatch(r"pass_at_(\d+)", named[0])
            ours = f"--reduce pass@{same[1]}" if same else f"--reduce pass@{k}" if named[0] == "max" else ""
            problems.add(
                UserError(
                    f"Task {one.task!r}: the log makes one score of {k} answers to an item by {', '.join(named)}, and "
                    "their mean is another number.",
                    f"Type {ours} to compare that, or --reduce mean to compare means"
                    if ours
                    else "That is not offered here; to compare means, type --reduce mean",
                )
            )
    problems.raise_any()


def _epochs(log: TaskLog) -> int:
    return max((sample for answers in log.answers.values() for sample in answers.samples), default=1)


def missing_answers(log: TaskLog, answers: Answers) -> list[_Key]:
    """Return the (item, sample) of what a log was to hold and does not, as far as it can be told.

    Where a log states only how many answers there were, and numbers its items from 0 as lm-eval does, the missing
    numbers are told.
    """
    claims = log.claims
    if claims is None:
        return []
    if claims.keys is not None:
        held = set(zip(answers.items, answers.samples or [1] * len(answers.items), strict=True))
        return sorted(claims.keys - held, key=natural)
    counts = claims.counts
    if not counts or len(answers.items) >= min(counts):
        return []
    numbers = dict.fromkeys(map(str, range(counts[0])))
    held_items = set(answers.items)
    return [(item, 0) for item in numbers if item not in held_items] if held_items <= numbers.keys() else []


def _repeated(answers: Answers) -> bool:
    return len(set(answers.samples)) > 1


def _check_mean(log: TaskLog, answers: Answers, chosen: Chosen) -> Iterator[str]:
    """Compare the mean of the answers that have a score with the reported one, where that is a mean."""
    claims = log.claims
    reported = None if claims is None else claims.means.get((chosen.filter, chosen.metric))
    scores = [values.get(chosen.metric) for values in answers.values]
    numbers = [float(score) for score in scores if isinstance(score, int | float) and abs(score) <= _LARGEST]
    if claims is None or reported is None or not numbers:
        return
    mean = sum(numbers) / len(numbers)
    if math.isclose(mean, reported, rel_tol=_CLOSE, abs_tol=_CLOSE):
        return
    said = (
        f"{log.file}: its answers have a mean {chosen.label} of {mean:.6g}, and {claims.source.name} reports "
        f"{reported:.6g}"
    )
    if claims.binding:
        raise UserError(
            f"{said}: they are not of one run, or the file was changed.",
            f"Score this run again, or move the report away (nothing is then checked against it): {_moved(log)}",
        )
    yield f"{said}; compared is the mean of the answers"


def _moved(log: TaskLog) -> str:
    source = "" if log.claims is None else log.claims.source
    return f"mv '{source}' '{source}.bad'"


def _limits(arms: Sequence[LoggedArm], chosen: Sequence[Chosen]) -> Iterator[str]:
    """Say which tasks were scored in part, each limit once."""
    limited: dict[str, list[str]] = {}
    for one in chosen:
        logs = [run.tasks[one.task] for arm in arms for run in arm.runs]
        for log in logs:
            if log.claims is not None and _is_partial(log.claims):
                limited.setdefault(_limited(log).strip(" ()"), []).append(one.task)
    for limit, tasks in limited.items():
        yield f"{several(list(dict.fromkeys(tasks)))} scored in part: {limit}"


def _is_partial(claims: Claims) -> bool:
    """Say whether a limit leaves items out: one that is as large as the task is none."""
    if claims.total is None or not claims.limit.replace(".", "", 1).isdecimal():
        return bool(claims.limit)
    return float(claims.limit) < max(claims.total, 1)


def _limited(log: TaskLog) -> str:
    if log.claims is None or not log.claims.limit:
        return ""
    of = "" if log.claims.total is None else f", of {log.claims.total} items"
    return f" (--limit {log.claims.limit}{of})"


def _held(log: TaskLog) -> int:
    return sum(len(answers.items) for answers in log.answers.values())


def _longest(log: TaskLog) -> Path | None:
    """Return the newest of the longest older logs, if one is longer than the log that would be compared."""
    most = max((older.answers for older in log.older), default=0)
    if most <= _held(log):
        return None
    return [older.file for older in log.older if older.answers == most][-1]


def _words(arm: LoggedArm, tasks: Sequence[str]) -> list[str]:
    """Return what names the longest log of each task of an arm's runs: files of one directory make one run."""
    if not any(_longest(run.tasks[task]) for run in arm.runs for task in tasks):
        return [word.split("=", 1)[1] if word.startswith(f"{arm.name}=") else word for word in arm.words]
    return [str(_longest(run.tasks[task]) or run.tasks[task].file) for run in arm.runs for task in tasks]
