"""LoReFT at a few places of the prompt, on the outputs of several layers, as the package pyreft trains it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import nn

from talan_core.attach import decoder_layers, execution_device, find_decoder
from talan_core.errors import UserError
from talan_core.interventions import Edit, LoReftEdit
from talan_core.prompt_places import Places, PromptReader, places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from talan_core.partners.plain import Reft

_MASK_POSITION: Final = 1  # (input_ids, attention_mask, ...) in every decoder of transformers
_MIDDLE: Final = "An arm that edits places of the prompt cannot take up a prompt in the middle."


class ReftEdit(PromptReader, Edit):
    """LoReFT on the outputs of decoder layers, at the first and last tokens of the prompt; see `partners.plain.Reft`.

    L r (2 d + 1) parameters for L layers, twice as many where first and last tokens have their own. Where nothing is
    edited, as in the passes that continue an answer, hidden states are bit-equal.

    Args:
        hidden_size: Width d of the residual stream.
        partner: The options.
        layers: Numbers of the decoder layers whose outputs are edited.
        generator: A CPU generator, the only source of the initial values.
    """

    def __init__(self, hidden_size: int, partner: Reft, layers: Sequence[int], *, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.last = partner.first, partner.last
        self.layers = tuple(layers)
        of_first = {
            str(layer): LoReftEdit(hidden_size, partner.r, layer, generator=generator)
            for layer in (layers if partner.first else ())
        }
        is_shared = partner.weights == "shared" and partner.first and partner.last
        of_last = {
            str(layer): LoReftEdit(hidden_size, partner.r, layer, generator=generator)
            for layer in (layers if partner.last and not is_shared else ())
        }
        self.of_first, self.of_last, self.is_shared = nn.ModuleDict(of_first), nn.ModuleDict(of_last), is_shared
        self._places: Places | None = None

    def attach(self, backbone: PreTrainedModel) -> None:
        """Register the hooks; see `Edit.attach`."""
        decoder = find_decoder(backbone)
        self._handles.append(decoder.register_forward_pre_hook(self.find_places, with_kwargs=True))
        for number in self.layers:
            layer = decoder_layers(decoder)[number]
            for edits in (self.of_first, self.of_last):
                if str(number) in edits:
                    edit = cast("LoReftEdit", edits[str(number)])
                    edit.to(execution_device(layer))
                    edit.settle()
            self._handles.append(layer.register_forward_hook(partial(self.edit, str(number))))

    def detach(self) -> None:
        """Take the hooks out of the backbone; see `Edit.detach`."""
        super().detach()
        self._places = None

    def find_places(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Find the places of this pass (hook on the decoder).

        They are kept behind it: where gradient checkpointing runs hooks once more, in the backward pass, they must be
        those of the forward pass. So no other forward pass may come between a forward pass and its backward pass.
        """
        self._places = None
        if not self.enabled:
            return
        prompts, cache = self.known, kwargs.get("past_key_values")
        cached = 0 if cache is None else int(cache.get_seq_length())
        if cached > 0:
            if prompts.columns is None or cached < prompts.columns:
                raise UserError(_MIDDLE, "Run all of it in one pass: past_key_values=None, prefill_chunk_size=None")
            return  # generation goes on behind the prompt
        given = args[0] if args else kwargs.get("input_ids")
        shape = (kwargs["inputs_embeds"] if given is None else given).shape[:2]
        real = args[_MASK_POSITION] if len(args) > _MASK_POSITION else kwargs.get("attention_mask")
        if real is None:
            device = (kwargs["inputs_embeds"] if given is None else given).device
            real = torch.ones(shape, dtype=torch.bool, device=device)
        if not isinstance(real, torch.Tensor) or real.shape != shape:
            raise UserError(
                "An arm that edits places of the prompt needs an attention mask of (batch, length), and this pass has "
                "another.",
                'Generate with the default cache: leave out cache_implementation="static".',
            )
        found = places(prompts, real, kwargs.get("position_ids"), first=self.first, last=self.last)
        if prompts.labels is not None and not bool((found.first | found.last).any()):
            raise UserError(
                "An arm that edits places of the prompt learns nothing here: the labels leave no prompt of two tokens.",
                "Give the tokens of prompts the label -100; trl calls that completion_only_loss.",
            )
        self._places = found

    def edit(self, number: str, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401 - tensor or tuple
        """Edit the output of a layer (hook on the layer)."""
        if not self.enabled or self._places is None:
            return None
        if isinstance(output, torch.Tensor):
            return self._edited(number, output, self._places)
        return (self._edited(number, output[0], self._places), *output[1:])

    def _edited(self, number: str, hidden: torch.Tensor, found: Places) -> torch.Tensor:
        first, last = (one.to(hidden.device).unsqueeze(-1) for one in (found.first, found.last))
        if self.is_shared:
            return torch.where(first | last, self.of_first[number](hidden), hidden)
        result = hidden
        if number in self.of_first:
            result = torch.where(first, self.of_first[number](hidden), result)
        if number in self.of_last:
            result = torch.where(last, self.of_last[number](hidden), result)
        return result
