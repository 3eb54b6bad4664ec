"""Trackers behind one small protocol; off unless asked for by name (``talan-eval report ... --track wandb``)."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

from talan_core.errors import check_name
from talan_core.extensions import Extended
from talan_core.extras import lacking
from talan_eval.result.arm_scores import ArmScores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from talan_eval.records.curves import Curves
    from talan_eval.result.schema import E1, Contrast, Result

PROJECT: Final = "talan-eval"
_LONGEST_TAG: Final = 5000
_MOST_METRICS: Final = 1000  # in one message
_NOT_TAKEN: Final = re.compile(r"[^\w\-. /]")
TRACKERS: Final = ("trackio", "wandb", "mlflow")


class Reporter(Protocol):
    """Where the numbers of a result can be sent."""

    def record(self, run: str, settings: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Send one run.

        Args:
            run: Its name.
            settings: What was computed, as text.
            numbers: The numbers by path, such as "gsm8k/delta".
        """

    def record_steps(self, run: str, settings: Mapping[str, str], steps: Mapping[int, Mapping[str, float]]) -> None:
        """Send one run with numbers at several steps.

        Args:
            run: Its name.
            settings: As for `record`.
            steps: The numbers by path, by step, in ascending order.
        """


def send(result: Result, reporter: Reporter) -> None:
    """Send the numbers of a result to a tracker, one run per contrast.

    Names and numbers only: no answers, no items, no paths.
    """
    for contrast in result.contrasts:
        settings = {
            "base": contrast.base,
            "treatment": contrast.treatment,
            "pairing": contrast.pairing,
            "family": result.primary.family_hash,
            "signature": result.signature,
            "verdict": contrast.aggregate.verdict,
        }
        reporter.record(f"{contrast.name} {result.primary.family_hash}", settings, numbers(contrast))


def send_published(found: Result | ArmScores, reporter: Reporter) -> None:
    """Send the numbers of a result, or of the scores of one arm, a run for each backbone of those."""
    if not isinstance(found, ArmScores):
        send(found, reporter)
        return
    for one in found.backbones:
        rows = {f"{one.backbone}/{score.task}": score for score in one.scores}
        numbers = {f"{name}/score": score.mean for name, score in rows.items()}
        for name, score in rows.items():
            for estimand, interval in (("e0", score.e0), ("e1", score.e1)):
                if interval is not None:
                    numbers |= {f"{name}/{estimand}_low": interval.ci[0], f"{name}/{estimand}_high": interval.ci[1]}
        settings = {"arm": found.arm, "kind": one.kind, "signature": found.signature}
        reporter.record(f"{found.arm} on {one.backbone}", settings, numbers)


def send_curves(curves: Sequence[Curves], reporter: Reporter, *, signature: str) -> None:
    """Send what was seen of trainings while they ran, one run per training; numbers and names only.

    Args:
        curves: Of each training.
        reporter: Where to.
        signature: Of the result that the trainings belong to.
    """
    for one in curves:
        settings = {"arm": one.arm, "backbone": one.backbone, "seed": str(one.seed), "signature": signature}
        name = " ".join(word for word in (one.arm, one.backbone, f"seed {one.seed}") if word)
        reporter.record_steps(f"training of {name}", settings, one.steps)


def numbers(contrast: Contrast) -> dict[str, float]:
    """Return the numbers of a contrast by path; what cannot be estimated is left out."""
    mean = contrast.aggregate
    found: dict[str, float | None] = {
        "mean/delta": mean.delta,
        "mean/mde80": mean.mde80,
        "mean/adjusted_p": mean.adjusted_p,
        "mean/family_p": mean.family_p,
        **_e1("mean", mean.e1),
    }
    for cell in contrast.cells:
        name = f"{cell.backbone}/{cell.task}"
        found |= {
            f"{name}/base": cell.base_mean,
            f"{name}/treatment": cell.treat_mean,
            f"{name}/delta": cell.delta,
            f"{name}/adjusted_p": cell.adjusted_p,
            **_e1(name, cell.e1),
        }
    return {key: value for key, value in found.items() if value is not None}


def reporter_named(name: str) -> Reporter:
    """Return the tracker of that name.

    Raises:
        UserError: No such tracker, its package is not installed, or what a package adds cannot be loaded.
    """
    check_name("tracker", name, REPORTERS)
    if name not in TRACKERS:
        return REPORTERS[name]()
    spec = find_spec(name)
    # without an origin it is a directory of that name, such as the one in which wandb keeps its runs
    if spec is None or spec.origin is None:
        raise lacking(f"The tracker {name} is not installed.", name)
    return REPORTERS[name]()


