"""Paired scores to compare, made from a seeded generator."""

from __future__ import annotations

import numpy as np
import pytest

from talan_eval.comparison import CellScores, StatisticsSettings, compare

QUICK = StatisticsSettings(resamples=300)


def make_cell(task="gsm8k_micro", seeds=7, items=60, gain=0.0, **changes):
    rng = np.random.default_rng(abs(hash_of(task)))
    ability = rng.beta(2, 2, size=items)
    base = (rng.random((seeds, items)) < ability).astype(float)
    treat = (rng.random((seeds, items)) < np.clip(ability + gain, 0, 1)).astype(float)
    fields = {
        "backbone": "micro",
        "task": task,
        "metric": "exact_match",
        "seeds": tuple(range(seeds)),
        "item_ids": tuple(f"i{n}" for n in range(items)),
        "base": base,
        "treat": treat,
    }
    return CellScores(**{**fields, **changes})


def hash_of(text):
    return int.from_bytes(text.encode()[:7], "big")


def make_result(cells=None, **changes):
    fields = {
        "base": "lora",
        "treat": "talan+lora",
        "provenance": {"experiment_sha256": "0" * 64},
        "sandbox": {},
        "settings": QUICK,
    }
    return compare([make_cell(), make_cell("mbpp_micro")] if cells is None else cells, **{**fields, **changes})


@pytest.fixture
def cell():
    return make_cell


@pytest.fixture
def result():
    return make_result
