"""A comparison from logs: read, arrange, choose, pair, compare. Nothing is trained, and torch is not imported."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, cast

from talan_core.errors import UserError, unknown_name
from talan_eval.comparison import StatisticsSettings, compare, pair_columns
from talan_eval.comparison.signature import package_version
from talan_eval.importers.checks import (
    common_tasks,
    different_settings,
    refuse_copies,
    refuse_equal_scores,
    task_versions,
)
from talan_eval.importers.formats import read_arms
from talan_eval.importers.logged_scores import score_columns
from talan_eval.importers.seeds import AXES, TrialAxis, arrange
from talan_eval.importers.selection import choose
from talan_eval.importers.sources import resolve
from talan_eval.store.atomic import atomic_write_bytes, make_directory, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from talan_eval.comparison import CellScores, ScoreColumns
    from talan_eval.importers.model import LoggedArm
    from talan_eval.importers.seeds import Trials
    from talan_eval.importers.selection import Chosen
    from talan_eval.requests.compare_logs import CompareLogsRequest
    from talan_eval.result.schema import Result
    from talan_eval.stats.arrays import FloatArray

_DROP: Final = "drop"
_PACKAGES: Final = ("numpy", "scipy")
_SANDBOX: Final = {"label": "imported", "boundary": "not recorded in the logs"}
_MANY: Final = 8
_ARMS: Final = 2


@dataclass(frozen=True, slots=True)
class LogsComparison:
    """What came of comparing logs.

    Attributes:
        result: The published result.
        notes: What was chosen on the way, one sentence each.
    """

    result: Result
    notes: tuple[str, ...]


def compare_logs(request: CompareLogsRequest) -> LogsComparison:
    """Compare two arms from their sample logs.

    Args:
        request: The options as typed.

    Returns:
        The result, and notes for the user.

    Raises:
        UserError: The logs cannot be read, do not pair, or leave open what is meant.
    """
    axis, drop = _check(request)
    statistics = StatisticsSettings.of_request(request)
    _check_place(request.out)
    refuse_unwritable(request.json, "--json")
    base, treat = read_arms(*_two_arms(request))
    named = None if request.tasks is None else [task.strip() for task in request.tasks.split(",") if task.strip()]
    tasks = common_tasks(base, treat, named)
    versions = task_versions(base, treat, tasks)
    refuse_copies(base, treat, tasks)
    trials = arrange(base, treat, axis, drop=drop)
    chosen = choose(base, treat, tasks, request.metric, request.filter)
    first = [columns for one in chosen for columns in score_columns(one, trials.base)]
    second = [columns for one in chosen for columns in score_columns(one, trials.treat)]
    cells = pair_columns(
        first,
        second,
        backbone=_backbone(base, treat),
        metrics={one.task: one.label for one in chosen},
        unpaired="drop" if drop else "refuse",
        advice=_advice(different_settings(base, treat, tasks), drop=drop),
    )
    for arm in (base, treat):
        refuse_equal_scores(arm, _by_seed(cells, arm.side))
    result = compare(
        cells,
        base=base.name,
        treat=treat.name,
        provenance=_provenance(base, treat, trials, chosen),
        sandbox=_SANDBOX,
        settings=statistics,
        task_versions=versions,
    )
    remarks = (*_remarks(base, treat), *trials.notes, *_sampled(first))
    warnings = tuple(f"{text}." for text in remarks)
    result = result.model_copy(update={"warnings": (*warnings, *result.warnings)})
    return LogsComparison(result, (*_pairs(base, treat, trials), *_metric_notes(chosen)))


def write_reports(result: Result, out: Path | None, json: Path | None) -> None:
    """Write report.md and result.json to a directory, and the JSON to a file, where they are named.

    Raises:
        UserError: No space, no permission, or the directory belongs to a comparison that was trained.
    """
    document = result.to_json().encode()
    if out is not None:
        from talan_eval.report.markdown import render  # noqa: PLC0415 - the table in the terminal must not wait for it

        _check_place(out)
        make_directory(out)
        atomic_write_bytes(out / "result.json", document)
        atomic_write_bytes(out / "report.md", render(result).encode())
    if json is not None:
        make_directory(json.absolute().parent)
        atomic_write_bytes(json, document)


def _check(request: CompareLogsRequest) -> tuple[TrialAxis, bool]:
    if request.trial_axis not in AXES:
        raise unknown_name("trial axis", request.trial_axis, AXES)
    if request.allow_unpaired not in {None, _DROP}:
        raise unknown_name("way to treat what does not pair", str(request.allow_unpaired), [_DROP])
    return cast("TrialAxis", request.trial_axis), request.allow_unpaired == _DROP


def _two_arms(request: CompareLogsRequest) -> tuple[list[str], list[str]]:
    arms: dict[str, list[str]] = {}
    for index, word in enumerate(request.logs):
        name, _, _ = resolve(word, "logs")
        arms.setdefault(f"{index}" if name is None else f"={name}", []).append(word)
    if len(arms) != _ARMS:
        raise UserError(
            f"{len(arms)} arms are named, and two are compared.",
            "Type: talan-eval compare-logs NAME=DIR NAME=DIR",
        )
    first, second = arms.values()
    return first, second


def _check_place(out: Path | None) -> None:
    if out is None:
        return
    from talan_eval.store.store import MANIFEST_NAME  # noqa: PLC0415 - only results directories need the store

    if (out / MANIFEST_NAME).exists():
        raise UserError(
            f"{out} holds a comparison that was trained; its result would be overwritten.",
            f"Choose another directory: --out {out}-logs",
        )


def _by_seed(cells: Iterable[CellScores], side: str) -> dict[int, dict[str, FloatArray]]:
    found: dict[int, dict[str, FloatArray]] = {}
    for cell in cells:
        scores = cell.base if side == "base" else cell.treat
        for seed, row in zip(cell.seeds, scores, strict=True):
            found.setdefault(seed, {})[cell.task] = row
    return found


def _backbone(base: LoggedArm, treat: LoggedArm) -> str:
    """Return the model below the adapters where the logs name one and the same, else where the scores come from."""
    runs = (*base.runs, *treat.runs)
    names = {run.backbone for run in runs}
    adapted = any(run.model != run.backbone for run in runs)
    (name, *others) = names
    if name is not None and not others and adapted:
        return name
    return "table of scores" if runs[0].harness == "table" else f"{runs[0].harness} logs"


def _advice(settings: Sequence[str], *, drop: bool) -> str:
    why = f"Settings differ: {'; '.join(settings)}. " if settings else ""
    again = f"{why}Score both arms on the same items with the same prompts"
    return (
        f"{again}; --allow-unpaired drop finds nothing that they share, or not enough."
        if drop
        else f"{again}, or compare what they share: --allow-unpaired drop"
    )


def _remarks(base: LoggedArm, treat: LoggedArm) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for arm in (base, treat) for run in arm.runs for note in run.notes))


def _sampled(columns: Sequence[ScoreColumns]) -> tuple[str, ...]:
    k = max(one.k for one in columns)
    if k == 1:
        return ()
    return (f"up to {k} answers per item were averaged: they are samples of a checkpoint, not training seeds",)


def _pairs(base: LoggedArm, treat: LoggedArm, trials: Trials) -> tuple[str, ...]:
    """Say which run is which seed."""
    lines = [f"base is {base.name}, treat is {treat.name}"]
    treated = {(trial.seed, trial.sample): trial.run for trial in trials.treat}
    pairs = [
        (trial, treated[trial.seed, trial.sample]) for trial in trials.base if (trial.seed, trial.sample) in treated
    ]
    for trial, other in pairs[:_MANY]:
        models = "" if trial.run.model is None else f" [{trial.run.model}; {other.model}]"
        lines.append(f"seed {trial.seed}: {trial.run.path} with {other.path}{models}")
    if len(pairs) > _MANY:
        lines.append(f"... and {len(pairs) - _MANY} more pairs")
    return tuple(lines)


def _metric_notes(chosen: Sequence[Chosen]) -> tuple[str, ...]:
    notes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in chosen:
        others = tuple(name for name in one.found if name != one.metric)
        notes.setdefault((one.label, others), []).append(one.task)
    return tuple(
        f"metric {label} of {', '.join(tasks[:_MANY])}{', ...' if len(tasks) > _MANY else ''}"
        + (f"; also logged: {', '.join(others)} (--metric)" if others else "")
        for (label, others), tasks in notes.items()
    )


def _provenance(base: LoggedArm, treat: LoggedArm, trials: Trials, chosen: Sequence[Chosen]) -> dict[str, Any]:
    runs = [run for arm in (base, treat) for run in arm.runs]
    stamps = sorted({(str(stamp.path), stamp.sha256) for run in runs for stamp in run.files})
    whole = hashlib.sha256("".join(f"{digest}  {path}\n" for path, digest in stamps).encode()).hexdigest()
    versions = sorted({run.version for run in runs if run.version is not None})
    return {
        "harness": " ".join([runs[0].harness, *([", ".join(versions)] if versions else [])]),
        "files": len(stamps),
        "files_sha256": whole,
        "arms": {
            arm.side: {
                "name": arm.name,
                "runs": [
                    {
                        "seed": trial.seed,
                        "sample": trial.sample,
                        "path": str(trial.run.path),
                        "model": trial.run.model,
                        "harness_version": trial.run.version,
                        "sha256": {_inside(stamp.path, trial.run.path): stamp.sha256 for stamp in trial.run.files},
                    }
                    for trial in found
                ],
            }
            for arm, found in ((base, trials.base), (treat, trials.treat))
        },
        "metrics": {one.task: {"metric": one.metric, "filter": one.filter, "found": list(one.found)} for one in chosen},
        "versions": {
            "python": platform.python_version(),
            "talan-eval": package_version(),
            **{name: version(name) for name in _PACKAGES},
        },
    }


def _inside(path: Path, directory: Path) -> str:
    return path.name if path == directory or not path.is_relative_to(directory) else str(path.relative_to(directory))
