"""What Docker's default profile and a container without user namespaces leave: tier 2, and it holds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from talan_eval.sandbox.tiers import Tier, TierUnavailableError, try_tier

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="emulated for x86-64 only")
ASK = """
from talan_eval.sandbox.conformance.check import check
from talan_eval.sandbox.tiers import find_tier
found = find_tier()
print("tier", found.tier.value, "after", [tier.value for tier, _ in found.tried])
findings = list(check(found.tier))
print("programs", len(findings))
print("problems", [(one.name, one.problem) for one in findings if one.problem])
"""


def inside(kind, *words):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "in_container.py"), kind, *words], capture_output=True, text=True,
        check=False, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def landlock():
    try:
        try_tier(Tier.LANDLOCK)
    except TierUnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("landlock")
@pytest.mark.parametrize("kind", ["docker", "unprivileged"])
def test_tier_2_is_found_and_holds_there(kind):
    said = inside(kind, sys.executable, "-c", ASK).splitlines()
    assert said[0] == "tier 2 after ['1']"
    assert int(said[1].split()[1]) > 150
    assert said[2] == "problems []"


@pytest.mark.parametrize("kind", ["docker", "unprivileged"])
def test_the_emulation_refuses_what_the_container_does(kind):
    script = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "print(libc.unshare(0x10000000), os.fork() and os.wait()[1])\n"
        "print(open('/proc/self/status').read().split('CapBnd:')[1].split()[0])\n"
    )
    said = inside(kind, sys.executable, "-c", script).split()
    assert said[0] == "-1"
    assert "0" in said
    assert int(said[-1], 16) == (0x00000000A80425FB if kind == "docker" and os.geteuid() == 0 else int(said[-1], 16))
    assert kind == "docker" or os.geteuid() != 0 or int(said[-1], 16) == 0
