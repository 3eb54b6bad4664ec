"""Checkpoints on tiny backbones whose heads vLLM has, and engines that carry them; `make test-vllm` uses them."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from talan_core.arms import build, parse_arm
from talan_core.checkpoint import read_record
from talan_core.integrations.vllm import ARCHITECTURES, CONFIG_KEY, WORKER_EXTENSION
from talan_core.stored import read_json

os.environ.update(
    VLLM_ENABLE_V1_MULTIPROCESSING="0",
    VLLM_CPU_OMP_THREADS_BIND="nobind",
    VLLM_LOGGING_LEVEL="ERROR",
    VLLM_NO_USAGE_STATS="1",
    HF_HUB_OFFLINE="1",
)
HEAD = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 261}
CONTEXT = 128


@pytest.fixture
def directories(tmp_path, backbone, tokenizer, opened):
    """A factory: a backbone's directory and checkpoints of an arm on it, a seed each, whose blocks write something."""

    def make(family, arm, seeds=(1, 2)):
        own = {**HEAD, **({} if family == "qwen2" else {"head_dim": 32})}
        own |= {"moe_intermediate_size": 32} if family == "qwen3_moe" else {}
        plain = backbone(family, **own)
        plain.save_pretrained(str(tmp_path / "backbone"))
        tokenizer.save_pretrained(str(tmp_path / "backbone"))
        checkpoints = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            model = build(backbone(family, **own), parse_arm(arm), seed=seed).eval()
            opened(model)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad and not parameter.any():
                        parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
                for parameter in model.talan.block.writeback.parameters():
                    parameter.mul_(3)
            checkpoints.append(tmp_path / f"seed-{seed}")
            model.save_pretrained(str(checkpoints[-1]))
        return SimpleNamespace(backbone=tmp_path / "backbone", checkpoints=checkpoints)

    return make


@pytest.fixture
def engine():
    """A factory: an engine in this process with a silent block of the shape of a checkpoint's."""
    from vllm import LLM  # noqa: PLC0415 - only where vLLM is installed
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory  # noqa: PLC0415 - as above

    made = []

    def start(where, **options):
        (named,) = read_json(where.backbone / "config.json")["architectures"]
        config = read_record(where.checkpoints[0]).config.to_dict()
        overrides = {"architectures": [ARCHITECTURES[named]], CONFIG_KEY: {"config": config}}
        usual = {
            "dtype": "float32", "enforce_eager": True, "max_model_len": CONTEXT, "max_num_seqs": 8, "block_size": 32,
            "max_num_batched_tokens": 64, "kv_cache_memory_bytes": 2**26, "max_logprobs": -1,
            "generation_config": "vllm",
        }  # fmt: skip
        threads = torch.set_num_threads
        try:
            made.append(
                LLM(
                    str(where.backbone), hf_overrides=overrides, worker_extension_cls=WORKER_EXTENSION,
                    **{**usual, **options},
                )
            )  # fmt: skip
        finally:
            torch.set_num_threads = threads  # vLLM takes it away from the whole process
        return made[-1]

    yield start
    for one in made:
        one.llm_engine.engine_core.shutdown()
    cleanup_dist_env_and_memory()
