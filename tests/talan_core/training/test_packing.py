"""Packed rows: every example sees only itself, in the backbone and in the block's memory."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PromptTuningConfig, get_peft_model
from transformers import BloomConfig, BloomForCausalLM

from talan_core.arms import build, parse_arm
from talan_core.attach import TalanAttachment
from talan_core.errors import UserError
from talan_core.quiet import library_warnings_silenced
from talan_core.training.data import IGNORED, EncodedExample, collate, encode
from talan_core.training.packing import check_packing, collate_packed, pack
from talan_core.training_settings import TrainingSettings

SETTINGS = TrainingSettings(
    steps=3, batch_size=6, learning_rate=1e-3, max_length=64, warmup_ratio=0.0, schedule="constant"
)


@given(st.lists(st.integers(1, 20), max_size=30), st.integers(20, 50))
def test_every_sequence_is_in_one_row_that_holds_it(lengths, capacity):
    rows = pack(lengths, capacity)
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[number] for number in row) <= capacity for row in rows)


def test_positions_start_again_and_first_tokens_carry_no_loss():
    batch = collate_packed([EncodedExample((5, 6, 7), 1), EncodedExample((8, 9), 0)], 0, 8)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7, IGNORED, 9]]
    assert "attention_mask" not in batch


def awake(model):
    """Let the block write, so that a leak of its memory shows."""
    with torch.no_grad():
        model.talan.block.writeback.gate.fill_(0.7)
    return model.eval()


def logits_by_example(model, encoded, *, packed):
    if not packed:
        batch = collate(encoded, 0)
        out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
        return [row[: len(example.input_ids)] for row, example in zip(out, encoded, strict=True)]
    batch = collate_packed(encoded, 0, 64)
    out = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
    found = [None] * len(encoded)
    for row, members in enumerate(pack([len(example.input_ids) for example in encoded], 64)):
        begin = 0
        for number in members:
            end = begin + len(encoded[number].input_ids)
            found[number] = out[row, begin:end]
            begin = end
    return found


def differences(model, tokenizer, examples):
    encoded = encode(tokenizer, examples[:8], 64).examples
    pairs = [logits_by_example(model, encoded, packed=packed) for packed in (False, True)]
    return [(one - other).abs().max().item() for one, other in zip(*pairs, strict=True)]


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_equals_separate(backbone, tokenizer, examples, attention):
    model = awake(build(backbone("qwen3", attention), parse_arm("talan[layer=1]+lora"), seed=0))
    assert max(differences(model, tokenizer, examples)) < 1e-4
    check_packing(model)


@torch.no_grad()
def test_a_memory_that_does_not_read_positions_leaks_and_is_refused(backbone, tokenizer, examples, monkeypatch):
    model = awake(build(backbone(), parse_arm("talan[layer=1]+lora"), seed=0))
    context = type(model.talan)._context

    # The leaky control: the block's own mask is built as if there were one sequence per row.
    def blind(self, hidden, cache, _):
        self._callers_positions = None
        return context(self, hidden, cache, {})

    monkeypatch.setattr(type(model.talan), "_context", blind)
    worst = differences(model, tokenizer, examples)
    assert max(worst) > 0.05
    with pytest.raises(UserError, match="does not keep packed examples apart"):
        check_packing(model)


@torch.no_grad()
def test_a_backbone_of_which_rounding_makes_much_can_be_packed_and_a_leak_of_it_is_still_seen(backbone):
    def rounding(_, args, kwargs, out):
        """Stand in for bfloat16 on rare tokens: what comes out depends on the shape of what is computed."""
        del args
        noise = torch.randn(
            out.logits.shape[-1], generator=torch.Generator().manual_seed(kwargs["input_ids"].numel() // 9)
        )
        out.logits = out.logits + 4 * noise
        return out

    def deaf(_, args, kwargs):
        return args, {**kwargs, "position_ids": None}

    model = backbone("qwen3").eval()
    model.register_forward_hook(rounding, with_kwargs=True)
    assert check_packing(model)
    model.model.register_forward_pre_hook(deaf, with_kwargs=True)
    with pytest.raises(UserError, match=r"logits differ by \d+% with the examples beside"):
        check_packing(model)


@torch.no_grad()
def test_examples_that_get_less_than_alone_are_refused(backbone):
    def cut(_, args, kwargs, out):
        """Give packed tokens something else than they get alone, whatever stands beside them."""
        del args
        if kwargs.get("position_ids") is not None:
            out.logits = out.logits.flip(-1)
        return out

    model = backbone("qwen3").eval()
    model.register_forward_hook(cut, with_kwargs=True)
    with pytest.raises(UserError, match="from those of the examples alone"):
        check_packing(model)


def test_adapters_that_change_the_sequence_are_refused(backbone):
    with library_warnings_silenced():
        model = get_peft_model(backbone(), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))
    with pytest.raises(UserError, match="PROMPT_TUNING changes the sequence"):
        check_packing(model)


def test_what_can_be_packed_is_where_that_is_left_to_a_probe(run, trained, bit_equal):
    left = dataclasses.replace(SETTINGS, packing="auto")
    for arm in ("talan+lora", "full", "loreft"):
        asked, log = run(arm, dataclasses.replace(SETTINGS, packing=True))
        found, log_found = run(arm, left)
        assert log.packed
        assert log_found.packed
        assert log_found.losses == log.losses
        assert bit_equal(trained(found), trained(asked))


def test_what_cannot_be_packed_is_padded_in_every_arm_alike(run, backbone, trained, bit_equal):
    left = dataclasses.replace(SETTINGS, packing="auto")
    with pytest.raises(UserError, match="changes the sequence"):
        run("prompt", dataclasses.replace(SETTINGS, packing=True))
    asked, log = run("prompt", SETTINGS)
    found, log_found = run("prompt", left)
    assert not log_found.packed
    assert log_found.losses == log.losses
    assert bit_equal(trained(found), trained(asked))

    def deaf(made):
        """A backbone that reads no positions, so that examples of a row would see each other."""
        made.model.register_forward_pre_hook(
            lambda _, args, kwargs: (args, {**kwargs, "position_ids": None}), with_kwargs=True
        )
        return made

    for arm in ("lora", "talan+lora"):
        asked, log = run(arm, SETTINGS, model=deaf(backbone()))
        found, log_found = run(arm, left, model=deaf(backbone()))
        assert not log_found.packed
        assert log_found.losses == log.losses


def test_a_backbone_that_takes_no_positions_is_padded(run):
    config = BloomConfig(vocab_size=300, hidden_size=16, n_layer=2, n_head=2)
    log = run("lora", dataclasses.replace(SETTINGS, packing="auto"), model=BloomForCausalLM(config))[1]
    assert not log.packed
    with pytest.raises(UserError, match="BloomForCausalLM takes no position numbers"):
        run("lora", dataclasses.replace(SETTINGS, packing=True), model=BloomForCausalLM(config))


def test_a_block_that_leaks_is_an_error_and_not_another_shape_than_its_pair(run, monkeypatch):
    context = TalanAttachment._context

    def blind(self, hidden, cache, _):
        self._callers_positions = None
        return context(self, hidden, cache, {})

    monkeypatch.setattr(TalanAttachment, "_context", blind)
    left = dataclasses.replace(SETTINGS, packing="auto")
    assert run("lora", left)[1].packed
    with pytest.raises(UserError, match="the memory of the block differs"):
        run("talan[layer=1]+lora", left)


def test_packing_changes_the_cost_of_a_step_not_its_loss_or_update(run, backbone, trained):
    shapes = []
    watched = backbone()
    watched.model.embed_tokens.register_forward_hook(lambda _, args, __: shapes.append(args[0].shape))
    plain, plain_log = run("talan+lora", SETTINGS)
    packed, log = run("talan+lora", dataclasses.replace(SETTINGS, packing=True), model=watched)
    assert log.losses == pytest.approx(plain_log.losses, rel=1e-4)
    assert (log.tokens, log.target_tokens) == (plain_log.tokens, plain_log.target_tokens)
    assert [shape[0] for shape in shapes[-3:]] == [1, 2, 1]  # rows instead of six each
    for name, value in trained(plain).items():
        torch.testing.assert_close(trained(packed)[name], value, rtol=0.02, atol=2e-4)


def test_packed_arms_are_paired_bit_for_bit(run):
    settings = dataclasses.replace(SETTINGS, packing=True)
    lora, lora_log = run("lora[dropout=0.1]", settings)
    frozen, log = run("talan[scope=frozen]+lora[dropout=0.1]", settings)
    assert log.losses == lora_log.losses
    parts = [{n: w for n, w in m.state_dict().items() if "lora" in n} for m in (lora, frozen)]
    assert all(torch.equal(value, parts[1][name]) for name, value in parts[0].items())
