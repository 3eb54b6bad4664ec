"""All two-way intervals of a family come from one set of draws, and are those of the single bootstrap."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from talan_eval.stats.backbones import GridCell
from talan_eval.stats.pigeonhole import Layout, pigeonhole_interval
from talan_eval.stats.two_way import Member, two_way_intervals

ALPHA, DRAWS = 0.05, 6000


def stream(name):
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def flips(seed, shape):
    return np.random.default_rng(seed).choice([-1.0, 0, 1], size=shape, p=(0.1, 0.7, 0.2))


def member(backbone, benchmark, deltas, *, in_mean=True, seeds=None, clusters=None):
    seeds = tuple(range(len(deltas))) if seeds is None else seeds
    return Member(GridCell(backbone, benchmark, deltas, clusters), seeds, seeds if in_mean is True else in_mean)


def grid():
    """Two backbones on two benchmarks; the same items are hard for both backbones."""
    hard = [flips(9 + j, (1, 90)) for j in range(2)]
    return [
        member(b, t, np.clip(flips(4 * i + j, (5, 90)) + hard[j], -1, 1))
        for i, b in enumerate("xy")
        for j, t in enumerate("pq")
    ]


def test_intervals_are_those_of_the_bootstrap_of_each_cell_and_of_the_mean():
    members = grid()
    got = two_way_intervals(members, DRAWS, stream, ALPHA)
    rng = np.random.default_rng(0)
    for one, interval in zip(members, got.members, strict=True):
        alone = pigeonhole_interval([one.cell.deltas], DRAWS, rng, ALPHA)
        assert interval == pytest.approx(alone, abs=0.008)  # the ends have a standard error of 0.0015 in each
    layout = Layout([one.cell.backbone for one in members], [one.cell.benchmark for one in members])
    mean = pigeonhole_interval([one.cell.deltas for one in members], DRAWS, rng, ALPHA, layout)
    assert got.means[0] == pytest.approx(mean, abs=0.004)
    # the control: seeds or items that are resampled apart would give a narrower mean
    apart = pigeonhole_interval([one.cell.deltas for one in members], DRAWS, rng, ALPHA, Layout(list("abcd")))
    assert got.means[0].hi - got.means[0].lo > apart.hi - apart.lo + 0.002


def test_items_are_drawn_once_per_benchmark_and_seeds_once_per_backbone():
    asked = []

    def counting(name):
        asked.append(name)
        return stream(name)

    two_way_intervals(grid(), 50, counting, ALPHA)
    assert sorted(asked) == ["items/p", "items/q", "seeds/x/0,1,2,3,4", "seeds/y/0,1,2,3,4"]


def test_a_further_member_changes_no_other_interval():
    members = grid()
    slice_ = member("x", "p/level=1", flips(9, (5, 20)), in_mean=None)
    alone, more = (two_way_intervals(some, 400, stream, ALPHA) for some in (members, [*members, slice_]))
    assert more.members[: len(members)] == alone.members
    assert more.means[0] == alone.means[0]
    one_benchmark = two_way_intervals(members[::2], 400, stream, ALPHA)
    assert one_benchmark.members == alone.members[::2]


def test_swapping_the_arms_mirrors_every_interval():
    members = grid()
    swapped = [member(one.cell.backbone, one.cell.benchmark, -one.cell.deltas) for one in members]
    got, mirrored = (two_way_intervals(some, 300, stream, ALPHA) for some in (members, swapped))
    for one, other in zip((*got.members, got.means[0]), (*mirrored.members, mirrored.means[0]), strict=True):
        assert one == (-other.hi, -other.lo)


def test_seeds_that_another_cell_lacks_count_in_the_cell_and_not_in_the_mean():
    deltas = flips(0, (6, 60))
    deltas[5] = 1.0
    short = flips(1, (5, 60))
    common = tuple(range(5))
    members = [member("x", "p", deltas, in_mean=common), member("x", "q", short)]
    got = two_way_intervals(members, DRAWS, stream, ALPHA)
    alike = two_way_intervals([member("x", "p", deltas[:5]), member("x", "q", short)], DRAWS, stream, ALPHA)
    assert got.members[0].hi > alike.members[0].hi + 0.1
    assert got.means[0] == pytest.approx(alike.means[0], abs=0.008)
    assert two_way_intervals([member("x", "p", deltas, in_mean=None)], 20, stream, ALPHA).means[0] is None


def test_members_of_a_benchmark_need_the_same_items_and_clusters():
    with pytest.raises(ValueError, match="same items"):
        two_way_intervals([member("x", "p", flips(0, (3, 5))), member("y", "p", flips(0, (3, 6)))], 10, stream, ALPHA)
    clustered = member("y", "p", flips(0, (3, 4)), clusters=[0, 0, 1, 1])
    with pytest.raises(ValueError, match="same clusters"):
        two_way_intervals([member("x", "p", flips(0, (3, 4))), clustered], 10, stream, ALPHA)
