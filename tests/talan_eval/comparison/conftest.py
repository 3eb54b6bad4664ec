"""Comparisons of two arms, whose one contrast is looked at."""

from __future__ import annotations

import pytest


class Seen:
    """A result with the parts of its one contrast at hand."""

    def __init__(self, result):
        self.result = result
        (self.contrast,) = result.contrasts

    def __getattr__(self, name):
        return getattr(self.contrast if name in {"cells", "slices", "aggregate", "pairing"} else self.result, name)


@pytest.fixture
def result(result):
    return lambda *given, **changes: Seen(result(*given, **changes))
