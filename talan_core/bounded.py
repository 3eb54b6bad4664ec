"""Read what others may have made, within limits that hold whatever the file says of itself.

A file is refused by its size before it is read, and reading stops at the limit all the same. JSON is refused by its
depth before it is parsed: a parser of a few hundred kilobytes of brackets can take gigabytes. What is no regular file
is not read, because a pipe may never answer and a device never end. Every error here is a ``ValueError``; callers add
the file's name and what to type.

Not covered: formats that other libraries unpack on their own, beyond what their own description of sizes says.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import reprlib
import stat
import zlib
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path
    from typing import IO
    from zipfile import ZipInfo

MEGABYTE: Final = 2**20
DEEPEST: Final = 100
"""Levels of nested JSON; what this project and the harnesses write has fewer than ten."""
_CHUNK: Final = MEGABYTE
_DIGITS: Final = 300  # of a whole number, which a float can still stand for
_WITH_END: Final = 2  # parts: all at once, and nothing more
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_OTHERS: Final = bytes(set(range(256)) - set(b'"[]{}'))
_WHOLE: Final = re.compile(r"[ \t]*[+-]?[0-9]{1,18}[ \t]*")
_NUMBER: Final = re.compile(
    r"[ \t]*[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?[ \t]*"
)
_NO_NUMBER: Final = re.compile(r"[ \t]*[+-]?(?:nan|inf|infinity)[ \t]*", re.IGNORECASE)
_KINDS: Final = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_STREAMS: Final = re.compile(r"/dev/stdin|/dev/fd/[0-9]+|/proc/self/fd/[0-9]+")
_LETTERS: Final = 120
_DEFLATED: Final = 8
_HEADER: Final = 30  # bytes of a member's own header in a ZIP archive, before its name


def _short() -> reprlib.Repr:
    made = reprlib.Repr()
    made.maxlevel, made.maxstring, made.maxother, made.maxlong = 3, _LETTERS, _LETTERS, 40
    return made


_SHORT: Final = _short()


class BoundsError(ValueError):
    """More than is read; the message says how much, as the rest of a sentence about the file."""


class NotRegularError(OSError, BoundsError):
    """A pipe, a socket or a device where a file was expected; also an ``OSError``, because it cannot be read."""

    def __str__(self) -> str:
        """Return what it is, without the number of an error."""
        return str(self.strerror)


def open_regular(path: Path, *, typed: bool = False) -> BufferedReader:
    """Open a regular file for reading; everything that reads files of others goes through here.

    Args:
        path: The file, or a link to one.
        typed: Whether the user typed this path. A stream that the shell made, such as ``/dev/stdin`` or the
            ``/dev/fd/63`` of a process substitution, is then read as well.

    Raises:
        NotRegularError: It is something that may never answer or never end. It was not waited for.
        OSError: It cannot be opened, or is a directory.
    """
    if typed and _STREAMS.fullmatch(str(path)):
        return path.open("rb")
    try:
        # without O_NONBLOCK the opening of a pipe waits for somebody who writes to it
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise _not_regular("a socket or a device") from error
        raise
    try:
        _check_regular(os.fstat(descriptor).st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise _not_regular(next((name for is_one, name in _KINDS if is_one(mode)), "something else"))


def _not_regular(what: str) -> NotRegularError:
    return NotRegularError(errno.EINVAL, f"it is {what}, no regular file")


def read_bounded(path: Path, most: int, *, typed: bool = False) -> bytes:
    """Read a whole file of at most so many bytes.

    Args:
        path: The file. Of a stream, which has no size, at most ``most`` bytes are taken.
        most: The limit.
        typed: As for ``open_regular``.

    Raises:
        BoundsError: It is larger, and nothing was read if its size said so; or it is no regular file.
        OSError: It cannot be read.
    """
    with open_regular(path, typed=typed) as file:
        status = os.fstat(file.fileno())
        return read_stream(file, most, status.st_size if stat.S_ISREG(status.st_mode) else 0)


def read_stream(file: IO[bytes], most: int, declared: int = 0) -> bytes:
    """Read a stream to its end, or to the limit.

    Args:
        file: The stream.
        most: The limit, bytes.
        declared: What it is said to hold.

    Raises:
        BoundsError: It is said to hold more, or does.
    """
    if declared <= most:
        parts = [file.read(declared + 1)]  # as much as is asked for is allocated before anything is read
        size = len(parts[0])
        while parts[-1] and size <= most:
            parts.append(file.read(min(_CHUNK, most + 1 - size)))
            size += len(parts[-1])
        if size <= most:
            return parts[0] if len(parts) <= _WITH_END and not parts[-1] else b"".join(parts)
    raise BoundsError(f"it is larger than {_size(most)}")


def read_text_bounded(path: Path, most: int, *, typed: bool = False) -> str:
    """Read text in UTF-8 of at most so many bytes; raises what ``read_bounded`` does, or ``UnicodeDecodeError``."""
    return read_bounded(path, most, typed=typed).decode("utf-8")


def parse_json(data: str | bytes, *, unique: bool = False, plain: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Parse JSON of a bounded depth.

    Args:
        data: The text; bytes are UTF-8, with or without a byte order mark.
        unique: Whether a name that an object has twice is an error, where otherwise the last one counts.
        plain: Whether numbers that are not finite, and whole ones of more than 18 digits, are errors.

    Raises:
        ValueError: It is no JSON (``json.JSONDecodeError``), is too deep, or has a number too long to be one.
    """
    text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    check_depth(data if isinstance(data, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        pairs = _unique if unique else None
        if not plain:
            return json.loads(text, object_pairs_hook=pairs, parse_int=_small)
        return json.loads(
            text, object_pairs_hook=pairs, parse_constant=_finite, parse_float=_finite, parse_int=whole_number
        )
    except (RecursionError, MemoryError) as error:
        raise BoundsError("it is nested too deeply") from error


def check_unique(data: bytes) -> None:
    """Check that no object of a document of bounded depth has a name twice, and keep nothing of what it says.

    Raises:
        ValueError: One has; or it is no JSON, or too deep.
    """
    check_depth(data)
    try:
        json.loads(data.decode("utf-8-sig"), object_pairs_hook=_checked)
    except (RecursionError, MemoryError) as error:
        raise BoundsError("it is nested too deeply") from error


def check_depth(data: bytes, most: int = DEEPEST) -> None:
    """Raise a ``BoundsError`` for JSON that is nested more deeply; whether it is JSON at all is not asked."""
    if data.count(b"[") + data.count(b"{") <= most:
        return
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _OTHERS)
    outside = b"".join(bare.split(b'"')[::2])
    if max(accumulate(map(_STEPS.__getitem__, outside)), default=0) > most:
        raise BoundsError(f"it is nested more than {most} levels deep")


def _small(text: str) -> int:
    """Read a whole number that a float can stand for, as scores do; a longer one means nothing to any reader."""
    if len(text) > _DIGITS:
        raise ValueError(f"{shown(text)} is too long to be a number")
    return int(text)


def whole_number(text: str) -> int:
    """Read a whole number of at most 18 digits as everybody writes it; Python also takes ``1_0`` and other digits.

    Raises:
        ValueError: It is something else.
    """
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{shown(text)} is no whole number")
    return int(text)


def real_number(text: str) -> float:
    """Read a number as everybody writes it, ``nan`` and ``inf`` included.

    Raises:
        ValueError: It is something else.
    """
    if _NUMBER.fullmatch(text) is None and _NO_NUMBER.fullmatch(text) is None:
        raise ValueError(f"{shown(text)} is no number")
    return float(text)


def shown(value: object) -> str:
    """Return a value as Python writes it, cut to what a message can hold, however large or deep it is."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"a {type(value).__name__} too long to be shown"


def said(error: BaseException) -> str:
    """Return what an error of a library says, in one line of bounded length."""
    text = " ".join(str(error)[: 4 * _LETTERS].split())
    return text if len(text) <= 2 * _LETTERS else f"{text[: 2 * _LETTERS]}..."


def check_archive(file: IO[bytes], members: list[ZipInfo], *, of_one: int, of_all: int) -> Iterator[bytes]:
    """Unpack the members of a ZIP archive, each at once, within limits.

    Args:
        file: The archive.
        members: Its members, as its directory describes them.
        of_one: The most bytes of one member.
        of_all: The most bytes of all.

    Yields:
        The content of each.

    Raises:
        BoundsError: A member is said to be larger, or is, whatever is said of it.
        ValueError: A member is damaged.
    """
    if sum(member.file_size for member in members) > of_all:
        raise BoundsError(f"it is said to unpack to more than {_size(of_all)}")
    for member in members:
        if member.file_size > of_one:
            raise BoundsError(f"its {shown(member.filename)} is said to unpack to more than {_size(of_one)}")
    left = of_all
    for member in members:
        content = _unpacked(file, member, min(left, member.file_size))
        left -= len(content)
        if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
            raise ValueError(f"its {shown(member.filename)} does not unpack to what the archive says of it")
        yield content


def _unpacked(file: IO[bytes], member: ZipInfo, most: int) -> bytes:
    """Unpack one member by its method, without a look at the size that it is said to have."""
    file.seek(member.header_offset)
    header = file.read(_HEADER)
    if len(header) < _HEADER or header[:4] != b"PK\x03\x04":
        raise ValueError(f"its {shown(member.filename)} is not where the archive says")
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    packed = file.read(member.compress_size)
    if member.compress_type == 0:
        return _within(packed, member, most)
    return _inflated(packed, member, most) if member.compress_type == _DEFLATED else _decompressed(packed, member, most)


def _inflated(packed: bytes, member: ZipInfo, most: int) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(packed, most + 1)
    except zlib.error as error:
        raise ValueError(f"its {shown(member.filename)} is damaged ({error})") from error
    return _within(content, member, most)


def _decompressed(packed: bytes, member: ZipInfo, most: int) -> bytes:
    """Unpack a member in Zstandard, which newer writers use and not every Python reads."""
    try:
        import zstandard  # noqa: PLC0415 - it comes with the package that writes such archives
    except ImportError as error:
        raise ValueError(f"its {shown(member.filename)} is packed by a method that is not read here") from error
    if member.compress_type != 93:  # noqa: PLR2004 - the number of Zstandard
        raise ValueError(f"its {shown(member.filename)} is packed by method {member.compress_type}")
    parts: list[bytes] = []
    size = 0
    try:
        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(packed, read_across_frames=True) as reader:
            while size <= most and (part := reader.read(min(_CHUNK, most + 1 - size))):
                parts.append(part)
                size += len(part)
    except zstandard.ZstdError as error:
        raise ValueError(f"its {shown(member.filename)} is damaged ({error})") from error
    return _within(b"".join(parts), member, most)


def _within(content: bytes, member: ZipInfo, most: int) -> bytes:
    if len(content) > most:
        raise BoundsError(f"its {shown(member.filename)} unpacks to more than {_size(most)}, which it is said to hold")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value] # None
        raise ValueError(f"the name {shown(twice)} stands twice in one object")
    return found


def _checked(pairs: list[tuple[str, Any]]) -> None:
    _unique(pairs)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shown(text)} is no finite number")
    return number


def _size(number: int) -> str:
    return f"{number // MEGABYTE:,} MiB" if number >= MEGABYTE else f"{number:,} bytes"
