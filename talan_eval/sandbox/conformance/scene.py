"""What the attacks reach for: files, sockets and a process outside the boundary, all of them the suite's own."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_eval.sandbox.tiers import interpreter_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECRET: Final = "a secret"  # noqa: S105 - what programs try to read
_VICTIM: Final = "a victim"


class Scene:
    """Things outside, and whether they are still as they were.

    Args:
        directory: Where they are.
    """

    def __init__(self, directory: Path) -> None:
        self._secret = directory / "secret"
        self._secret.write_text(_SECRET, encoding="ascii")
        self._victim = directory / "victim"
        self._directory = directory
        self._links = {"LINK": directory / "link", "DIRECTORY_LINK": directory / "way"}
        self._links["LINK"].symlink_to(_SECRET)
        self._links["DIRECTORY_LINK"].symlink_to(directory)
        self._sockets = {
            "TCP": _bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "UDP": _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "UNIX": _bound(socket.AF_UNIX, socket.SOCK_STREAM, str(directory / "stream")),
            "UNIX_DATAGRAM": _bound(socket.AF_UNIX, socket.SOCK_DGRAM, str(directory / "datagram")),
            "ABSTRACT": _bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0talan-eval-{os.getpid()}"),
        }
        self._outsider: subprocess.Popen[bytes] | None = None
        self.restore()

    @property
    def names(self) -> str:
        """The scene as Python assignments, for the top of a program."""
        outsider = -1 if self._outsider is None else self._outsider.pid
        values: dict[str, object] = {"SECRET": str(self._secret), "VICTIM": str(self._victim), "OUTSIDER": outsider}
        values |= {name: str(link) for name, link in self._links.items()}
        values |= {name: place.getsockname() for name, place in self._sockets.items()}
        values |= {"HOST": platform.node(), "SHOWN": _shown()}
        return "".join(f"{name} = {value!r}\n" for name, value in values.items())

    def damage(self) -> str | None:
        """Return what was done to the scene, or None; undo it."""
        found = self._damage()
        if found is not None:
            self.restore()
        return found

    def restore(self) -> None:
        """Make everything as it is to be."""
        for path in self._directory.glob("victim?*"):
            path.unlink()
        with contextlib.suppress(FileNotFoundError):
            self._victim.unlink()
        self._victim.write_text(_VICTIM, encoding="ascii")
        self._victim.chmod(0o600)
        if self._outsider is None or self._outsider.poll() is not None:
            # It waits for an end of file that comes with the end of this process at the latest.
            self._outsider = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)

    def close(self) -> None:
        """End the process and close the sockets."""
        for place in self._sockets.values():
            place.close()
        if self._outsider is not None:
            self._outsider.kill()
            self._outsider.wait()
            if self._outsider.stdin is not None:
                self._outsider.stdin.close()

    def _damage(self) -> str | None:
        if self._outsider is None or self._outsider.poll() is not None:
            return "a process outside was ended"
        try:
            status, text = self._victim.stat(), self._victim.read_text(encoding="ascii")
        except OSError:
            return "a file outside is gone"
        if text != _VICTIM or status.st_mode & 0o777 != 0o600 or status.st_mtime < 1_000_000:  # noqa: PLR2004 - mode and time
            return "a file outside was changed"
        if list(self._directory.glob("victim?*")):
            return "a file was made outside"
        for name, place in self._sockets.items():
            with contextlib.suppress(BlockingIOError):
                place.recv(1) if place.type is socket.SOCK_DGRAM else place.accept()[0].close()
                return f"something came in by {name}"
        return None


@contextlib.contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    """Open a scene, and close it."""
    made = Scene(directory)
    try:
        yield made
    finally:
        made.close()


def _bound(family: socket.AddressFamily, kind: socket.SocketKind, address: object) -> socket.socket:
    place = socket.socket(family, kind)
    place.bind(address)  # type: ignore[arg-type]  # the address suits the family
    if kind is socket.SOCK_STREAM:
        place.listen()
    place.settimeout(0)
    return place


def _shown() -> dict[str, set[str]]:
    """Return which names may appear in directories: those on the way to what the interpreter needs."""
    shown: dict[str, set[str]] = {}
    for path in (*interpreter_paths()[0], "/work", "/dev/null"):
        parts = Path(path).parts
        for depth in range(1, len(parts)):
            shown.setdefault(str(Path(*parts[:depth])), set()).add(parts[depth])
    return shown
