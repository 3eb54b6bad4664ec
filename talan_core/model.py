"""A PEFT model with a TALAN block beside its adapter: saved, loaded, switched off, merged and taken apart as one."""

from __future__ import annotations

import contextlib
import functools
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import PeftModelForCausalLM, PeftType
from torch import nn

from talan_core.adapter_config import check_sizes, differing_scale
from talan_core.attach import TalanAttachment, check_untouched
from talan_core.card import write_card
from talan_core.carrier import BlockCarrier
from talan_core.checkpoint import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    OWN_DIRECTORY,
    BlockRecord,
    announce_block,
    has_block,
    is_strict,
    local_directory,
    read_adapter,
    read_partner,
    write_block,
)
from talan_core.errors import UserError
from talan_core.exact import ExactPeftModel, adapter_tensors, check_applied
from talan_core.modes import follow_umask
from talan_core.plain import PlainRecord, write_arm
from talan_core.quiet import library_warnings_silenced
from talan_core.revision import commit_of
from talan_core.stored import check_tensors, largest_dimension, misfit, one_error

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from peft import LoraModel, PeftConfig, PeftModel
    from transformers import PreTrainedModel

    from talan_core.config import TalanConfig

_SHARE_WARNING = (
    "TALAN d_mem={width} is the backbone's full width or more: the block may exceed one percent of its parameters."
)
_MERGE_WARNING = (
    "The TALAN block stays active in the merged model; plain loaders of a saved one read the backbone without it."
)
_MERGED_SAVE_WARNING = (
    "This directory holds a TALAN block beside the merged backbone: load it with talan_core.load({!r})."
)


