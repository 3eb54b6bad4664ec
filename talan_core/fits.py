"""Whether a saved arm fits a backbone: tried on a model without values, so that nothing large is loaded for it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from talan_core.backbones.load import load_model
from talan_core.errors import UserError
from talan_core.loading import load
from talan_core.quiet import library_warnings_silenced
from talan_core.stored import misfit, one_error

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PretrainedConfig, PreTrainedModel

    from talan_core.backbones.load import Revision
    from talan_core.found import FoundCheckpoint

_SHOWN = 3


def check_fits(found: FoundCheckpoint, backbone: Revision) -> None:
    """Load a checkpoint onto a backbone that has shapes and no values.

    Where a library fails on that (adapters that are computed from the backbone's values, such as PiSSA), the backbone
    itself is loaded and the checkpoint onto it.

    Args:
        found: The checkpoint.
        backbone: The backbone; of a whole model only what stands beside it is compared with it.

    Raises:
        UserError: It does not fit; the message names the first tensors.
    """
    if found.has_backbone:
        _check_whole(found.directory)
    if found.form == "model":
        return
    with library_warnings_silenced(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*non-meta parameter in the checkpoint to a meta parameter")
        try:
            load(found.directory, _without_values(configuration_of(found, backbone)))
        except UserError as error:
            if error.__cause__ is None:
                raise  # what we compared ourselves: names, shapes, types
            load(found.directory, load_model(backbone, "float32", torch.device("cpu")))


def configuration_of(found: FoundCheckpoint, backbone: Revision) -> PretrainedConfig:
    """Return the configuration of the model that a checkpoint answers with.

    Raises:
        UserError: It is none that transformers knows.
    """
    location, commit = (str(found.directory), None) if found.has_backbone else (backbone.location, backbone.commit)
    with one_error(found.directory):
        config: PretrainedConfig = AutoConfig.from_pretrained(location, revision=commit, trust_remote_code=False)
    return config


def _without_values(config: PretrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        model: PreTrainedModel = cast("Any", AutoModelForCausalLM).from_config(
            config, dtype=torch.float32, trust_remote_code=False
        )
    model.requires_grad_(requires_grad=False)
    model.train(mode=False)
    return model


def _check_whole(directory: Path) -> None:
    """Check that a whole model has every weight that its configuration names, in its shape, and no other."""
    with one_error(directory), library_warnings_silenced():
        try:
            _, told = cast("Any", AutoModelForCausalLM).from_pretrained(
                str(directory), device_map="meta", output_loading_info=True, use_safetensors=True,
                trust_remote_code=False,
            )  # fmt: skip
        except RuntimeError as error:  # its text points to a report that was printed
            raise misfit(directory, "\n  its weights have other shapes than its config.json says") from error
    wrong = {what: sorted(str(name) for name in told.get(what, ())) for what in ("missing_keys", "unexpected_keys")}
    if any(wrong.values()):
        raise misfit(
            directory, "".join(f"\n  {what}: {', '.join(names[:_SHOWN])}" for what, names in wrong.items() if names)
        )
