"""The boundaries that this machine allows; every test of one runs in each of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from talan_eval.sandbox.tiers import SANDBOXED, Tier, try_tier
from talan_eval.sandbox.worker import TierUnavailableError


def allowed() -> list[Tier]:
    """Return the tiers that hold here: on a machine that allows none, the tests of them have nothing to say."""
    held = []
    for tier in SANDBOXED:
        try:
            try_tier(tier)
        except TierUnavailableError:
            continue
        held.append(tier)
    return held


ALLOWED = allowed()


def pytest_generate_tests(metafunc):
    if "tier" in metafunc.fixturenames:
        metafunc.parametrize("tier", ALLOWED, ids=[f"tier {tier.value}" for tier in ALLOWED], scope="module")
    if "any_tier" in metafunc.fixturenames:
        tiers = [*ALLOWED, Tier.NONE]
        metafunc.parametrize("any_tier", tiers, ids=[f"tier {tier.value}" for tier in tiers], scope="module")


@pytest.fixture(scope="session")
def allowed_tiers():
    return ALLOWED


@pytest.fixture(scope="session")
def readable_python() -> str:
    """An interpreter that an ordinary user can run: this one may be in root's home."""
    if os.geteuid() != 0:
        return sys.executable
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(PermissionError):
            asked = subprocess.run(
                [candidate, "-S", "-c", "import sys; print(sys.version_info >= (3, 11))"],
                capture_output=True,
                text=True,
                check=False,
                user="nobody",
                cwd="/",
            )
            if asked.stdout == "True\n":
                return candidate
    raise AssertionError("No Python 3.11 that an ordinary user can run.")
