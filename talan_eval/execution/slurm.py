"""SLURM's commands: hand in a job array, see how its elements are, cancel it; nothing here knows of runs.

Jobs are found by a name that nothing else has, and not by their number: a name is known before there is a job, and
numbers come round again. States come from ``squeue``, which every cluster has; ``sacct`` needs an accounting database.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SECONDS: Final = 120
"""After which a command that hangs, because the controller does, counts as not answered."""

_OURS: Final = frozenset(
    {
        "array",
        "chdir",
        "error",
        "input",
        "job-name",
        "nodes",
        "ntasks",
        "open-mode",
        "output",
        "parsable",
        "wait",
        "wrap",
    }
)
_ENDED: Final = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}
)
_NEVER: Final = re.compile(
    r"PartitionConfig|PartitionTimeLimit|PartitionNodeLimit|BadConstraints|Invalid(Account|QOS)|AccountNotAllowed"
    r"|QOSNotAllowed|QOSTimeLimit|AssociationTimeLimit|(QOS|Assoc)Max\w+PerJob\w*|DependencyNeverSatisfied"
)
"""Reasons for which a job waits that do not pass by waiting."""

_SEE: Final = "sinfo -N -o '%N %P %c %m %G %l'"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an array, as SLURM has it.

    Attributes:
        state: SLURM's word, such as "RUNNING".
        reason: Why it waits, or SLURM's "None".
    """

    state: str
    reason: str

    @property
    def has_ended(self) -> bool:
        """Whether it computes no more and will not be started again."""
        return self.state in _ENDED

    @property
    def waits_forever(self) -> bool:
        """Whether no waiting will start it."""
        return self.state == "PENDING" and _NEVER.fullmatch(self.reason) is not None


def check_installed() -> None:
    """Find out whether SLURM's commands are here.

    Raises:
        UserError: They are not.
    """
    absent = [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]
    if absent:
        raise UserError(
            f"The executor slurm needs SLURM's commands, and this machine has no {', no '.join(absent)}.",
            "Start it on a node of the cluster from which jobs are handed in, or compute here: --executor local",
        )


def checked_options(words: Sequence[str]) -> tuple[str, ...]:
    """Return options of ``sbatch`` as it takes them.

    Args:
        words: As typed: ``partition=gpu``, or ``exclusive`` for one without a value.

    Raises:
        UserError: One is no long option, or is set here.
    """
    for word in words:
        name = word.partition("=")[0]
        if re.fullmatch(r"[a-z][a-z0-9-]+", name) is None:
            raise UserError(
                f"--sbatch {word!r} is no long option of sbatch.", "Type it without dashes: --sbatch partition=gpu"
            )
        if name in _OURS:
            raise UserError(f"--sbatch {word!r}: {name} is set by the comparison itself.", "Leave it out.")
    return tuple(f"--{word}" for word in words)


def submit(script: Path, name: str, options: Sequence[str], count: int, most: int | None) -> None:
    """Hand in a job array.

    Args:
        script: What each element runs; its output is kept beside it, by number.
        name: A name that no other job has.
        options: Further options of ``sbatch``; the last one of a name counts.
        count: Elements.
        most: Elements at a time; None for as many as there is room for.

    Raises:
        UserError: SLURM refuses the job.
    """
    limit = "" if most is None else f"%{most}"
    words = [
        f"--job-name={name}", f"--array=0-{count - 1}{limit}", "--nodes=1", "--ntasks=1", "--requeue",
        f"--output={str(script.parent).replace('%', '%%')}/%a.log", "--open-mode=append", *options,
    ]  # fmt: skip
    done = _run("sbatch", "--parsable", *words, str(script))
    if done is None or done.returncode != 0:
        said = "it does not answer" if done is None else " ".join(done.stderr.split())
        raise UserError(f"SLURM refuses the jobs of these runs: {said}", what_to_ask_for(options))


def what_to_ask_for(options: Sequence[str]) -> str:
    """Return what to type where a request cannot be met."""
    return (
        f"Asked for was: sbatch {' '.join(options)}. What nodes have is shown by: {_SEE}. Ask for what one of them "
        "has: --sbatch partition=NAME --sbatch cpus-per-task=N --sbatch mem=SIZE --sbatch time=MINUTES"
    )


def elements(name: str) -> dict[int, Element] | None:
    """Return the elements of an array that SLURM knows, by number; those that ended are forgotten after some minutes.

    Returns:
        None where SLURM does not answer, so that nothing is known.
    """
    words = ("--noheader", "--array", "--states=all", f"--name={name}", "--format=%K|%T|%r")
    done = _run("squeue", *words)
    if done is None or done.returncode != 0:
        return None
    rows = (line.strip().split("|", 2) for line in done.stdout.splitlines() if line.count("|") > 1)
    return {int(number): Element(state, reason) for number, state, reason in rows if number.isdecimal()}


def cancel(name: str) -> None:
    """Cancel all elements of an array; none may be left."""
    _run("scancel", "--me", f"--jobname={name}")


def _run(*words: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - no shell
    except subprocess.TimeoutExpired:
        return None
