"""The trusted judge: a process that runs no program, compares values, and is ended where that takes too long.

It gets the expected values and the bytes that a program wrote, and answers with a ``Finding``. Hostile bytes can make a
comparison slow (numbers of a million digits, say), so each one has a limit in CPU time, which the kernel keeps: the
process is ended by a signal that it does not handle. Where there is a boundary it is inside one too.
"""

from __future__ import annotations

import json
import resource
import signal
import struct
import sys
from typing import TYPE_CHECKING, Final

from .boundary import Boundary, Setup
from .frames import examine, read_report
from .limits import reachable

if TYPE_CHECKING:
    from io import BufferedReader, BufferedWriter

HEADER: Final = struct.Struct(">QQ")
"""In front of each request: the lengths of the expected values (JSON) and of what the program wrote."""
READY: Final = b"ready\n"
_MOST_MEMORY: Final = 2 << 30


def main() -> None:
    """Judge what comes in on standard input until it ends."""
    arguments = json.loads(sys.argv[1])
    source, answers = open(0, "rb"), open(1, "wb")  # noqa: SIM115 - descriptors, for the life of the process
    for which, limits in reachable(((resource.RLIMIT_AS, _MOST_MEMORY, _MOST_MEMORY), (resource.RLIMIT_CORE, 0, 0))):
        resource.setrlimit(which, limits)
    Boundary(Setup.from_json(arguments["setup"])).enter_as_judge()
    answers.write(READY)
    answers.flush()
    while _judge_one(source, answers, arguments["seconds"]):
        pass


def _judge_one(source: BufferedReader, answers: BufferedWriter, seconds: float) -> bool:
    """Answer one request; return whether there was one."""
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return False
    expected, data = (source.read(length) for length in HEADER.unpack(header))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    finding = examine(read_report(data), json.loads(expected))
    signal.setitimer(signal.ITIMER_PROF, 0)
    answers.write(json.dumps(finding).encode("ascii") + b"\n")
    answers.flush()
    return True