class TalanPeftModel(BlockCarrier, ExactPeftModel):
    """A `PeftModelForCausalLM` whose backbone carries TALAN blocks, one per adapter, `self.talan` active.

    It is made by `add_talan` or `load`, never constructed. It behaves as its parent does, with these differences:
    `save_pretrained` writes the blocks' files and a model card, `load_adapter` reads them, `set_adapter` changes the
    block with the adapter, `disable_adapter` switches both off, `merge_and_unload` merges the adapter and leaves the
    block in place, and `unload` takes both out.

    Refused: batches of several adapters (`adapter_names`), and a key-value cache that this block has not filled.

    Refused too: several adapters active at once, or added up.

    Not covered: `base_model.disable_adapter_layers()`, which reaches the adapter
    only (`disable_adapter_layers()` of this model reaches both).
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - PEFT's signature
        """Run the model; arguments and result as for `PeftModelForCausalLM.forward`, but for mixed batches.

        Raises:
            UserError: If rows are to use several adapters.
        """
        self._check_call(kwargs)
        return super().forward(*args, **kwargs)

    def generate(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - PEFT's signature
        """Generate; arguments and result as for `PeftModelForCausalLM.generate`, but for mixed batches.

        Raises:
            UserError: If rows are to use several adapters.
        """
        self._check_call(kwargs)
        return super().generate(*args, **kwargs)

    def save_pretrained(
        self,
        save_directory: str,
        *args: Any,  # noqa: ANN401 - PEFT's signature
        strict: bool = True,
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Save adapters and blocks into one directory; arguments as for `PeftModel.save_pretrained`.

        Args:
            save_directory: Where to; see `talan_core.checkpoint` for the files.
            args: Handed on.
            strict: Make loading the directory without talan_core fail with a message; else plain PEFT warns, and
                loads the partner without the block.
            kwargs: Handed on. A "state_dict" with the blocks' tensors (sharded training) is used for the blocks too.
        """
        for config in self.peft_config.values():
            if config.revision is None:
                config.revision = getattr(self._backbone().config, "_commit_hash", None)
        super().save_pretrained(save_directory, *args, **kwargs)
        if not kwargs.get("is_main_process", True):
            return
        for name in kwargs.get("selected_adapters") or list(self.peft_config):
            if name in self.talans:
                directory = Path(save_directory) if name == "default" else Path(save_directory) / name
                partner = PeftType(self.peft_config[name].peft_type).value
                self._write_block(directory, name, partner, kwargs.get("state_dict"))
                announce_block(directory, strict=strict)
                write_card(directory, sum(p.numel() for p in self._backbone().parameters()))
        directory = Path(save_directory)
        follow_umask(directory, (*directory.glob("*.safetensors"), *directory.glob("*/*.safetensors")))

    def load_adapter(
        self,
        model_id: str | os.PathLike[str],
        adapter_name: str,
        is_trainable: bool = False,  # noqa: FBT001, FBT002 - PEFT's signature
        *args: Any,  # noqa: ANN401 - as above
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        """Load an adapter, and the block if the directory has one; arguments as for `PeftModel.load_adapter`.

        Under a new name the block becomes that adapter's own, used once `set_adapter` makes it the active one. Under a
        name that exists, adapter and block are overwritten; a directory without a block leaves the block as it is.

        Args:
            model_id: The checkpoint, a directory or the Hub id of one.
            adapter_name: Name of the adapter.
            is_trainable: Whether a new adapter is to be trained.
            args: Handed on.
            kwargs: Handed on.

        Returns:
            PEFT's load result.

        Raises:
            UserError: If adapter or block in the directory are damaged or do not fit this model; a new adapter is taken
                out again.
        """
        directory = local_directory(model_id)
        new = adapter_name not in self.peft_config
        with_block, partner, stored = has_block(directory), read_partner(directory), read_adapter(directory)
        check_sizes(partner, directory / ADAPTER_CONFIG, largest_dimension(stored))
        if not new:
            self._check_overwriting(adapter_name, directory, partner, stored)
        try:
            with one_error(directory), library_warnings_silenced():
                if new and is_strict(directory):
                    self.add_adapter(adapter_name, partner)
                result = super().load_adapter(str(directory), adapter_name, is_trainable, *args, **kwargs)
                check_applied(self, adapter_name, directory, stored)
            if with_block:
                self._read_block(adapter_name, directory, trainable=is_trainable or not new)
        except UserError:
            if new and adapter_name in self.peft_config:
                self.delete_adapter(adapter_name)
            raise
        return result

    def set_adapter(self, adapter_name: str, inference_mode: bool = False) -> None:  # noqa: FBT001, FBT002 - PEFT's signature
        """Make an adapter and its block the active ones; arguments as for `PeftModel.set_adapter`."""
        if not isinstance(adapter_name, str):
            raise UserError(
                f"{adapter_name!r} cannot be active together: a TALAN block belongs to one adapter.",
                "Activate one: model.set_adapter(NAME)",
            )
        super().set_adapter(adapter_name, inference_mode)
        self._activate(trainable=not inference_mode)

    def add_weighted_adapter(self, adapters: list[str], *_: Any, **__: Any) -> None:  # noqa: ANN401 - PEFT's signature
        """Refuse to add adapters up: their blocks cannot be, and the sum would be without one.

        Raises:
            UserError: Always.
        """
        raise UserError(
            f"The adapters {', '.join(adapters)} cannot be added up: a TALAN block belongs to one adapter.",
            "Add up adapters without blocks, with PEFT alone: PeftModel.from_pretrained(model, DIR)",
        )

    def delete_adapter(self, adapter_name: str) -> None:
        """Delete an adapter and its block; another adapter becomes active if this one was, as PEFT decides."""
        super().delete_adapter(adapter_name)
        if adapter_name in self.talans:
            self._drop(adapter_name)
        self._activate(trainable=True)

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Switch adapter and block off: inside, the model is the backbone. Nests."""
        with self.blocks_absent(), super().disable_adapter():
            yield

    @contextlib.contextmanager
    def partner_off(self) -> Iterator[None]:
        """Switch the adapter off and leave the block on: inside, the block writes to the backbone. Nests."""
        with super().disable_adapter():
            yield

    def disable_adapter_layers(self) -> None:
        """Switch adapter and block off until `enable_adapter_layers`."""
        cast("LoraModel", self.base_model).disable_adapter_layers()
        for block in self._attachments():
            block.enabled = False

    def enable_adapter_layers(self) -> None:
        """Switch the active adapter and its block on."""
        cast("LoraModel", self.base_model).enable_adapter_layers()
        active = self.talan
        if active is not None:
            active.enabled = True

    def merge_and_unload(self, *args: Any, **kwargs: Any) -> PreTrainedModel:  # noqa: ANN401 - PEFT's signature
        """Merge the adapter into the backbone and return it with its block still active.

        A block depends on the sequence and cannot be merged into weights. The returned model computes it. Its
        `save_pretrained` writes the block beside the merged backbone; `talan_core.load(DIR)` reads both, and any other
        loader reads the backbone without the block, of which a warning tells.

        Args:
            args: Handed on to PEFT.
            kwargs: Handed on to PEFT.

        Returns:
            The merged backbone, with the block as its submodule `talan`.
        """
        kept, name = self.talan, self._active_name()
        merged = cast("PreTrainedModel", cast("LoraModel", self.base_model).merge_and_unload(*args, **kwargs))
        for other in [other for other in self.talans if other != name]:
            self._drop(other)
        if kept is not None:
            warnings.warn(_MERGE_WARNING, stacklevel=2)
            merged.talan = kept
            cast("Any", merged).save_pretrained = functools.partial(_save_merged, merged, kept)
            ignored = {*(merged._keys_to_ignore_on_save or ()), *(f"talan.{key}" for key in kept.state_dict())}  # noqa: SLF001 - transformers has no public name for it
            merged._keys_to_ignore_on_save = ignored  # noqa: SLF001 - as above
        return merged

    def unload(self) -> PreTrainedModel:
        """Take adapters and blocks out and return the backbone as it was."""
        for name in list(self.talans):
            self._drop(name)
        return super().unload()

    def create_or_update_model_card(self, output_dir: str) -> None:
        """Do nothing: the model card is written once the block's files are there."""

    def _check_call(self, kwargs: Mapping[str, Any]) -> None:
        if kwargs.get("adapter_names") is not None and len(self.talans):
            raise UserError(
                "A batch cannot mix adapters where one has a TALAN block: the block would be used for every row.",
                "Leave out adapter_names, and run one batch per adapter: model.set_adapter(NAME), or in "
                "`with model.disable_adapter():` for the backbone",
            )
        active = list(cast("Any", self.base_model).active_adapters)
        if active != [self._active_name()] and len(self.talans):
            raise UserError(
                f"The active adapters are {', '.join(active)}, the active block is that of {self._active_name()}: "
                "a block belongs to one adapter, and several do not add up.",
                "Activate one: model.set_adapter(NAME), not model.base_model.set_adapter",
            )

    def _check_overwriting(
        self, name: str, directory: Path, partner: PeftConfig, stored: Mapping[str, torch.Tensor]
    ) -> None:
        """Refuse to put tensors into an adapter in which they would mean something else; PEFT asks for names only."""
        difference = differing_scale(partner, self.peft_config[name])
        if difference is not None:
            raise misfit(directory, f"\n  of checkpoint and adapter {name}, {difference}")
        check_tensors(directory / ADAPTER_WEIGHTS, stored, adapter_tensors(self, name, stored))

    def _active_name(self) -> str:
        return str(self.active_adapter)

    def _backbone(self) -> PreTrainedModel:
        return cast("PreTrainedModel", self.get_base_model())


def _save_merged(
    merged: PreTrainedModel,
    attachment: TalanAttachment,
    save_directory: str | os.PathLike[str],
    *args: Any,  # noqa: ANN401 - transformers' signature
    **kwargs: Any,  # noqa: ANN401 - as above
) -> None:
    """Save a merged backbone and the block beside it, as an arm "base" on the backbone in the same directory."""
    type(merged).save_pretrained(merged, save_directory, *args, **kwargs)
    if not kwargs.get("is_main_process", True):
        return
    write_arm(Path(save_directory), PlainRecord("base", {}, OWN_DIRECTORY, None, attachment.provenance))
    record = BlockRecord(
        config=attachment.config,
        base_model=OWN_DIRECTORY,
        hidden_size=attachment.hidden_size,
        num_layers=attachment.num_layers,
        partner="base",
        provenance=attachment.provenance,
    )
    write_block(Path(save_directory), record, attachment.state_dict())
    warnings.warn(_MERGED_SAVE_WARNING.format(str(save_directory)), stacklevel=3)


def add_talan(model: PeftModel, config: TalanConfig, *, generator: torch.Generator) -> TalanPeftModel:
    """Give the active adapter of a PEFT model a block.

    The block comes after PEFT on purpose: PEFT would otherwise find layers of its own to adapt inside it.

    Args:
        model: A PEFT model for causal language modelling; changed in place.
        config: The block's configuration, resolved against the backbone here.
        generator: A CPU generator, the only source of the block's initial values.

    Returns:
        The same object, now a `TalanPeftModel`, on the backbone's device, in the mode (train or eval) it was in.

    Raises:
        UserError: If the model cannot carry a block, or the active adapter has one.
    """
    if type(model) not in (PeftModelForCausalLM, ExactPeftModel, TalanPeftModel) or getattr(model, "talan", None):
        raise UserError(
            f"TALAN cannot be added to this {type(model).__name__}.",
            'Make the PEFT model with task_type="CAUSAL_LM", and add one block per adapter only.',
        )
    if model.active_peft_config.is_prompt_learning:
        raise UserError(
            f"TALAN cannot be paired with {model.active_peft_config.peft_type}: it changes the sequence.",
            "Use a partner that adapts weights, for example talan+lora.",
        )
    check_untouched(cast("PreTrainedModel", model.get_base_model()), tuple(getattr(model, "talans", {}).values()))
    commit_of(cast("PreTrainedModel", model.get_base_model()))
    attachment = TalanAttachment(cast("PreTrainedModel", model.get_base_model()), config, generator=generator)
    warn_of_width(attachment)
    attachment.train(model.training)
    if type(model) is not TalanPeftModel:
        model.__class__ = TalanPeftModel
        model.talans = nn.ModuleDict()
    carrier = cast("TalanPeftModel", model)
    carrier._carry(carrier._active_name(), attachment)  # noqa: SLF001 - the constructor of that class, as it were
    return carrier


def warn_of_width(attachment: TalanAttachment) -> None:
    """Warn if a block is as wide as its backbone."""
    width = attachment.config.d_mem
    if width is not None and width >= attachment.hidden_size:
        warnings.warn(_SHARE_WARNING.format(width=width), stacklevel=3)
