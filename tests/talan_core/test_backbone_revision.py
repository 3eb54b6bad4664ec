"""A checkpoint is loaded on the commit of the backbone that it was trained on, from a Hub cache that is made here."""

from __future__ import annotations

import json

import pytest
import torch
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.errors import UserError
from talan_core.quiet import library_warnings_silenced
from talan_core.revision import commit_of

OLD, NEW = "a" * 40, "b" * 40
NAME = "someone/tiny"
pytestmark = pytest.mark.filterwarnings("ignore:Could not find a config file", "ignore:Unable to fetch remote file")


@pytest.fixture(autouse=True)
def hub(backbone, tmp_path, monkeypatch):
    """A cache of two commits; `main` is the second."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--someone--tiny"
    for commit in (OLD, NEW):
        model = backbone("qwen2")
        if commit == NEW:
            with torch.no_grad():
                for weight in model.parameters():
                    weight.add_(torch.full_like(weight, 0.05))
        model.save_pretrained(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(NEW)
    (repository / "refs" / "v1").write_text(OLD)


def of_hub(revision="main"):
    return AutoModelForCausalLM.from_pretrained(NAME, revision=revision)


def logits(model, tokens):
    with torch.no_grad():
        return model.eval()(tokens).logits


def trained(model):
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.01)
    return model.eval()


def saved(model, directory):
    with library_warnings_silenced():
        model.save_pretrained(str(directory))
    return directory


@pytest.mark.parametrize("arm", ["talan[layer=1]+lora", "lora", "loreft", "full", "talan[layer=1]+base", "pissa"])
@pytest.mark.parametrize(("revision", "commit"), [("v1", OLD), ("main", NEW)])
def test_the_commit_is_recorded_and_loaded(tokens, tmp_path, arm, revision, commit):
    model = trained(build(of_hub(revision), parse_arm(arm), seed=0))
    saved(model, tmp_path / "arm")
    for file in ("talan_config.json", "talan_arm.json"):
        if (tmp_path / "arm" / file).is_file():
            assert json.loads((tmp_path / "arm" / file).read_text())["base_revision"] == commit
    loaded = talan_core.load(tmp_path / "arm")
    assert commit_of(loaded.get_base_model()) == commit
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))


def test_a_revision_that_peft_recorded_is_loaded(tokens, tmp_path):
    config = LoraConfig(target_modules=["q_proj"], init_lora_weights=False, revision="v1", task_type="CAUSAL_LM")
    with library_warnings_silenced():
        model = get_peft_model(of_hub("v1"), config)
    saved(model, tmp_path / "arm")
    assert torch.equal(logits(talan_core.load(tmp_path / "arm"), tokens), logits(model, tokens))


def test_a_given_backbone_of_another_commit_is_refused_and_an_unknown_one_is_not(tmp_path, backbone):
    saved(build(of_hub("v1"), parse_arm("talan[layer=1]+lora"), seed=0), tmp_path / "arm")
    with pytest.raises(UserError, match=f"trained on commit {OLD}.*is commit {NEW}") as caught:
        talan_core.load(tmp_path / "arm", of_hub())
    assert f"revision='{OLD}'" in caught.value.fix
    talan_core.load(tmp_path / "arm", of_hub("v1"))
    talan_core.load(tmp_path / "arm", backbone("qwen2"))


def test_weights_of_no_snapshot_have_no_commit():
    model = of_hub()
    assert commit_of(of_hub("v1")) == OLD
    with torch.no_grad():
        model.model.norm.weight.mul_(2)
    assert commit_of(model) is None


def test_a_backbone_that_cannot_be_had_is_one_error(tmp_path):
    model = build(of_hub("v1"), parse_arm("loreft"), seed=0)
    saved(model, tmp_path / "arm")
    path = tmp_path / "arm" / "talan_arm.json"
    path.write_text(path.read_text().replace(OLD, "c" * 40))
    with pytest.raises(UserError, match=f"at revision {'c' * 40}"):
        talan_core.load(tmp_path / "arm")
    path.write_text(path.read_text().replace(NAME, "/nowhere/at all"))
    with pytest.raises(UserError, match="/nowhere/at all"):
        talan_core.load(tmp_path / "arm")


def test_the_type_is_recorded_and_can_be_chosen(tmp_path):
    base = of_hub().to(torch.bfloat16)
    saved(build(base, parse_arm("talan[layer=1]+base"), seed=0), tmp_path / "arm")
    assert talan_core.load(tmp_path / "arm").get_base_model().dtype == torch.bfloat16
    chosen = talan_core.load(tmp_path / "arm", dtype=torch.float32, attn_implementation="eager").get_base_model()
    assert (chosen.dtype, chosen.config._attn_implementation) == (torch.float32, "eager")
    with pytest.raises(UserError, match="dtype cannot be changed"):
        talan_core.load(tmp_path / "arm", of_hub(), dtype=torch.float32)
    with pytest.raises(UserError, match="not run on its word"):
        talan_core.load(tmp_path / "arm", trust_remote_code=True)


def test_code_that_comes_with_a_backbone_is_not_run_and_nobody_is_asked(backbone, tmp_path):
    base = tmp_path / "base"
    backbone("qwen2").save_pretrained(base)
    config = json.loads((base / "config.json").read_text())
    config |= {"model_type": "theirs", "auto_map": {"AutoConfig": "c.C", "AutoModelForCausalLM": "m.M"}}
    (base / "config.json").write_text(json.dumps(config))
    for name in ("c", "m"):
        (base / f"{name}.py").write_text("raise SystemExit('it was run')\n")
    model = backbone("qwen2")
    model.name_or_path = str(base)
    saved(build(model, parse_arm("loreft"), seed=0), tmp_path / "arm")
    with pytest.raises(UserError, match="cannot be loaded"):
        talan_core.load(tmp_path / "arm")
