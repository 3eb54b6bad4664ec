"""Reading is no reason to wait: 7 seeds, 2 arms, 16 tasks of 1,319 items."""

from __future__ import annotations

import time

import numpy as np
import pytest

from talan_eval.comparison import pair_columns
from talan_eval.importers.formats import read_arms
from talan_eval.importers.logged_scores import score_columns
from talan_eval.importers.seeds import arrange
from talan_eval.importers.selection import choose

SEEDS, TASKS, ITEMS = 7, 16, 1319


@pytest.mark.speed
@pytest.mark.slow
def test_295_000_lines_are_read_and_paired_in_two_seconds_of_processor_time(run, tmp_path):
    rng = np.random.default_rng(0)
    for arm in ("base", "treat"):
        for seed in range(SEEDS):
            run(
                f"{arm}/seed{seed}",
                {f"task{n}": rng.integers(0, 2, ITEMS).astype(float).tolist() for n in range(TASKS)},
            )
    before = time.process_time()  # of all threads: hashing counts too
    base, treat = read_arms([str(tmp_path / "base")], [str(tmp_path / "treat")])
    trials = arrange(base, treat, "seed", drop=False)
    chosen = choose(base, treat, [f"task{n}" for n in range(TASKS)], (), None)
    arms = [[columns for one in chosen for columns in score_columns(one, side)] for side in (trials.base, trials.treat)]
    cells = pair_columns(*arms, backbone="x", metrics={one.task: one.metric for one in chosen})
    used = time.process_time() - before
    assert [cell.base.shape for cell in cells] == [(SEEDS, ITEMS)] * TASKS
    assert used < 2
