"""One sitting with an experiment directory: what is missing in it, and the reports when nothing more can be done."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from talan_core.errors import UserError
from talan_eval.grid import Run, confirmation, plan
from talan_eval.pipeline.collect import collect, selected_arms
from talan_eval.pipeline.collect_scores import collect_scores
from talan_eval.records.adoption import adopt, offers
from talan_eval.report.markdown import render
from talan_eval.report.scored import markdown as scores_report
from talan_eval.store.atomic import atomic_write_bytes, make_directory
from talan_eval.store.records import CorruptedError, Manifest
from talan_eval.store.reports import write_reports
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from pathlib import Path

    from talan_eval.comparison import StatisticsSettings
    from talan_eval.experiment import Experiment
    from talan_eval.intake.prepare import Prepared
    from talan_eval.result.arm_scores import ArmScores
    from talan_eval.result.schema import Result
    from talan_eval.store.failures import Failure

_Document = TypeVar("_Document", "Result", "ArmScores")
_Made_co = TypeVar("_Made_co", covariant=True)


class _Gather(Protocol[_Made_co]):
    """Makes a document of what is sealed."""

    def __call__(
        self,
        store: Store,
        experiment: Experiment,
        runs: Sequence[Run],
        failures: Mapping[str, Failure] | None,
        statistics: StatisticsSettings | None,
    ) -> _Made_co: ...


class IncompleteGridError(UserError):
    """Some cells have no result after all attempts; the others are reported."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Session:
    """An experiment directory at one moment, held by this process.

    Attributes:
        store: The directory.
        experiment: What was asked for.
        runs: All runs of the experiment.
        missing: Runs with what is not finished of them.
        adopted: Evaluations that were taken from sibling directories now, with the sibling's name.
        problems: Sealed cells and checkpoints that were damaged since; they count as missing.
        statistics: Settings of the statistics; no part of the experiment, since they change no cell.
        keep_answers: Whether what models wrote may lie here.
    """

    store: Store
    experiment: Experiment
    runs: tuple[Run, ...]
    missing: tuple[Run, ...]
    adopted: dict[str, str]
    problems: tuple[str, ...]
    statistics: StatisticsSettings
    keep_answers: bool = True

    def write_reports(self, also: Path | None = None) -> Result:
        """Compute the result and write result.json and report.md, when no worker is at work any more.

        Args:
            also: A second place for the JSON.

        Raises:
            UserError: No space or no permission, or samples that do not pair.
            IncompleteGridError: A benchmark has no pair of arms at all, because cells failed.
        """
        return self._written(collect, render, also)

    def write_scores(self, also: Path | None = None) -> ArmScores:
        """Do the same for an experiment of one arm, which is compared with nothing.

        Raises:
            UserError: As above.
            IncompleteGridError: The arm has no scores at all, because cells failed.
        """
        return self._written(collect_scores, scores_report, also)

    def _written(self, gather: _Gather[_Document], show: Callable[[_Document], str], also: Path | None) -> _Document:
        self.store.tidy()
        failures = self.failures()
        try:
            found = gather(self.store, self.experiment, self.every_run(), failures, self.statistics)
        except UserError as error:
            if not failures:
                raise
            raise IncompleteGridError(f"{self._listed(failures)}\n{error.problem}", self._again()) from error
        document = found.to_json().encode()
        files = {"result.json": document, "report.md": show(found).encode()}
        write_reports(self.store.directory, files, self.store.record_hashes())
        if also is not None:
            make_directory(also.absolute().parent)
            atomic_write_bytes(also, document)
        return found

    def every_run(self) -> tuple[Run, ...]:
        """Return the runs, and those of the confirmation of which anything is there."""
        names = self.store.record_names() | set(self.store.checkpoint_names()) | set(self.store.failures())
        own = {run.cell_id for run in self.runs}  # an arm without seeds is not run again
        fresh = [run for run in confirmation(self.experiment, self.experiment.arms) if run.cell_id not in own]
        return (*self.runs, *(run for run in fresh if run.cell_id in names))

    def confirmation(self) -> tuple[Run, ...]:
        """Return what is missing of the confirmation, now that the selection is computed; nothing without one.

        Raises:
            UserError: No space or no permission.
        """
        if not self.experiment.confirm:
            return ()
        try:
            arms = selected_arms(self.store, self.experiment, self.runs, self.statistics)
        except UserError:
            if not self.failures():
                raise
            return ()  # nothing can be chosen; what failed is said where the reports are written
        runs = confirmation(self.experiment, arms)
        missing = still_missing(runs, self.store.record_names())
        adopted = adopt(self.store, missing, offers(self.store.directory, answers=self.keep_answers)) if missing else {}
        return still_missing(missing, adopted)

    def check_complete(self) -> None:
        """Say what is missing for good.

        Raises:
            IncompleteGridError: Cells failed.
        """
        failures = self.failures()
        if failures:
            raise IncompleteGridError(self._listed(failures), self._again())

    def failures(self) -> dict[str, Failure]:
        """Return why cells have no result; a failure whose cells were finished since is none."""
        known = self.store.failures()
        unfinished = {
            name
            for run in self.every_run()
            for cell in run.evaluations
            if not self.store.has_record(cell.cell_id)
            for name in (run.cell_id, cell.cell_id)
        }
        return {name: failure for name, failure in known.items() if name in unfinished}

    def starved(self) -> Failure | None:
        """Return an evaluation that was given up for want of memory; None without one."""
        return next((one for one in self.failures().values() if one.starved), None)

    def _listed(self, failures: dict[str, Failure]) -> str:
        lines = [f"  {failure.name}: {failure.message}" for failure in failures.values()]
        lost = (
            "and their pairs are left out of the arms' contrasts"
            if self.experiment.contrasts
            else "and count in no mean"
        )
        return f"{len(lines)} cell(s) have no result, {lost}:\n" + "\n".join(lines)

    def _again(self) -> str:
        said = (
            f"Tracebacks are in {self.store.directory / 'failures'}. Mend the cause and give the same command again: "
            "it computes these cells only."
        )
        batch = min(one.eval_batch for one in self.experiment.backbones)
        if batch == 1 or self.starved() is None:
            return said
        # in low precision an answer can depend on its batch, so no arm may be answered in another one
        return (
            f"{said}\nOut of memory with {batch} prompts at a time: type the command with --eval-batch {batch // 2} "
            f"--out {self.store.directory}-{batch // 2}. It takes over what was trained, and asks all arms again."
        )


