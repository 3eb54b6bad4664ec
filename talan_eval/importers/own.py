"""Results directories that ``talan-eval compare`` wrote: sealed samples, with arm, seed and task version known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError
from talan_eval.importers.files import natural
from talan_eval.importers.model import NO_FILTER, Answers, LoggedRun, Stamp, TaskLog
from talan_eval.store.store import Store
from talan_eval.store.tables import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from talan_eval.store.records import Record

HARNESS: Final = "talan-eval"
UNPARSED: Final = "unparsed"
_LABELS: Final = ("subject", "level")


def read_results(directory: Path, arm: str | None, side: str, option: str) -> list[LoggedRun]:
    """Read one arm of a results directory.

    Args:
        directory: A results directory of ours.
        arm: Which arm, or None for the one on the same side as asked for.
        side: "base" or "treat".
        option: The option that named it, for messages.

    Returns:
        One run per seed, in ascending order.

    Raises:
        UserError: The directory has no such arm, no finished sample, or a file that was changed.
    """
    store = Store.load(directory)
    experiment = store.manifest.experiment
    arms = (str(experiment["base"]), str(experiment["treat"]))
    chosen = str(experiment[side]) if arm is None else arm
    if chosen not in arms:
        raise UserError(
            f"{directory} has no arm {chosen!r}; it has {' and '.join(map(repr, arms))}.",
            f"Type {option} '{arms[0]}={directory}'",
        )
    state = store.verify()
    if state.problems:
        raise UserError(
            f"{directory}: {state.problems[0]}",
            "Run the `talan-eval compare` command that made it again: it repairs it.",
        )
    versions = {task["name"]: task for task in experiment["tasks"]}
    found: dict[int, dict[str, tuple[TaskLog, Stamp]]] = {}
    for record in state.records.values():
        data = record.data
        if data["kind"] == "evaluation" and data["arm"] == chosen:
            task = str(data["task"])
            found.setdefault(int(data["seed"]), {})[task] = _read(store, record, versions[task])
    if not found:
        raise UserError(
            f"{directory} has no finished samples of the arm {chosen!r}.",
            "Finish it first: run the `talan-eval compare` command that made it again.",
        )
    return [_run(directory, chosen, seed, found[seed], experiment) for seed in sorted(found)]


def _run(
    directory: Path, arm: str, seed: int, logs: Mapping[str, tuple[TaskLog, Stamp]], experiment: Mapping[str, Any]
) -> LoggedRun:
    order = sorted(logs, key=natural)
    return LoggedRun(
        path=directory,
        harness=HARNESS,
        tasks={task: logs[task][0] for task in order},
        files=tuple(logs[task][1] for task in order),
        model=arm,
        backbone=str(experiment["backbone"]["name"]),
        version=str(experiment["versions"].get("talan-eval")),
        seed=seed,
    )


def _read(store: Store, record: Record, task: Mapping[str, Any]) -> tuple[TaskLog, Stamp]:
    (sealed,) = record.files
    path = store.payload_path(sealed.name)
    answers, metric = Answers(), str(task["metric"])
    for number, row in enumerate(read_rows(path), 1):  # the store has checked its hash
        answers.items.append(row["item_id"])
        answers.prompts.append(row["prompt_hash"])
        answers.values.append({metric: row["score"], UNPARSED: float(row["verdict"] == "unparsed")})
        answers.lines.append(number)
        answers.samples.append(int(row.get("sample") or 0))
        answers.labels.append({name: str(row[name]) for name in _LABELS if row.get(name)})
    log = TaskLog(
        task=str(task["name"]),
        file=path,
        answers={NO_FILTER: answers},
        version=f"{task['version']}:{task['items_hash']}",
        lower_is_better=frozenset({UNPARSED}),
    )
    return log, Stamp(path, sealed.sha256, sealed.size)
