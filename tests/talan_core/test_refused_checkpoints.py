"""A checkpoint whose weights would not all be applied is refused, whatever is wrong with it, for every partner."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.errors import UserError
from talan_core.partners import PARTNERS, PeftPartner
from talan_core.quiet import library_warnings_silenced

SMALL = {"vera": "vera[r=16]", "oft": "oft[block=8]", "prefix": "prefix[tokens=4]", "prompt": "prompt[tokens=4]"}
ADAPTERS = [SMALL.get(kind, kind) for kind, partner in PARTNERS.items() if issubclass(partner, PeftPartner)]
BLOCKED = [f"talan[layer=1]+{arm}" for arm in ADAPTERS if not arm.startswith("pr")]
ADAPTER, BLOCK = "adapter_model.safetensors", "talan_model.safetensors"


def saved(model, directory):
    with library_warnings_silenced():
        model.save_pretrained(str(directory))
    return directory


@pytest.fixture
def stored(backbone, tmp_path):
    """A factory: the directory of an arm that was saved."""
    return lambda arm, name="saved": saved(build(backbone("qwen2"), parse_arm(arm), seed=0), tmp_path / name)


def rewrite(file, change):
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def rename_all(tensors):
    for name in list(tensors):
        tensors[name.replace("model.", "decoder.").replace("prompt_", "soft_")] = tensors.pop(name)


def drop_half(tensors):
    for name in sorted(tensors)[: (len(tensors) + 1) // 2]:
        del tensors[name]


def add_one(tensors):
    tensors["base_model.model.model.layers.99.self_attn.q_proj.lora_A.weight"] = torch.zeros(2, 2)


def lengthen(tensors):
    name = min(tensors)
    tensors[name] = torch.cat([tensors[name], tensors[name]])


def put_nan(tensors):
    name = max(tensors)
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = float("nan")


def put_infinity(tensors):
    name = min(tensors)
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[-1] = float("inf")


def make_integers(tensors):
    name = min(tensors)
    tensors[name] = tensors[name].to(torch.int32)


CHANGES = [rename_all, drop_half, add_one, lengthen, put_nan, put_infinity, make_integers]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("arm", [*ADAPTERS, "lora[bias=all]"])
def test_an_adapter_that_would_not_be_applied_as_it_is_is_refused(backbone, stored, arm, change):
    directory = stored(arm)
    rewrite(directory / ADAPTER, change)
    with pytest.raises(UserError) as caught:
        talan_core.load(directory, backbone("qwen2"))
    assert str(directory) in caught.value.problem
    assert "save" in caught.value.fix.lower()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize(
    ("arm", "file"),
    [
        ("talan[layer=1]+lora", ADAPTER),
        ("talan[layer=1]+lora", BLOCK),
        ("talan[layer=1]+base", BLOCK),
        ("talan[layer=1]+loreft", "talan_arm.safetensors"),
        ("loreft", "talan_arm.safetensors"),
        ("full", "model.safetensors"),
    ],
)
def test_block_edit_and_whole_weights_are_refused_likewise(backbone, stored, arm, file, change):
    directory = stored(arm)
    if change is rename_all and file != ADAPTER:
        rewrite(directory / file, lambda tensors: [tensors.update({f"x.{n}": tensors.pop(n)}) for n in list(tensors)])
    else:
        rewrite(directory / file, change)
    with pytest.raises(UserError):
        talan_core.load(directory, backbone("qwen2"))


@pytest.mark.parametrize("layers", [3, 5])
@pytest.mark.parametrize("arm", [*ADAPTERS, "full", *BLOCKED[:1]])
def test_another_depth_is_refused_both_ways(backbone, stored, arm, layers):
    directory = stored(arm)
    with pytest.raises(UserError):
        talan_core.load(directory, backbone("qwen2", num_hidden_layers=layers))


@pytest.mark.parametrize("arm", [*ADAPTERS, *BLOCKED])
def test_what_was_saved_is_not_refused(backbone, stored, tokens, arm):
    model = build(backbone("qwen2"), parse_arm(arm), seed=0).eval()
    loaded = talan_core.load(stored(arm), backbone("qwen2"))
    with torch.no_grad(), library_warnings_silenced():
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)


@pytest.mark.parametrize(
    "config",
    [
        LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], modules_to_save=["lm_head"]),
        LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "embed_tokens"]),
        LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], trainable_token_indices=[3, 4]),
        LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], layers_to_transform=[1], use_dora=True),
        LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], rank_pattern={"q_proj": 3}, lora_alpha=4.5),
        LoraConfig(target_modules=["q_proj"]),
    ],
    ids=["modules_to_save", "embeddings", "tokens", "one layer", "ranks", "no task"],
)
@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`", "ignore:Model has `tie_word_embeddings")
def test_what_plain_peft_saves_is_not_refused(backbone, tokens, tmp_path, config):
    with library_warnings_silenced():
        model = get_peft_model(backbone("qwen2"), config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.01)
    saved(model, tmp_path)
    loaded = talan_core.load(tmp_path, backbone("qwen2"))
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)


def test_an_adapter_under_the_configuration_of_another_method_is_refused(backbone, stored):
    directory = stored("talan[layer=1]+lora")
    other = stored("ia3", "ia3")
    shutil.copy(other / "adapter_config.json", directory)
    with pytest.raises(UserError, match="trained beside LORA, its adapter is IA3"):
        talan_core.load(directory, backbone("qwen2"))
    shutil.copy(other / ADAPTER, directory)
    with pytest.raises(UserError, match="trained beside LORA"):
        talan_core.load(directory, backbone("qwen2"))
    plain = stored("lora", "plain")
    shutil.copy(other / "adapter_config.json", plain)
    with pytest.raises(UserError, match="not in this model"):
        talan_core.load(plain, backbone("qwen2"))


@pytest.mark.parametrize("change", [rename_all, drop_half, put_nan], ids=lambda change: change.__name__)
def test_load_adapter_refuses_as_load_does_and_leaves_the_model_as_it_was(backbone, stored, tokens, opened, change):
    model = opened(build(backbone("qwen2"), parse_arm("talan[layer=1]+lora"), seed=3)).eval()
    with torch.no_grad():
        before = model(tokens).logits
    directory = stored("talan[layer=2]+lora")
    rewrite(directory / ADAPTER, change)
    same = stored("talan[layer=1]+lora", "same")
    rewrite(same / ADAPTER, change)
    for path, name in ((directory, "second"), (same, "default")):
        with pytest.raises(UserError):
            model.load_adapter(path, name)
    assert list(model.peft_config) == list(model.talans) == ["default"]
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, before)


def test_an_adapter_of_another_scale_does_not_overwrite_one(backbone, stored):
    model = build(backbone("qwen2"), parse_arm("talan[layer=1]+lora"), seed=0)
    with pytest.raises(UserError, match="lora_alpha is 64 and 16"):
        model.load_adapter(stored("talan[layer=1]+lora[alpha=64]"), "default")


class Program:
    """What a pickle that runs a program looks like."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


