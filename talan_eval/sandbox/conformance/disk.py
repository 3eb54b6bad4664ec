"""Attacks that fill the disk: with bytes, with names, and with what a look at the directory does not see."""

from __future__ import annotations

from typing import Final

from talan_eval.sandbox.conformance.attack import Attack, unbounded
from talan_eval.sandbox.tiers import Tier

_FILL: Final = """
def fill(name="f%d"):
    for n in range(24):
        with open(name % n, "wb", 0) as file:
            if file.write(bytes(1 << 20)) < 1 << 20: raise OSError("short")
"""


def _fills(name: str, steps: str) -> Attack:
    """Return an attack that gets to its end only if it keeps 24 MiB, or 6,000 names, where the limits are 16 and 4,096.

    Args:
        name: What it does.
        steps: Statements, one a line.
    """
    body = "".join(f"    {line}\n" for line in steps.splitlines())
    return unbounded(name, f"{_FILL}\ndef escaped():\n{body}    return True")


def _refused(name: str, expression: str) -> Attack:
    """Return an attack that nothing but a file system with a size could allow."""
    return Attack(name, f"def escaped(): return works(lambda: {expression})", tiers=(Tier.LANDLOCK,))


DISK: Final = (
    _fills("fill a directory that it cannot list", "os.mkdir('d', 0o300)\nos.chdir('d')\nfill()"),
    _fills("fill files that it cannot read", "os.mkdir('d')\nos.umask(0o777)\nfill('d/f%d')"),
    _fills("fill a directory made under a mask", "os.umask(0o400)\nos.mkdir('d')\nos.chdir('d')\nfill()"),
    _fills(
        "fill a directory below a path that is too long",
        "for _ in range(18):\n    os.mkdir('a' * 250)\n    os.chdir('a' * 250)\nfill()",
    ),
    _fills("fill many directories", "for n in range(24): os.mkdir('f%d' % n)\nfill('f%d/f')"),
    _fills(
        "fill files that it has removed",
        "kept = []\nfor n in range(24):\n    kept.append(open('f', 'wb', 0))\n    os.unlink('f')\n    kept[-1].write(bytes(1 << 20))\n    if os.fstat(kept[-1].fileno()).st_size < 1 << 20: raise OSError",
    ),
    _fills(
        "fill files without a name",
        "kept = []\nfor n in range(24):\n    kept.append(os.open('.', os.O_RDWR | os.O_TMPFILE))\n    if os.write(kept[-1], bytes(1 << 20)) < 1 << 20: raise OSError",
    ),
    _fills(
        "fill files through memory",
        "import mmap\nfor n in range(24):\n    with open('f%d' % n, 'w+b') as file:\n        file.truncate(1 << 20)\n        mmap.mmap(file.fileno(), 1 << 20)[:] = bytes(b'x') * (1 << 20)",
    ),
    _fills("use up the names of files", "for n in range(6000): os.close(os.open('f%d' % n, os.O_CREAT | os.O_WRONLY))"),
    _fills("use up the names of directories", "for n in range(6000): os.mkdir('d%d' % n)"),
    _fills("use up the names of links", "for n in range(6000): os.symlink('x' * 4000, 'l%d' % n)"),
    _fills("build a tree without end", "for n in range(6000):\n    os.mkdir('d')\n    os.chdir('d')"),
    _fills(
        "build a tree without end that it cannot list",
        "os.umask(0o477)\nfor n in range(6000):\n    os.mkdir('d')\n    os.chdir('d')",
    ),
    _refused("make a file", "open('f', 'x').close()"),
    _refused("make a file with another call", "os.open('f', os.O_RDONLY | os.O_CREAT)"),
    _refused("make a file without a name", "os.open('.', os.O_RDWR | os.O_TMPFILE)"),
    _refused("make a directory", "os.mkdir('d')"),
    _refused("make a directory beside its own", "os.mkdir('../d')"),
    _refused("make a link", "os.symlink('x', 'l')"),
    _refused("rename its working directory", "os.rename(os.getcwd(), os.getcwd() + '-moved')"),
    _refused("remove its working directory", "os.rmdir(os.getcwd())"),
)
