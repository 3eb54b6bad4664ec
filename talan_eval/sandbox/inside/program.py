"""Runs one untrusted program in the process that was forked for it, and reports values.

Frames are lines of JSON in a private file: ``["loaded"]`` behind the program and its set-up, ``["value", i, VALUE]`` or
``["raised", i, TYPE, TEXT]`` for each call, ``["error", PHASE, TYPE, TEXT]`` where the program ends early,
``["ended"]``. Each is written at once, so what was reported before a crash is there. A program can write and erase
frames itself, but what they say is compared elsewhere with expected values that never enter this process. That the
boundary is complete is therefore said elsewhere: on a socket that is closed before anything untrusted is read.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys
import types
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any, Final, Never

from .descriptors import ALL, COMPLETE, JOB, LOCKED, RESULT
from .values import TooLargeError, encode

if TYPE_CHECKING:
    from collections.abc import Callable

LOADED: Final = b'["loaded"]\n'
ENDED: Final = b'["ended"]\n'
EXIT_MEMORY: Final = 99
"""Exit status where not even an error could be reported for want of memory."""
EXIT_CHANNEL: Final = 98
"""Exit status where frames could not be written: the program closed the file, or it is full."""
EXIT_CONFINEMENT: Final = 97
"""Exit status where the boundary could not be completed."""
_MAX_TEXT: Final = 300
_CHUNK: Final = 1 << 16


def run_program(namespace: dict[str, Any], lock: Callable[[], None]) -> Never:
    """Run the job that is to be read from its descriptor, report on another, and end the process.

    Args:
        namespace: Of the module that the program is.
        lock: Completes the boundary; where it fails, the process ends without having said that it is complete.
    """
    try:
        lock()
        say(LOCKED, COMPLETE)
    except BaseException:  # noqa: BLE001 - without its boundary nothing may be run
        os._exit(EXIT_CONFINEMENT)
    try:
        run(read_job(JOB), namespace, RESULT)
    except MemoryError:
        os._exit(EXIT_MEMORY)
    except BaseException:  # noqa: BLE001 - a signal handler of the program's, too, may raise at any moment
        os._exit(EXIT_CHANNEL)
    os._exit(0)


def give_up(error: int, first: int, limits: tuple[tuple[int, tuple[int, int]], ...]) -> None:
    """Give up what a program shall not have.

    Args:
        error: Descriptor that becomes what standard output is, which of a worker is the null device.
        first: Descriptors from here on are closed.
        limits: Resources and their limits.

    Raises:
        OSError: The kernel refuses.
    """
    os.dup2(1, error)
    os.closerange(first, ALL)
    for which, limit in limits:
        resource.setrlimit(which, limit)


def say(descriptor: int, what: bytes) -> None:
    """Write to a descriptor once, and close it."""
    os.write(descriptor, what)
    os.close(descriptor)


def read_job(descriptor: int) -> dict[str, Any]:
    """Read a job, which the caller wrote, and close its file. Marshal needs fewest pages of a fresh process."""
    data = os.pread(descriptor, _CHUNK, 0)
    while len(data) % _CHUNK == 0 and (more := os.pread(descriptor, _CHUNK, len(data))):
        data += more
    os.close(descriptor)
    job: dict[str, Any] = marshal.loads(data)  # noqa: S302 - from the caller, no program has had it
    return job


def program_namespace() -> dict[str, Any]:
    """Make the module that programs run in, each in its own process's copy, and return its namespace.

    Some of the standard library looks a class's module up by name (dataclasses, typing, pickle).
    """
    module = types.ModuleType("program")
    sys.modules["program"] = sys.modules["__main__"] = module
    exec("", module.__dict__)  # noqa: S102 - puts the builtins there
    return module.__dict__


def run(job: dict[str, Any], namespace: dict[str, Any], result: int) -> None:
    """Run a program and its tests, and report.

    Args:
        job: "source" and "setup" as text, "calls" as code: they are trusted, so the caller compiles them once.
        namespace: Of the module that the program is.
        result: Descriptor that frames are written to.

    Raises:
        OSError: They cannot be written.
    """
    for phase in ("source", "setup"):
        if not job[phase]:
            continue
        try:
            code = compile(job[phase], f"<{phase}>", "exec", dont_inherit=True)
        except BaseException as error:  # noqa: BLE001 - whatever the compiler makes of hostile text is the result
            _write(result, f'["error", "compile {phase}", {_described(error)}]\n'.encode("ascii"))
            return
        try:
            exec(code, namespace)  # noqa: S102 - running the program is what this process is for
        except BaseException as error:  # noqa: BLE001 - whatever the program raises, SystemExit too, is its result
            _write(result, f'["error", "{phase}", {_described(error)}]\n'.encode("ascii"))
            return
    _write(result, LOADED)
    for number, call in enumerate(job["calls"]):
        try:
            frame = f'["value", {number}, {encode(eval(call, namespace))}]\n'  # noqa: S307 - as above
        except TooLargeError as error:
            frame = f'["raised", {number}, "value", "it is {error}"]\n'
        except BaseException as error:  # noqa: BLE001 - whatever the program raises, SystemExit too, is its result
            frame = f'["raised", {number}, {_described(error)}]\n'
        _write(result, frame.encode("ascii"))
    _write(result, ENDED)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _described(error: BaseException) -> str:
    """Return an exception's type and text as JSON; its own methods and its type's may do anything."""
    kind = text = '""'
    try:
        kind = '"MemoryError"' if isinstance(error, MemoryError) else quoted(type(error).__name__[:_MAX_TEXT])
        text = quoted(str(error)[:_MAX_TEXT])
    except BaseException:  # noqa: BLE001, S110 - what there is of it is the result
        pass
    return f"{kind}, {text}"
