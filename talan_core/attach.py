"""Put a block into a Hugging Face decoder through forward hooks, leaving all parameter names of the model as they are.

A hook survives what other ways of inserting a module do not: swapping the layer's class is silently inactive after
accelerate dispatches the model, and a wrapper module changes every parameter name.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import torch
from torch import nn
from transformers.cache_utils import DynamicLayer, StaticLayer
from transformers.masking_utils import create_causal_mask

from talan_core.block import TalanBlock
from talan_core.errors import UserError
from talan_core.memory import BORDERS, MemoryContext

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel
    from transformers.cache_utils import Cache, CacheLayerMixin

    from talan_core.checkpoint import Provenance
    from talan_core.config import TalanConfig

_OWNER: Final = "talan_block"  # attribute of the memory's layer of a cache: which block filled it
_MASK_POSITION = 1  # (input_ids, attention_mask, ...) in every decoder of transformers


class TalanAttachment(nn.Module):
    """A block and its place in a backbone.

    The hooks are bound methods of this module, so that `copy.deepcopy` of a model with an attachment gives an
    independent one.

    Verified with the attention implementations "sdpa" and "eager" and with dynamic, static and left-padded generation;
    packing under flash attention with an emulation of how transformers calls it. Not verified: flash attention
    itself, flex attention, paged (continuous) batching, tensor parallelism, and encoder-decoder models.

    Args:
        backbone: The model; only its shape and device are read here, see `attach`.
        config: A configuration; resolved against the backbone.
        generator: The block's own CPU generator.

    Raises:
        UserError: If the backbone has no list of decoder layers, or no layer of that number.
    """

    changes_stream: ClassVar[bool] = True
    """Says to `check_untouched` whose hooks these are."""

    def __init__(self, backbone: PreTrainedModel, config: TalanConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        decoder = find_decoder(backbone)
        layers = decoder_layers(decoder)
        self.hidden_size, self.num_layers = int(decoder.config.hidden_size), len(layers)
        self.config = config.resolve(self.hidden_size, self.num_layers)
        self.block = TalanBlock(self.config, self.hidden_size, generator=generator)
        self.block.set_trainable(self.config.scope)
        self.block.to(execution_device(layers[int(self.config.layer)]))
        self.decoder_config = decoder.config
        self.enabled = True
        self.is_muted = False
        self.rate_is_set = False  # whether an optimizer was told of the block's own learning rate
        self.token = uuid.uuid4().hex
        self.provenance: Provenance | None = None
        self._native: torch.dtype | None = None  # of the residual stream before the write
        self._callers_mask: Any = None
        self._callers_positions: torch.Tensor | None = None
        self._handles: list[RemovableHandle] = []

    def note_mask(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Remember the attention mask and positions that the backbone was called with (hook on the backbone).

        The mask that the layer itself gets is the wrong one on sliding-window and linear-attention layers, and some
        decoders do not hand positions to their layers.
        """
        self._callers_positions = kwargs.get("position_ids")
        self._callers_mask = args[_MASK_POSITION] if len(args) > _MASK_POSITION else kwargs.get("attention_mask")

    def write(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Write to the input of the layer (hook on the layer).

        Args:
            layer: The decoder layer.
            args: Its positional arguments; the first, if any, is the hidden states, (batch, length, d).
            kwargs: Its keyword arguments.

        Returns:
            The arguments with the hidden states replaced, or None when the attachment is switched off.
        """
        if not self.enabled:
            return None
        hidden = hidden_of(args, kwargs)
        self._native = hidden.dtype
        if self.is_muted:
            return with_hidden(args, kwargs, hidden.float()) if self.config.stream == "float32" else None
        cache = kwargs.get("past_key_values")
        if self.training and getattr(layer, "gradient_checkpointing", False):
            # Under gradient checkpointing the layer itself drops the cache; a memory that keeps it would run ahead.
            cache = None
        hidden = self.block(hidden, self._context(hidden, cache, kwargs))
        return with_hidden(args, kwargs, hidden)

    def back_to_its_type(self, _: nn.Module, __: tuple[Any, ...], normed: torch.Tensor) -> torch.Tensor:
        """Hand attention, feed-forward part and output head the backbone's type (hook on the norms before them)."""
        return normed.to(self._native) if self.enabled and self._native is not None else normed

    def hold(self, handles: Sequence[RemovableHandle]) -> None:
        """Keep the handles of the registered hooks, for `detach`."""
        self._handles.extend(handles)

    def detach(self) -> None:
        """Take the hooks out of the backbone; without hooks there is nothing to detach."""
        while self._handles:
            self._handles.pop().remove()
        self._callers_mask, self._callers_positions = None, None

    def _context(self, hidden: torch.Tensor, cache: Cache | None, of_layer: Mapping[str, Any]) -> MemoryContext:
        """Build the memory's own causal mask, and give it a layer of its own in the cache."""
        borders = {name: of_layer[name] for name in BORDERS if of_layer.get(name) is not None}
        positions = borders.get("position_ids", self._callers_positions)
        if cache is not None:
            _ensure_cache_layer(cache, self.num_layers)
            if not torch.compiler.is_compiling():  # reading a length would break the graph
                self._check_cache(cache)
        mask = create_causal_mask(
            config=self.decoder_config,
            inputs_embeds=hidden,
            attention_mask=_full_attention_mask(self._callers_mask),
            past_key_values=cache,
            position_ids=positions,
            layer_idx=self.num_layers,
        )
        attention = str(self.decoder_config._attn_implementation)  # noqa: SLF001 - transformers has no public name for it
        mask = cast("torch.Tensor | None", mask)
        return MemoryContext(
            mask=mask,
            cache=cache,
            cache_layer=self.num_layers,
            attention=attention,
            positions=_positions(hidden, cache) if positions is None else positions,
            borders=borders,
        )

    def _check_cache(self, cache: Cache) -> None:
        """Refuse a cache whose earlier tokens this block has not seen: its memory would start anew, without a word."""
        memory = cache.layers[self.num_layers]
        # The layers from this one on have not yet taken in the tokens of this pass, as the memory has not.
        own = cache.layers[int(self.config.layer) : self.num_layers]
        lengths = [int(layer.get_seq_length()) for layer in own if isinstance(layer, DynamicLayer | StaticLayer)]
        seen, wanted = int(cast("CacheLayerMixin", memory).get_seq_length()), max(lengths, default=None)
        if wanted is None or (seen == wanted and (seen == 0 or getattr(memory, _OWNER, self.token) == self.token)):
            setattr(memory, _OWNER, self.token)
            return
        what = "was filled by another block" if seen == wanted else f"holds {wanted} tokens, the block's memory {seen}"
        raise UserError(
            f"TALAN cannot go on from this key-value cache: it {what}.",
            "Fill the cache with this model and its block switched on, or start anew: past_key_values=None",
        )


def attach(backbone: PreTrainedModel, attachment: TalanAttachment) -> None:
    """Register an attachment's hooks.

    The caller registers `attachment` as a submodule where its parameters should live; the hooks alone do not.

    Args:
        backbone: The model that the attachment was made for, not wrapped by PEFT.
        attachment: The block and its place.
    """
    decoder = find_decoder(backbone)
    layer = decoder_layers(decoder)[int(attachment.config.layer)]
    attachment.hold(
        [
            decoder.register_forward_pre_hook(attachment.note_mask, with_kwargs=True),
            layer.register_forward_pre_hook(attachment.write, with_kwargs=True),
        ]
    )
    if attachment.config.stream == "float32":
        after = decoder_layers(decoder)[int(attachment.config.layer) :]
        norms = [norm for place in (*after, decoder) for norm in _norms_of(place)]
        attachment.hold([norm.register_forward_hook(attachment.back_to_its_type) for norm in norms])


def check_untouched(backbone: PreTrainedModel, own: Collection[nn.Module] | None = None) -> None:
    """Refuse a backbone that another arm has changed and still holds: what that arm writes would be added, unseen.

    Args:
        backbone: The model that an arm is about to be made of.
        own: The blocks that may be there, of the arm's other adapters; then its adapters may, too.

    Raises:
        UserError: A block, an edit or an adapter is in it. (Weights that an arm has overwritten cannot be seen.)
    """
    from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: PLC0415 - blocks themselves do without PEFT

    hooks = [
        hook
        for module in backbone.modules()
        for kind in (module._forward_pre_hooks, module._forward_hooks)  # noqa: SLF001 - torch has no public name for them
        for hook in kind.values()
    ]
    owners = [getattr(getattr(hook, "func", hook), "__self__", None) for hook in hooks]
    left = [owner for owner in owners if getattr(owner, "changes_stream", False) and owner not in (own or ())]
    adapted = own is None and any(isinstance(module, BaseTunerLayer) for module in backbone.modules())
    if left or adapted:
        what = f"a {type(left[0]).__name__}" if left else "an adapter of PEFT"
        raise UserError(
            f"Another arm was made of this {type(backbone).__name__} and still has {what} in it.",
            "Load a new backbone for each arm, or take the other one out first: backbone = model.unload()",
        )


def _norms_of(place: nn.Module) -> list[nn.Module]:
    """Return the norms of a decoder layer, or the last one of the decoder, but none inside its attention."""
    return [module for name, module in place.named_children() if "norm" in name.lower()]


def hidden_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """Return the hidden states, (batch, length, d), out of a decoder layer's arguments."""
    return cast("torch.Tensor", args[0] if args else kwargs["hidden_states"])


def with_hidden(
    args: tuple[Any, ...], kwargs: dict[str, Any], hidden: torch.Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a decoder layer's arguments with the hidden states replaced."""
    if args:
        return (hidden, *args[1:]), kwargs
    return args, {**kwargs, "hidden_states": hidden}


def find_decoder(backbone: PreTrainedModel) -> PreTrainedModel:
    """Return the module that owns the list of decoder layers.

    Args:
        backbone: A causal language model of transformers.

    Raises:
        UserError: If there is none.
    """
    decoder = cast("PreTrainedModel", backbone.get_decoder())  # type: ignore[no-untyped-call] # untyped in transformers
    if not isinstance(getattr(decoder, "layers", None), nn.ModuleList):
        raise UserError(
            f"TALAN cannot be attached to {type(backbone).__name__}: it has no list of decoder layers.",
            "Use a decoder-only language model such as Llama, Qwen2, Qwen3 or Mistral.",
        )
    return decoder


def decoder_layers(decoder: PreTrainedModel) -> nn.ModuleList:
    """Return the list of layers of what `find_decoder` found."""
    return cast("nn.ModuleList", decoder.layers)


def execution_device(layer: nn.Module) -> torch.device:
    """Return the device that a layer computes on, which under accelerate's offloading is not where its weights are."""
    device = next(layer.parameters()).device
    if device.type != "meta":
        return device
    hooks = (getattr(module, "_hf_hook", None) for module in layer.modules())
    found = (place for hook in hooks if (place := getattr(hook, "execution_device", None)) is not None)
    return torch.device(next(found, device))  # without hooks it is a model of shapes only


def _positions(hidden: torch.Tensor, cache: Cache | None) -> torch.Tensor:
    """Count positions from the cache's length, for the decoders that do not hand positions to their layers."""
    start = 0 if cache is None else cache.get_seq_length()
    return (torch.arange(hidden.shape[1], device=hidden.device) + start).unsqueeze(0)


def _full_attention_mask(mask: Any) -> Any:  # noqa: ANN401 - a tensor, a block mask, a mapping of them, or None
    """Pick the mask over all earlier tokens out of what the caller passed (perhaps one per kind of layer)."""
    if not isinstance(mask, dict):
        return mask
    if "full_attention" not in mask:
        raise UserError(
            "TALAN's memory needs a mask over all earlier tokens, and this model prepares only "
            f"{', '.join(sorted(mask))} for its cache.",
            'Generate with the default cache: leave out cache_implementation="static".',
        )
    return mask["full_attention"]


def _ensure_cache_layer(cache: Cache, index: int) -> None:
    """Append the memory's layer to a cache, and those before it to a cache that grows by itself."""
    if (kind := cache.layer_class_to_replicate) is not None:
        while len(cache.layers) <= index:
            cache.layers.append(kind())
    if len(cache.layers) > index:
        return
    static = [layer for layer in cache.layers if isinstance(layer, StaticLayer)]
    if not static:
        cache.layers.append(DynamicLayer())  # type: ignore[no-untyped-call] # untyped in transformers
        return
    full = [layer for layer in static if not layer.is_sliding]
    if not full:
        raise UserError(
            "TALAN's memory needs a cache layer over all tokens; a static cache of sliding-window layers has none.",
            'Generate with the default cache: leave out cache_implementation="static".',
        )
    cache.layers.append(StaticLayer(max_cache_len=full[0].max_cache_len))
