"""The kernel's limits of a process, as far as an ordinary user may set them."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def reachable(wanted: Iterable[tuple[int, int, int]]) -> tuple[tuple[int, tuple[int, int]], ...]:
    """Return resources with the limits that ``resource.setrlimit`` takes here.

    Args:
        wanted: Resource, soft and hard limit. What is lower already (``ulimit``, a scheduler) stays.
    """
    found = []
    for which, soft, hard in wanted:
        highest = resource.getrlimit(which)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)  # noqa: PLW2901 - the same two, as far as they go
        found.append((which, (soft, hard)))
    return tuple(found)
