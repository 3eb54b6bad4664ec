"""From a request to a checked experiment: every mistake is found here, before anything is trained or written."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.arms import parse_arm
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_eval.execution.plan import Assignment
from talan_eval.experiment import BackboneIdentity, Experiment, TaskIdentity, parse_seeds
from talan_eval.sandbox.tiers import SandboxUnavailableError, Tier, find_tier
from talan_eval.tasks import MICRO_TASKS, check_names, load_benchmark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from talan_core.backbones.load import Revision
    from talan_core.backbones.names import BackboneSpec
    from talan_core.training.settings import TrainingSettings
    from talan_eval.request import CompareRequest
    from talan_eval.tasks import TaskSpec

RESULTS: Final = Path("results")
PACKAGES: Final = ("talan-eval", "torch", "transformers", "peft", "lm-eval", "tokenizers", "numpy")
_FREE_BYTES: Final = 64 * 2**20
_DEVICES: Final = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked experiment, ready to run.

    Attributes:
        experiment: The identity of what will be computed.
        assignment: What the workers need to know.
        workers: Processes at a time.
    """

    experiment: Experiment
    assignment: Assignment
    workers: int


@dataclass(frozen=True, slots=True)
class _Checked:
    """The parts of a request whose check needs nothing heavy."""

    base: str
    treat: str
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    spec: BackboneSpec
    training: TrainingSettings


def prepare(request: CompareRequest) -> Prepared:
    """Check a request and find out what it stands for.

    Args:
        request: The options as typed.

    Returns:
        The experiment, and how to run it on this machine.

    Raises:
        UserError: Anything in the request cannot be done; nothing has been written then.
    """
    checked = _check(request)
    # From here on torch and lm-eval are loaded.
    from talan_core.backbones.load import locate  # noqa: PLC0415 - names are checked first, and without them

    revision = locate(checked.spec)
    device = _device(request.device)
    benchmarks = [load_benchmark(name, data_dir=request.data_dir, limit=request.limit) for name in checked.tasks]
    eval_batch = checked.spec.eval_batch if request.eval_batch is None else request.eval_batch
    experiment = _experiment(checked, revision, [benchmark.spec for benchmark in benchmarks], eval_batch, device)
    tier = _sandbox_tier(request, [benchmark.spec for benchmark in benchmarks])
    out = RESULTS / experiment.default_name if request.out is None else request.out
    _check_space(out)
    workers, threads = _workers(request.workers, checked, device)
    assignment = Assignment(
        directory=out,
        revision=revision,
        training=checked.training,
        operating_point=checked.spec.talan,
        tasks=checked.tasks,
        data_dir=request.data_dir,
        limit=request.limit,
        eval_batch=eval_batch,
        device=device,
        threads=threads,
        sandbox_tier=tier,
    )
    return Prepared(experiment, assignment, workers)


def _check(request: CompareRequest) -> _Checked:
    """Check all names and numbers, without loading anything heavy."""
    base, treat = parse_arm(request.base).name, parse_arm(request.treat).name
    if base == treat:
        raise UserError(
            f"The arms are the same: --base and --treat are both {base!r}.",
            "Type two different arms, as in --base lora --treat talan+lora.",
        )
    for name in ("limit", "workers", "eval_batch"):
        value = getattr(request, name)
        if value is not None and value < 1:
            raise UserError(
                f"--{name.replace('_', '-')} {value} is not a positive number.",
                f"Type --{name.replace('_', '-')} 1 or more.",
            )
    if request.device not in _DEVICES:
        raise UserError(
            f"The device {request.device!r} is not known.", f"Type --device with one of {', '.join(_DEVICES)}."
        )
    spec = find_backbone(request.backbone)
    recipe = {key: getattr(request, key) for key in ("steps", "batch_size", "learning_rate")}
    training = dataclasses.replace(spec.training, **{key: value for key, value in recipe.items() if value is not None})
    tasks = (
        MICRO_TASKS
        if request.tasks is None
        else check_names([t.strip() for t in request.tasks.split(",") if t.strip()])
    )
    return _Checked(base, treat, parse_seeds(request.seeds), tasks, spec, training)


def _experiment(
    checked: _Checked, revision: Revision, specs: Sequence[TaskSpec], eval_batch: int, device: str
) -> Experiment:
    return Experiment(
        backbone=BackboneIdentity(
            name=checked.spec.name, commit=revision.commit, sha256=revision.sha256, note=revision.note
        ),
        base=checked.base,
        treat=checked.treat,
        seeds=checked.seeds,
        tasks=tuple(TaskIdentity(**asdict(spec)) for spec in specs),
        training=asdict(checked.training),
        operating_point=checked.spec.talan.to_dict(),
        eval_batch=eval_batch,
        device=device,
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    )


def _device(asked: str) -> str:
    import torch  # noqa: PLC0415 - heavy, see prepare

    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise UserError("No CUDA device is available to torch.", "Type --device cpu, or install a CUDA build of torch.")
    return "cuda" if asked != "cpu" and available else "cpu"


def _sandbox_tier(request: CompareRequest, specs: Sequence[TaskSpec]) -> Tier | None:
    """Return the boundary for model-written programs; without one, refuse now and not after hours of generation."""
    if not any(spec.runs_code for spec in specs):
        return None
    if request.unsafe_no_sandbox and sys.platform == "linux":
        return Tier.NONE
    try:
        return find_tier().tier
    except SandboxUnavailableError as error:
        raise UserError(error.problem, error.fix) from error


def _workers(asked: int | None, checked: _Checked, device: str) -> tuple[int, int]:
    """Return the number of worker processes and the threads of each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    small = checked.spec.threads is not None
    if asked is None:
        asked = min(cores, 2 * len(checked.seeds)) if small and device == "cpu" else 1
    return asked, checked.spec.threads or max(1, cores // asked)


def _check_space(out: Path) -> None:
    """Refuse to start where a few megabytes would not fit."""
    parent = out.absolute()
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < _FREE_BYTES:
        raise UserError(
            f"No space for results: {free // 2**20} MB are free at {parent}.",
            f"Free at least {_FREE_BYTES // 2**20} MB there, or type --out with a directory on another disk.",
        )
