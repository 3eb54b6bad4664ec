"""A checkpoint as a language model of lm-eval, proven to be live before it answers anything."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from lm_eval.models.huggingface import HFLM

import talan_core
from talan_core.backbones.load import locate
from talan_core.backbones.names import BY_NAME, find_backbone
from talan_core.errors import UserError
from talan_core.probe import adapter_is_live
from talan_core.stored import read_json
from talan_core.training.rendering import prompt_ids, render_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Below lm-eval's own logger, so that its settings of verbosity hold here too.
_LOG: Final = logging.getLogger("lm_eval.talan")
_BASE_NAMED_IN: Final = (
    ("talan_config.json", "base_model"),
    ("talan_arm.json", "base_model"),
    ("adapter_config.json", "base_model_name_or_path"),
)
PROBE_PROMPT: Final = "What is 17 + 25? Explain each step."
"""The prompt whose logits must change when the adapter is switched off."""


@dataclass(frozen=True)
class Liveness:
    """How far a checkpoint moves the logits of the probe prompt.

    Args:
        max_logit_change: Largest absolute change of a logit when adapter and block are switched off.
        block_max_logit_change: The same when the block alone is; None for a checkpoint without a block. It is 0 for a
            block that has not learned to write, such as the control `talan[scope=frozen]`.
    """

    max_logit_change: float
    block_max_logit_change: float | None


class TalanLM(HFLM):  # type: ignore[misc] # lm-eval is untyped
    """lm-eval's Hugging Face model on a checkpoint of `talan_core`, block included.

    Args:
        pretrained: Directory of the checkpoint.
        base: Its backbone: a name such as "micro" or "smollm2-135m", a directory, or a Hub id; read from the checkpoint
            when left out.
        allow_inactive: Evaluate even if the checkpoint changes no logit of the probe, as the untuned backbone does.
        options: What else lm-eval's model "hf" takes (dtype, device, batch_size, ...), except `peft` and `delta`.

    Raises:
        UserError: If there is no checkpoint, its backbone is not named or does not fit, or it changes nothing.
    """

    def __init__(
        self,
        pretrained: str,
        *,
        base: str | None = None,
        allow_inactive: bool = False,
        **options: Any,  # noqa: ANN401 - lm-eval's own
    ) -> None:
        given = sorted({"peft", "delta"} & options.keys())
        if given:
            raise UserError(
                f"The model talan takes no {' or '.join(given)}: adapter and block are both in the checkpoint.",
                f"Type --model_args pretrained={pretrained}",
            )
        self.checkpoint = Path(pretrained)
        super().__init__(pretrained=_backbone(self.checkpoint, base), **options)
        self.liveness = _liveness(self.model, self.tokenizer)
        if not self.liveness.max_logit_change and not allow_inactive:
            raise UserError(
                f"The checkpoint {self.checkpoint} is not live: switched off, not one logit of the probe changes.",
                "Train it first; to evaluate it as it is, type --model_args "
                f"pretrained={self.checkpoint},allow_inactive=True",
            )
        _LOG.warning("talan: probe of %s: %s", self.checkpoint, asdict(self.liveness))

    def get_model_info(self) -> dict[str, Any]:
        """Add the checkpoint and its liveness to what lm-eval writes into its results."""
        info = cast("dict[str, Any]", super().get_model_info())
        return {**info, "talan": {"checkpoint": str(self.checkpoint), "base": self.pretrained, **asdict(self.liveness)}}

    def _create_model(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - lm-eval's own
        super()._create_model(*args, **options)
        backbone = cast("PreTrainedModel", self._model)  # type: ignore[has-type] # lm-eval is untyped
        self._model = talan_core.load(self.checkpoint, backbone).eval()


def _backbone(checkpoint: Path, base: str | None) -> str:
    """Return where the checkpoint's backbone is, in a form that transformers loads."""
    named = base
    for file, key in _BASE_NAMED_IN:
        path = checkpoint / file
        if named is None and path.is_file():
            named = read_json(path).get(key)
    if not any((checkpoint / file).is_file() for file, _ in _BASE_NAMED_IN):
        raise UserError(
            f"{checkpoint} holds no checkpoint of talan_core.",
            "Type --model_args pretrained=DIR with the directory that save_pretrained(DIR) wrote.",
        )
    if not named:
        raise UserError(
            f"The checkpoint {checkpoint} does not name its backbone.",
            f"Type --model_args pretrained={checkpoint},base=BACKBONE",
        )
    return locate(find_backbone(named)).location if named in BY_NAME else named


@torch.no_grad()
def _liveness(model: Any, tokenizer: Any) -> Liveness:  # noqa: ANN401 - any arm's model, any tokenizer
    total = adapter_is_live(model, tokenizer, PROBE_PROMPT)
    block = getattr(model, "talan", None)
    if block is None:
        return Liveness(total, None)
    ids = torch.tensor([prompt_ids(tokenizer, render_prompt(tokenizer, PROBE_PROMPT))])
    with_block = model(ids.to(model.device)).logits.float()
    enabled, block.enabled = block.enabled, False
    try:
        without = model(ids.to(model.device)).logits.float()
    finally:
        block.enabled = enabled
    return Liveness(total, float((with_block - without).abs().max()))
