"""The boundary of a worker: what it puts around itself before it takes the first program, and around each program.

Tier 1 is namespaces, Landlock where the kernel has it, and seccomp; tier 2 is Landlock and seccomp; tier "none" is a
process with limits. Only in tier 1 has the working directory a file system of its own, whose size the kernel keeps; in
tier 2 programs make, change and remove no files at all. Each layer can be left out by name, for one purpose only: to
show that the conformance suite notices. A worker that leaves one out says so, and is never chosen for a result.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

from . import landlock, namespaces
from .kernel import PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, drop_privileges, prctl
from .seccomp import Filter, program
from .syscalls import MACHINES, machine

if TYPE_CHECKING:
    from collections.abc import Callable


class Layer(enum.StrEnum):
    """One part of the boundary."""

    NAMESPACES = "namespaces"
    """Tier 1: an own view of files, processes, network, IPC and host name."""
    LANDLOCK = "landlock"
    """Files outside the interpreter and the working directory cannot be opened; no special files are made. Each program
    is in a domain below its worker's, from which it cannot look into the worker."""
    PRIVILEGES = "privileges"
    """No capabilities, and none to be gained; nobody without them looks into the worker."""
    SECCOMP = "seccomp"
    """System calls that a program does not need are refused."""
    LIMITS = "limits"
    """CPU time, address space, file size, open files; no core dumps."""
    DESCRIPTORS = "descriptors"
    """A program holds the null device and the file for its values, nothing else."""
    ENVIRONMENT = "environment"
    """The worker is started with an environment that holds nothing of the caller's."""
    CLEANING = "cleaning"
    """What a program leaves in its working directory is removed before the next one; where it can leave anything."""


class Setup(NamedTuple):
    """What a worker is told.

    Args:
        tier: "1", "2" or "none".
        directory: An empty directory for this worker alone.
        readable: What the interpreter needs of the file system.
        hidden: What of that is to appear empty: packages that were installed.
        devices: Device files for programs.
        disk_bytes: What a program may fill, in tier 1.
        without: Layers to leave out.
    """

    tier: str
    directory: str
    readable: tuple[str, ...]
    hidden: tuple[str, ...]
    devices: tuple[str, ...]
    disk_bytes: int
    without: tuple[str, ...]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Setup:
        """Read what ``dataclasses.asdict`` and JSON made of one."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        return cls(**values)

    def has(self, layer: Layer) -> bool:
        """Tell whether a layer is part of this boundary."""
        if layer.value in self.without:
            return False
        if self.tier == "none":
            return layer in (Layer.LIMITS, Layer.DESCRIPTORS, Layer.ENVIRONMENT, Layer.CLEANING)
        return {Layer.NAMESPACES: self.tier == "1", Layer.CLEANING: self.writes_files()}.get(layer, True)

    def writes_files(self) -> bool:
        """Tell whether programs can make files in their working directory."""
        return self.tier != "2" or Layer.LANDLOCK.value in self.without


class Boundary:
    """The boundary of this process, entered step by step.

    Args:
        setup: What it consists of.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.directory = setup.directory
        self.landlock_version = 0
        self._filter: Filter | None = None
        self._set_apart: Callable[[], None] = lambda: None

    def enter(self) -> None:
        """Take on what holds for the worker and all its programs; in tier 1 this goes on in a new process.

        Raises:
            OSError: The kernel refuses, so this tier is not available here.
        """
        has = self.setup.has
        self.landlock_version = 0 if self.setup.tier == "none" else landlock.version()
        if has(Layer.SECCOMP):
            if machine() not in MACHINES:
                raise OSError(f"no table of system calls for the processor {machine()}")
            self._filter = self._made_filter(has_own_files=self.setup.writes_files())
        if self.setup.tier == "2" and self.landlock_version == 0:
            raise OSError("the kernel has no Landlock, or it is not among the security modules that are switched on")
        if has(Layer.NAMESPACES):
            namespaces.enter(self._view())
            self.directory = namespaces.WORK
        else:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        if has(Layer.PRIVILEGES):
            drop_privileges()
        elif self.setup.tier != "none":
            prctl(PR_SET_NO_NEW_PRIVS, 1)  # without it an ordinary user may not take on what follows
        if has(Layer.LANDLOCK) and self.landlock_version > 0:
            s = self.setup
            own = (self.directory,)
            readable, writable = (s.readable, own) if s.writes_files() else ((*s.readable, *own), ())
            # The rules stay open: each program takes them on once more.
            self._set_apart = landlock.restricting(landlock.ruleset(landlock.Grants(readable, writable, s.devices)))
            self._set_apart()

    def enter_as_judge(self) -> None:
        """Take on what the process that compares values can live with: no files to write, nothing to start.

        Raises:
            OSError: The kernel refuses.
        """
        if self.setup.tier == "none":
            return
        self.landlock_version = landlock.version()
        drop_privileges()
        if self.landlock_version > 0:
            landlock.restricting(landlock.ruleset(landlock.Grants(self.setup.readable, (), ())))()
        self._made_filter(has_own_files=False).take_on()

    def set_apart(self) -> Callable[[], None]:
        """Return what keeps a program's process from its worker; to be called before descriptors are closed."""
        return self._set_apart

    def lock(self) -> Callable[[], None]:
        """Return what takes on what holds for one program: behind it, only the program is run."""
        return (lambda: None) if self._filter is None else self._filter.take_on

    def layers(self) -> list[str]:
        """Return the names of the layers that are in force."""
        missing = {Layer.LANDLOCK} if self.landlock_version == 0 else set()
        return [layer.value for layer in Layer if self.setup.has(layer) and layer not in missing]

    def _made_filter(self, *, has_own_files: bool) -> Filter:
        return Filter(program(machine(), has_landlock=self.landlock_version > 0, has_own_files=has_own_files))

    def _view(self) -> namespaces.MachineView:
        s = self.setup
        return namespaces.MachineView(s.directory, s.readable, s.hidden, s.devices, s.disk_bytes)
