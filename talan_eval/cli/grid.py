"""The part of ``compare`` that trains: a dry run, or the grid with its progress, its table and its exit code."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Final

from talan_eval.cli.output import note, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from talan_eval.execution.executor import Executor
    from talan_eval.grid import Run
    from talan_eval.intake.prepare import Prepared
    from talan_eval.pipeline.session import Session
    from talan_eval.requests.compare import CompareRequest

_NOT_STORED: Final = frozenset({"out", "json", "dry_run"})


def perform_grid(request: CompareRequest, file: Path | None) -> None:
    """Run the comparison and print its table, or say what it would do.

    Args:
        request: The options.
        file: The experiment file that some of them came from; it is stored with the results.

    Raises:
        UserError: A mistake in the request, or a place that cannot be written.
        IncompleteGridError: Cells failed; the table of the others was printed.
    """
    # Progress is shown by one display of ours; the libraries' bars would write into it.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

    from talan_eval.intake.prepare import prepare  # noqa: PLC0415 - as above
    from talan_eval.pipeline.session import open_session  # noqa: PLC0415 - as above
    from talan_eval.report.terminal import TerminalReport  # noqa: PLC0415 - as above

    console = terminal()
    _check_executor(request)
    prepared = prepare(request)
    if request.dry_run:
        _dry_run(console, prepared)
        return
    with open_session(prepared) as session:
        _store_request(session, request, file)
        _say_what_is_there(console, session)
        if session.missing:
            _compute(console, session, prepared, session.missing, _executor(request, prepared))
        if fresh := session.confirmation():  # what to confirm is known when the others are read
            _compute(console, session, prepared, fresh, _executor(request, prepared))
        result = session.write_reports(also=request.json)
    console.print(TerminalReport(result))
    console.print(
        f"Written to {session.store.directory}: report.md, result.json, manifest.json, samples/",
        markup=False,
        soft_wrap=True,
    )
    session.check_complete()


def _compute(
    console: Console, session: Session, prepared: Prepared, missing: tuple[Run, ...], executor: Executor
) -> None:
    from talan_eval.cli.progress import Workload, progress_for  # noqa: PLC0415 - see perform_grid
    from talan_eval.execution.attempts import Attempts  # noqa: PLC0415 - as above

    workload = Workload(
        missing,
        len({run.cell_id for run in (*session.every_run(), *missing)}) - len(missing),
        {one.backbone: one.training.steps_for(prepared.experiment.n_train) for one in prepared.assignments},
        {task.name: task.n_items for task in prepared.experiment.tasks},
        frozenset(session.store.checkpoint_names()),
    )
    with progress_for(console, workload) as progress, _interruptible():
        attempts = Attempts(session.store, missing, prepared.retries, progress)
        executor.perform_all(prepared.assignments, attempts, progress)


def _check_executor(request: CompareRequest) -> None:
    """Find a mistake in how to execute, or a missing extra, before anything is loaded.

    Raises:
        UserError: The executor is not known, an option belongs to another one, or Ray is not installed.
    """
    from talan_core.errors import UserError, unknown_name  # noqa: PLC0415 - see perform_grid

    if request.executor not in ("local", "ray"):
        raise unknown_name("executor", request.executor, ["local", "ray"])
    if request.executor == "ray":
        from talan_eval.execution.ray_cluster import check_installed  # noqa: PLC0415 - as above

        check_installed()
        return
    if request.ray_address is not None:
        raise UserError(
            f"--ray-address {request.ray_address} has no effect on this machine's own processes.",
            "Type --executor ray as well, or leave it out.",
        )
    gpus = request.gpus_per_run
    if gpus is not None and gpus > 0 and not gpus.is_integer():
        raise UserError(
            f"--gpus-per-run {gpus:g}: this machine's own processes take whole GPUs.",
            "Type --executor ray as well, or a whole number.",
        )


def _executor(request: CompareRequest, prepared: Prepared) -> Executor:
    """Return what performs the runs, connected to its cluster where it has one.

    Raises:
        UserError: There is no cluster at the address.
    """
    if request.executor == "local":
        return _local(prepared)
    from talan_eval.execution.ray_cluster import RayExecutor  # noqa: PLC0415 - see perform_grid

    gpus = 1.0 if request.gpus_per_run is None else request.gpus_per_run
    return RayExecutor.connect(request.ray_address, request.workers, gpus)


def _local(prepared: Prepared) -> Executor:
    from talan_eval.execution.local_executor import LocalExecutor  # noqa: PLC0415 - see perform_grid
    from talan_eval.execution.visible import visible_gpus  # noqa: PLC0415 - as above

    first = prepared.assignments[0]
    gpus = visible_gpus() if first.device == "cuda" else ()
    return LocalExecutor(prepared.workers, gpus=gpus, gpus_each=first.gpus)


def _store_request(session: Session, request: CompareRequest, file: Path | None) -> None:
    """Keep the options as an experiment file of their own, and the file that was named as it was."""
    from talan_eval.requests.experiment_file import to_document  # noqa: PLC0415 - see perform_grid
    from talan_eval.store.atomic import atomic_write_bytes  # noqa: PLC0415 - as above

    document = json.dumps(to_document(request, _NOT_STORED), indent=2) + "\n"
    atomic_write_bytes(session.store.directory / "request.json", document.encode())
    if file is not None:
        atomic_write_bytes(session.store.directory / f"experiment{file.suffix}", file.read_bytes())


def _say_what_is_there(console: Console, session: Session) -> None:
    for problem in session.problems:
        console.print(problem, markup=False, soft_wrap=True)
    if session.adopted:
        origins = ", ".join(sorted(set(session.adopted.values())))
        console.print(
            f"{len(session.adopted)} evaluations were computed before and are taken from {origins}",
            markup=False,
            soft_wrap=True,
        )


def _dry_run(console: Console, prepared: Prepared) -> None:
    from talan_eval.cli.estimate import lines  # noqa: PLC0415 - see perform_grid
    from talan_eval.execution.pilot import measure  # noqa: PLC0415 - as above
    from talan_eval.intake.room import estimated  # noqa: PLC0415 - as above
    from talan_eval.pipeline.dry_run import outlook  # noqa: PLC0415 - as above

    found = outlook(prepared)
    of_arm = prepared.experiment.contrasts[0].treatment
    needed = {run.backbone for run in found.missing}
    footprints = {
        one.backbone: estimated(one, of_arm, prepared.tokens) for one in prepared.assignments if one.backbone in needed
    }
    pilots = {one.backbone: measure(one, of_arm) for one in prepared.assignments if one.backbone in needed}
    for line in lines(prepared, found, pilots, footprints):
        console.print(line, markup=False, soft_wrap=True)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Say what an interrupt leaves; typer turns the interrupt itself into exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        note("Interrupted. Finished cells are kept: the same command goes on from here.\n")
        raise
