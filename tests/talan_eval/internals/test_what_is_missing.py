"""A base that is gone, items that do not fit and a block that writes nothing leave what can be said, and are named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from talan_eval.internals import faces, material
from talan_eval.internals.sitting import measure_comparison
from talan_eval.store.store import Store


def arm_of(found, name):
    return next(one for one in found.arms if one.arm == name)


def test_a_run_whose_base_is_gone_leaves_the_others_set_against_theirs(tmp_path, comparison, request_):
    partial = Path(shutil.copytree(comparison, tmp_path / "partial"))
    shutil.rmtree(next((partial / "checkpoints").glob("train_lora_seed-1*")))
    request = replace(request_, results=partial, examples=1, task=("gsm8k_micro",))
    found = measure_comparison(request, tmp_path / "out")
    whole = measure_comparison(replace(request, results=comparison), tmp_path / "whole")
    one, other = (arm_of(which, "talan+lora").tasks[0].curves["run_divergence"].points[6] for which in (found, whole))
    assert one.by_seed == pytest.approx((other.by_seed[0], other.by_seed[2]), rel=1e-3)
    seeds = [arm_of(which, "talan+lora").tasks[0].curves["run_divergence"].seeds for which in (found, whole)]
    assert seeds == [(0, 2), None]
    assert "talan+lora is set against lora on the other seeds alone" in "\n".join(found.warnings)
    assert arm_of(found, "talan+lora").seeds == (0, 1, 2)


def test_items_that_cannot_be_run_are_counted(tmp_path, request_, monkeypatch):
    monkeypatch.setattr(material, "LONGEST", 110)
    found = measure_comparison(replace(request_, task=("mbpp_micro",)), tmp_path)
    items = found.arms[0].tasks[0].items
    assert 0 < items < 3
    assert f"{3 - items} of 3 items of mbpp_micro were left out on micro" in found.warnings[0]


def test_a_block_that_writes_nothing_is_measured_and_its_ratios_are_undefined(tmp_path, comparison, request_):
    silent = Path(shutil.copytree(comparison, tmp_path / "silent"))
    for directory in (silent / "checkpoints").glob("train_talan+lora_*"):
        place = directory / "talan_model.safetensors"
        tensors = load_file(place)
        tensors["block.writeback.gate"].zero_()
        save_file(tensors, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "check_checkpoint", lambda *_: None)
        found = measure_comparison(
            replace(request_, results=silent, examples=1, task=("mbpp_micro",)), tmp_path / "out"
        )
    values = arm_of(found, "talan+lora").tasks[0].values
    assert values["write"].mean == 0
    for name in ("ratio_of_effects", "random_ratio_of_effects", "ratio_of_effects_over_random"):
        assert values[name].mean is None
    assert "n/a" in faces.render(found)["internals.md"].decode()
