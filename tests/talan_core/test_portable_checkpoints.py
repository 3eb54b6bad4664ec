"""A checkpoint made portable can be given away: no path of the machine, and the modes that the umask allows."""

from __future__ import annotations

import os

import pytest
import torch

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.backbones.load import load_model, locate
from talan_core.backbones.names import find_backbone
from talan_core.portable import known_location, make_portable
from talan_core.quiet import library_warnings_silenced


@pytest.fixture
def saved(tmp_path):
    def make(arm):
        revision = locate(find_backbone("micro"))
        model = build(load_model(revision, "float32", torch.device("cpu")), parse_arm(arm), seed=0)
        with library_warnings_silenced():
            model.save_pretrained(str(tmp_path / "saved"))
        return tmp_path / "saved", revision.location

    return make


def holding(directory, text):
    return [path.name for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize("arm", ["lora", "talan+lora", "actadd"])
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002])
def test_it_holds_no_path_and_has_the_modes_of_the_umask(saved, arm, umask):
    before = os.umask(umask)
    try:
        directory, location = saved(arm)
        assert holding(directory, location)  # what is left without it
        make_portable(directory, location, "micro")
    finally:
        os.umask(before)
    assert holding(directory, location) == []
    assert holding(directory, os.sep + "micro" + os.sep + "weights") == []
    assert {path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()} == {0o666 & ~umask}


def test_it_is_loaded_by_the_name_of_its_backbone(saved):
    directory, location = saved("talan+lora")
    make_portable(directory, location, "micro")
    assert talan_core.load(directory).get_base_model().name_or_path == location


def test_names_that_are_not_ours_stay(tmp_path):
    assert known_location("Qwen/Qwen3-8B") == "Qwen/Qwen3-8B"
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen3-8B"}')
    make_portable(tmp_path, "Qwen/Qwen3-8B", "other")
    assert "Qwen/Qwen3-8B" in (tmp_path / "adapter_config.json").read_text()


@pytest.mark.parametrize("arm", ["talan+lora", "loreft", "talan+full"])
def test_what_is_saved_has_the_modes_of_the_umask_at_once(saved, arm):
    before = os.umask(0o027)
    try:
        directory, _ = saved(arm)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()}
    assert any(name.endswith(".safetensors") for name in modes)
    assert set(modes.values()) == {0o640}, modes


def test_a_link_among_the_files_is_not_followed(saved, tmp_path):
    (tmp_path / "mine").write_text("")
    (tmp_path / "mine").chmod(0o600)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "other.safetensors").symlink_to(tmp_path / "mine")
    saved("talan+lora")
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o600
