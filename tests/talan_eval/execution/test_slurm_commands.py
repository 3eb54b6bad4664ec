"""What is said to SLURM and understood of it, where no SLURM is needed to see it."""

from __future__ import annotations

import subprocess

import pytest

from talan_core.errors import UserError
from talan_eval.execution import slurm
from talan_eval.execution.events import Event
from talan_eval.execution.slurm_executor import SlurmExecutor
from talan_eval.execution.slurm_job import EventsFile
from talan_eval.grid import Run


def test_without_slurm_it_says_where_to_start(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match=r"no sbatch, no squeue, no scancel(.|\n)*--executor local"):
        slurm.check_installed()


@pytest.mark.parametrize(
    ("reason", "forever"),
    [
        ("Resources", False), ("Priority", False), ("JobArrayTaskLimit", False), ("QOSMaxJobsPerUserLimit", False),
        ("PartitionTimeLimit", True), ("BadConstraints", True), ("QOSMaxCpuPerJobLimit", True), ("InvalidQOS", True),
    ],
)  # fmt: skip
def test_reasons_that_pass_are_waited_for(reason, forever):
    assert slurm.Element("PENDING", reason).waits_forever == forever
    assert not slurm.Element("RUNNING", reason).waits_forever


def test_events_are_read_once_and_only_whole_lines(tmp_path):
    path = tmp_path / "3.events"
    events = EventsFile(tmp_path, 3)
    assert events.fresh() == []
    line = '{"run": "r", "arm": "lora", "seed": 0, "stage": "start", "done": 0, "total": 2, "task": "", "text": ""}\n'
    path.write_text(line + line[:20])
    assert events.fresh() == [Event("r", "lora", 0, "start", 0, 2)]
    assert events.fresh() == []
    path.write_text(line + line)
    assert len(events.fresh()) == 1


class Waiting:
    """Runs that wait, without a store."""

    def __init__(self, number):
        self._number = number

    def next(self):
        self._number -= 1
        return Run("train", "lora", "micro", self._number, ()) if self._number >= 0 else None


@pytest.mark.parametrize(
    ("most", "underway", "waiting", "taken"),
    [(None, 0, 1500, 1000), (None, 7, 3, 3), (2, 0, 9, 9), (2, 1, 9, 1), (2, 2, 9, 0), (0 + 3, 5, 9, 0)],
)
def test_an_array_holds_all_that_waits_and_a_further_one_what_there_is_room_for(most, underway, waiting, taken):
    executor = SlurmExecutor(most, 1, ())
    assert len(list(executor._taken(Waiting(waiting), underway))) == taken


def test_a_percent_sign_of_the_directory_is_no_pattern_of_slurm(tmp_path, monkeypatch):
    said = []

    def hear(*words):
        said.extend(words)
        return subprocess.CompletedProcess(words, 0, "7", "")

    monkeypatch.setattr(slurm, "_run", hear)
    slurm.submit(tmp_path / "100%j" / "job.sh", "name", (), 2, None)
    assert f"--output={tmp_path}/100%%j/%a.log" in said
