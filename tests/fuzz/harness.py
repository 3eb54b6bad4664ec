"""What a reader is asked of hostile bytes: one error that names the file, or what the bytes say; within bounds."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

INPUTS = int(os.environ.get("TALAN_EVAL_FUZZ", "300"))
"""Inputs per reader; `make fuzz` takes 10,000."""
SECONDS, MEGABYTES = 10.0, 600
CHECKED = settings(
    max_examples=INPUTS,
    deadline=None,
    database=None,
    derandomize=INPUTS == 300,  # the same inputs each time, but for the nightly run
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        name: What it reads.
        file: Name of the file that is changed; a path below a directory.
        seed: A sound content of it.
        read: Reads the file and returns what it means, as plain values.
        plain: What a content means to a simple reader of a few lines, which may raise whatever it likes; None where
            nothing but the sound content may be accepted.
        names_file: Whether its errors name the file; else the text itself.
    """

    name: str
    file: str
    seed: bytes
    read: Callable[[Path], Any]
    plain: Callable[[bytes], Any] | None = None
    names_file: bool = True


@dataclasses.dataclass
class Count:
    """What came of some inputs."""

    inputs: int = 0
    refused: int = 0
    accepted: int = 0


TALLY: dict[str, Count] = {}
"""What came of the inputs of the test that runs, by what was read; ``conftest`` makes a table of it."""


class SilentlyAcceptedError(AssertionError):
    """A reader took for sound what means something else."""


class UnnamedError(AssertionError):
    """An error that does not say which file it is about."""


def ask(reader: Reader, path: Path, content: bytes, sound: Any, count: Count) -> None:
    """Give a reader one content and judge what it makes of it; anything but a UserError passes and fails the test."""
    path.write_bytes(content)
    count.inputs += 1
    try:
        meaning = reader.read(path)
    except UserError as error:
        count.refused += 1
        said = str(error)
        if reader.names_file and not any(part in said for part in (path.name, path.parent.name)):
            raise UnnamedError(said[:400]) from error
        assert len(said) < 20_000, "an error that nobody can read"
        return
    count.accepted += 1
    if meaning == sound:
        return
    try:
        due = sound if reader.plain is None else reader.plain(content)
    except Exception as error:
        raise SilentlyAcceptedError(f"{reader.name}: read as {str(meaning)[:300]}, and it is {error!r}") from error
    if meaning != due:
        raise SilentlyAcceptedError(f"{reader.name}: read as {str(meaning)[:300]}, and it says {str(due)[:300]}")


def fuzz(reader: Reader, directory: Path, strategy: st.SearchStrategy[bytes]) -> Count:
    """Give a reader many contents; raises what the first bad one makes it do."""
    path = directory / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(reader.seed)
    sound = reader.read(path)
    count = TALLY[reader.name] = Count()

    @CHECKED
    @given(strategy)
    def run(content):
        ask(reader, path, content, sound, count)

    run()
    return count


@contextlib.contextmanager
def counted(name: str):
    """Count an input that no file holds, refused where the block raises a UserError, which ends it."""
    count = TALLY.setdefault(name, Count())
    count.inputs += 1
    try:
        yield
    except UserError:
        count.refused += 1
    else:
        count.accepted += 1


@contextlib.contextmanager
def within_bounds(seconds: float = SECONDS, megabytes: float = MEGABYTES):
    """Fail where the block takes more processor time or memory of this process; memory is capped for safety."""
    status = Path("/proc/self/status").read_text()
    used = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Vm")}
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, ((used["VmSize"] << 10) + (4 << 30), hard))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    start = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    spent = time.process_time() - start
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    assert spent < seconds, f"{spent:.1f} s of processor time"
    assert (peak - used["VmRSS"]) / 1024 < megabytes, f"{(peak - used['VmRSS']) / 1024:.0f} MiB"


TOKENS = [
    b'"', b"\\", b"{", b"[", b"}", b"]", b",", b":", b"\n", b"\r", b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf", b"NaN",
    b"-Infinity", b"1e999", b"-1", b"0.5", b"null", b"true", b"1_0", "٣".encode(), "²".encode(), "\u2028".encode(),
    b"9" * 5000, b'"' + b"n" * 5000 + b'"', b"[" * 300, b'{"a":' * 300, b"\\ud800", b"1" + b"0" * 400, b"''", b"#",
    b"- ", b"? ", b"&a ", b"*a", b"!!python/object:os.system ", b"=", b"+", b"|", b"::", b"\x1b[2J", b"../../x",
]  # fmt: skip
ODD = [
    None, True, False, 0, -1, 1, 2, 0.5, 1.5, 10**400, -(10**30), 1e308, float("nan"), float("inf"), "", "x", "٣", "²",
    "1_0", "n" * 5000, [], {}, [1], {"a": 1}, [[[[1]]]], "\x1b[2J", "\ud800", "../../x", "lora", "9" * 5000,
]  # fmt: skip


def changed_bytes(seed: bytes) -> st.SearchStrategy[bytes]:
    """Change a content a few times at any place."""
    place = st.integers(0, max(len(seed), 1))
    step = st.one_of(
        st.tuples(st.just("put"), place, st.sampled_from(TOKENS)),
        st.tuples(st.just("flip"), place, st.integers(1, 255)),
        st.tuples(st.just("cut"), place, st.integers(1, 40)),
        st.tuples(st.just("end"), place, st.none()),
        st.tuples(st.just("again"), place, st.integers(1, 200)),
        st.tuples(st.just("over"), place, st.sampled_from(TOKENS)),
    )
    return st.lists(step, min_size=1, max_size=3).map(lambda steps: _stepped(seed, steps))


def _stepped(content: bytes, steps) -> bytes:
    for kind, place, more in steps:
        at = min(place, len(content))
        head, tail = content[:at], content[at:]
        if kind == "put":
            content = head + more + tail
        elif kind == "flip" and tail:
            content = head + bytes([tail[0] ^ more]) + tail[1:]
        elif kind == "cut":
            content = head + tail[more:]
        elif kind == "end":
            content = head
        elif kind == "again":
            content = head + tail[:more] + tail
        elif kind == "over":
            content = head + more + tail[len(more) :]
    return content


def changed_json(seed: bytes, write: Callable[[Any], bytes] | None = None) -> st.SearchStrategy[bytes]:
    """Change the values of a JSON document: odd ones in place of leaves, names that are gone, twice, or new."""
    document = json.loads(seed)
    paths = sorted(_paths(document), key=str)
    step = st.tuples(st.sampled_from(paths), st.sampled_from(["odd", "gone", "new", "deep"]), st.sampled_from(ODD))
    written = write or (lambda value: json.dumps(value).encode())
    return st.lists(step, min_size=1, max_size=2).map(lambda steps: written(_edited(document, steps)))


def _paths(part, path=()):
    if path:
        yield path
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, value in list(items)[:40]:
        yield from _paths(value, (*path, name))


def _edited(document, steps):
    made = copy.deepcopy(document)
    for path, kind, value in steps:
        odd = copy.deepcopy(value)
        part = made
        try:
            for name in path[:-1]:
                part = part[name]
            if kind == "odd":
                part[path[-1]] = odd
            elif kind == "gone":
                del part[path[-1]]
            elif kind == "new" and isinstance(part, dict):
                part[str(odd)[:300]] = odd
            elif kind == "deep":
                deep = odd
                for _ in range(200):
                    deep = [deep]
                part[path[-1]] = deep
        except (KeyError, IndexError, TypeError):
            continue
    return made
