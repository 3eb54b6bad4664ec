"""What an installation downloads and takes on the disk, without and with the extra that trains and asks arms.

    python benchmarks/install_size.py [--extras train ...]

Builds the wheel, makes a clean environment for the base install and for each extra named, and prints a table. pip's own
cache and index are used as they are set up, with the versions of constraints.txt.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEGABYTE = 1e6


def ran(*words: str) -> float:
    """Run a command, and return the seconds that it took."""
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own commands
    return time.perf_counter() - began


def size(place: Path) -> float:
    """Return the megabytes of all files below a directory."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and not path.is_symlink()) / MEGABYTE


def measure(wheel: Path, extra: str, place: Path) -> tuple[float, float, float, float]:
    """Return megabytes downloaded and installed, and seconds of the installation and of a first command."""
    what = f"{wheel}[{extra}]" if extra else str(wheel)
    limits = ("--quiet", "--constraint", str(ROOT / "constraints.txt"))
    files, environment = place / "files", place / "environment"
    ran(sys.executable, "-m", "pip", "download", *limits, "--dest", str(files), what)
    ran(sys.executable, "-m", "venv", str(environment))
    before = size(environment)
    python = str(environment / "bin" / "python")
    seconds = ran(python, "-m", "pip", "install", *limits, "--find-links", str(files), what)
    installed = size(environment) - before
    return size(files), installed, seconds, ran(str(environment / "bin" / "talan-eval"), "--help")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--extras", nargs="*", default=["train"])
    words = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}\n")
    print("| installed | MB downloaded | MB on disk | seconds | first `--help`, seconds |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        ran(sys.executable, "-m", "build", "--wheel", "--outdir", str(place), str(ROOT))
        (wheel,) = place.glob("*.whl")
        for extra in ("", *words.extras):
            down, disk, seconds, first = measure(wheel, extra, place / (extra or "base"))
            called = f"`talan-eval[{extra}]`" if extra else "`talan-eval`"
            print(f"| {called} | {down:.0f} | {disk:.0f} | {seconds:.0f} | {first:.1f} |")


if __name__ == "__main__":
    main()
