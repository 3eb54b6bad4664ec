"""PEFT models without three surprises: what is switched off is off, logits line up with tokens, unloading restores."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

from peft import PeftModelForCausalLM, PeftType

from talan_core.originals import Originals, overwritten_by
from talan_core.quiet import library_warnings_silenced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
