"""A comparison, or the evaluation of one arm: computed as far as it is missing, and reported, while someone watches."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from talan_eval.execution.attempts import Attempts, TooManyPromptsError
from talan_eval.execution.executors import executor_named
from talan_eval.execution.workload import Workload
from talan_eval.pipeline.session import open_session
from talan_eval.requests.experiment_file import to_document
from talan_eval.store.atomic import atomic_write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from talan_eval.execution.workload import GridProgress
    from talan_eval.grid import Run
    from talan_eval.intake.prepare import Prepared
    from talan_eval.pipeline.session import Session
    from talan_eval.requests.grid import GridRequest
    from talan_eval.result.arm_scores import ArmScores
    from talan_eval.result.schema import Result

_NOT_STORED: Final = frozenset({"out", "json", "explain", "dry_run", "pilot"})


class Audience(Protocol):
    """Who watches a comparison."""

    def hear(self, text: str) -> None:
        """Take a sentence about what is there already, or was damaged."""

    def watch(self, workload: Workload) -> GridProgress:
        """Return a display of progress, for a ``with`` block."""


@dataclass(frozen=True, slots=True)
class FinishedGrid:
    """A grid in which nothing more can be computed, and what came of it.

    Attributes:
        result: The published result.
        session: The experiment directory, which is held no longer; its ``check_complete`` says what is missing.
    """

    result: Result
    session: Session


@dataclass(frozen=True, slots=True)
class EvaluatedArm:
    """One arm of which nothing more can be evaluated, and what came of it.

    Attributes:
        scores: Its published scores.
        session: As above.
    """

    scores: ArmScores
    session: Session


def compare(request: GridRequest, prepared: Prepared, audience: Audience, file: Path | None = None) -> FinishedGrid:
    """Compute what is missing of a comparison, and write its reports.

    Args:
        request: The options as typed.
        prepared: What was made of them.
        audience: Who watches.
        file: The experiment file that some of them came from; it is stored with the results.

    Raises:
        UserError: The directory holds something else, is in use or cannot be written, or there is no cluster.
        TooManyPromptsError: An evaluation has run out of memory, now or when it was last run, and all may stop.
        IncompleteGridError: So much failed that nothing can be compared.
        KeyboardInterrupt: Finished cells are kept: the same call goes on from there.
    """
    with _computed(request, prepared, audience, file) as session:
        if fresh := session.confirmation():  # what to confirm is known when the others are read
            _compute(fresh, session, request, prepared, audience)
        return FinishedGrid(session.write_reports(also=request.json), session)


def evaluate(request: GridRequest, prepared: Prepared, audience: Audience, file: Path | None = None) -> EvaluatedArm:
    """Compute what is missing of the evaluations of one arm, and write its reports; arguments and errors as above."""
    with _computed(request, prepared, audience, file) as session:
        return EvaluatedArm(session.write_scores(also=request.json), session)


@contextlib.contextmanager
def _computed(request: GridRequest, prepared: Prepared, audience: Audience, file: Path | None) -> Iterator[Session]:
    """Hold an experiment directory inside the block, in which what was missing has been computed."""
    with open_session(prepared) as session:
        _store_request(session, request, file)
        _say_what_is_there(session, audience)
        if prepared.may_stop and (starved := session.starved()) is not None:
            raise TooManyPromptsError(starved.name)
        if session.missing:
            _compute(session.missing, session, request, prepared, audience)
        yield session


def _compute(
    missing: tuple[Run, ...],
    session: Session,
    request: GridRequest,
    prepared: Prepared,
    audience: Audience,
) -> None:
    workload = Workload(
        missing,
        len({run.cell_id for run in (*session.every_run(), *missing)}) - len(missing),
        {one.backbone: one.training.steps_for(prepared.experiment.n_train) for one in prepared.assignments},
        {task.name: task.n_items for task in prepared.experiment.tasks},
        frozenset(session.store.checkpoint_names()),
    )
    with audience.watch(workload) as progress:
        attempts = Attempts(session.store, missing, prepared.retries, progress, may_stop=prepared.may_stop)
        executor_named(request, prepared).perform_all(prepared.assignments, attempts, progress)
    if attempts.starved is not None:
        raise TooManyPromptsError(attempts.starved.name)


def _store_request(session: Session, request: GridRequest, file: Path | None) -> None:
    """Keep the options as an experiment file of their own, and the file that was named as it was."""
    document = json.dumps(to_document(request, _NOT_STORED), indent=2) + "\n"
    atomic_write_bytes(session.store.directory / "request.json", document.encode())
    if file is not None:
        atomic_write_bytes(session.store.directory / f"experiment{file.suffix}", file.read_bytes())


def _say_what_is_there(session: Session, audience: Audience) -> None:
    for problem in session.problems:
        audience.hear(problem)
    if session.adopted:
        origins = ", ".join(sorted(set(session.adopted.values())))
        audience.hear(f"{len(session.adopted)} evaluations were computed before and are taken from {origins}")
