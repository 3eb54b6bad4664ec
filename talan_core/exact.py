"""PEFT models without three surprises: what is switched off is off, logits line up with tokens, unloading restores."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import PeftModelForCausalLM, PeftType, get_peft_model_state_dict
from peft.utils.transformers_weight_conversion import convert_peft_adapter_state_dict_for_transformers

from talan_core.checkpoint import ADAPTER_WEIGHTS
from talan_core.originals import Originals, overwritten_by
from talan_core.quiet import library_warnings_silenced
from talan_core.stored import check_tensors, misfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel


class ExactPeftModel(PeftModelForCausalLM):
    """A `PeftModelForCausalLM` that keeps three promises which its parent does not.

    - `disable_adapter` gives the backbone back, also with trained biases and with PiSSA.
    - With prompt tuning, logit i belongs to token i: PEFT returns those of the virtual tokens too, in front, and
      whoever scores by position (lm-eval does) reads the wrong ones.
    - `unload` returns the backbone with its original weights.

    It is made by `adapted`, never constructed.
    """

    originals: Originals = Originals()

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - PEFT's signature
        """Run the model; arguments and result as for `PeftModelForCausalLM.forward`."""
        if not self._adds_tokens():
            return super().forward(*args, **kwargs)  # type: ignore[no-untyped-call] # untyped in PEFT
        with library_warnings_silenced():
            output = super().forward(*args, **kwargs)  # type: ignore[no-untyped-call] # as above
        output.logits = output.logits[:, self.active_peft_config.num_virtual_tokens :]
        return output

    def generate(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - PEFT's signature
        """Generate; arguments and result as for `PeftModelForCausalLM.generate`."""
        with library_warnings_silenced() if self.active_peft_config.is_prompt_learning else contextlib.nullcontext():
            return super().generate(*args, **kwargs)  # type: ignore[no-untyped-call] # untyped in PEFT

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Switch the adapter off: inside, the model is the backbone. Nests."""
        with library_warnings_silenced(), super().disable_adapter(), self.originals.restored():
            yield

    def unload(self) -> PreTrainedModel:
        """Take the adapter out and return the backbone with its original weights."""
        backbone = cast("PreTrainedModel", cast("Any", self.base_model).unload())
        self.originals.restore()
        return backbone

    def _adds_tokens(self) -> bool:
        return bool(self.active_peft_config.peft_type == PeftType.PROMPT_TUNING)


def check_applied(model: PeftModel, name: str, directory: Path, stored: Mapping[str, torch.Tensor]) -> None:
    """Prove that an adapter of a model is what a checkpoint holds, tensor by tensor and both ways.

    Args:
        model: The model, after loading.
        name: Name of the adapter.
        directory: The checkpoint, for the error.
        stored: What its file holds.

    Raises:
        UserError: A tensor was left out, is not in the checkpoint, or has other values.
    """
    expected = adapter_tensors(model, name, stored)
    found = dict(stored)
    if found.keys() != expected.keys():
        # Names that transformers has changed since, for some architectures; PEFT translates them while loading.
        found = convert_peft_adapter_state_dict_for_transformers(model, model.peft_config[name], found, name)
    check_tensors(directory / ADAPTER_WEIGHTS, found, expected)
    for key, value in expected.items():
        if not value.is_meta and not torch.equal(value.cpu(), found[key].to(value.dtype)):
            raise misfit(directory, f"\n  PEFT has not taken over {key}")


def adapter_tensors(model: PeftModel, name: str, stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of an adapter as PEFT would save them, the embeddings only where a file has them.

    Args:
        model: The model.
        name: Name of the adapter.
        stored: What the file holds.
    """
    with library_warnings_silenced():
        own: dict[str, torch.Tensor] = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
        if stored.keys() - own.keys():
            more = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=True)
            own |= {key: value for key, value in more.items() if key in stored}
    return own


def adapted(backbone: PreTrainedModel, config: PeftConfig, make: Callable[[], PeftModel]) -> PeftModel:
    """Make a PEFT model, an `ExactPeftModel` where the adapter's kind needs one.

    Args:
        backbone: The model that is about to be adapted.
        config: The adapter's configuration.
        make: Adapts the backbone in place, by `get_peft_model` or `PeftModel.from_pretrained`.

    Returns:
        What `make` returned.
    """
    overwritten = overwritten_by(config)
    before = None if overwritten is None else Originals.of(backbone, overwritten)
    with library_warnings_silenced():
        model = make()
    if before is not None or config.is_prompt_learning:
        model.__class__ = ExactPeftModel
        cast("ExactPeftModel", model).originals = Originals() if before is None else before.changing()
    return model
