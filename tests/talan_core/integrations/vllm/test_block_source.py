"""Which block a served model has: what its configuration says is checked against the model."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from talan_core.arms import build, parse_arm
from talan_core.config import TalanConfig
from talan_core.errors import UserError

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # warnings of vLLM are not ours


def source_of(said, *, model="", hidden=32, layers=4):
    from talan_core.integrations.vllm.models import BlockSource  # noqa: PLC0415 - vLLM is only there under this marker

    return BlockSource.of(
        SimpleNamespace(
            model=str(model),
            hf_config=SimpleNamespace(talan=said),
            hf_text_config=SimpleNamespace(hidden_size=hidden, num_hidden_layers=layers),
        )
    )


@pytest.fixture
def checkpoint(backbone, tmp_path):
    build(backbone("qwen3"), parse_arm("talan[layer=1]+lora"), seed=0).save_pretrained(str(tmp_path))
    return tmp_path


def test_a_checkpoint_of_this_backbone_is_read(checkpoint):
    found = source_of({"checkpoint": checkpoint.name}, model=checkpoint.parent)
    assert (found.config.layer, found.checkpoint) == (1, checkpoint)
    assert source_of({"config": TalanConfig(layer=0.5).to_dict()}).config.layer == 2


@pytest.mark.parametrize(("hidden", "layers"), [(64, 4), (32, 6)])
def test_a_checkpoint_of_another_backbone_is_refused(checkpoint, hidden, layers):
    with pytest.raises(UserError, match="was made for"):
        source_of({"checkpoint": str(checkpoint)}, hidden=hidden, layers=layers)


def test_a_layer_that_is_not_there_is_refused(checkpoint):
    path = checkpoint / "talan_config.json"
    data = json.loads(path.read_text("utf-8"))
    place = data if "layer" in data else next(one for one in data.values() if isinstance(one, dict) and "layer" in one)
    place["layer"] = 99
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(UserError, match="99"):
        source_of({"checkpoint": str(checkpoint)})


@pytest.mark.parametrize("said", [None, {}, 5, {"checkpoint": 5}, {"config": [1]}, {"config": {}, "checkpoint": "x"}])
def test_what_names_no_block_is_refused(said):
    with pytest.raises(UserError, match="needs to know its block"):
        source_of(said)
