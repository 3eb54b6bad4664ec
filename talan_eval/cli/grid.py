"""What ``compare`` and ``evaluate`` do: a dry run, or the grid with its progress, its table and its exit code."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.cli.displayed import show_result, show_scores
from talan_eval.cli.output import note, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from talan_eval.execution.workload import GridProgress, Workload
    from talan_eval.intake.prepare import Prepared
    from talan_eval.pipeline.comparing import EvaluatedArm, FinishedGrid
    from talan_eval.pipeline.session import Session
    from talan_eval.requests.compare import CompareRequest
    from talan_eval.requests.evaluate import EvaluateRequest
    from talan_eval.requests.grid import GridRequest


@dataclass(frozen=True, slots=True)
class ConsoleAudience:
    """Whoever reads a console: sentences, and the display of progress that suits it.

    Attributes:
        console: Where both go.
    """

    console: Console

    def hear(self, text: str) -> None:
        """Print a sentence."""
        self.console.print(text, markup=False, soft_wrap=True)

    def watch(self, workload: Workload) -> GridProgress:
        """Return the display that suits the console."""
        from talan_eval.cli.progress import progress_for  # noqa: PLC0415 - see perform_grid

        return progress_for(self.console, workload)


def perform_grid(request: CompareRequest, file: Path | None) -> None:
    """Run the comparison and print its table, or say what it would do.

    Args:
        request: The options.
        file: The experiment file that some of them came from; it is stored with the results.

    Raises:
        UserError: A mistake in the request, or a place that cannot be written.
        IncompleteGridError: Cells failed; the table of the others was printed.
    """
    from talan_eval.execution.surroundings import libraries_quiet  # noqa: PLC0415 - --help must not wait for it

    console = terminal()
    with libraries_quiet():
        prepared = _prepared(request, console)
        if prepared is None:
            return
        from talan_eval.pipeline.comparing import compare  # noqa: PLC0415 - a dry run does not wait for it
        from talan_eval.pipeline.smaller_batches import in_batches_that_fit  # noqa: PLC0415 - as above

        audience = ConsoleAudience(console)

        def run(request: CompareRequest, prepared: Prepared) -> FinishedGrid:
            with _interruptible(prepared):
                return compare(request, prepared, audience, file)

        compared = in_batches_that_fit(run, request, prepared, audience.hear)
        _say_where(console, compared.session)
        show_result(console, compared.result, explain=request.explain)
        compared.session.check_complete()


def perform_evaluation(request: EvaluateRequest, file: Path | None) -> None:
    """Evaluate one arm and print its scores, or say what that would do; arguments and errors as above."""
    from talan_eval.execution.surroundings import libraries_quiet  # noqa: PLC0415 - as above

    console = terminal()
    with libraries_quiet():
        prepared = _prepared(request, console)
        if prepared is None:
            return
        from talan_eval.pipeline.comparing import evaluate  # noqa: PLC0415 - a dry run does not wait for it
        from talan_eval.pipeline.smaller_batches import in_batches_that_fit  # noqa: PLC0415 - as above

        audience = ConsoleAudience(console)

        def run(request: EvaluateRequest, prepared: Prepared) -> EvaluatedArm:
            with _interruptible(prepared):
                return evaluate(request, prepared, audience, file)

        evaluated = in_batches_that_fit(run, request, prepared, audience.hear)
        _say_where(console, evaluated.session)
        show_scores(console, evaluated.scores, explain=request.explain)
        evaluated.session.check_complete()


def _prepared(request: GridRequest, console: Console) -> Prepared | None:
    """Check a request; None where a dry run was asked for, which is done then."""
    from talan_eval.execution.executors import check_executor  # noqa: PLC0415 - as above
    from talan_eval.intake.prepare import prepare  # noqa: PLC0415 - as above

    check_executor(request)
    prepared = prepare(request)
    if request.dry_run or request.pilot:
        _dry_run(console, prepared, pilot=request.pilot)
        return None
    return prepared


def _say_where(console: Console, session: Session) -> None:
    console.print(
        f"Written to {session.store.directory}: report.md, result.json, manifest.json, samples/",
        markup=False,
        soft_wrap=True,
    )


def _dry_run(console: Console, prepared: Prepared, *, pilot: bool) -> None:
    from talan_eval.cli.estimate import lines  # noqa: PLC0415 - see perform_grid
    from talan_eval.intake.room import estimated  # noqa: PLC0415 - as above
    from talan_eval.pipeline.dry_run import arm_to_measure, hours_of, outlook  # noqa: PLC0415 - as above

    found = outlook(prepared)
    of_arm = arm_to_measure(prepared.experiment, found)
    needed = [one for one in prepared.assignments if any(run.backbone == one.backbone for run in found.missing)]
    trains = prepared.experiment.trains(of_arm)
    outlined = [one for one in needed if one.revision.outline]
    planned = {one.backbone: hours_of(prepared, one, found.missing) for one in outlined}
    here = [one for one in needed if trains and one not in outlined]
    footprints = {one.backbone: estimated(one, of_arm, prepared.lengths.longest) for one in here}
    pilots = {}
    if pilot:
        from talan_eval.execution.pilot import measure  # noqa: PLC0415 - as above

        pilots = {one.backbone: measure(one, of_arm) for one in needed}
    for line in lines(prepared, found, pilots, footprints, planned):
        console.print(line, markup=False, soft_wrap=True)


@contextlib.contextmanager
def _interruptible(prepared: Prepared) -> Iterator[None]:
    """Say what an interrupt leaves, or a scheduler's SIGTERM; typer turns it into exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"Interrupted. {_kept(prepared)}Finished cells are kept: the same command goes on from here.\n")
        raise


def _kept(prepared: Prepared) -> str:
    """Count what is finished, from names alone: whoever interrupts does not wait for checksums."""
    from talan_eval.grid import plan  # noqa: PLC0415 - see perform_grid
    from talan_eval.store.store import MANIFEST_NAME, Store  # noqa: PLC0415 - as above

    directory = prepared.assignments[0].directory
    if not (directory / MANIFEST_NAME).is_file():
        return ""
    store, runs = Store.load(directory), plan(prepared.experiment)
    records, checkpoints = store.record_names(), set(store.checkpoint_names())
    cells = [cell for run in runs for cell in run.evaluations]
    trained = [run for run in runs if prepared.experiment.trains(run.arm)]
    return (
        f"In {directory} are {sum(run.cell_id in checkpoints for run in trained)} of {len(trained)} fine-tunings and "
        f"{sum(cell.cell_id in records for cell in cells)} of {len(cells)} evaluations. "
    )
