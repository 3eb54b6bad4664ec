"""The backend "vllm": adapters are merged into the weights of one live engine, and a block is vLLM's plugin of ours.

An engine is started once per backbone and block shape. Opening a checkpoint puts its merged weights and its block into
it, forgets what was cached, and compares what it says then with what transformers says of the checkpoint as it is, so
that nothing is asked of an engine that does not hold it.

Verified on CPUs only. Not covered: several GPUs, quantised backbones, adapters that are no change of weights.
"""

from __future__ import annotations

import contextlib
import gc
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import torch
from lm_eval.models.utils import resolve_max_length
from transformers import AutoConfig

from talan_core.backbones.load import load_tokenizer
from talan_core.errors import UserError
from talan_core.extras import installed_vllm
from talan_core.integrations.vllm import ARCHITECTURES, CONFIG_KEY, WORKER_EXTENSION
from talan_eval.generation.tokens import Tokens
from talan_eval.generation.vllm_engine import Started, VllmEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from talan_core.backbones.load import Revision
    from talan_eval.generation.backend import ArmsAsked, BackendOptions, BlockShape

_ENVIRONMENT: Final = {
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",  # a token more than the context: see _options
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # weights are handed over inside this process
}
_USUAL: Final = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # workers side by side share the cores, as those of transformers do
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
_CACHE_BYTES: Final = 2**30
_CPU_BLOCK: Final = 32
_CPU_TOKENS: Final = 1024
_GPU_SHARE: Final = 0.5
"""Of the memory that a process has of a GPU: the rest is for its trainings."""


class VllmBackend:
    """Runs models with vLLM in this process.

    Args:
        options: What every backend is made from.

    Raises:
        UserError: vLLM is not installed, or something is asked for that it is not used for here.
    """

    def __init__(self, options: BackendOptions) -> None:
        found = installed_vllm()
        if found is None or find_spec("vllm") is None:
            raise UserError(
                "vLLM is not installed.",
                "Type: make install-vllm (an environment of its own, in build/vllm), or --backend transformers.",
            )
        if options.quantization is not None or options.divided:
            what = "a quantised backbone" if options.quantization is not None else "a backbone divided among GPUs"
            raise UserError(f"The backend vllm does not answer with {what}.", "Type --backend transformers.")
        self._package, self._version = found
        self._options = options

    def identity(self) -> dict[str, str]:
        """Return name, version, dtype and attention; the device fixes which attention vLLM takes."""
        return {
            "name": "vllm",
            "version": f"{self._version} ({self._package})",
            "dtype": self._options.dtype,
            "attention": "chosen by vllm",
            "adapters": "merged in float32",
        }

    def check(self, backbone: Revision, arms: ArmsAsked) -> None:
        """Refuse blocks on architectures that have none in vLLM, and adapters that are no change of weights."""
        architecture = _architecture(backbone)
        if arms.shapes and architecture not in ARCHITECTURES:
            raise UserError(
                f"In vLLM there is no TALAN for {architecture}, which {backbone.location} is.",
                f"Type --backend transformers, or take a backbone that is one of {', '.join(ARCHITECTURES)}.",
            )
        if arms.unmergeable:
            raise UserError(
                "The backend vllm merges adapters into weights, and "
                f"{', '.join(sorted(arms.unmergeable))} cannot be merged.",
                "Type --backend transformers for all arms of this comparison.",
            )

    @contextlib.contextmanager
    def start(self, backbone: Revision, shape: BlockShape | None) -> Iterator[VllmEngine]:
        """Start an engine; seconds on a small backbone."""
        tokenizer = load_tokenizer(backbone)
        config = AutoConfig.from_pretrained(backbone.location, revision=backbone.commit, trust_remote_code=False)
        max_length = int(resolve_max_length(config, tokenizer))
        llm = self._llm(backbone, shape, max_length)
        try:
            yield VllmEngine(Started(llm, backbone, shape, Tokens(tokenizer), max_length, self._options.dtype))
        finally:
            _close(llm)

    def _llm(self, backbone: Revision, shape: BlockShape | None, max_length: int) -> Any:  # noqa: ANN401 - vLLM is not typed
        os.environ.update(_ENVIRONMENT)
        for name, value in _USUAL.items():
            os.environ.setdefault(name, value)
        from vllm import LLM  # noqa: PLC0415 - it reads the environment when it is imported

        threads = torch.set_num_threads
        try:
            return LLM(backbone.location, **_options(self._options, backbone, shape, max_length))
        finally:
            torch.set_num_threads = threads  # vLLM takes it away from the whole process


def _options(options: BackendOptions, backbone: Revision, shape: BlockShape | None, max_length: int) -> dict[str, Any]:
    """Return vLLM's options."""
    on_cpu = options.device == "cpu"
    found: dict[str, Any] = {
        "revision": backbone.commit,
        "tokenizer_revision": backbone.commit,
        "dtype": options.dtype,
        # To score a text vLLM must be let generate a token behind it, which nobody reads.
        "max_model_len": max_length + 1,
        "max_num_seqs": options.batch_size,
        "enable_prefix_caching": True,
        "generation_config": "vllm",  # nothing that comes with the model changes answers
        "max_logprobs": -1,
        "worker_extension_cls": WORKER_EXTENSION,
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
    }
    if on_cpu:
        found |= {
            "enforce_eager": True,
            "block_size": _CPU_BLOCK,
            "max_num_batched_tokens": _CPU_TOKENS,
            "kv_cache_memory_bytes": max(_CACHE_BYTES, _bytes_of_one(options, backbone, max_length)),
        }
    else:
        found["gpu_memory_utilization"] = _GPU_SHARE * options.gpu_share
    if shape is not None:
        found["hf_overrides"] = {
            "architectures": [ARCHITECTURES[_architecture(backbone)]],
            CONFIG_KEY: {"config": shape.config().to_dict()},
        }
    return found


def _bytes_of_one(options: BackendOptions, backbone: Revision, max_length: int) -> int:
    """Return the memory of keys and values of the longest sequence, with room for those of a block."""
    config = AutoConfig.from_pretrained(backbone.location, revision=backbone.commit, trust_remote_code=False)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    of_token = 2 * (config.num_hidden_layers + 1) * heads * size * getattr(torch, options.dtype).itemsize
    return int(2 * of_token * (max_length + _CPU_BLOCK))


def _architecture(backbone: Revision) -> str:
    config = AutoConfig.from_pretrained(backbone.location, revision=backbone.commit, trust_remote_code=False)
    return str((config.architectures or ["a model without an architecture"])[0])


def _close(llm: Any) -> None:  # noqa: ANN401 - vLLM is not typed
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory  # noqa: PLC0415 - as above

    llm.llm_engine.engine_core.shutdown()
    del llm
    cleanup_dist_env_and_memory()
    gc.collect()
