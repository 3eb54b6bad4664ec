"""Runs the conformance suite and the positive control."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.conformance import disk, machine, verdict
from talan_eval.sandbox.conformance.attack import PRELUDE, Attack
from talan_eval.sandbox.conformance.scene import Scene, scene
from talan_eval.sandbox.conformance.solutions import SOLUTIONS
from talan_eval.sandbox.job import Job, Limits, Status
from talan_eval.sandbox.judge import SandboxError
from talan_eval.sandbox.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from talan_eval.sandbox.inside.boundary import Layer
    from talan_eval.sandbox.tiers import Tier

GROUPS: Final[dict[str, tuple[Attack, ...]]] = {
    "reading": machine.READING,
    "writing": machine.WRITING,
    "network": machine.NETWORK,
    "processes": machine.PROCESSES,
    "kernel": machine.KERNEL,
    "left behind": machine.LEFT_BEHIND,
    "forging": verdict.FORGING,
    "stalling": verdict.STALLING,
    "resources": verdict.RESOURCES,
    "files": disk.DISK,
}
LIMITS: Final = Limits(
    cpu_seconds=1, wall_seconds=2.5, memory_bytes=256 << 20, file_bytes=4 << 20, disk_bytes=16 << 20, processes=16
)
_GOOD: Final = Job("def f(x):\n    return x + 1", ("assert f(1) == 2", "assert f(2) == 3"))


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What became of one program.

    Args:
        group: The class of the program.
        name: What it tries.
        problem: What went wrong, or None where the boundary held.
    """

    group: str
    name: str
    problem: str | None


def attacks_of(tier: Tier) -> list[tuple[str, Attack]]:
    """Return the attacks that a tier promises to contain, with their groups."""
    return [(group, attack) for group, attacks in GROUPS.items() for attack in attacks if tier in attack.tiers]


def check(tier: Tier, *, without: Sequence[Layer] = (), only: Sequence[str] | None = None) -> Iterator[AttackResult]:
    """Run the conformance suite and the positive control, and yield what became of each program.

    Args:
        tier: The boundary.
        without: Layers to leave out, for showing that the suite notices.
        only: Names of attacks; all when None.

    Raises:
        TierUnavailableError: The tier does not hold here.
    """
    with (
        tempfile.TemporaryDirectory(prefix="talan-eval-check-") as directory,
        scene(Path(directory)) as outside,
        Runner(LIMITS, 1, tier, without=without) as runner,
    ):
        for group, attack in attacks_of(tier):
            if only is None or attack.name in only:
                yield AttackResult(group, attack.name, _problem(attack, runner, outside))
        if only is None:
            yield from _positive_control(runner, tier)


def _problem(attack: Attack, runner: Runner, outside: Scene) -> str | None:
    """Run one attack; return what went wrong, or None."""
    if attack.before is not None:
        list(runner.run([Job(attack.before, ())]))
    try:
        (outcome,) = runner.run([Job(outside.names + PRELUDE + attack.source, attack.tests)])
        (after,) = runner.run([_GOOD])
    except SandboxError as error:
        return f"it broke the sandbox: {error}"
    damage = outside.damage()
    if damage is not None:
        return damage
    if after.status is not Status.PASSED:
        return f"the next program does not run: {after.detail}"
    if outcome.status in attack.expected:
        return None
    return f"it {outcome.status.value}: {outcome.detail}"


def _positive_control(runner: Runner, tier: Tier) -> Iterator[AttackResult]:
    """Run right programs: a boundary in which nothing works would contain everything."""
    solutions = [solution for solution in SOLUTIONS if tier in solution.tiers]
    for solution, outcome in zip(solutions, runner.run([solution.job for solution in solutions]), strict=True):
        passed = outcome.status is Status.PASSED
        yield AttackResult(
            "positive control", solution.name, None if passed else f"{outcome.status.value}: {outcome.detail}"
        )
