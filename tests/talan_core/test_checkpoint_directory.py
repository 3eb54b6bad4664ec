"""One directory holds partner and block, loads bit-equal, and stays honest to plain PEFT."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from huggingface_hub import ModelCard
from peft import AutoPeftModelForCausalLM, LoraConfig, PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, pipeline

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.checkpoint import STRICT_TASK, STRICT_TYPE
from talan_core.errors import UserError
from talan_core.model import add_talan
from talan_core.probe import adapter_is_live
from talan_core.quiet import library_warnings_silenced


def trained(backbone, arm="talan[layer=1]+lora"):
    """An arm with random values everywhere, as after training."""
    model = build(backbone, parse_arm(arm), seed=0).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def saved(model, directory):
    with library_warnings_silenced():
        model.save_pretrained(str(directory))
    return directory


@pytest.mark.parametrize(
    "arm", ["lora", "dora", "rslora", "talan[layer=1]+lora", "talan+dora", "talan[scope=frozen]+rslora"]
)
def test_a_saved_arm_loads_bit_equal(backbone, tokens, tmp_path, arm):
    model = trained(backbone(), arm)
    saved(model, tmp_path)
    loaded = talan_core.load(tmp_path, backbone())
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_the_partner_file_holds_no_block(backbone, tokens, tmp_path):
    model = trained(backbone())
    with library_warnings_silenced():
        model.save_pretrained(str(tmp_path), strict=False)
    assert not [name for name in load_file(tmp_path / "adapter_model.safetensors") if "talan" in name]
    assert json.loads((tmp_path / "talan_config.json").read_text())["slots"] == 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plain = PeftModel.from_pretrained(backbone(), str(tmp_path))
    assert [str(w.message) for w in caught if "talan" in str(w.message)]
    model.talan.enabled = False
    with torch.no_grad():
        assert torch.equal(plain(tokens).logits, model(tokens).logits)


def test_merging_keeps_the_block(backbone, tokens, tmp_path):
    model = trained(backbone())
    with torch.no_grad():
        before = model(tokens).logits
        with pytest.warns(UserWarning, match="stays active"):
            merged = model.merge_and_unload()
        torch.testing.assert_close(merged(tokens).logits, before, atol=1e-4, rtol=1e-4)
        merged.talan.enabled = False
        assert not torch.allclose(merged(tokens).logits, before, atol=1e-3)
    merged.talan.enabled = True
    with pytest.warns(UserWarning, match="holds a TALAN block beside the merged backbone"):
        merged.save_pretrained(tmp_path)
    again = talan_core.load(tmp_path)
    assert torch.equal(logits(again, tokens), logits(merged, tokens))
    assert again.talan.provenance == merged.talan.provenance
    assert not [name for name in load_file(tmp_path / "model.safetensors") if "talan" in name]


def test_another_backbone_is_refused(backbone, tmp_path):
    saved(trained(backbone()), tmp_path)
    with pytest.raises(UserError, match=r"was made for .* 4 layers; this backbone has 32 and 3"):
        talan_core.load(tmp_path, backbone(num_hidden_layers=3))


def test_a_directory_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"neither adapter_config.json nor talan_arm.json"):
        talan_core.load(tmp_path)


def test_the_probe_tells_a_live_adapter_from_a_dead_one(backbone, tokenizer):
    assert adapter_is_live(build(backbone(), parse_arm("talan+lora"), seed=0), tokenizer, "1+1=") == 0.0
    model = trained(backbone())
    assert adapter_is_live(model, tokenizer, "1+1=") > 0
    model.talan.enabled = False
    partner_alone = adapter_is_live(model, tokenizer, "1+1=")
    assert partner_alone > 0
    assert not model.talan.enabled


def logits(model, tokens):
    with torch.no_grad():
        return model(tokens).logits


PLAIN_LOADS = {
    "PeftModel": lambda directory, base: PeftModel.from_pretrained(base, directory),
    "AutoPeftModel": lambda directory, _: AutoPeftModelForCausalLM.from_pretrained(directory),
    "AutoModel": lambda directory, _: AutoModelForCausalLM.from_pretrained(directory),
    "load_adapter": lambda directory, base: base.load_adapter(directory),
    "pipeline": lambda directory, base: pipeline("text-generation", model=directory, tokenizer=base.name_or_path),
}


@pytest.mark.parametrize("load", PLAIN_LOADS.values(), ids=PLAIN_LOADS)
def test_loading_without_the_block_fails_with_what_to_type(backbone, tokenizer, tmp_path, load):
    base = str(tmp_path / "base")
    backbone("qwen2").save_pretrained(base)
    tokenizer.save_pretrained(base)
    arm = trained(AutoModelForCausalLM.from_pretrained(base))
    arm.save_pretrained(str(tmp_path / "strict"))
    arm.save_pretrained(str(tmp_path / "open"), strict=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=r"talan_core\.load\(DIR\)"):
            load(str(tmp_path / "strict"), AutoModelForCausalLM.from_pretrained(base))
        load(str(tmp_path / "open"), AutoModelForCausalLM.from_pretrained(base))  # the control


def test_a_directory_that_plain_loaders_refuse_is_read_by_ours(backbone, tokens, tmp_path):
    model = trained(backbone(), "talan[layer=1]+dora")
    saved(model, tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["task_type"] == STRICT_TASK
    assert "Plain PEFT refuses" in (tmp_path / "README.md").read_text()
    loaded = talan_core.load(tmp_path, backbone())
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))
    # ... also as one more adapter of a model, which can be saved open to plain PEFT
    loaded.load_adapter(tmp_path, "again")
    loaded.set_adapter("again")
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))
    with library_warnings_silenced():
        loaded.save_pretrained(str(tmp_path / "open"), strict=False)
    assert json.loads((tmp_path / "open" / "adapter_config.json").read_text())["task_type"] == "CAUSAL_LM"


def test_a_strict_directory_of_the_first_version_is_read(backbone, tokens, tmp_path):
    model = trained(backbone(), "talan[layer=1]+dora")
    saved(model, tmp_path)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "task_type": "CAUSAL_LM", "peft_type": STRICT_TYPE}))
    loaded = talan_core.load(tmp_path, backbone())
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))
    loaded.load_adapter(tmp_path, "again")
    loaded.set_adapter("again")
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))


def test_each_of_several_adapters_has_its_own_block(backbone, tokens, tmp_path):
    one = saved(trained(backbone()), tmp_path / "one")
    other = saved(trained(backbone(), "talan[layer=2,mixer=glu]+lora[r=4]"), tmp_path / "other")
    expected = [logits(talan_core.load(path, backbone()), tokens) for path in (one, other)]
    model = talan_core.load(one, backbone())
    model.load_adapter(other, "other")
    assert torch.equal(logits(model, tokens), expected[0])  # a new adapter is not active
    model.set_adapter("other")
    assert torch.equal(logits(model, tokens), expected[1])
    assert model.talan.config.mixer == "glu"
    assert not any(p.requires_grad for p in model.talans["default"].parameters())
    assert all(p.requires_grad for p in model.talan.parameters())
    with model.disable_adapter():
        assert torch.equal(logits(model, tokens), logits(backbone(), tokens))
    made = {name: block.provenance.arm for name, block in model.talans.items()}
    assert made == {"default": "talan[layer=1]+lora", "other": "talan[layer=2,mixer=glu]+lora[r=4]"}
    model.set_adapter("default", inference_mode=True)
    assert torch.equal(logits(model, tokens), expected[0])
    assert not any(p.requires_grad for p in model.talan.parameters())
    saved(model, tmp_path / "both")
    for path, wanted in ((tmp_path / "both", expected[0]), (tmp_path / "both" / "other", expected[1])):
        assert torch.equal(logits(talan_core.load(path, backbone()), tokens), wanted)
    with pytest.warns(UserWarning, match="Setting active adapter to other"):
        model.delete_adapter("default")
    assert list(model.talans) == ["other"]
    assert torch.equal(logits(model, tokens), expected[1])
    assert torch.equal(logits(model.unload(), tokens), logits(backbone(), tokens))


def test_a_second_adapter_can_get_a_new_block_and_the_first_keeps_its_own(backbone, tokens):
    model = trained(backbone())
    before = logits(model, tokens)
    model.add_adapter("second", LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"))
    model.set_adapter("second")
    assert model.talan is None
    assert torch.equal(logits(model, tokens), logits(backbone(), tokens))
    add_talan(model, model.talans["default"].config, generator=torch.Generator().manual_seed(1))
    assert list(model.talans) == ["default", "second"]
    with pytest.raises(UserError, match="one block per adapter"):
        add_talan(model, model.talan.config, generator=torch.Generator().manual_seed(1))
    model.set_adapter("default")
    assert torch.equal(logits(model, tokens), before)


def test_loading_over_an_adapter_overwrites_its_block_and_another_shape_is_refused(backbone, tokens, tmp_path):
    one = saved(trained(backbone()), tmp_path / "one")
    model = build(backbone(), parse_arm("talan[layer=1]+lora"), seed=5).eval()
    model.load_adapter(one, "default", is_trainable=True)
    assert torch.equal(logits(model.eval(), tokens), logits(talan_core.load(one, backbone()), tokens))
    assert all(p.requires_grad for p in model.talan.parameters())
    other = build(backbone(), parse_arm("talan[layer=2]+lora"), seed=0)
    with pytest.raises(UserError, match="another configuration"):
        other.load_adapter(one, "default")


def test_the_model_card_is_ready_for_the_hub(backbone, tmp_path):
    model = trained(backbone(), "talan[layer=1]+lora[r=4]")
    model.get_base_model().name_or_path = "Qwen/Qwen3-8B"
    saved(model, tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.base_model == "Qwen/Qwen3-8B"
    assert card.data.library_name == "talan-eval"
    assert {"talan", "lora"} <= set(card.data.tags)
    for fact in ("talan[layer=1]+lora[r=4]", "| seed | `0` |", "| slots | `2` |", "| r | `4` |", "peft version"):
        assert fact in card.text
    number = sum(p.numel() for p in model.talan.parameters())
    assert f"{number:,} parameters" in card.text
    assert "Plain PEFT refuses" in card.text


def test_the_card_of_a_local_backbone_does_not_show_its_directory(backbone, tmp_path):
    model = trained(backbone())
    model.get_base_model().name_or_path = "/home/someone/models/mine"
    saved(model, tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.base_model is None
    assert "/home/someone" not in card.text
    assert "mine" in card.text


def test_provenance_survives_loading_and_saving_again(backbone, tmp_path):
    saved(trained(backbone(), "talan[layer=1]+lora"), tmp_path / "one")
    saved(talan_core.load(tmp_path / "one", backbone()), tmp_path / "two")
    one, two = (json.loads((tmp_path / name / "talan_config.json").read_text()) for name in ("one", "two"))
    assert one == two
    assert one["provenance"]["arm"] == "talan[layer=1]+lora"
    assert one["provenance"]["seed"] == 0


def test_a_checkpoint_without_provenance_can_be_read(backbone, tokens, tmp_path):
    model = trained(backbone())
    saved(model, tmp_path)
    path = tmp_path / "talan_config.json"
    data = json.loads(path.read_text())
    for name in ("provenance", "base_revision", "components", "noise"):
        del data[name]
    path.write_text(json.dumps(data))
    loaded = talan_core.load(tmp_path, backbone())
    assert loaded.talan.provenance is None
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "damaged"),
        ('{"format": 9, "partner": "base", "options": {}, "base_model": null, "provenance": null}', "format 9"),
    ],
)
def test_a_damaged_arm_file_is_named(backbone, tmp_path, text, says):
    (tmp_path / "talan_arm.json").write_text(text)
    with pytest.raises(UserError, match=says):
        talan_core.load(tmp_path, backbone())


def test_an_arm_of_a_later_version_is_named(backbone, tmp_path):
    saved(build(backbone(), parse_arm("base"), seed=0), tmp_path)
    path = tmp_path / "talan_arm.json"
    path.write_text(path.read_text().replace('"base"', '"magic"', 1))
    with pytest.raises(UserError, match="'magic' that this version does not know"):
        talan_core.load(tmp_path, backbone())


@pytest.mark.parametrize("arm", ["talan[layer=1]+lora", "lora", "loreft", "full"])
def test_a_checkpoint_that_names_its_backbone_loads_in_one_line(backbone, tokens, tmp_path, arm):
    backbone().save_pretrained(tmp_path / "backbone")
    base = type(backbone()).from_pretrained(tmp_path / "backbone")
    model = trained(base, arm)
    saved(model, tmp_path / "arm")
    assert torch.equal(logits(talan_core.load(tmp_path / "arm"), tokens), logits(model, tokens))


def test_training_goes_on_from_a_checkpoint_but_not_with_virtual_tokens(backbone, tmp_path):
    for arm in ("talan[layer=1]+lora", "loreft", "full"):
        saved(trained(backbone(), arm), tmp_path / arm)
        model = talan_core.load(tmp_path / arm, backbone(), is_trainable=True)
        assert any(p.requires_grad for p in model.parameters())
    saved(build(backbone(), parse_arm("prompt"), seed=0), tmp_path / "prompt")
    with pytest.raises(UserError, match="cannot go on training"):
        talan_core.load(tmp_path / "prompt", backbone(), is_trainable=True)


def test_a_name_that_is_no_directory_is_asked_of_the_hub(monkeypatch, backbone, tokens, tmp_path):
    model = trained(backbone())
    saved(model, tmp_path)
    asked = []

    def snapshot_download(hub_id):
        asked.append(hub_id)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    loaded = talan_core.load("someone/their-adapter", backbone())
    assert asked == ["someone/their-adapter"]
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))


def test_several_active_adapters_are_refused_and_one_is_not(backbone, tokens):
    model = trained(backbone())
    before = logits(model, tokens)
    model.add_adapter("second", LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], init_lora_weights=False))
    with pytest.raises(UserError, match="cannot be active together"):
        model.set_adapter(["default", "second"])
    for names in (["default", "second"], "second"):
        model.base_model.set_adapter(names)
        for call in (model, model.generate):
            with pytest.raises(UserError, match="the active block is that of default"):
                call(input_ids=tokens)
    with pytest.raises(UserError, match="cannot be added up"):
        model.add_weighted_adapter(["default", "second"], [1.0, 1.0], "both")
    model.set_adapter("default")
    assert torch.equal(logits(model, tokens), before)
