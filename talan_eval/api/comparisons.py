"""The commands that compare and evaluate as functions, and the comparison of scores that a program holds."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from talan_core.errors import UserError
from talan_eval.api.keywords import documented, filled
from talan_eval.api.shown import ShownResult, ShownScores
from talan_eval.cli.grid import ConsoleAudience
from talan_eval.execution.executors import check_executor
from talan_eval.execution.surroundings import libraries_quiet
from talan_eval.importers.in_memory import arms_in_memory
from talan_eval.pipeline import compare_logs as logs_pipeline
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.compare_logs import CompareLogsRequest
from talan_eval.requests.evaluate import EvaluateRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_eval.requests.grid import GridRequest

    _Path = str | os.PathLike[str]


def _warn(text: str) -> None:
    """Say what a caller must know even where no progress is shown: the results are in another directory."""
    warnings.warn(text, UserWarning, stacklevel=5)


_OF_LOGS: Final = frozenset({"logs", "filter"})


@documented(CompareRequest, frozenset({"dry_run", "pilot", "explain"}))
def compare(*, quiet: bool = False, **options: Any) -> ShownResult:  # noqa: ANN401 - one keyword per option
    """Train arms with paired seeds, evaluate them on the same items, and say whether they differ.

    As ``talan-eval compare``: killed at any point, the same call goes on where it stopped. Progress goes to the
    standard error. ``treat=["talan+lora", "noise+lora"]`` is several treatments, ``seeds=7`` seeds 0 to 6,
    ``recipe={"epochs": 2}`` options of the recipe.

    Args:
        quiet: Show no progress.
        options: See below.

    Returns:
        The result, which is also in the results directory.

    Raises:
        UserError: A mistake in the options, or a place that cannot be written.
        IncompleteGridError: Cells failed; the report of the others is in the results directory.
    """
    request = filled(CompareRequest, options, "compare()")
    _refuse_dry_run(request, "compare")
    with libraries_quiet():
        from talan_eval.intake.prepare import prepare  # noqa: PLC0415 - torch and lm-eval are loaded here
        from talan_eval.pipeline.comparing import compare as compute  # noqa: PLC0415 - as above
        from talan_eval.pipeline.smaller_batches import in_batches_that_fit  # noqa: PLC0415 - as above

        check_executor(request)
        audience = ConsoleAudience(Console(file=sys.stderr, quiet=quiet))
        run = partial(compute, audience=audience)
        compared = in_batches_that_fit(run, request, prepare(request), _warn)
    compared.session.check_complete()
    return ShownResult.of(compared.result)


@documented(EvaluateRequest, frozenset({"arm", "dry_run", "pilot", "explain"}))
def evaluate(arm: str, *, quiet: bool = False, **options: Any) -> ShownScores:  # noqa: ANN401 - one keyword per option
    """Score one arm on benchmarks, with intervals; nothing is compared.

    As ``talan-eval evaluate``: ``evaluate("mine=runs/mine", tasks="gsm8k_micro")``, ``evaluate("base")``. Killed at any
    point, the same call goes on where it stopped. Progress goes to the standard error.

    Args:
        arm: NAME=WHERE of a stored arm, "base", or an arm to train.
        quiet: Show no progress.
        options: See below.

    Returns:
        The scores, which are also in the results directory.

    Raises:
        UserError: A mistake in the options, or a place that cannot be written.
        IncompleteGridError: Cells failed; the report of the others is in the results directory.
    """
    request = filled(EvaluateRequest, {**options, "arm": arm}, "evaluate()")
    _refuse_dry_run(request, "evaluate")
    with libraries_quiet():
        from talan_eval.intake.prepare import prepare  # noqa: PLC0415 - torch and lm-eval are loaded here
        from talan_eval.pipeline.comparing import evaluate as compute  # noqa: PLC0415 - as above
        from talan_eval.pipeline.smaller_batches import in_batches_that_fit  # noqa: PLC0415 - as above

        check_executor(request)
        audience = ConsoleAudience(Console(file=sys.stderr, quiet=quiet))
        run = partial(compute, audience=audience)
        evaluated = in_batches_that_fit(run, request, prepare(request), _warn)
    evaluated.session.check_complete()
    return ShownScores.of(evaluated.scores)


@documented(CompareLogsRequest, frozenset({"logs", "explain"}))
def compare_logs(logs: Mapping[str, _Path | Sequence[_Path]], **options: Any) -> ShownResult:  # noqa: ANN401 - one keyword per option
    """Compare arms from their sample logs, and say whether they differ. Nothing is trained.

    As ``talan-eval compare-logs``: ``compare_logs({"lora": "runs/lora", "dora": ["runs/dora-0", "runs/dora-1"]})``.

    Args:
        logs: What is compared, by name, the base first: a directory, a file, a glob, or several, one per seed.
        options: See below.

    Returns:
        The result; what was chosen on the way is in its warnings and provenance.

    Raises:
        UserError: The logs cannot be read, do not pair, or leave open what is meant.
    """
    if not isinstance(logs, Mapping):
        raise UserError("compare_logs() takes a dict of paths by name.", 'Write {"lora": "DIR", "dora": "DIR"}.')
    words = [
        f"{name}={os.fspath(path)}"
        for name, paths in logs.items()
        for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)
    ]
    request = filled(CompareLogsRequest, {**options, "logs": words}, "compare_logs()")
    result = logs_pipeline.compare_logs(request).result
    logs_pipeline.write_reports(result, request.out, request.json)
    return ShownResult.of(result)


@documented(CompareLogsRequest, _OF_LOGS)
def compare_scores(scores: object, *, base: str | None = None, **options: Any) -> ShownResult:  # noqa: ANN401 - one keyword per option
    """Compare arms by scores that the program holds, and say whether they differ.

    Either a table with one row per score and the columns arm, seed, task, item and score (further ones as in tables
    that ``compare-logs`` reads): a pandas, polars or pyarrow data frame, or a dict of columns. Or arrays by arm, or by
    arm and task: ``{"lora": a, "dora": b}``, each of shape (S, N), one row per training seed, or (N,), one checkpoint;
    rows of equal number are paired, columns of equal number are the same item.

    Args:
        scores: Shares from 0 to 1, or what the option ``unit`` says.
        base: The arm to compare with; the first one when left out.
        options: See below.

    Raises:
        UserError: The scores are no table and no arrays, a value cannot be read, or the arms do not pair.
    """
    request = filled(CompareLogsRequest, options, "compare_scores()")
    result = logs_pipeline.compare_arms(arms_in_memory(scores, base), request).result
    logs_pipeline.write_reports(result, request.out, request.json)
    return ShownResult.of(result)


def _refuse_dry_run(request: GridRequest, command: str) -> None:
    if request.dry_run or request.pilot:
        raise UserError(f"{command}() has no dry run.", f"Type: talan-eval {command} ... --dry-run")
