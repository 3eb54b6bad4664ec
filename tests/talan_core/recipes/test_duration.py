"""Hours on a device that is not here, against counts and products made by hand."""

from __future__ import annotations

import dataclasses

import pytest
from transformers import LlamaConfig, Qwen3MoeConfig

from talan_core.recipes.duration import Accelerator, Size, answering_seconds, training_seconds
from talan_core.training_settings import TrainingSettings

DEVICE = Accelerator("one", memory=10**9, flops=1000.0, bandwidth=100.0, flops_share=0.5, bandwidth_share=0.5)
SETTINGS = TrainingSettings(steps=1)
SHAPE = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 32}
ATTENTION, MLP, NORMS = 4 * 8 * 8, 3 * 8 * 16, 2 * 8


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_is_multiplied_and_an_embedding_is_looked_up(tied):
    found = Size.of(LlamaConfig(**SHAPE, num_key_value_heads=2, tie_word_embeddings=tied))
    layers = 2 * (ATTENTION + MLP + NORMS) + 8
    assert found == Size(active=layers + 32 * 8, stored=layers + (1 if tied else 2) * 32 * 8)


def test_a_token_is_sent_to_its_own_experts_alone():
    config = Qwen3MoeConfig(
        **SHAPE, num_key_value_heads=2, head_dim=4, moe_intermediate_size=16, num_experts=4, num_experts_per_tok=1,
        tie_word_embeddings=True,
    )  # fmt: skip
    found = Size.of(config)
    assert found.stored - found.active == 2 * 3 * MLP  # three of four experts, in two layers


def test_training_takes_what_its_passes_take():
    size = Size(active=10, stored=20)
    assert training_seconds(size, SETTINGS, 100, DEVICE) == 4 * 10 * 100 / 500
    assert training_seconds(size, SETTINGS, 100, DEVICE, all_weights=True) == 6 * 10 * 100 / 500
    again = dataclasses.replace(SETTINGS, gradient_checkpointing=True)
    assert training_seconds(size, again, 100, DEVICE) == 6 * 10 * 100 / 500


def test_decoding_is_bound_by_memory_for_few_prompts_and_by_arithmetic_for_many():
    size = Size(active=10, stored=20)
    reading = 2 * 10 * 5 * 8 / 500
    assert answering_seconds(size, 8, (5, 3), 4, DEVICE) == pytest.approx(reading + 2 * 3 * 2 * 20 / 50)
    many = answering_seconds(size, 800, (5, 3), 400, DEVICE)
    assert many == pytest.approx(100 * reading + 2 * 3 * 2 * 10 * 400 / 500)
    assert answering_seconds(size, 0, (5, 3), 4, DEVICE) == 0
