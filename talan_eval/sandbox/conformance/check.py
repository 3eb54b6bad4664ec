"""Runs the conformance suite and the positive control."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.conformance import files, machine, verdict
from talan_eval.sandbox.conformance.probe import PRELUDE, Probe
from talan_eval.sandbox.conformance.scene import Scene, scene
from talan_eval.sandbox.conformance.solutions import SOLUTIONS
from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.judge import SandboxError
from talan_eval.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.sandbox.inside.boundary import Layer
    from talan_eval.sandbox.tiers import Tier

GROUPS: Final[dict[str, tuple[Probe, ...]]] = {
    "reading": machine.READING,
    "writing": machine.WRITING,
    "network": machine.NETWORK,
    "processes": machine.PROCESSES,
    "kernel": machine.KERNEL,
    "left behind": machine.LEFT_BEHIND,
    "forging": verdict.FORGING,
    "stalling": verdict.STALLING,
    "resources": verdict.RESOURCES,
    "files": files.FILES,
}
LIMITS: Final = Limits(
    cpu_seconds=1, wall_seconds=2.5, memory_bytes=256 << 20, file_bytes=4 << 20, disk_bytes=16 << 20, processes=16
)
_GOOD: Final = Job("def f(x):\n    return x + 1", ("assert f(1) == 2", "assert f(2) == 3"))


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one program.

    Args:
        group: The class of the program.
        name: What it tries.
        problem: What went wrong, or None where the boundary held.
    """

    group: str
    name: str
    problem: str | None


def probes_of(tier: Tier) -> list[tuple[str, Probe]]:
    """Return the probes that a tier promises to contain, with their groups."""
    return [(group, probe) for group, probes in GROUPS.items() for probe in probes if tier in probe.tiers]


def check(tier: Tier, *, without: Sequence[Layer] = (), only: Sequence[str] | None = None) -> Iterator[Finding]:
    """Run the conformance suite and the positive control, and yield what became of each program.

    Args:
        tier: The boundary.
        without: Layers to leave out, for showing that the suite notices.
        only: Names of probes; all when None.

    Raises:
        TierUnavailableError: The tier does not hold here.
    """
    with (
        tempfile.TemporaryDirectory(prefix="talan-eval-check-") as directory,
        scene(Path(directory)) as outside,
        Runner(LIMITS, 1, tier, without=without) as runner,
    ):
        for group, probe in probes_of(tier):
            if only is None or probe.name in only:
                yield Finding(group, probe.name, _problem(probe, runner, outside))
        if only is None:
            yield from _positive_control(runner, tier)


def _problem(probe: Probe, runner: Runner, outside: Scene) -> str | None:
    """Run one probe; return what went wrong, or None."""
    if probe.before is not None:
        list(runner.run([Job(probe.before, ())]))
    try:
        (outcome,) = runner.run([Job(outside.names + PRELUDE + probe.source, probe.tests)])
        (after,) = runner.run([_GOOD])
    except SandboxError as error:
        return f"it broke the sandbox: {error}"
    damage = outside.damage()
    if damage is not None:
        return damage
    if after.status is not Status.PASSED:
        return f"the next program does not run: {after.detail}"
    if outcome.status in probe.expected:
        return None
    return f"it {outcome.status.value}: {outcome.detail}"


def _positive_control(runner: Runner, tier: Tier) -> Iterator[Finding]:
    """Run right programs: a boundary in which nothing works would contain everything."""
    solutions = [solution for solution in SOLUTIONS if tier in solution.tiers]
    for solution, outcome in zip(solutions, runner.run([solution.job for solution in solutions]), strict=True):
        passed = outcome.status is Status.PASSED
        yield Finding(
            "positive control", solution.name, None if passed else f"{outcome.status.value}: {outcome.detail}"
        )
