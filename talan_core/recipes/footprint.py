"""How much memory a training and its answering need, from the architecture alone, before anything is loaded.

A step is run forward and backward on tensors that have shapes and no values, and whatever a real step would hold is
added up as it comes and goes. So adapters, autocast, recomputing and the logits cost what their own code makes them
cost. Every example is taken to be as long as `max_length`.

Not counted: what libraries take (some 500 MB of main memory; a CUDA context), the allocator's fragmentation, buffers
that kernels use inside, other processes on the same device, and the activations of answering.
"""

from __future__ import annotations

import copy
import dataclasses
import weakref
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from accelerate.utils.operations import convert_outputs_to_fp32
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM

from talan_core.arms import build
from talan_core.partners.bottleneck import Fusion
from talan_core.quiet import library_warnings_silenced
from talan_core.training.data import IGNORED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transformers import PretrainedConfig, PreTrainedModel

    from talan_core.arms import Arm
    from talan_core.config import TalanDefaults
    from talan_core.training_settings import TrainingSettings

TARGET_SHARE: Final = 0.5
"""The share of tokens that are taken to carry loss, where only their logits are computed."""

FUSED: Final = 3
"""Dimensions of the weights of all experts of a layer: experts, outputs, inputs."""
_DEEPEST: Final = 40  # layers that are simulated one by one
_SHALLOW: Final = (6, 12)
"""Depths from which a deeper model's needs are drawn out; all parts are linear in the number of equal layers."""
_STATES: Final = {"adamw": 8, "paged_adamw": 0, "adamw_8bit": 2, "paged_adamw_8bit": 0}
"""Bytes of optimizer state on the device for each trained parameter; paged states lie in main memory."""
_STORED: Final = {"4bit": 0.5 + 1 / 64 + 4 / (64 * 256), "8bit": 1.0}
"""Bytes of a quantised weight: NF4 with a scale of 8 bits per 64 and one of 32 bits per 256 of these; LLM.int8()."""


@dataclass(frozen=True)
class Footprint:
    """Memory by part at the fullest moment of a training, in bytes, and the cache of answering.

    Args:
        weights: The backbone.
        adapter: What is trained beside it, and its frozen parts.
        optimizer: Gradients that are there at that moment, and states.
        activations: What the backward pass needs, and what a layer works with.
        logits: Logits, their float32 copies and gradients.
        cache: Keys and values of all prompts that are answered at a time; not there while training.
    """

    weights: int
    adapter: int
    optimizer: int
    activations: int
    logits: int
    cache: int

    @property
    def training(self) -> int:
        """What a training needs at its fullest moment."""
        return self.weights + self.adapter + self.optimizer + self.activations + self.logits

    @property
    def answering(self) -> int:
        """What answering needs, but for activations."""
        return self.weights + self.adapter + self.cache

    @property
    def needed(self) -> int:
        """The larger of both: they come one after the other."""
        return max(self.training, self.answering)


@dataclass(frozen=True)
class AnswerLoad:
    """How many prompts are answered at a time.

    Args:
        prompts: Prompts.
        tokens: Most tokens of a prompt with its answer.
    """

    prompts: int
    tokens: int


def footprint(
    config: PretrainedConfig,
    arm: Arm,
    settings: TrainingSettings,
    *,
    defaults: TalanDefaults,
    device: str,
    answers: AnswerLoad | None = None,
) -> Footprint:
    """Estimate what an arm needs on a backbone.

    Args:
        config: The backbone's configuration; nothing is loaded.
        arm: The arm.
        settings: Its recipe.
        defaults: The backbone's operating point.
        device: "cpu" or "cuda"; on a CPU the originals of trained weights and paged states lie in the same memory.
        answers: What is answered at a time; no cache is counted when None.

    Raises:
        UserError: The arm does not fit the backbone.
    """
    asked = _Wanted(arm, settings, defaults, on_cpu=device == "cpu")
    layers = int(config.get_text_config().num_hidden_layers)
    if layers <= _DEEPEST:
        found = _simulated(config, asked)
    else:
        low, high = (_simulated(_of_depth(config, depth), asked.anywhere()) for depth in _SHALLOW)
        found = _drawn_out(low, high, layers)
    cache = 0 if answers is None else _cache_bytes(config, asked, answers)
    return dataclasses.replace(found, cache=cache)


@dataclass(frozen=True)
class _Wanted:
    arm: Arm
    settings: TrainingSettings
    defaults: TalanDefaults
    on_cpu: bool

    def anywhere(self) -> _Wanted:
        """Return the same with the block at the embedding output: where it stands changes no size."""
        block = self.arm.block and dataclasses.replace(self.arm.block, layer=0)
        arm, defaults = dataclasses.replace(self.arm, block=block), dataclasses.replace(self.defaults, layer=0)
        return _Wanted(arm, self.settings, defaults, self.on_cpu)