@pytest.mark.parametrize("arm", ["lora", "talan[layer=1]+lora", "full", "loreft", "talan[layer=1]+base"])
def test_a_pickle_is_not_read(backbone, stored, arm):
    directory = stored(arm)
    for name, other in ((ADAPTER, "adapter_model.bin"), ("model.safetensors", "pytorch_model.bin")):
        if (directory / name).is_file():
            (directory / name).unlink()
            (directory / other).write_bytes(pickle.dumps(Program()))
    for name in (BLOCK, "talan_arm.safetensors"):
        if (directory / name).is_file():
            (directory / name).write_bytes(pickle.dumps(Program()))
    with pytest.raises(UserError):
        talan_core.load(directory, backbone("qwen2"))


JSONS = {
    "nothing": "",
    "a list": "[]",
    "a number": "7",
    "null": "null",
    "half": '{"peft_type": "LORA", ',
    "deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "deep list": "[" * 100_000 + "]" * 100_000,
    "long number": '{"r": ' + "9" * 10_000 + "}",
    "infinite": '{"r": Infinity}',
    "no text": b"\xff\xfe\x00{",
}


@pytest.mark.parametrize("text", JSONS.values(), ids=JSONS)
@pytest.mark.parametrize(
    ("arm", "file"),
    [
        ("talan[layer=1]+lora", "adapter_config.json"),
        ("talan[layer=1]+lora", "talan_config.json"),
        ("loreft", "talan_arm.json"),
    ],
)
def test_what_is_no_json_object_is_one_error(backbone, stored, arm, file, text):
    directory = stored(arm)
    (directory / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match="is damaged"):
        talan_core.load(directory, backbone("qwen2"))