class _MLflow:
    """MLflow, with the place that its own environment variable or default says."""

    def record(self, run: str, settings: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Send one run and finish it."""
        self.record_steps(run, settings, {0: numbers})

    def record_steps(self, run: str, settings: Mapping[str, str], steps: Mapping[int, Mapping[str, float]]) -> None:
        """Send one run with numbers at several steps; long settings are tags, which MLflow bounds less."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        with contextlib.redirect_stdout(sys.stderr):
            mlflow = import_module("mlflow")
            client = mlflow.MlflowClient()  # a run that it creates has no tags of user, host, path and repository
            known = client.get_experiment_by_name(PROJECT)
            place = client.create_experiment(PROJECT) if known is None else known.experiment_id
            tags = {name: value[:_LONGEST_TAG] for name, value in settings.items()}
            begun = client.create_run(place, run_name=run, tags=tags)
            now = int(time.time() * 1000)
            every = [(_plain(name), value, now, step) for step, own in steps.items() for name, value in own.items()]
            for start in range(0, len(every), _MOST_METRICS):
                batch = [mlflow.entities.Metric(*one) for one in every[start : start + _MOST_METRICS]]
                client.log_batch(begun.info.run_id, metrics=batch)
            client.set_terminated(begun.info.run_id)


def _plain(name: str) -> str:
    """Return the name of a number with the signs alone that MLflow takes."""
    return _NOT_TAKEN.sub("_", name)


class _Tracker:
    """wandb, or trackio, whose interface is the same but for what each must be told to keep to itself."""

    def __init__(self, module: str, quiet: Callable[[ModuleType], Mapping[str, object]]) -> None:
        self._module = module
        self._quiet = quiet

    def record(self, run: str, settings: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Send one run and finish it; what the tracker says of it goes to standard error."""
        self._send(run, settings, [(None, numbers)])

    def record_steps(self, run: str, settings: Mapping[str, str], steps: Mapping[int, Mapping[str, float]]) -> None:
        """Send one run with numbers at several steps, likewise."""
        self._send(run, settings, steps.items())

    def _send(
        self, run: str, settings: Mapping[str, str], rows: Iterable[tuple[int | None, Mapping[str, float]]]
    ) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            tracker = import_module(self._module)
            start: Callable[..., object] = tracker.init
            start(project=PROJECT, name=run, config=dict(settings), **self._quiet(tracker))
            for step, numbers in rows:
                tracker.log(dict(numbers), **({} if step is None else {"step": step}))
            tracker.finish()


def _quiet_wandb(wandb: ModuleType) -> Mapping[str, object]:
    """Return what stops wandb from sending command line, paths, host, packages, repository and load of the machine."""
    unwanted = ("x_disable_meta", "x_disable_stats", "x_disable_machine_info", "disable_git", "disable_code")
    switches: dict[str, object] = dict.fromkeys((*unwanted, "disable_job_creation"), True)
    return {"settings": wandb.Settings(console="off", x_save_requirements=False, **switches)}


def _quiet_trackio(trackio: ModuleType) -> Mapping[str, object]:
    """Return what stops trackio from sending the load of the machine, where the version does that at all."""
    known = inspect.signature(trackio.init).parameters
    return {name: False for name in ("auto_log_gpu", "auto_log_cpu") if name in known}


_QUIET: Final[Mapping[str, Callable[[ModuleType], Mapping[str, object]]]] = {
    "trackio": _quiet_trackio,
    "wandb": _quiet_wandb,
}


def _own(name: str) -> Reporter:
    return _MLflow() if name == "mlflow" else _Tracker(name, _QUIET[name])


REPORTERS: Final[Mapping[str, Callable[[], Reporter]]] = Extended(
    "talan_eval.reporters",
    {name: functools.partial(_own, name) for name in TRACKERS},
    lambda _, found: "" if callable(found) else "it cannot be called without arguments",
)
"""What makes each tracker; one of another package is an entry point."""


def _e1(name: str, e1: E1 | None) -> dict[str, float | None]:
    if e1 is None:
        return {}
    return {f"{name}/e1_low": e1.ci[0], f"{name}/e1_high": e1.ci[1], f"{name}/e1_p": e1.p}
