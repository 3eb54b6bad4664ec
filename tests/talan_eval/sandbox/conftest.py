"""The boundaries that this machine allows; every test of one runs in each of them."""

from __future__ import annotations

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
