"""Runs one untrusted program in the process that was forked for it, and reports values.

Frames are lines of JSON on a private pipe: ``["locked"]`` when the boundary is complete and before anything untrusted
is read, ``["loaded"]`` behind the program and its set-up, ``["value", i, VALUE]`` or ``["raised", i, TYPE, TEXT]`` for
each call, ``["error", PHASE, TYPE, TEXT]`` where the program ends early, ``["ended"]``. A program can write frames
itself, but what they say is compared elsewhere with expected values that never enter this process.
"""

from __future__ import annotations

import json
import marshal
import os
import sys
import types
from typing import TYPE_CHECKING, Any, Final, Never

from .values import TooLargeError, encode

if TYPE_CHECKING:
    from collections.abc import Callable

LOCKED: Final = b'["locked"]\n'
LOADED: Final = b'["loaded"]\n'
ENDED: Final = b'["ended"]\n'
EXIT_MEMORY: Final = 99
"""Exit status where not even an error could be reported for want of memory."""
EXIT_CHANNEL: Final = 98
"""Exit status where the pipe was gone: the program closed it, or the reader did."""
EXIT_CONFINEMENT: Final = 97
"""Exit status where the boundary could not be completed."""
_MAX_TEXT: Final = 300
_SAMPLE: Final = """
import re
class C:
    def m(self, *a, **k): return [x for x in a if x] + sorted({1: 2}.items())
def f(x, y=2.0):
    try:
        return (x[5], f"{y!r}")
    except IndexError as error:
        return {"a": C().m(1, 2), "b": (x, y, re.sub("a", "b", "aa"))}
def g():
    raise ValueError("sample")
"""


class _Channel:
    """Writes frames to a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, *frame: Any) -> None:  # noqa: ANN401 - JSON has no narrower type
        self.write(json.dumps(frame).encode("ascii") + b"\n")

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]


def run_program(job_descriptor: int, result_descriptor: int, lock: Callable[[], None]) -> Never:
    """Run the job that is to be read from a descriptor, report on another, and end the process.

    Args:
        job_descriptor: Where the job is.
        result_descriptor: Where frames go.
        lock: Completes the boundary; where it fails, the process ends without a frame.
    """
    channel = _Channel(result_descriptor)
    try:
        lock()
    except BaseException:  # noqa: BLE001 - without its boundary nothing may be run
        os._exit(EXIT_CONFINEMENT)
    try:
        channel.write(LOCKED)
        _run(_read_job(job_descriptor), channel)
        channel.write(ENDED)
    except MemoryError:
        os._exit(EXIT_MEMORY)
    except OSError:
        os._exit(EXIT_CHANNEL)
    os._exit(0)


def _read_job(descriptor: int) -> dict[str, Any]:
    """Read the job, which the caller wrote: source, set-up, calls. Marshal needs fewest pages of this fresh process."""
    size = os.fstat(descriptor).st_size
    data = b""
    while len(data) < size:
        data += os.read(descriptor, size - len(data))
    os.close(descriptor)
    job: dict[str, Any] = marshal.loads(data)  # noqa: S302 - from the caller, no program has had it
    return job


def rehearse() -> None:
    """Run a harmless program to the null device in this process, so that forked ones find the compiler ready.

    What Python sets up at first use (the compiler's types above all) costs as much as a small program.
    """
    kept = sys.modules["__main__"]
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        _run({"source": _SAMPLE, "setup": "", "calls": ["f([1])", "g()"]}, _Channel(null))
    finally:
        os.close(null)
        sys.modules["__main__"] = kept
        del sys.modules["program"]


def _run(job: dict[str, Any], channel: _Channel) -> None:
    module = types.ModuleType("program")
    # Some of the standard library looks a class's module up by name (dataclasses, typing, pickle).
    sys.modules["program"] = sys.modules["__main__"] = module
    namespace = module.__dict__
    for phase in ("source", "setup"):
        try:
            code = compile(job[phase], f"<{phase}>", "exec", dont_inherit=True)
        except BaseException as error:  # noqa: BLE001 - whatever the compiler makes of hostile text is the result
            channel.send("error", f"compile {phase}", *_described(error))
            return
        try:
            exec(code, namespace)  # noqa: S102 - running the program is what this process is for
        except BaseException as error:  # noqa: BLE001 - whatever the program raises, SystemExit too, is its result
            channel.send("error", phase, *_described(error))
            return
    channel.write(LOADED)
    for number, call in enumerate(job["calls"]):
        try:
            # In brackets: a call over several lines is one expression.
            value = encode(eval(f"({call}\n)", namespace))  # noqa: S307 - as above
        except TooLargeError as error:
            channel.send("raised", number, "value", f"it is {error}")
        except BaseException as error:  # noqa: BLE001 - whatever the program raises, SystemExit too, is its result
            channel.send("raised", number, *_described(error))
        else:
            channel.send("value", number, value)


def _described(error: BaseException) -> tuple[str, str]:
    """Return an exception's type and text; its own methods may do anything."""
    try:
        text = str(error)[:_MAX_TEXT]
    except BaseException:  # noqa: BLE001 - the program's exception class may raise anything from __str__
        text = ""
    kind = "MemoryError" if isinstance(error, MemoryError) else type(error).__name__[:_MAX_TEXT]
    return kind, text
