"""Load any arm that was saved: one line, whatever it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import torch
from peft import PeftModel
from torch import nn
from transformers import AutoModelForCausalLM

from talan_core.carrier import check_backbone
from talan_core.checkpoint import ADAPTER_CONFIG, has_block, read_partner, read_record
from talan_core.errors import UserError
from talan_core.exact import adapted
from talan_core.model import TalanPeftModel
from talan_core.partners import PARTNERS, PlainPartner
from talan_core.plain import ARM_CONFIG, PlainModel, read_plain

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")


def load(
    directory: str | Path, base_model: PreTrainedModel | None = None, *, is_trainable: bool = False
) -> PeftModel | PlainModel:
    """Load a saved arm of any kind, with or without a block.

    Args:
        directory: What `save_pretrained` wrote, or the Hub id of a repository of such files.
        base_model: The backbone, changed in place; loaded by the name in the checkpoint when None.
        is_trainable: Whether to go on training; otherwise the model is in evaluation mode and nothing requires
            gradients.

    Returns:
        A `TalanPeftModel`, the PEFT model of a checkpoint without a block, or the `PlainModel` of an arm without an
        adapter of PEFT.

    Raises:
        UserError: If there is no checkpoint, it is incomplete, or it was made for another backbone.
    """
    directory = _local(directory)
    if (directory / ARM_CONFIG).is_file():
        return _load_plain(directory, base_model, is_trainable=is_trainable)
    if not (directory / ADAPTER_CONFIG).is_file():
        raise UserError(
            f"{directory} holds neither {ADAPTER_CONFIG} nor {ARM_CONFIG}.",
            "Give the directory that save_pretrained(DIR) wrote.",
        )
    with_block = has_block(directory)
    partner = read_partner(directory)
    if partner.is_prompt_learning and is_trainable:
        raise UserError(
            f"PEFT cannot go on training a saved {partner.peft_type} adapter.",
            "Load it without is_trainable=True, or train it anew.",
        )
    name = read_record(directory).base_model if with_block else partner.base_model_name_or_path
    backbone = _backbone(directory, name) if base_model is None else base_model
    if with_block:
        check_backbone(read_record(directory), backbone, directory)
    model = _load_partner(backbone, directory, partner, is_trainable=is_trainable)
    if not is_trainable:
        model.requires_grad_(requires_grad=False)  # PEFT leaves virtual tokens and trained biases trainable
    if not with_block:
        return model
    model.__class__ = TalanPeftModel
    model.talans = nn.ModuleDict()
    carrier = cast("TalanPeftModel", model)
    carrier._read_block("default", directory, trainable=is_trainable)  # noqa: SLF001 - a constructor of that class, as it were
    carrier.train(is_trainable and carrier.training)
    return carrier


def _load_plain(directory: Path, base_model: PreTrainedModel | None, *, is_trainable: bool) -> PlainModel:
    record = read_plain(directory)
    kind = PARTNERS.get(record.partner)
    if kind is None or not issubclass(kind, PlainPartner):
        raise UserError(
            f"The checkpoint {directory} holds an arm {record.partner!r} that this version does not know.",
            "Install the version that wrote it: pip install --upgrade talan-eval",
        )
    backbone = _backbone(directory, record.base_model) if base_model is None else base_model
    if has_block(directory):
        check_backbone(read_record(directory), backbone, directory)
    model = PlainModel(
        backbone,
        kind(**record.options),
        layer=record.options.get("layer"),
        generator=torch.Generator().manual_seed(0),  # the values are overwritten
    )
    model.read(directory, trainable=is_trainable)
    model.provenance = record.provenance
    return model if is_trainable else model.eval()


def _load_partner(base: PreTrainedModel, directory: Path, partner: PeftConfig, *, is_trainable: bool) -> PeftModel:
    return adapted(
        base,
        partner,
        lambda: PeftModel.from_pretrained(base, str(directory), config=partner, is_trainable=is_trainable),
    )


def _backbone(directory: Path, name: str | None) -> PreTrainedModel:
    if not name:
        raise UserError(
            f"The checkpoint {directory} does not name its backbone.",
            "Pass it: talan_core.load(DIR, base_model=AutoModelForCausalLM.from_pretrained(NAME))",
        )
    return cast("PreTrainedModel", AutoModelForCausalLM.from_pretrained(name))


def _local(directory: str | Path) -> Path:
    """Return a directory as it is, and a Hub id as the directory of its downloaded files."""
    path = Path(directory)
    if path.is_dir() or not _HUB_ID.fullmatch(str(directory)):
        return path
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only for Hub ids
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415 - as above

    try:
        return Path(snapshot_download(str(directory)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{directory} is no directory, and the Hub does not give it ({type(error).__name__}).",
            "Give the directory that save_pretrained(DIR) wrote, or check the id and the network.",
        ) from error
