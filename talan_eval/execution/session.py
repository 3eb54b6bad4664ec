"""One sitting with an experiment directory: what is missing in it, and the reports when nothing is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from talan_eval.execution.collect import collect
from talan_eval.grid import Run, plan
from talan_eval.report.markdown import render
from talan_eval.store.atomic import atomic_write_bytes
from talan_eval.store.records import Manifest
from talan_eval.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from talan_eval.execution.prepare import Prepared
    from talan_eval.experiment import Experiment
    from talan_eval.schema import Result


@dataclass(frozen=True, slots=True)
class Session:
    """An experiment directory at one moment.

    Attributes:
        store: The directory.
        experiment: What was asked for.
        runs: All runs of the experiment.
        missing: Runs with what is not finished of them.
        problems: Sealed cells that were damaged since; they count as missing.
    """

    store: Store
    experiment: Experiment
    runs: tuple[Run, ...]
    missing: tuple[Run, ...]
    problems: tuple[str, ...]

    def write_reports(self, also: Path | None = None) -> Result:
        """Compute the result and write result.json and report.md.

        Args:
            also: A second place for the JSON.

        Raises:
            UserError: No space or no permission, or samples that do not pair.
        """
        result = collect(self.store, self.experiment, self.runs)
        document = result.to_json().encode()
        atomic_write_bytes(self.store.directory / "result.json", document)
        atomic_write_bytes(self.store.directory / "report.md", render(result).encode())
        if also is not None:
            atomic_write_bytes(also, document)
        return result


def open_session(prepared: Prepared) -> Session:
    """Create the experiment directory, or find out what is missing in it.

    Raises:
        UserError: The directory holds something else, is in use, or cannot be written.
    """
    experiment = prepared.experiment
    created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    manifest = Manifest(experiment.to_json(), created, dict(experiment.versions))
    store = Store.open(prepared.assignment.directory, manifest)
    state = store.verify()
    runs = plan(experiment)
    missing = tuple(rest for run in runs if (rest := run.missing(state.records)) is not None)
    return Session(store, experiment, runs, missing, state.problems)
