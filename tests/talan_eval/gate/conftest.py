"""Results to gate, with the loss that a test needs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from talan_eval.comparison import ArmFacts, ContrastSpec, ItemTable, Origin, ScoreMatrix, StatisticsSettings, compare

ROOT = Path(__file__).parents[3]


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of two arms on one benchmark, shape (S, N) each."""

    task: str
    backbone: str
    seeds: tuple
    base: np.ndarray
    treatment: np.ndarray

    def matrix(self, arm, scores, seeds=None):
        items = ItemTable(self.task, "exact_match", tuple(f"i{n}" for n in range(scores.shape[1])), "0" * 12)
        return ScoreMatrix(self.backbone, arm, items, self.seeds if seeds is None else seeds, scores)


def scores(task="gsm8k_micro", *, seeds=7, items=200, loss=0.0, spread=0.0, backbone="micro", rng=0):
    """Make a cell whose arm under test loses a share of the items that the base arm gets right."""
    draw = np.random.default_rng([rng, seeds, items])
    base = (draw.random((seeds, items)) < 0.6).astype(float)
    return Scores(task, backbone, tuple(range(seeds)), base, changed(base, loss, spread))


def changed(base, loss, spread=0.0):
    """Return scores that lose a share of the right answers, or gain a share of all where it is below zero."""
    treatment = base.copy()
    for seed in range(len(base)):
        share = loss + spread * (1 if seed % 2 else -1)
        right = np.flatnonzero(base[seed] if share > 0 else 1 - base[seed])
        chosen = right[: round(abs(share) * base.shape[1])]
        treatment[seed, chosen] = 0.0 if share > 0 else 1.0
    return treatment


def result_of(*cells, provenance=None, base="lora", treatment="talan+lora", pairing="paired", arms=None, **settings):
    matrices = [
        matrix for cell in cells for matrix in (cell.matrix(base, cell.base), cell.matrix(treatment, cell.treatment))
    ]
    where = Origin(provenance=provenance or {"experiment_sha256": "0" * 64}, arms=arms or {})
    contrast = ContrastSpec(base, treatment, pairing)
    return compare(matrices, [contrast], where, StatisticsSettings(resamples=100, **settings))


def many_of(losses, *, tasks=("gsm8k_micro",), contrasts=None, provenance=None, arms=None, spread=0.0, **options):
    """Compare arms, each with its loss, with one base arm called lora; ``arms`` says what is known of them."""
    settings = {name: options.pop(name) for name in ("slices", "variants_tried") if name in options}
    matrices = []
    for task in tasks:
        cell = scores(task, **options)
        matrices.append(cell.matrix("lora", cell.base))
        matrices += [cell.matrix(arm, changed(cell.base, loss, spread)) for arm, loss in losses.items()]
    declared = contrasts or [ContrastSpec("lora", arm) for arm in losses]
    where = Origin(provenance=provenance or {"experiment_sha256": "0" * 64}, arms=arms or {})
    return compare(matrices, declared, where, StatisticsSettings(resamples=100, **settings))


@pytest.fixture
def losing():
    return changed


@pytest.fixture
def cell():
    return scores


@pytest.fixture
def result():
    return result_of


@pytest.fixture
def many():
    return many_of


@pytest.fixture
def diverging():
    """Return a function that says which seeds of an arm diverged."""
    return lambda arm, *seeds, backbone="micro": {(arm, backbone): ArmFacts("trained", diverged=seeds)}


@pytest.fixture
def action_script(tmp_path):
    """Return a function that runs the action's script in ``tmp_path`` with nothing but what GitHub sets, and inputs."""
    tools = tmp_path / "bin"
    tools.mkdir()
    programs = {
        "talan-eval": f'exec "{sys.executable}" -m talan_eval.cli.main "$@"',
        "gh": 'printf "%s\\n" "$*" >> "$GH_LOG"; case "$*" in *--jq*) echo "$KNOWN";; esac',
    }
    for name, line in programs.items():
        (tools / name).write_text(f"#!/usr/bin/env bash\n{line}\n")
        (tools / name).chmod(0o755)

    def run(inputs):
        environment = {
            "PATH": f"{tools}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "some/model",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GH_LOG": str(tmp_path / "gh.log"),
            "TALAN_INSTALL": "",
            **inputs,
        }
        return subprocess.run(
            ["/usr/bin/env", "bash", str(ROOT / "action" / "gate.sh")], env=environment, cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run
