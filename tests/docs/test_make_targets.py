"""Targets of make that run some tests only name all of them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_of_vllm_is_run_by_make_test_vllm():
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    (named,) = re.findall(r"^VLLM_TESTS := (.*)$", text, re.MULTILINE)
    places = [ROOT / place for place in named.split()]
    marked = {path for path in ROOT.glob("tests/**/test_*.py") if "pytest.mark.vllm" in path.read_text("utf-8")}
    marked.discard(Path(__file__))
    assert len(marked) > 3
    assert all(place.exists() for place in places)
    assert {path for path in marked if not any(path.is_relative_to(place) for place in places)} == set()
