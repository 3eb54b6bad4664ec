"""Become what a process in a container is, then run a command: python in_container.py docker|unprivileged WORD ...

"docker": the calls that Docker's default seccomp profile refuses (docs.docker.com/engine/security/seccomp), and of the
capabilities those that it leaves. "unprivileged": no capabilities and no new user namespaces, whatever the user.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

EPERM, ENOSYS = 0x50001, 0x50026
ALLOW = 0x7FFF0000
NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag, time's included
CLONE, CLONE3, UNSHARE = 56, 435, 272
REFUSED = (
    101 + 54, 163, 164, 165, 166, 167, 168, 169, 175, 176, 179, 212, 227, 237, 238, 239, 246, 248, 249, 250, 272, 279,
    298, 303, 304, 305, 308, 312, 313, 320, 321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442,
)  # fmt: skip
KEPT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}  # Docker's capabilities
_LIBC = ctypes.CDLL(None, use_errno=True)


def filter_of(refused, *, clone):
    """Return a filter that refuses calls, and new namespaces by clone."""
    code = [(0x20, 0, 0, 4), (0x15, 1, 0, 0xC000003E), (0x06, 0, 0, ALLOW), (0x20, 0, 0, 0)]
    for number in refused:
        code += [(0x15, 0, 1, number), (0x06, 0, 0, EPERM)]
    if clone:
        code += [(0x15, 0, 1, CLONE3), (0x06, 0, 0, ENOSYS)]
        code += [(0x15, 0, 4, CLONE), (0x20, 0, 0, 16), (0x54, 0, 0, NEW_NAMESPACES), (0x15, 1, 0, 0)]
        code += [(0x06, 0, 0, EPERM)]
    return [*code, (0x06, 0, 0, ALLOW)]


def take_on(code):
    """Take a filter on, with privileges where there are any, as a container's runtime does."""
    packed = b"".join(struct.pack("<HBBI", *one) for one in code)
    memory = ctypes.create_string_buffer(packed, len(packed))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(memory)))
    if _LIBC.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(head)), 0, 0):
        _LIBC.prctl(38, 1, 0, 0, 0)
        if _LIBC.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(head)), 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")


def main():
    kind, *words = sys.argv[1:]
    if platform.machine() != "x86_64":
        sys.exit("for x86-64 only")
    docker = kind == "docker"
    take_on(filter_of(REFUSED if docker else (UNSHARE,), clone=True))
    for capability in range(64):
        if not (docker and capability in KEPT):
            _LIBC.prctl(24, capability, 0, 0, 0)  # out of the bounding set, so that the command does not get it
    os.execv(words[0], words)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
