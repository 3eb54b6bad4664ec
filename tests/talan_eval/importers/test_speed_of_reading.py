"""Reading is no reason to wait: 7 seeds, 2 arms, 16 tasks of 1,319 items."""

from __future__ import annotations

import time

import numpy as np
import pytest

from talan_eval.comparison import score_matrices
from talan_eval.importers.logged_arms import read_arms
from talan_eval.importers.logged_scores import score_columns
from talan_eval.importers.metrics import choose
from talan_eval.importers.seeds import SeedRules, arrange

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
    arms = read_arms([f"{arm}={tmp_path / arm}" for arm in ("base", "treat")])
    trials = arrange(arms, SeedRules())
    chosen = choose(arms, [f"task{n}" for n in range(TASKS)], (), ())
    columns = [c for one in chosen for arm, own in trials.arms.items() for c in score_columns(one, own, arm, "x")]
    matrices = score_matrices(columns, metrics={one.task: one.metric for one in chosen})
    used = time.process_time() - before
    assert [matrix.scores.shape for matrix in matrices] == [(SEEDS, ITEMS)] * TASKS * 2
    assert used < 2
