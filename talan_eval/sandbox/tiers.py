"""Which boundary this machine allows, found out by trying."""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.home import Home
from talan_eval.sandbox.inside.boundary import Setup
from talan_eval.sandbox.job import Limits
from talan_eval.sandbox.judge import SandboxError
from talan_eval.sandbox.machine_limits import within_machine
from talan_eval.sandbox.worker import TierUnavailableError, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tier(enum.StrEnum):
    """What stands between a program and the machine."""

    NAMESPACES = "1"
    """Namespaces, Landlock where the kernel has it, and seccomp."""
    LANDLOCK = "2"
    """Landlock and seccomp."""
    NONE = "none"
    """A process with limits: no boundary."""


SANDBOXED: Final = (Tier.NAMESPACES, Tier.LANDLOCK)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")
_STORES: Final = ("/nix/store", "/gnu/store")
_FIX: Final = (
    "Programs need Linux with user namespaces, or Linux 5.13 or newer with Landlock (docs/sandbox.md names the setting "
    "for Docker, GitHub Actions and SLURM). See more with: talan-eval sandbox check. To run programs without a "
    "boundary, which every result will say, type --unsafe-no-sandbox."
)
_ROOM: Final = (
    "Allow more memory, processes, files, or space among the temporary files (ulimit -a shows what is allowed, TMPDIR "
    "names another place), then type: talan-eval sandbox check"
)
_ELSEWHERE: Final = (
    "Programs run on Linux only: use a Linux machine or container, or leave MBPP out, as in --tasks gsm8k,math500."
)


class SandboxUnavailableError(SandboxError):
    """No boundary works on this machine, so no program is run.

    Args:
        tried: Each tier and why it is not available.
        fix: What to do about it; that which helps where the kernel refuses when None.
    """

    def __init__(self, tried: Sequence[tuple[Tier, str]], fix: str | None = None) -> None:
        self.fix = fix or (_FIX if sys.platform == "linux" else _ELSEWHERE)
        reasons = "; ".join(f"tier {tier.value}: {reason}" for tier, reason in tried)
        self.problem = f"Programs cannot be sandboxed here: {reasons}."
        super().__init__(f"{self.problem} {self.fix}")
        self.tried = tuple(tried)


@dataclass(frozen=True, slots=True)
class AvailableTier:
    """The boundary that this machine allows.

    Args:
        tier: The highest tier whose self-test held.
        layers: What it consists of.
        landlock: The kernel's version of Landlock, 0 without.
        tried: Higher tiers, and why each is not available.
    """

    tier: Tier
    layers: tuple[str, ...]
    landlock: int
    tried: tuple[tuple[Tier, str], ...]


@functools.cache
def find_tier() -> AvailableTier:
    """Return the highest tier that holds here; tried once in each process.

    Raises:
        SandboxUnavailableError: None does.
    """
    tried: list[tuple[Tier, str]] = []
    for tier in SANDBOXED:
        try:
            return try_tier(tier, tuple(tried))
        except TierUnavailableError as error:
            tried.append((tier, str(error)))
    raise SandboxUnavailableError(tried)


def try_tier(tier: Tier, tried: tuple[tuple[Tier, str], ...] = ()) -> AvailableTier:
    """Start one worker of a tier and return what it consists of.

    Args:
        tier: Which.
        tried: Passed on.

    Raises:
        TierUnavailableError: The kernel refuses, or the self-test found a leak.
        SandboxUnavailableError: No process can be started, or no file made: no other tier could do with less.
    """
    if sys.platform != "linux":
        raise TierUnavailableError(f"this is {sys.platform}, not Linux")
    try:
        limits = within_machine(Limits())
        with Home() as home, contextlib.closing(Worker(limits, setup(tier, home.path), home.path)) as worker:
            worker.await_ready()
            return AvailableTier(tier, worker.layers, worker.landlock, tried)
    except TierUnavailableError:
        raise
    except (OSError, SandboxError) as error:
        raise SandboxUnavailableError([*tried, (tier, f"no worker can be started: {error}")], _ROOM) from error


def setup(tier: Tier, directory: Path, limits: Limits | None = None, without: Sequence[str] = ()) -> Setup:
    """Return what a worker is told about its boundary.

    Args:
        tier: Which boundary.
        directory: Where the worker's own directory is made.
        limits: What programs may use.
        without: Layers to leave out; only for showing that the conformance suite notices.
    """
    readable, hidden = interpreter_paths()
    return Setup(
        tier=tier.value,
        directory=tempfile.mkdtemp(prefix="worker-", dir=directory),
        readable=readable,
        hidden=hidden,
        devices=_DEVICES,
        disk_bytes=(limits or Limits()).disk_bytes,
        without=tuple(without),
    )


@functools.cache
def interpreter_paths() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the interpreter needs of the file system, and what of that is to appear empty."""
    stdlib = os.path.dirname(os.__file__)  # noqa: PTH120 - kept as text, links and all: the interpreter's own name for it
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    wanted = [*_LIBRARIES, stdlib, f"{sys.base_exec_prefix}/{sys.platlibdir}/{version}"]
    wanted += [path for path in (sysconfig.get_config_var("DESTSHARED"),) if isinstance(path, str)]
    if not sys.base_prefix.startswith(("/usr", "/lib")):
        wanted.append(f"{sys.base_prefix}/lib")  # conda and pyenv keep shared libraries there
    wanted += [store for store in _STORES if sys.base_prefix.startswith(store)]
    existing = sorted({path for path in wanted if Path(path).exists()})
    readable = tuple(
        path for path in existing if not any(path.startswith(other + "/") for other in existing if other != path)
    )
    packages = [f"{stdlib}/{name}" for name in ("site-packages", "dist-packages")]
    packages += [f"{sys.base_exec_prefix}/{sys.platlibdir}/{version}/site-packages", "/usr/lib/python3/dist-packages"]
    return readable, tuple(dict.fromkeys(path for path in packages if Path(path).is_dir()))
