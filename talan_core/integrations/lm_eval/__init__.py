"""The model `talan` of lm-eval: a checkpoint of ours, with its block, under any task of lm-eval.

From the command line (arguments are those of `lm-eval`):

    python -m talan_core.integrations.lm_eval run --model talan --model_args pretrained=DIR --tasks gsm8k

From Python: `register()` once, then `lm_eval.simple_evaluate(model="talan", model_args={"pretrained": DIR}, ...)`.

lm-eval's own `--model hf --model_args peft=DIR` would load the partner and leave the block out without a word.
"""

from __future__ import annotations

from typing import Final

NAME: Final = "talan"
_TARGET: Final = "talan_core.integrations.lm_eval.talan_lm:TalanLM"


def register() -> None:
    """Make the model known to lm-eval in this process; a second call does nothing."""
    import lm_eval.models  # noqa: F401, PLC0415 - heavy; lm-eval registers its own models only while there are none
    from lm_eval.api.registry import model_registry  # noqa: PLC0415 - as above

    if NAME not in model_registry:
        model_registry.register(NAME, target=_TARGET)
