"""A comparison from logs: read, arrange, choose, pair, compare. Nothing is trained, and torch is not imported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from talan_core.errors import Problems, UserError, check_name, mistakes_of, refuse
from talan_eval.comparison import Origin, StatisticsSettings, compare, score_matrices
from talan_eval.comparison.reduce import MEAN
from talan_eval.importers.account import Account
from talan_eval.importers.checks import common_tasks, different_settings, task_versions
from talan_eval.importers.completeness import check_completeness, refuse_other_reducers, refuse_shorter_logs
from talan_eval.importers.copies import equal_seeds, one_run_of_fixed, refuse_identical_files
from talan_eval.importers.logged_arms import read_arms
from talan_eval.importers.logged_scores import score_columns
from talan_eval.importers.metric_units import Units
from talan_eval.importers.metrics import choose
from talan_eval.importers.models_below import by_backbone
from talan_eval.importers.seeds import AXES, SeedRules, TrialAxis, arrange
from talan_eval.result.contrast import declare, named_pairs
from talan_eval.store.atomic import atomic_write_bytes, make_directory, refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from talan_eval.comparison import ScoreColumns
    from talan_eval.importers.logged import LoggedArm
    from talan_eval.importers.metrics import Chosen
    from talan_eval.importers.seeds import Trials
    from talan_eval.requests.compare_logs import CompareLogsRequest
    from talan_eval.result.contrast import ContrastSpec
    from talan_eval.result.schema import Result

_DROP: Final = "drop"
_SANDBOX: Final = {"label": "imported", "boundary": "not recorded in the logs"}


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
    """Compare arms from their sample logs.

    Args:
        request: The options as typed.

    Returns:
        The result, and notes for the user.

    Raises:
        UserError: The logs cannot be read, do not pair, or leave open what is meant.
    """
    options = _checked(request)  # a mistake is found before the logs are read, which takes longer
    return _compared(read_arms(request.logs), request, *options)


def compare_arms(arms: Sequence[LoggedArm], request: CompareLogsRequest) -> LogsComparison:
    """Compare arms that were read, the base first.

    Args:
        arms: At least two.
        request: The options; where the arms come from is not asked of them.

    Returns:
        The result, and notes for the user.

    Raises:
        UserError: The arms do not pair, or leave open what is meant.
    """
    return _compared(arms, request, *_checked(request))


def _compared(
    arms: Sequence[LoggedArm],
    request: CompareLogsRequest,
    rules: SeedRules,
    statistics: StatisticsSettings,
    units: Units,
) -> LogsComparison:
    rules = replace(rules, more=named_pairs(request.contrast, [arm.name for arm in arms]))
    contrasts = _contrasts(arms, rules)
    named = None if request.tasks is None else [task.strip() for task in request.tasks.split(",") if task.strip()]
    tasks = common_tasks(arms, named)
    problems = Problems()
    with problems.collecting():
        refuse_shorter_logs(arms, tasks)
    with problems.collecting():
        versions = task_versions(arms, tasks)
    with problems.collecting():
        chosen = choose(arms, tasks, request.metric, request.filter, units)
    problems.raise_any()
    backbones = by_backbone(arms)
    for backbone in backbones:
        refuse_identical_files(backbone.arms, tasks)
    if request.reduce is None:
        refuse_other_reducers(arms, chosen)
    trials = {backbone.name: arrange(backbone.arms, rules) for backbone in backbones}
    parts = check_completeness(arms, chosen, drop=rules.drop)
    columns = _columns(trials, chosen, drop=rules.drop)
    matrices = score_matrices(
        columns,
        metrics={one.task: one.label for one in chosen},
        measures={one.task: one.measure for one in chosen},
        unpaired="drop" if rules.drop else "refuse",
        advice=_advice(different_settings(arms, tasks), drop=rules.drop),
    )
    matrices = one_run_of_fixed(matrices, arms, rules.fixed)
    copies = equal_seeds(matrices, contrasts, proven=all(run.proven for arm in arms for run in arm.runs))
    account = Account(arms, trials, chosen, rules)
    result = compare(matrices, contrasts, Origin(account.provenance(), _SANDBOX, versions), statistics)
    warnings = tuple(
        f"{text}." for text in (*account.warnings(), *parts, *copies, *_sampled(columns, statistics.reduce))
    )
    result = result.model_copy(update={"warnings": (*warnings, *result.warnings)})
    return LogsComparison(result, account.notes())


def _columns(trials: Mapping[str, Trials], chosen: Sequence[Chosen], *, drop: bool) -> list[ScoreColumns]:
    """Return the scores of all runs; what cannot be scored is refused for all of them at once."""
    problems = Problems()
    columns: list[ScoreColumns] = []
    for backbone, arranged in trials.items():
        for one in chosen:
            for arm, own in arranged.arms.items():
                with problems.collecting():
                    columns += score_columns(one, own, arm, backbone, drop=drop)
    problems.raise_any()
    return columns


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


def _checked(request: CompareLogsRequest) -> tuple[SeedRules, StatisticsSettings, Units]:
    """Check all options before a log is read; one error names all that is wrong with them."""
    ways = () if request.allow_unpaired is None else (request.allow_unpaired,)
    refuse(
        mistakes_of(
            request.check_words,
            lambda: check_name("--trial-axis", request.trial_axis, AXES),
            *(partial(check_name, "--allow-unpaired", way, (_DROP,)) for way in ways),
            lambda: _check_samples(request),
            lambda: StatisticsSettings.of_request(request),
            lambda: Units.parse(request.unit, request.less_is_better),
            lambda: _check_place(request.out),
            lambda: refuse_unwritable(request.json, "--json"),
        )
    )
    rules = SeedRules(
        axis=cast("TrialAxis", request.trial_axis),
        independent=request.independent,
        fixed=request.fixed,
        drop=request.allow_unpaired == _DROP,
        every_pair=request.every_pair,
    )
    units = Units.parse(request.unit, request.less_is_better)
    return rules, StatisticsSettings.of_request(request), units


def _check_samples(request: CompareLogsRequest) -> None:
    if request.trial_axis == "sample" and (request.independent or request.fixed):
        raise UserError(
            "--trial-axis sample says that no log stands for a training seed; --pairing and --fixed speak of seeds.",
            "Leave out --trial-axis sample, or leave out --pairing and --fixed.",
        )


def _contrasts(arms: Sequence[LoggedArm], rules: SeedRules) -> tuple[ContrastSpec, ...]:
    names = [arm.name for arm in arms]
    refuse(mistakes_of(*(partial(check_name, "arm", name, names) for name in rules.fixed)))
    found = declare(names, rules.fixed, every_pair=rules.every_pair, independent=rules.independent, more=rules.more)
    if not found:
        raise UserError(
            f"No arm has training seeds: all of {', '.join(names)} are --fixed.",
            "Name the arms without seeds only; one pair of checkpoints is compared without --fixed.",
        )
    return found


def _check_place(out: Path | None) -> None:
    if out is None:
        return
    from talan_eval.store.store import MANIFEST_NAME  # noqa: PLC0415 - only results directories need the store

    if (out / MANIFEST_NAME).exists():
        raise UserError(
            f"{out} holds a comparison that was trained; its result would be overwritten.",
            f"Choose another directory: --out {out}-logs",
        )


def _advice(settings: Sequence[str], *, drop: bool) -> str:
    why = f"Settings differ: {'; '.join(settings)}. " if settings else ""
    again = f"{why}Score all arms on the same items with the same prompts"
    return (
        f"{again}; --allow-unpaired drop finds nothing that they share, or not enough."
        if drop
        else f"{again}, or compare what they share: --allow-unpaired drop"
    )


def _sampled(columns: Sequence[ScoreColumns], reducer: str) -> tuple[str, ...]:
    k = max(one.k for one in columns)
    if k == 1:
        return ()
    how = "were averaged" if reducer == MEAN else f"make its {reducer}"
    return (f"up to {k} answers per item {how}: they are samples of a checkpoint, not training seeds",)