@contextlib.contextmanager
def open_session(prepared: Prepared) -> Iterator[Session]:
    """Create the experiment directory, or find out what is missing in it, and hold it inside the block.

    Raises:
        UserError: The directory holds something else, is in use, or cannot be written.
    """
    experiment = prepared.experiment
    created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    manifest = Manifest(experiment.to_json(), created, dict(experiment.versions))
    directory = prepared.assignments[0].directory
    with Store.held(directory, manifest) as store:
        state = store.verify()
        runs = plan(experiment)
        missing = still_missing(runs, state.records)
        kept = prepared.assignments[0].keep_answers
        adopted = adopt(store, missing, offers(directory, answers=kept)) if missing else {}
        missing = still_missing(missing, adopted)
        problems = (*state.problems, *_damaged_checkpoints(store, missing))
        yield Session(store, experiment, runs, missing, adopted, problems, prepared.statistics, kept)


def still_missing(runs: tuple[Run, ...], finished: Container[str]) -> tuple[Run, ...]:
    """Return the runs with what is not finished of them."""
    return tuple(rest for run in runs if (rest := run.missing(finished)) is not None)


def _damaged_checkpoints(store: Store, missing: tuple[Run, ...]) -> Iterator[str]:
    """Remove the checkpoints that are needed and damaged, and say so."""
    for run in missing:
        try:
            store.check_checkpoint(run.cell_id)
        except CorruptedError as error:
            store.remove_checkpoint(run.cell_id)
            yield f"Checkpoint {run.cell_id} is trained again: {error}."
