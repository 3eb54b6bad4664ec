"""TALAN inside vLLM: an installation beside vLLM is all it takes, vLLM finds `register` by its entry point.

Which architectures there are is `ARCHITECTURES`; `models` holds the classes, `paged_block` the block on vLLM's paged
cache, `live_engine` what a running one is told, `serving` the directory that `vllm serve` takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHITECTURES: Final[Mapping[str, str]] = {
    "LlamaForCausalLM": "TalanLlamaForCausalLM",
    "Qwen2ForCausalLM": "TalanQwen2ForCausalLM",
    "Qwen3ForCausalLM": "TalanQwen3ForCausalLM",
    "Qwen3MoeForCausalLM": "TalanQwen3MoeForCausalLM",
}
"""What carries a block in vLLM, by the architecture that a backbone's config.json names."""

CONFIG_KEY: Final = "talan"
"""Key of config.json, or of vLLM's `hf_overrides`, that says which block there is; see `models.BlockSource`."""

WORKER_EXTENSION: Final = "talan_core.integrations.vllm.live_engine.TalanWorker"
"""What vLLM's `worker_extension_cls` takes, for engines in which blocks are changed."""


def register() -> None:
    """Tell vLLM of the architectures (entry point of the group "vllm.general_plugins"); may be called several times."""
    from vllm import ModelRegistry  # noqa: PLC0415 - it is vLLM that calls this

    known = ModelRegistry.get_supported_archs()
    for name in ARCHITECTURES.values():
        if name not in known:
            ModelRegistry.register_model(name, f"talan_core.integrations.vllm.models:{name}")
