"""Runs one untrusted program in the process that was forked for it, and reports values.

Frames are lines of JSON on a private pipe: ``["start"]`` before anything untrusted happens, ``["loaded"]`` behind the
program and its set-up, ``["value", i, VALUE]`` or ``["raised", i, TYPE, TEXT]`` for each call,
``["error", PHASE, TYPE, TEXT]`` where the program ends early, ``["end"]``. A program can write frames itself, but what
they say is compared elsewhere with expected values that never enter this process.
"""

from __future__ import annotations

import json
import os
import sys
import types
from typing import Any, Final, Never

from .values import TooLargeError, encode

EXIT_MEMORY: Final = 99
"""Exit status where not even an error could be reported for want of memory."""
EXIT_CHANNEL: Final = 98
"""Exit status where the pipe was gone: the program closed it, or the reader did."""
_MAX_TEXT: Final = 300


class _Channel:
    """Writes frames to a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, *frame: Any) -> None:  # noqa: ANN401 - JSON has no narrower type
        data = json.dumps(frame).encode("ascii") + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]


def run_program(job_descriptor: int, result_descriptor: int) -> Never:
    """Run the job that is to be read from a descriptor, report on another, and end the process."""
    channel = _Channel(result_descriptor)
    try:
        channel.send("start")
        with os.fdopen(job_descriptor, "rb") as file:
            job = json.loads(file.read())
        _run(job, channel)
        channel.send("end")
    except MemoryError:
        os._exit(EXIT_MEMORY)
    except OSError:
        os._exit(EXIT_CHANNEL)
    os._exit(0)


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
    channel.send("loaded")
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
