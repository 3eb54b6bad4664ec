"""Results to gate, with the loss that a test needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from talan_eval.comparison import CellScores, StatisticsSettings, compare

ROOT = Path(__file__).parents[3]


def scores(task="gsm8k_micro", *, seeds=7, items=200, loss=0.0, spread=0.0, backbone="micro", rng=0):
    """Make a cell whose treat arm loses a share of the items that the base arm gets right."""
    draw = np.random.default_rng([rng, seeds, items])
    base = (draw.random((seeds, items)) < 0.6).astype(float)
    treat = base.copy()
    for seed in range(seeds):
        share = loss + spread * (1 if seed % 2 else -1)
        right = np.flatnonzero(base[seed] if share > 0 else 1 - base[seed])
        changed = right[: round(abs(share) * items)]
        treat[seed, changed] = 0.0 if share > 0 else 1.0
    return CellScores(
        backbone=backbone,
        task=task,
        metric="exact_match",
        seeds=tuple(range(seeds)),
        item_ids=tuple(f"i{n}" for n in range(items)),
        base=base,
        treat=treat,
    )


def result_of(*cells, provenance=None, **settings):
    return compare(
        cells,
        base="lora",
        treat="talan+lora",
        provenance=provenance or {},
        sandbox={},
        settings=StatisticsSettings(resamples=100, **settings),
    )


@pytest.fixture
def cell():
    return scores


@pytest.fixture
def result():
    return result_of


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
