"""How the help shows options: in panels by purpose, each with what stands behind it. A name means one thing everywhere.

An option of a request that has no entry here is a mistake, which a test finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FLAG: Final = ""
"""Stands for an option behind which nothing stands."""

PANELS: Final[Mapping[str, Mapping[str, str]]] = {
    "Arms": {
        "base": "ARM", "treat": "ARM", "seeds": "SEEDS", "backbone": "NAME", "fixed": "ARM", "pairs": "base|all",
        "pairing": "paired|independent", "confirm": "N", "confirm_items": "SHARE", "yes": FLAG, "logs": "NAME=PATH",
        "arm": "ARM", "result": "RESULT", "results": "RESULTS", "contrast": "TREATMENT:BASE", "contrasts": "N",
    },
    "Questions": {
        "tasks": "TASK,...", "task": "TASK", "limit": "N", "data_dir": "DIR", "include_path": "DIR",
        "metric": "METRIC", "filter": "FILTER", "unit": "METRIC=UNIT", "less_is_better": "METRIC",
        "trial_axis": "seed|sample", "allow_unpaired": "drop", "few_shot": "N", "no_chat_template": FLAG,
        "template_date": "DATE", "items": "N", "cells": "N", "examples": "N", "positions": "solution|prompt|all",
    },
    "Answers": {
        "backend": "NAME", "base_url": "URL", "served": "ARM=MODEL", "max_tokens": "N", "samples_per_item": "N",
        "samples": "N", "temperature": "X", "top_p": "X", "sampling_seed": "N", "thinking": FLAG, "eval_batch": "N",
        "loss": FLAG, "no_samples": FLAG, "unsafe_no_sandbox": FLAG,
    },
    "Training": {
        "recipe": "KEY=VALUE", "steps": "N", "batch_size": "N", "learning_rate": "X", "train_tasks": "TASK,...",
        "train_data": "DATA",
        "allow_contaminated": FLAG,
    },
    "Statistics": {
        "delta": "POINTS", "power": "SHARE", "margin": "POINTS", "alpha": "X", "estimand": "E0|E1|E2",
        "slices": "LABEL,...", "weights": "TASK=X", "reduce": "mean|pass@K", "also": "TEST,...", "variants_tried": "N",
        "bootstrap": "METHOD", "resamples": "N", "rng_seed": "N", "per_cell": FLAG, "per_slice": FLAG,
        "fail_below_margin": FLAG, "least_share": "SHARE", "against": "RESULT", "must_pass": "FILE", "from_": "RESULT",
        "tau": "POINTS", "phi_train": "X", "phi_decode": "X", "settings": "small|full|N",
        "replicates": "N", "seed": "N",
    },
    "Running": {
        "dry_run": FLAG, "pilot": FLAG, "device": "auto|cpu|cuda", "dtype": "float32|bfloat16", "workers": "N",
        "retries": "N", "save_minutes": "X", "executor": "local|ray|slurm", "ray_address": "ADDRESS",
        "sbatch": "OPTION=VALUE", "gpus_per_run": "X",
    },
    "Output": {
        "out": "DIR", "json": "FILE", "junit": "FILE", "summary": "FILE", "explain": FLAG,
    },
}  # fmt: skip


def panel_of(name: str) -> str:
    """Return the panel of an option, by the name of its field."""
    return next(panel for panel, names in PANELS.items() if name in names)


def place_of(name: str) -> tuple[int, int]:
    """Return where an option stands in the help: number of its panel, and of its line there."""
    panel = panel_of(name)
    return [*PANELS].index(panel), [*PANELS[panel]].index(name)


def metavar_of(name: str) -> str | None:
    """Return what stands behind an option; None behind a flag."""
    return PANELS[panel_of(name)][name] or None
