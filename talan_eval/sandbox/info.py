"""What is recorded about the boundary, with every result."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from talan_eval.sandbox.job import Limits
from talan_eval.sandbox.machine_limits import within_machine
from talan_eval.sandbox.tiers import Tier, find_tier


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """What stands between a program and the machine; goes into every result.

    Args:
        tier: "1", "2" or "none".
        label: The word that every table carries.
        boundary: The boundary in words.
        python: Version of the interpreter that runs the programs.
        kernel: Name and release of the operating system's kernel.
        limits: What each program may use, as far as this machine allows it.
    """

    tier: str
    label: str
    boundary: str
    python: str
    kernel: str
    limits: Limits


def describe(limits: Limits | None = None, tier: Tier | None = None) -> SandboxInfo:
    """Return what programs will run in, without running any.

    Args:
        limits: What each may use; the defaults when None.
        tier: The boundary; the highest that holds here when None.

    Raises:
        SandboxUnavailableError: No boundary holds here, and none was named.
        SandboxError: As ``within_machine``.
    """
    tier = find_tier().tier if tier is None else tier
    return SandboxInfo(
        tier=tier.value,
        label="unsandboxed" if tier is Tier.NONE else "sandboxed",
        boundary=boundary_in_words(tier),
        python=platform.python_version(),
        kernel=f"{platform.system()} {platform.release()}",
        limits=within_machine(limits or Limits()),
    )


def boundary_in_words(tier: Tier) -> str:
    """Return what a tier consists of on this machine."""
    if tier is Tier.NONE:
        return "separate process with limits"
    if tier is Tier.LANDLOCK:
        return "Landlock and seccomp"
    has_landlock = find_tier().landlock > 0
    return "namespaces, Landlock and seccomp" if has_landlock else "namespaces and seccomp"
