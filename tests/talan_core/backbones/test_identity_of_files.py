"""A backbone's identity covers every file that can change an answer, and no file that cannot."""

from __future__ import annotations

import json
import shutil

import pytest

from talan_core.backbones.content_hash import can_change_an_answer, hash_files
from talan_core.backbones.names import MICRO_WEIGHTS
from talan_core.errors import UserError


@pytest.fixture
def directory(tmp_path):
    return shutil.copytree(MICRO_WEIGHTS, tmp_path / "model")


def change_json(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_another_position_encoding_or_length_of_answers_is_another_backbone(directory):
    before = hash_files(directory)
    change_json(directory / "generation_config.json", max_new_tokens=20)
    shorter = hash_files(directory)
    change_json(directory / "config.json", rope_parameters={"rope_theta": 500.0, "rope_type": "default"})
    assert len({before, shorter, hash_files(directory)}) == 3


@pytest.mark.parametrize(
    "name",
    [
        "adapter_config.json",
        "adapter_model.safetensors",
        "modeling_own.py",
        "own/layers.py",
        "chat_template.json",
        "additional_chat_templates/tool_use.jinja",
        "spiece.model",
        "merges.txt",
        "special_tokens_map.json",
        "added_tokens.json",
        "model.safetensors.index.json",
        "quantize_config.json",
        "vocab.txt",
        "of-unknown-use.xyz",
        "readme.json",
        "license.py",
    ],
)
def test_a_file_that_can_change_an_answer_is_part_of_the_identity(directory, name):
    before = hash_files(directory)
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("1")
    added = hash_files(directory)
    path.write_text("2")
    changed = hash_files(directory)
    path.rename(path.with_name("renamed" + path.suffix))
    assert len({before, added, changed, hash_files(directory)}) == 4
    assert can_change_an_answer(name)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "LICENSE",
        "LICENSE.txt",
        "NOTICE",
        "CITATION.cff",
        ".gitattributes",
        ".gitignore",
        "images/loss.PNG",
        "logo.svg",
        ".git/HEAD",
        ".cache/huggingface/download/config.json.metadata",
        "__pycache__/modeling_own.cpython-311.pyc",
    ],
)
def test_a_file_that_no_loader_reads_is_not(directory, name):
    before = hash_files(directory)
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("words")
    assert hash_files(directory) == before
    assert not can_change_an_answer(name)


def test_links_count_as_what_they_point_to_and_circles_end(directory, tmp_path):
    elsewhere = tmp_path / "blobs"
    elsewhere.mkdir()
    (elsewhere / "code.py").write_text("1")
    (directory / "own").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(directory)
    (directory / "config.json").rename(elsewhere / "config-blob")
    (directory / "config.json").symlink_to(elsewhere / "config-blob")
    before = hash_files(directory)
    (elsewhere / "code.py").write_text("2")
    assert hash_files(directory) != before


def test_a_file_that_cannot_be_read_is_an_error_of_the_user(directory):
    (directory / "config.json").unlink()
    (directory / "config.json").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        hash_files(directory)
