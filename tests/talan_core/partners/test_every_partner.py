"""Every partner, alone and beside a block: silent start, training, saving, switching off, merging, taking apart."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

import talan_core
from talan_core.arms import build, parse_arm
from talan_core.partners import PARTNERS, PeftPartner
from talan_core.prompt_places import Prompts, prompts_told
from talan_core.quiet import library_warnings_silenced
from talan_core.training.fit import fit
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(steps=6, batch_size=3, learning_rate=2e-2, schedule="constant", max_length=64)
SMALL = {
    "vera": "vera[r=16]",
    "oft": "oft[block=8]",
    "prefix": "prefix[tokens=4]",
    "prompt": "prompt[tokens=4]",
    "actadd": "actadd[pairs=8]",
    "fusion": "fusion[budget=steps]",
}
STAGES = {"base": 0, "actadd": 0, "fusion": 3}  # times the steps of the recipe; one of the others
ADAPTERS = [SMALL.get(kind, kind) for kind in PARTNERS if kind not in ("base", "prefix", "prompt", "actadd", "fusion")]
WITH_OPTIONS = ["lora[bias=all]", "lora[bias=lora_only,dropout=0.1]", "dora[r=2,alpha=3]", "miss[r=4]"]
ARMS = [*(SMALL.get(kind, kind) for kind in PARTNERS), *WITH_OPTIONS]
BLOCKED = ["talan[layer=1]+base", *(f"talan[layer=1]+{arm}" for arm in (*ADAPTERS, "lora[bias=all]")), "noise+lora"]
EXACT_START = [arm for arm in ARMS if not arm.startswith(("pissa", "hra", "prefix", "prompt"))]
CANNOT_MERGE = ("prefix", "prompt")


def adapter_keys(directory):
    """Return the names of the tensors that a plain PEFT load would read."""
    file = directory / "adapter_model.safetensors"
    return load_file(file) if file.is_file() else {}


def logits(model, tokens):
    with torch.no_grad(), library_warnings_silenced(), prompts_told(model, Prompts()):
        return model(tokens).logits


@pytest.fixture
def made(backbone, tokenizer, examples, tmp_path):
    """A factory: an arm after a few steps of training, on a family whose layers have biases."""

    def make(arm, seed=0):
        model = build(backbone("qwen2"), parse_arm(arm), seed=seed)
        # fusion needs two domains; to all others it is the same who says an example
        two_domains = [dataclasses.replace(one, source="ab"[at % 2]) for at, one in enumerate(examples)]
        log = fit(model, tokenizer, two_domains, SETTINGS, seed=seed, work_dir=tmp_path / "work")
        return model, log

    return make


@pytest.mark.parametrize("arm", ARMS)
def test_before_training_the_outputs_are_the_backbones(backbone, tokens, arm):
    plain = logits(backbone("qwen2"), tokens)
    start = logits(build(backbone("qwen2"), parse_arm(arm), seed=0).eval(), tokens)
    if arm in EXACT_START:
        assert torch.equal(start, plain)
    elif arm.startswith(CANNOT_MERGE):
        assert start.shape == plain.shape  # also with virtual tokens in front, logit i belongs to token i
        assert not torch.allclose(start, plain, atol=1e-2)
    else:
        torch.testing.assert_close(start, plain, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("arm", ADAPTERS)
def test_beside_a_block_that_writes_nothing_the_partner_is_the_same_before_training(backbone, tokens, arm):
    alone = build(backbone("qwen2"), parse_arm(arm), seed=0).eval()
    beside = build(backbone("qwen2"), parse_arm(f"talan+{arm}"), seed=0).eval()
    assert torch.equal(logits(alone, tokens), logits(beside, tokens))
    own = {name: value for name, value in beside.state_dict().items() if not name.startswith("talans.")}
    theirs = alone.state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in own.items())


@pytest.mark.parametrize("arm", [*ARMS, *BLOCKED])
def test_trained_saved_and_loaded_it_is_bit_equal_and_switched_off_it_is_the_backbone(
    backbone, made, tokens, tmp_path, arm
):
    plain = logits(backbone("qwen2"), tokens)
    model, log = made(arm)
    after = logits(model, tokens)
    assert torch.equal(after, plain) == (arm == "base")
    assert len(log.losses) == STAGES.get(arm.partition("[")[0], 1) * SETTINGS.steps
    with library_warnings_silenced():
        model.save_pretrained(str(tmp_path / "saved"))
    assert not [name for name in adapter_keys(tmp_path / "saved") if "talan" in name]
    loaded = talan_core.load(tmp_path / "saved", backbone("qwen2"))
    assert torch.equal(logits(loaded, tokens), after)
    assert not any(p.requires_grad for p in loaded.parameters())
    for one in (model, loaded):
        with one.disable_adapter():
            assert torch.equal(logits(one, tokens), plain)
        assert torch.equal(logits(one, tokens), after)
    if arm.startswith("talan") or not isinstance(parse_arm(arm).partner, PeftPartner):
        assert torch.equal(logits(model.unload(), tokens), plain)


@pytest.mark.parametrize("arm", [arm for arm in BLOCKED if isinstance(parse_arm(arm).partner, PeftPartner)])
def test_merging_the_partner_keeps_the_block(made, tokens, arm):
    model, _ = made(arm)
    before = logits(model, tokens)
    with pytest.warns(UserWarning, match="stays active"), library_warnings_silenced():
        merged = model.merge_and_unload()
    torch.testing.assert_close(logits(merged, tokens), before, atol=5e-3, rtol=1e-3)
    merged.talan.enabled = False
    assert not torch.equal(logits(merged, tokens), before)


@pytest.mark.parametrize("kind", ["lora", "vera", "adalora", "loreft", "reft", "houlsby", "fusion"])
def test_another_seed_starts_and_ends_elsewhere(made, tokens, kind):
    arm = SMALL.get(kind, kind)
    first, again, other = (logits(made(arm, seed)[0], tokens) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("arm", ["lora[dropout=0.1]", "dora", "adalora", "ln", "loreft", "full"])
def test_a_frozen_silent_block_changes_nothing_of_the_partners_training(made, arm):
    (alone, log), (beside, same) = made(arm), made(f"talan[scope=frozen]+{arm}")
    assert same.losses == log.losses
    own = {name: value for name, value in beside.state_dict().items() if not name.startswith("talans.")}
    assert all(torch.equal(value, own[name]) for name, value in alone.state_dict().items())
    # controls: a block that writes noise, and one that learns, do change it
    for block in ("noise[gate=0.3]", "talan[lr_scale=3]"):
        assert made(f"{block}+{arm}")[1].losses != pytest.approx(log.losses, rel=1e-5)


def test_adalora_ends_with_its_budget_of_ranks(backbone, tokenizer, examples, tmp_path):
    arm = parse_arm("adalora[r=2,init_r=4]")
    model = build(backbone(), arm, seed=0)
    settings = dataclasses.replace(SETTINGS, steps=20)
    fit(model, tokenizer, examples, settings, seed=0, work_dir=tmp_path / "work")
    pattern = model.active_peft_config.rank_pattern
    kept = sum(sum(flags) for flags in pattern.values())
    assert len(pattern) == 4 * 7
    assert kept == 2 * len(pattern)  # r on average over the layers


@pytest.mark.parametrize("family", ["llama", "qwen3", "qwen3_moe", "phi3", "gemma2", "gemma3", "mistral"])
@pytest.mark.parametrize("kind", [kind for kind in PARTNERS if not PARTNERS[kind].refuses_block])
def test_every_partner_finds_its_layers_in_every_family(backbone, opened_arm, tokens, family, kind):
    attention = "eager" if family == "gemma2" else "sdpa"
    arm = opened_arm(backbone(family, attention), partner=SMALL.get(kind, kind))
    assert logits(arm, tokens).isfinite().all()
    partner_learns = any(p.requires_grad for n, p in arm.named_parameters() if not n.startswith("talans."))
    assert partner_learns == (kind != "base")


@pytest.mark.parametrize("arm", ["prefix[tokens=4]", "prompt[tokens=4]"])
def test_prompt_learning_generates_what_it_reads(made, tokens, arm):
    model, _ = made(arm)
    with library_warnings_silenced():
        new = model.generate(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=5, min_new_tokens=5,
            do_sample=False, pad_token_id=0,
        )  # fmt: skip
    read = logits(model, new)[:, -6:-1]
    read[..., 1] = -torch.inf
    assert read.argmax(-1).tolist() == new[:, -5:].tolist()


def test_plain_peft_reads_the_partner_of_every_kind(backbone, made, tokens, tmp_path):
    for arm in ("talan[layer=1]+lora", "talan[layer=1]+ia3"):
        model, _ = made(arm)
        directory = str(tmp_path / arm)
        model.save_pretrained(directory, strict=False)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            plain = PeftModel.from_pretrained(backbone("qwen2"), directory)
        assert [str(w.message) for w in caught if "talan" in str(w.message)]
        model.talan.enabled = False
        assert torch.equal(logits(plain, tokens), logits(model, tokens))


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing(_kwargs)?` is deprecated")
@pytest.mark.parametrize("arm", ["loreft", "reft", "full", "talan[layer=1]+base", "talan[layer=1]+ia3"])
def test_arms_train_alike_with_recomputed_activations(backbone, tokenizer, examples, tmp_path, arm):
    losses = []
    for checkpointing in (False, True):
        model = build(backbone(), parse_arm(arm), seed=0)
        settings = dataclasses.replace(SETTINGS, gradient_checkpointing=checkpointing)
        losses.append(fit(model, tokenizer, examples, settings, seed=0, work_dir=tmp_path / "work").losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "qwen3", "qwen3_moe", "phi3", "gemma2", "gemma3", "mistral"])
@pytest.mark.parametrize("arm", BLOCKED)
def test_in_every_family_a_trained_arm_reloads_bit_equal(backbone, tokenizer, examples, tokens, tmp_path, family, arm):
    attention = "eager" if family == "gemma2" else "sdpa"
    model = build(backbone(family, attention), parse_arm(arm), seed=0)
    fit(model, tokenizer, examples, SETTINGS, seed=0, work_dir=tmp_path / "work")
    with library_warnings_silenced():
        model.save_pretrained(str(tmp_path / "saved"))
    loaded = talan_core.load(tmp_path / "saved", backbone(family, attention))
    assert torch.equal(logits(loaded, tokens), logits(model, tokens))
    with loaded.disable_adapter():
        assert torch.equal(logits(loaded, tokens), logits(backbone(family, attention), tokens))
