"""Configurations of backbones that are not on this machine."""

from __future__ import annotations

import pytest

from talan_core.backbones.names import find_backbone
from talan_core.backbones.operating_points import OPERATING_POINTS
from talan_core.backbones.outlines import outline


@pytest.mark.parametrize("hub_id", sorted(OPERATING_POINTS))
def test_every_backbone_of_the_paper_has_an_outline_whatever_the_case_of_its_name(hub_id):
    found = outline(find_backbone(hub_id))
    assert found == outline(find_backbone(hub_id.lower()))
    assert found.outline
    assert len(found.sha256) == 64
    assert found.commit is None


def test_other_backbones_have_none():
    assert outline(find_backbone("someone/else")) is None
    assert outline(find_backbone("micro")) is None
    assert len({outline(find_backbone(name)).sha256 for name in OPERATING_POINTS}) == len(OPERATING_POINTS)
