"""The page on internals shows what the committed measurement found, and its figures are drawn from it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from talan_eval.internals import faces
from talan_eval.internals.findings import Internals
from talan_eval.internals.sentences import with_interval

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("internals_page", ROOT / "benchmarks" / "internals_page.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def found(page):
    return Internals.from_json(page.RESULT.read_text())


@pytest.fixture(scope="module")
def larger(page):
    return Internals.from_json(page.LARGER.read_text())


def test_the_measured_part_is_what_the_script_writes(page, found, larger):
    shown = page.PAGE.read_text()
    assert page.updated(shown, found, larger) == shown
    changed = shown.replace("| exactly 0 |", "| about 0 |", 1)
    assert changed != shown
    assert page.updated(changed, found, larger) == shown
    with pytest.raises(ValueError, match="no block"):
        page.updated("# Inside\n", found, larger)


def test_numbers_of_the_page_are_those_of_the_measurement(page, found, larger):
    shown = page.PAGE.read_text()
    arms = [arm for arm in (*found.arms, *larger.arms) if arm.layer is not None]
    assert len(arms) >= 3
    for arm in arms:
        assert len(arm.seeds) >= 5
        for name in ("ratio_of_effects", "end_cosine", "amplification", "amplification_bf16", "block_kl"):
            assert f"| {with_interval(arm.tasks[0].values[name])} |" in shown


def test_each_figure_of_the_page_is_committed(page):
    named = re.findall(r"!\[[^]]*\]\(figures/(internals-[^)]+)\)", page.PAGE.read_text())
    assert len(named) >= 5
    assert all((page.FIGURES / name).read_bytes().startswith(b"\x89PNG") for name in named)


@pytest.mark.parametrize("which", ["RESULT", "LARGER"])
def test_the_committed_write_up_is_that_of_its_document(page, which):
    pytest.importorskip("matplotlib")
    place = getattr(page, which)
    found = Internals.from_json(place.read_text())
    assert faces.render(found)["internals.md"].decode() == (place.parent / "internals.md").read_text()


def test_what_does_not_hang_on_positions_is_that_of_an_earlier_pilot_within_a_fifth(page, found):
    """Measured once before this code was, with other code, on seed 0 alone."""
    pilots = {one.arm: one for one in page.PILOTS if not one.arm.startswith("noise")}
    measured = [one for one in found.arms if one.arm in pilots]
    assert len(measured) >= 2
    for arm in measured:
        pilot = pilots[arm.arm]
        write = arm.tasks[0].values["relative_write"].by_seed[arm.seeds.index(0)]
        assert write == pytest.approx(pilot.relative_write, rel=page.WITHIN)
        assert page.share_of_kl(arm) == pytest.approx(pilot.kl_share, rel=page.WITHIN)
        assert f"| {write / pilot.relative_write:.2f} |" in page.earlier(found)


def test_a_figure_that_is_not_reproduced_is_marked_and_an_arm_that_is_not_there_is_named(page, found):
    text = page.earlier(found)
    assert "| talan\\[lr_scale=10\\]+lora | all three | | not measured | |" in text
    kl = next(line for line in text.splitlines() if line.startswith("| talan+lora | KL of the adapter |"))
    assert kl.endswith("not within a fifth |")
    assert "not within" not in next(line for line in text.splitlines() if line.startswith("| talan+lora | \\|p"))
