"""A disk that fills up, a directory that becomes read-only, two commands in one: a message, then a restart."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.slow
WORDS = (
    "--seeds",
    "1",
    "--steps",
    "2",
    "--limit",
    "8",
    "--tasks",
    "gsm8k_micro",
    "--workers",
    "1",
    "--eval-batch",
    "2",
)


def command(out):
    return [sys.executable, "-m", "talan_eval.cli.main", "compare", *WORDS, "--out", str(out)]


def start(out):
    return subprocess.Popen(command(out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, path):
    deadline = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def disk(tmp_path):
    """A file system of 80 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)], check=False)  # noqa: S607 - every system has it
    if mounted.returncode != 0:
        pytest.skip("mounting a file system needs more rights than there are here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607 - as above


def fill(place):
    with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass


def test_a_full_disk_ends_in_a_message_and_a_restart_completes(disk):
    process = start(disk / "out")
    wait_for(process, disk / "out" / "manifest.json")
    fill(disk)
    _, said = process.communicate(timeout=500)
    assert process.returncode == 2, said
    assert "No space left on the disk" in said
    assert "Traceback" not in said
    (disk / "filler").unlink()
    done = subprocess.run(command(disk / "out"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_directory_that_became_read_only_ends_in_a_message_and_a_restart_completes(disk):
    process = start(disk / "out")
    wait_for(process, disk / "out" / "manifest.json")
    process.kill()
    process.communicate()
    remount(disk, "ro")
    refused = subprocess.run(command(disk / "out"), capture_output=True, text=True, check=False)
    assert refused.returncode == 2, refused.stderr
    assert "No permission to write" in refused.stderr
    assert "Traceback" not in refused.stderr
    remount(disk, "rw")
    done = subprocess.run(command(disk / "out"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def remount(place, how):
    """Change the mount; workers that are still ending hold files open for a moment."""
    deadline = time.monotonic() + 60
    while subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=False).returncode != 0:  # noqa: S607 - see above
        assert time.monotonic() < deadline


def test_of_two_commands_in_one_directory_the_second_is_refused_and_the_first_completes(tmp_path):
    out = tmp_path / "out"
    first = start(out)
    wait_for(first, out / ".lock-holder.json")
    second = subprocess.run(command(out), capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"Another process is writing to {out} (process {first.pid} on " in second.stderr
    _, said = first.communicate(timeout=500)
    assert first.returncode == 0, said


def test_a_worker_that_the_kernel_kills_is_replaced(tmp_path):
    out = tmp_path / "out"
    process = start(out)
    wait_for(process, out / "running")
    deadline = time.monotonic() + 300
    while not list((out / "running").iterdir()) and not list((out / "cells").iterdir()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for worker in psutil.Process(process.pid).children():
        worker.kill()
    shown, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert "will be tried again: its process ended by signal 9" in " ".join(shown.split())
    assert list((out / "running").iterdir()) == []