class _Tally(TorchDispatchMode):  # type: ignore[no-untyped-call] # untyped in torch
    """Adds up the storage of all tensors that are alive, by kind, and keeps the sums of the fullest moment."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self.vocabulary = vocabulary
        self.kinds: dict[int, str] = {}
        self.alive: dict[str, int] = {}
        self.fullest: dict[str, int] = {}
        self.most = 0

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Run an operation and count what it made."""
        made = function(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, torch.Tensor):
                of_logits = one.ndim > 1 and one.shape[-1] == self.vocabulary
                self.count(one, "logits" if of_logits else "activations")
        return made

    def count(self, tensor: torch.Tensor, kind: str) -> None:
        """Count a tensor's storage as of a kind; one that was counted before changes its kind."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()  # noqa: SLF001 - a storage has no other name for itself
        known = self.kinds.get(key)
        if known is not None and known != kind and kind in _LASTING:
            self._add(known, -size)
            self._add(kind, size)
            self.kinds[key] = kind
        elif known is None:
            self.kinds[key] = kind
            self._add(kind, size)
            weakref.finalize(storage, self._forget, key, size)
        total = sum(self.alive.values())
        if total > self.most:
            self.most, self.fullest = total, dict(self.alive)

    def _add(self, kind: str, size: int) -> None:
        self.alive[kind] = self.alive.get(kind, 0) + size

    def _forget(self, key: int, size: int) -> None:
        self._add(self.kinds.pop(key), -size)


_LASTING: Final = ("weights", "adapter", "gradients")


def _simulated(config: PretrainedConfig, asked: _Wanted) -> Footprint:
    """Run one step without values and read off the fullest moment."""
    settings = asked.settings
    with library_warnings_silenced():
        model = _of_shapes(config, asked)
    if settings.loaded_dtype == "float32" and any(weight.ndim == FUSED for weight in model.parameters()):
        # torch multiplies by fused experts without values in bfloat16 only
        half = dataclasses.replace(settings, dtype="bfloat16", masters=False)
        found = _simulated(config, dataclasses.replace(asked, settings=half))
        return dataclasses.replace(found, weights=2 * found.weights, activations=2 * found.activations)
    frozen = {id(p) for p in model.get_base_model().parameters() if not p.requires_grad}
    if settings.quantization is not None:
        saved, workspace = _quantised(model.get_base_model(), settings)
    else:
        saved, workspace = 0, 0
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    vocabulary = int(config.get_text_config().vocab_size)
    with library_warnings_silenced(), FakeTensorMode(allow_non_fake_inputs=True), _Tally(vocabulary) as tally:
        _materialise(model, tally, frozen, trains_backbone=asked.arm.partner.trains_backbone)
        if trained:
            _step(model, settings)
    part = tally.fullest
    originals = part.get("weights", 0) if asked.on_cpu and asked.arm.partner.trains_backbone else 0
    return Footprint(
        weights=part.get("weights", 0) - saved + originals,
        adapter=part.get("adapter", 0),
        optimizer=part.get("gradients", 0) + _STATES[settings.optimizer] * trained,
        activations=part.get("activations", 0) + workspace,
        logits=part.get("logits", 0),
        cache=0,
    )


def _of_shapes(config: PretrainedConfig, asked: _Wanted) -> Any:  # noqa: ANN401 - an arm's model
    """Build the arm on a backbone that has no values."""
    settings = asked.settings
    # Flash attention keeps queries, keys, values and its output, as sdpa's kernels do; it cannot run without values.
    attention = {"attn_implementation": "eager" if settings.attention == "eager" else "sdpa"}
    with torch.device("meta"):
        backbone: PreTrainedModel = cast("Any", AutoModelForCausalLM).from_config(
            copy.deepcopy(config), dtype=getattr(torch, settings.loaded_dtype), trust_remote_code=False, **attention
        )
    backbone.requires_grad_(requires_grad=False)
    backbone.config.use_cache = False
    if settings.gradient_checkpointing:
        # transformers 5.16 knows the older name only, later ones warn of it.
        enable = getattr(backbone, "activation_checkpointing_enable", None) or backbone.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    model = build(backbone, _whole(asked.arm), seed=0, defaults=asked.defaults)
    return model.train()


def _whole(arm: Arm) -> Arm:
    """Return an arm with all its parts: of a fusion that leaves the domains to the data, the fewest there can be."""
    if isinstance(arm.partner, Fusion) and not arm.partner.domains:
        return dataclasses.replace(arm, partner=dataclasses.replace(arm.partner, domains=2))
    return arm


def _materialise(model: nn.Module, tally: _Tally, frozen: set[int], *, trains_backbone: bool) -> None:
    """Put every parameter and buffer on a device on which operations are the real ones."""
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            if id(weight) not in made:
                fresh = nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype), requires_grad=weight.requires_grad)
                of_backbone = id(weight) in frozen or (trains_backbone and weight.is_leaf and weight.ndim > 0)
                tally.count(fresh, "weights" if of_backbone else "adapter")
                if weight.requires_grad:
                    noted = cast("Any", fresh).register_post_accumulate_grad_hook
                    noted(lambda p: tally.count(p.grad, "gradients"))
                made[id(weight)] = fresh
            module.register_parameter(name, made[id(weight)])
        for name, buffer in list(module.named_buffers(recurse=False)):
            fresh_buffer = torch.empty(buffer.shape, dtype=buffer.dtype)
            module.register_buffer(name, fresh_buffer)
            tally.count(fresh_buffer, "weights")


def _step(model: Any, settings: TrainingSettings) -> None:  # noqa: ANN401 - an arm's model
    """Run a forward and a backward pass as Trainer does."""
    batch = torch.zeros((settings.batch_size, settings.max_length), dtype=torch.long)
    forward: Callable[..., Any] = model.forward
    with ExitStack() as around:
        if settings.computes_in_bfloat16:
            around.enter_context(torch.autocast("cpu", torch.bfloat16))
            forward = convert_outputs_to_fp32(forward)
        given: dict[str, torch.Tensor] = {"labels": batch}
        if settings.logits == "targets":
            kept = max(1, round(TARGET_SHARE * settings.batch_size * settings.max_length))
            around.enter_context(_few_logits(model, kept))
            given["shift_labels"] = torch.full((kept,), IGNORED)
        out = forward(input_ids=batch, attention_mask=torch.ones_like(batch), **given)
        loss = out.loss
        del out
    loss.backward()


@contextmanager
def _few_logits(model: Any, kept: int) -> Iterator[None]:  # noqa: ANN401 - an arm's model
    """Hand the first so many hidden states to the output head alone, as `target_logits` does with those of targets."""

    def select(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]
        return (hidden.reshape(-1, hidden.shape[-1])[:kept].clone().unsqueeze(0), *args[1:])

    handle = model.get_base_model().get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()


def _quantised(backbone: PreTrainedModel, settings: TrainingSettings) -> tuple[int, int]:
    """Return how many bytes quantising saves, and the largest weight that is unpacked at a time."""
    head = backbone.get_output_embeddings()  # type: ignore[no-untyped-call] # untyped in transformers
    weights = [
        module.weight
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear) and module is not head and "lora_" not in name
    ]
    full = int(sum(weight.numel() * weight.element_size() for weight in weights))
    packed = sum(int(weight.numel() * _STORED[cast("str", settings.quantization)]) for weight in weights)
    return full - packed, max((weight.numel() * weight.element_size() for weight in weights), default=0)


def _cache_bytes(config: PretrainedConfig, asked: _Wanted, answers: AnswerLoad) -> int:
    shape = config.get_text_config()
    heads = getattr(shape, "num_key_value_heads", None) or shape.num_attention_heads
    width = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    elements = int(2 * shape.num_hidden_layers * heads * width)
    if asked.arm.block is not None:
        block = asked.arm.block.config(asked.defaults).resolve(shape.hidden_size, shape.num_hidden_layers)
        elements += 2 * int(block.d_mem or 0)
    size = 4 if asked.settings.dtype == "float32" else 2
    return elements * size * answers.prompts * answers.tokens


def _of_depth(config: PretrainedConfig, layers: int) -> PretrainedConfig:
    """Return a configuration with fewer layers."""
    shallow = copy.deepcopy(config)
    shape = shallow.get_text_config()
    shape.num_hidden_layers = layers
    if getattr(shape, "layer_types", None) is not None:
        shape.layer_types = list(shape.layer_types)[:layers]
    return shallow


def _drawn_out(low: Footprint, high: Footprint, layers: int) -> Footprint:
    """Draw a line through the needs at two depths."""
    shallow, deep = _SHALLOW

    def at(name: str) -> int:
        first, second = int(getattr(low, name)), int(getattr(high, name))
        return round(first + (second - first) * (layers - shallow) / (deep - shallow))

    return Footprint(**{item.name: at(item.name) for item in fields(Footprint)})
