"""What of a program's limits this machine allows: nobody may raise what ``ulimit`` or a scheduler has lowered."""

from __future__ import annotations

import dataclasses
import resource
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.judge import SandboxError

if TYPE_CHECKING:
    from talan_eval.sandbox.job import Limits

_KEPT_BY: Final = {
    "cpu_seconds": resource.RLIMIT_CPU,
    "memory_bytes": resource.RLIMIT_AS,
    "file_bytes": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
}


def within_machine(limits: Limits) -> Limits:
    """Return the limits that programs really have here, which messages and results then name.

    Raises:
        SandboxError: The values of a program have no room in a file of the size that is allowed here: a right program
            would be called wrong.
    """
    allowed = {}
    for name, which in _KEPT_BY.items():
        wanted, highest = getattr(limits, name), resource.getrlimit(which)[1]
        allowed[name] = wanted if highest == resource.RLIM_INFINITY else min(wanted, highest)
    if allowed["file_bytes"] <= limits.result_bytes:
        raise SandboxError(
            f"files may have {allowed['file_bytes']} bytes here (ulimit -f), and the values of a program have up to "
            f"{limits.result_bytes}"
        )
    # the signal that tells a program's time from other deaths comes a second before the last limit
    highest = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if highest == allowed["cpu_seconds"]:
        allowed["cpu_seconds"] = max(1, highest - 1)
    return dataclasses.replace(limits, **allowed)
