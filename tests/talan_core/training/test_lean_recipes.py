"""What makes large backbones trainable keeps the promises: autocast, logits of targets, examples encoded as drawn."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.backbones.names import find_backbone
from talan_core.errors import UserError
from talan_core.training.data import Dialogue, Example, Turn
from talan_core.training.drawing import LazyData
from talan_core.training_settings import TrainingSettings

LEAN = TrainingSettings(
    steps=5, batch_size=3, learning_rate=5e-3, max_grad_norm=0.5, max_length=64, dtype="bfloat16", autocast=True,
    logits="targets", encoding="drawn",
)  # fmt: skip


def half(backbone, **changes):
    return backbone(**changes).to(torch.bfloat16)


def test_hub_backbones_are_trained_so():
    recipe = find_backbone("owner/model").training
    assert (recipe.autocast, recipe.logits, recipe.encoding) == (True, "targets", "drawn")
    assert recipe.packing == "auto"


@pytest.mark.parametrize("changes", [{}, {"packing": True}, {"gradient_checkpointing": True}])
def test_a_silent_block_leaves_the_adapters_training_bit_equal(run, backbone, trained, bit_equal, changes):
    settings = dataclasses.replace(LEAN, **changes)
    alone, log = run("lora[dropout=0.1]", settings, model=half(backbone))
    beside, log_beside = run("talan[layer=1,scope=frozen]+lora[dropout=0.1]", settings, model=half(backbone))
    assert log.losses == log_beside.losses
    assert bit_equal(trained(alone), trained(beside))
    loud, log_loud = run("talan[layer=1]+lora[dropout=0.1]", settings, model=half(backbone))
    assert log_loud.losses[0] == log.losses[0]  # silent at the first step
    assert log_loud.losses != log.losses  # the control: a block that learns changes what follows
    assert not bit_equal(trained(alone), {n: w for n, w in trained(loud).items() if "talans" not in n})


def test_before_training_the_block_is_silent_under_autocast(backbone, tokens):
    plain = half(backbone)
    arm = build(half(backbone), parse_arm("talan[layer=1]+lora"), seed=0).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(arm(input_ids=tokens).logits, plain(input_ids=tokens).logits)


def test_a_lean_run_that_was_interrupted_goes_on_bit_equal(run, backbone, trained, bit_equal, tmp_path):
    def stop(step, *_):
        if step == 4:
            raise KeyboardInterrupt

    whole, log = run("talan[layer=1]+lora", LEAN, model=half(backbone))
    options = {"work_dir": tmp_path / "run", "save_every": 2}
    with pytest.raises(KeyboardInterrupt):
        run("talan[layer=1]+lora", LEAN, model=half(backbone), on_step=stop, **options)
    again, resumed = run("talan[layer=1]+lora", LEAN, model=half(backbone), **options)
    assert resumed.losses == log.losses
    assert bit_equal(trained(again), trained(whole))


def test_full_with_masters_goes_on_bit_equal(run, tmp_path):
    settings = dataclasses.replace(LEAN, masters=True, learning_rate=1e-3)

    def stop(step, *_):
        if step == 3:
            raise KeyboardInterrupt

    whole, log = run("full", settings)
    options = {"work_dir": tmp_path / "run", "save_every": 2}
    with pytest.raises(KeyboardInterrupt):
        run("full", settings, on_step=stop, **options)
    again, resumed = run("full", settings, **options)
    assert resumed.losses == log.losses
    for name, weight in whole.get_base_model().named_parameters():
        assert weight.dtype == torch.bfloat16
        assert torch.equal(weight, dict(again.get_base_model().named_parameters())[name])


def test_only_what_is_drawn_is_encoded_and_only_once(tokenizer, monkeypatch):
    items = [Example(f"{n}+1=", str(n + 1), "sums") for n in range(100)]
    encoded = []
    inner = "talan_core.training.drawing.encode_item"
    real = __import__("talan_core.training.drawing", fromlist=["encode_item"]).encode_item
    monkeypatch.setattr(inner, lambda t, item: encoded.append(item) or real(t, item))
    lazy = LazyData(tokenizer, items)
    drawn = lazy.draw(LEAN, seed=0)
    assert len(encoded) == len(drawn.data.examples) == LEAN.draws
    lazy.draw(LEAN, seed=0)
    assert len(encoded) == LEAN.draws


def test_where_all_fit_the_order_is_that_of_a_set_encoded_whole(run, trained, bit_equal):
    plain = dataclasses.replace(LEAN, dtype="float32", autocast=False)
    drawn, log = run("lora", plain)
    whole, log_whole = run("lora", dataclasses.replace(plain, encoding="all"))
    assert log.losses == log_whole.losses
    assert bit_equal(trained(drawn), trained(whole))


def test_what_is_too_long_is_passed_over_and_counted(tokenizer):
    items = [Example("1+1=", "2", "sums"), Example("x" * 100, "2", "sums"), Example("1+2=", "3", "sums")]
    drawn = LazyData(tokenizer, items).draw(LEAN, seed=0)
    assert drawn.data.dropped == 1
    assert len(drawn.data.examples) == 2
    assert len(drawn.order) == LEAN.draws
    assert set(drawn.order) == {0, 1}
    with pytest.raises(UserError, match="1 given, none of at most 64 tokens"):
        LazyData(tokenizer, items[1:2]).draw(LEAN, seed=0)


def test_a_conversation_whose_turns_are_sequences_of_their_own_gives_them_all(tokenizer):
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{{ message['content'] }}", "{{ message['content'] if loop.last or message['role'] == 'user' else '' }}"
    )  # earlier answers are rewritten, as Qwen3 does with its thinking
    turns = tuple(
        Turn(role, text) for role, text in (("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    )
    drawn = LazyData(tokenizer, [Dialogue(turns, "talk")]).draw(dataclasses.replace(LEAN, steps=1, batch_size=4), 0)
    assert len(drawn.data.examples) == 2
    assert drawn.order == [0, 1, 0, 1]