ODD = [True, "8", "x" * 9, [8], {"a": 8}, -3, 10**12, 2**60, 1e300, 8.5, None]
FIELDS = [
    *(("lora", "adapter_config.json", name) for name in ("r", "lora_alpha", "use_rslora", "target_modules")),
    *(("lora", "adapter_config.json", name) for name in ("peft_type", "task_type", "bias", "rank_pattern")),
    ("prompt[tokens=4]", "adapter_config.json", "num_virtual_tokens"),
    *(("talan[layer=1]+lora", "talan_config.json", name) for name in ("slots", "d_mem", "heads", "layer", "mixer")),
    *(("talan[layer=1]+lora", "talan_config.json", name) for name in ("scope", "components", "grad_scale", "format")),
    *(("talan[layer=1]+lora", "talan_config.json", name) for name in ("hidden_size", "partner", "provenance")),
    *(("loreft", "talan_arm.json", name) for name in ("partner", "options", "format", "provenance")),
]


@pytest.mark.parametrize(("arm", "file", "field"), FIELDS)
def test_an_odd_value_is_one_error_or_none_at_all(backbone, stored, tokens, arm, file, field):
    """Some values happen to mean what was meant, such as no provenance; then the model is the one that was saved."""
    directory = stored(arm)
    path = directory / file
    original = path.read_text()
    with torch.no_grad(), library_warnings_silenced():
        expected = talan_core.load(directory, backbone("qwen2"))(tokens).logits
    refused = 0
    for value in ODD:
        path.write_text(json.dumps({**json.loads(original), field: value}))
        try:
            with torch.no_grad(), library_warnings_silenced():
                got = talan_core.load(directory, backbone("qwen2"))(tokens).logits
        except UserError:
            refused += 1
        else:
            assert torch.equal(got, expected), value
    assert refused > len(ODD) // 2


@pytest.mark.parametrize("value", [0, -1, 10**10, "1", 1.5, None, [1]])
@pytest.mark.parametrize("option", ["r", "layer"])
def test_an_odd_option_of_a_plain_arm_is_one_error(backbone, stored, option, value):
    path = stored("loreft[layer=1]") / "talan_arm.json"
    data = json.loads(path.read_text())
    if option == "layer" and value == 0:
        value = 99
    data["options"][option] = value
    path.write_text(json.dumps(data))
    with pytest.raises(UserError):
        talan_core.load(path.parent, backbone("qwen2"))


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 8, b"\xff" * 64, b'\x20\x00\x00\x00\x00\x00\x00\x00{"a": 1}' + b" " * 24]
)
@pytest.mark.parametrize("file", [ADAPTER, BLOCK])
def test_a_damaged_tensor_file_is_one_error(backbone, stored, file, content):
    directory = stored("talan[layer=1]+lora")
    (directory / file).write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        talan_core.load(directory, backbone("qwen2"))


@pytest.mark.parametrize("cut", [0, 7, 100, -100, -1])
def test_whole_weights_that_are_cut_off_are_one_error(backbone, stored, cut):
    directory = stored("full")
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="is damaged"):
        talan_core.load(directory, backbone("qwen2"))


def in_shards(backbone, directory):
    build(backbone("qwen2"), parse_arm("full"), seed=0).save_pretrained(str(directory), max_shard_size="20KB")
    return directory / "model.safetensors.index.json"


def test_whole_weights_in_shards_are_read_and_a_missing_one_is_one_error(backbone, tokens, tmp_path):
    in_shards(backbone, tmp_path)
    loaded = talan_core.load(tmp_path, backbone("qwen2"))
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, backbone("qwen2")(tokens).logits)
    sorted(tmp_path.glob("model-*.safetensors"))[1].unlink()
    with pytest.raises(UserError, match="is damaged"):
        talan_core.load(tmp_path, backbone("qwen2"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "../other/model-00001-of-00009.safetensors", 3])
def test_an_index_that_names_a_pickle_or_another_directory_is_refused(backbone, tmp_path, name):
    index = in_shards(backbone, tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    data = json.loads(index.read_text())
    data["weight_map"][min(data["weight_map"])] = name
    (tmp_path / "one" / "pytorch_model.bin").write_bytes(pickle.dumps(Program()))
    index.write_text(json.dumps(data))
    with pytest.raises(UserError, match="is no shard"):
        talan_core.load(tmp_path / "one", backbone("qwen2"))


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": 3}', '{"weight_map": {}}', "x"])
def test_an_index_that_is_none_is_one_error(backbone, tmp_path, text):
    in_shards(backbone, tmp_path).write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        talan_core.load(tmp_path, backbone("qwen2"))


def test_an_adapter_for_another_task_is_refused(backbone, stored):
    path = stored("lora") / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "task_type": "SEQ_CLS"}))
    with pytest.raises(UserError, match="for the task SEQ_CLS"):
        talan_core.load(path.parent, backbone("qwen2"))
