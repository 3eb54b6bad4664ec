"""Scores to compare, made from a seeded generator."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from talan_eval.comparison import ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare

QUICK = StatisticsSettings(resamples=300)


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """Scores of two arms on the same seeds and items of one benchmark."""

    backbone: str
    task: str
    metric: str
    seeds: tuple
    item_ids: tuple
    base: np.ndarray
    treat: np.ndarray
    k: int = 1
    base_unparsed: float | None = None
    treat_unparsed: float | None = None
    pairing_hash: str = "0" * 12
    clusters: tuple | None = None
    labels: dict = dataclasses.field(default_factory=dict)
    dropped_seeds: tuple = ()
    dropped_items: int = 0
    dropped_prompts: int = 0
    same_prompt: tuple | None = None

    def matrices(self, base, treatment):
        items = ItemTable(
            self.task, self.metric, self.item_ids, self.pairing_hash, self.clusters, self.labels, self.dropped_items,
            self.dropped_prompts, self.same_prompt,
        )  # fmt: skip
        arms = ((base, self.base, self.base_unparsed), (treatment, self.treat, self.treat_unparsed))
        made = []
        for arm, scores, share in arms:
            seeds, rows = self.seeds, scores
            if arm == treatment and self.dropped_seeds:  # seeds that the base arm lacks
                seeds, rows = (*seeds, *self.dropped_seeds), np.vstack([rows, rows[: len(self.dropped_seeds)]])
            unparsed = None if share is None else (share,) * len(seeds)
            made.append(ScoreMatrix(self.backbone, arm, items, seeds, np.asarray(rows, float), self.k, unparsed))
        return made


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
    return Pair(**{**fields, **changes})


def hash_of(text):
    return int.from_bytes(text.encode()[:7], "big")


def make_result(cells=None, *, base="lora", treat="talan+lora", pairing="paired", settings=QUICK, **origin):
    """Compare two arms."""
    pairs = [make_cell(), make_cell("mbpp_micro")] if cells is None else cells
    fields = {"provenance": {"experiment_sha256": "0" * 64}, "sandbox": {}, **origin}
    matrices = [matrix for pair in pairs for matrix in pair.matrices(base, treat)]
    return compare(matrices, [ContrastSpec(base, treat, pairing)], Origin(**fields), settings)


ARMS = {"lora": 0.0, "talan+lora": 0.08, "noise+lora": 0.01, "dora": -0.05}
"""Arms with their true gain over the first."""


def make_matrices(arms=None, backbones=("micro",), tasks=("gsm8k_micro", "mbpp_micro"), seeds=7, items=60):
    """Make scores of several arms on several backbones."""
    gains = ARMS if arms is None else arms
    made = []
    for backbone in backbones:
        for task in tasks:
            rng = np.random.default_rng([hash_of(task) % 2**32, hash_of(backbone) % 2**32])
            ability = rng.beta(2, 2, size=items)
            same = ItemTable(task, "exact_match", tuple(f"i{n}" for n in range(items)), "0" * 12)
            for arm, gain in gains.items():
                scores = (rng.random((seeds, items)) < np.clip(ability + gain, 0, 1)).astype(float)
                made.append(ScoreMatrix(backbone, arm, same, tuple(range(seeds)), scores))
    return made


def make_many(contrasts=None, settings=QUICK, origin=None, **grid):
    """Compare each arm with the first, on one or several backbones."""
    matrices = make_matrices(**grid)
    arms = list(dict.fromkeys(matrix.arm for matrix in matrices))
    declared = [ContrastSpec(arms[0], arm) for arm in arms[1:]] if contrasts is None else contrasts
    where = Origin(provenance={"experiment_sha256": "0" * 64}) if origin is None else origin
    return compare(matrices, declared, where, settings)


@pytest.fixture
def cell():
    return make_cell


@pytest.fixture
def result():
    return make_result


@pytest.fixture
def many():
    return make_many


@pytest.fixture
def matrices():
    return make_matrices


def beside(name):
    """Load a file of this directory, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def serving():
    """A server of the test's own: `serving.Served` and `serving.server_of`."""
    return beside("served_models")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Checkpoints that were made elsewhere; copy one before changing it."""
    return beside("stored_checkpoints").make_checkpoints(tmp_path_factory.mktemp("stored runs"))  # with a space in it
