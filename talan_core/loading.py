"""Load any arm that was saved: one line, whatever it is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import PeftModel, PeftType
from torch import nn
from transformers import AutoModelForCausalLM

from talan_core.adapter_config import check_sizes, check_virtual_tokens
from talan_core.attach import check_untouched
from talan_core.carrier import check_backbone
from talan_core.checkpoint import (
    ADAPTER_CONFIG,
    OWN_DIRECTORY,
    has_block,
    local_directory,
    read_adapter,
    read_partner,
    read_record,
)
from talan_core.errors import UserError
from talan_core.exact import adapted, check_applied
from talan_core.model import TalanPeftModel
from talan_core.partners import PARTNERS, PlainPartner
from talan_core.plain import ARM_CONFIG, ARM_WEIGHTS, PlainModel, read_plain
from talan_core.portable import known_location
from talan_core.revision import check_commit, commit_of
from talan_core.stored import check_largest, damaged, largest_dimension, misfit, one_error, read_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from peft import PeftConfig
    from transformers import PreTrainedModel

    from talan_core.plain import PlainRecord


@dataclass(frozen=True)
class _Origin:
    """Which backbone a checkpoint was trained on; None where it does not say."""

    name: str | None
    revision: str | None
    dtype: str | None


def load(
    directory: str | Path,
    base_model: PreTrainedModel | None = None,
    *,
    is_trainable: bool = False,
    **backbone_options: Any,  # noqa: ANN401 - transformers' arguments
) -> PeftModel | PlainModel:
    """Load a saved arm of any kind, with or without a block.

    Args:
        directory: What `save_pretrained` wrote, or the Hub id of a repository of such files.
        base_model: The backbone, with nothing of another arm in it; changed in place, and not to be used after an
            error; loaded by the name in the checkpoint when None.
        is_trainable: Whether to go on training; otherwise the model is in evaluation mode and nothing requires
            gradients.
        backbone_options: For a backbone that is loaded here, handed on to `AutoModelForCausalLM.from_pretrained`:
            dtype, device_map, quantization_config, revision and others; they go before what the checkpoint says.

    Returns:
        A `TalanPeftModel`, the PEFT model of an arm without a block, or the `PlainModel` of one without an adapter.

    Raises:
        UserError: If there is no checkpoint, it is damaged or a pickle, or it was made for another backbone or by
            another method: every tensor of file and model is compared, both ways, by name, shape and value.
    """
    _refuse_both(base_model, backbone_options)
    directory = local_directory(directory)
    if (directory / ARM_CONFIG).is_file():
        return _load_plain(directory, base_model, backbone_options, is_trainable=is_trainable)
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
    origin = _Origin(partner.base_model_name_or_path, partner.revision, None)
    if with_block:
        record = read_record(directory)
        origin = _Origin(record.base_model, record.base_revision or partner.revision, record.dtype)
    backbone = _settled(directory, base_model, origin, backbone_options)
    if with_block:
        check_backbone(record, backbone, directory)
        _check_kind(directory, record.partner, PeftType(partner.peft_type).value)
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


def _check_kind(directory: Path, trained_beside: str, kind: str) -> None:
    if kind != trained_beside:
        raise misfit(directory, f"\n  its block was trained beside {trained_beside}, its adapter is {kind}")


def _refuse_both(base_model: PreTrainedModel | None, backbone_options: dict[str, Any]) -> None:
    if base_model is not None and backbone_options:
        raise UserError(
            f"{', '.join(sorted(backbone_options))} cannot be changed in a base_model that is loaded already.",
            "Give either: talan_core.load(DIR, base_model=MODEL) or talan_core.load(DIR, dtype=...)",
        )


def _load_plain(
    directory: Path, base_model: PreTrainedModel | None, options: dict[str, Any], *, is_trainable: bool
) -> PlainModel:
    record = read_plain(directory)
    kind = PARTNERS.get(record.partner)
    if kind is None or not issubclass(kind, PlainPartner):
        raise UserError(
            f"The checkpoint {directory} holds an arm {record.partner!r} that this version does not know.",
            "Install the version that wrote it: pip install --upgrade talan-eval",
        )
    origin = _Origin(record.base_model, record.base_revision, record.dtype)
    backbone = _settled(directory, base_model, origin, options)
    if has_block(directory):
        check_backbone(read_record(directory), backbone, directory)
    with one_error(directory):
        partner = kind(**record.options)
        problems = partner.problems()
        if problems:
            raise damaged(directory / ARM_CONFIG, "; ".join(problems))
        layer = record.options.get("layer")
        if partner.layer_of(0) is not None and type(layer) is not int:
            raise damaged(directory / ARM_CONFIG, f"layer={layer!r}")
        _check_rank(directory, record)
        model = PlainModel(
            backbone,
            partner,
            layer=layer,
            generator=torch.Generator().manual_seed(0),  # the values are overwritten
        )
        model.read(directory, trainable=is_trainable)
    model.provenance = record.provenance
    return model if is_trainable else model.eval()


def _check_rank(directory: Path, record: PlainRecord) -> None:
    """Refuse a rank or a number of domains that the tensors cannot have, before an edit of that size is made."""
    if (rank := record.options.get("r")) is not None:
        largest = largest_dimension(read_tensors(directory / ARM_WEIGHTS))
        check_largest(directory / ARM_CONFIG, [("r", rank)], largest)
    if (domains := record.options.get("domains")) is not None:  # each has tensors of its own
        check_largest(directory / ARM_CONFIG, [("domains", domains)], len(read_tensors(directory / ARM_WEIGHTS)))


def _load_partner(base: PreTrainedModel, directory: Path, partner: PeftConfig, *, is_trainable: bool) -> PeftModel:
    tensors = read_adapter(directory)
    check_virtual_tokens(partner, directory / ADAPTER_CONFIG, base)
    check_sizes(partner, directory / ADAPTER_CONFIG, largest_dimension(tensors))
    with one_error(directory), warnings.catch_warnings():
        # What is missing is an error below, with its names.
        warnings.filterwarnings("ignore", message="Found missing adapter keys")
        model = adapted(
            base,
            partner,
            lambda: PeftModel.from_pretrained(base, str(directory), config=partner, is_trainable=is_trainable),
        )
        check_applied(model, "default", directory, tensors)
    return model


def _settled(
    directory: Path, base_model: PreTrainedModel | None, origin: _Origin, options: dict[str, Any]
) -> PreTrainedModel:
    """Return the given backbone, checked, or load the one that the checkpoint names."""
    if base_model is None:
        backbone = _backbone(directory, origin, options)
        commit_of(backbone)
        return backbone
    check_untouched(base_model)
    check_commit(base_model, origin.name, origin.revision, directory)
    return base_model


def _backbone(directory: Path, origin: _Origin, options: dict[str, Any]) -> PreTrainedModel:
    """Load the backbone that a checkpoint names, at the revision and in the type that it names."""
    if not origin.name:
        raise UserError(
            f"The checkpoint {directory} does not name its backbone.",
            "Pass it: talan_core.load(DIR, base_model=AutoModelForCausalLM.from_pretrained(NAME))",
        )
    if options.get("trust_remote_code"):
        raise UserError(
            f"The checkpoint {directory} names its backbone, and code that comes with that is not run on its word.",
            "Load the backbone yourself and pass it: talan_core.load(DIR, base_model=MODEL)",
        )
    given: dict[str, Any] = {} if origin.revision is None else {"revision": origin.revision}
    if origin.dtype is not None:
        given["dtype"] = origin.dtype
    try:
        name = str(directory) if origin.name == OWN_DIRECTORY else known_location(origin.name)
        found = AutoModelForCausalLM.from_pretrained(name, **{**given, **options, "trust_remote_code": False})
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        of = "" if given.get("revision") is None else f" at revision {given['revision']}"
        raise UserError(
            f"The backbone {origin.name}{of}, named by {directory}, cannot be loaded ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}).",
            "Check name and network, or pass it: talan_core.load(DIR, base_model=MODEL)",
        ) from error
    return cast("PreTrainedModel", found)
