"""Which executor a request names, and whether it can do what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError, check_name
from talan_core.extensions import Extended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from talan_eval.execution.executor import Executor
    from talan_eval.intake.prepare import Prepared
    from talan_eval.requests.grid import GridRequest


_WHOLE: Final = {"local": "this machine's own processes", "slurm": "SLURM's jobs"}


def check_executor(request: GridRequest) -> None:
    """Find a mistake in how to execute, or a missing extra, before anything is loaded.

    Raises:
        UserError: The executor is not known, an option belongs to another one, or what it needs is not installed.
    """
    check_name("executor", request.executor, EXECUTORS)
    _check_owners(request)
    _check_share(request)
    if request.executor == "slurm":
        from talan_eval.execution.slurm import check_installed as check_slurm  # noqa: PLC0415 - only SLURM needs it
        from talan_eval.execution.slurm import checked_options  # noqa: PLC0415 - as above

        checked_options(request.sbatch)
        check_slurm()
    if request.executor == "ray":
        from talan_eval.intake.ray_connection import check_installed  # noqa: PLC0415 - only Ray needs it

        check_installed()


def _check_share(request: GridRequest) -> None:
    """Refuse more than one GPU and a part of another, which no executor can give."""
    gpus = request.gpus_per_run
    if gpus is not None and gpus > 1 and not gpus.is_integer():
        raise UserError(
            f"--gpus-per-run {gpus:g} is more than a GPU and no whole number of them.",
            "Type a part of one, such as 0.5, or a whole number.",
        )


def _check_owners(request: GridRequest) -> None:
    """Refuse options of another executor."""
    named = request.executor
    if request.ray_address is not None and named in ("local", "slurm"):
        raise UserError(
            f"--ray-address {request.ray_address} has no effect with --executor {named}.",
            "Type --executor ray as well, or leave it out.",
        )
    if request.sbatch and named in ("local", "ray"):
        raise UserError(
            f"--sbatch {request.sbatch[0]} has no effect with --executor {named}.",
            "Type --executor slurm as well, or leave it out.",
        )
    gpus = request.gpus_per_run
    if named in ("local", "slurm") and gpus is not None and gpus > 0 and not gpus.is_integer():
        raise UserError(
            f"--gpus-per-run {gpus:g}: {_WHOLE[named]} take whole GPUs.",
            "Type --executor ray as well, or a whole number.",
        )


def executor_named(request: GridRequest, prepared: Prepared) -> Executor:
    """Return what performs the runs, connected to its cluster where it has one.

    Raises:
        UserError: There is no cluster at the address.
    """
    return EXECUTORS[request.executor](request, prepared)


def _ray(request: GridRequest, prepared: Prepared) -> Executor:
    del prepared
    from talan_eval.execution.ray_cluster import RayExecutor  # noqa: PLC0415 - only Ray needs it

    gpus = 1.0 if request.gpus_per_run is None else request.gpus_per_run
    return RayExecutor.connect(request.ray_address, request.workers, gpus)


def _local(request: GridRequest, prepared: Prepared) -> Executor:
    del request
    from talan_eval.execution.local_executor import LocalExecutor  # noqa: PLC0415 - Ray does without
    from talan_eval.execution.visible import visible_gpus  # noqa: PLC0415 - as above

    first = prepared.assignments[0]
    gpus = visible_gpus() if first.device == "cuda" else ()
    return LocalExecutor(prepared.workers, gpus=gpus, gpus_each=first.gpus)


def _slurm(request: GridRequest, prepared: Prepared) -> Executor:
    del prepared
    from talan_eval.execution.slurm import checked_options  # noqa: PLC0415 - only SLURM needs it
    from talan_eval.execution.slurm_executor import SlurmExecutor  # noqa: PLC0415 - as above

    gpus = 1 if request.gpus_per_run is None else int(request.gpus_per_run)
    return SlurmExecutor(request.workers, gpus, checked_options(request.sbatch))


EXECUTORS: Final[Mapping[str, Callable[[GridRequest, Prepared], Executor]]] = Extended(
    "talan_eval.executors",
    {"local": _local, "ray": _ray, "slurm": _slurm},
    lambda _, found: "" if callable(found) else "it cannot be called with a request and what was prepared",
)
"""What makes each executor from a request; one of another package is an entry point."""
