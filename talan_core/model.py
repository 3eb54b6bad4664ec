"""A PEFT model with a TALAN block beside its adapter: saved, loaded, disabled and merged as one."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import PeftConfig, PeftModel, PeftModelForCausalLM, PeftType
from transformers import AutoModelForCausalLM, PreTrainedModel

from talan_core.attach import TalanAttachment, attach
from talan_core.checkpoint import BlockRecord, announce_block, has_block, read_record, read_tensors, write_block
from talan_core.errors import UserError
from talan_core.quiet import library_warnings_silenced

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from peft import LoraModel

    from talan_core.config import TalanConfig

_SHARE_WARNING = (
    "TALAN d_mem={width} is the backbone's full width or more: the block may exceed one percent of its parameters."
)


class TalanPeftModel(PeftModelForCausalLM):
    """A `PeftModelForCausalLM` whose backbone also carries a TALAN block, `self.talan`.

    It is made by `add_talan` or `load`, never constructed. It behaves as its parent does, with these differences:
    `save_pretrained` writes the block's files too, `load_adapter` reads them, `disable_adapter` switches the block off,
    and `merge_and_unload` merges the adapter and leaves the block in place.

    Not covered: `base_model.disable_adapter_layers()` and `unload()` reach the adapter only.
    """

    talan: TalanAttachment

    def save_pretrained(self, save_directory: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - PEFT's signature
        """Save adapter and block into one directory; arguments as for `PeftModel.save_pretrained`.

        Args:
            save_directory: Where to; see `talan_core.checkpoint` for the files.
            args: Handed on.
            kwargs: Handed on. A "state_dict" with the block's tensors (sharded training) is used for the block too.
        """
        super().save_pretrained(save_directory, *args, **kwargs)
        if not kwargs.get("is_main_process", True):
            return
        directory = Path(save_directory)
        state = kwargs.get("state_dict")
        prefix = "talan."
        given = {} if state is None else {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        write_block(directory, self._record(), given or self.talan.state_dict())
        for name in kwargs.get("selected_adapters") or list(self.peft_config):
            announce_block(directory if name == "default" else directory / name)

    def load_adapter(
        self,
        model_id: str | os.PathLike[str],
        adapter_name: str,
        *args: Any,  # noqa: ANN401 - PEFT's signature
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        """Load an adapter, and the block if the directory has one; arguments as for `PeftModel.load_adapter`.

        A directory without a block leaves the block as it is.

        Args:
            model_id: The checkpoint. Blocks are read from local directories only.
            adapter_name: Name of the adapter.
            args: Handed on.
            kwargs: Handed on.

        Returns:
            PEFT's load result.

        Raises:
            UserError: If the block in the directory has another shape than this model's.
        """
        with library_warnings_silenced():
            result = super().load_adapter(model_id, adapter_name, *args, **kwargs)
        if has_block(model_id):
            _load_block(self.talan, Path(model_id))
        return result

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Switch adapter and block off: inside, the model is the backbone. Nests."""
        before = self.talan.enabled
        self.talan.enabled = False
        try:
            with super().disable_adapter():
                yield
        finally:
            self.talan.enabled = before

    def merge_and_unload(self, *args: Any, **kwargs: Any) -> PreTrainedModel:  # noqa: ANN401 - PEFT's signature
        """Merge the adapter into the backbone and return it with the block still active.

        A block depends on the sequence and cannot be merged into weights. The returned model computes it; its
        `save_pretrained` writes the merged backbone only, so save this model first if the block is to be kept.

        Args:
            args: Handed on to PEFT.
            kwargs: Handed on to PEFT.

        Returns:
            The merged backbone, with the block as its submodule `talan`.
        """
        warnings.warn(
            "The TALAN block stays active in the merged model, but save_pretrained of that model does not write it.",
            stacklevel=2,
        )
        merged = cast("PreTrainedModel", cast("LoraModel", self.base_model).merge_and_unload(*args, **kwargs))
        merged.talan = self.talan
        ignored = {*(merged._keys_to_ignore_on_save or ()), *(f"talan.{key}" for key in self.talan.state_dict())}  # noqa: SLF001 - transformers has no public name for it
        merged._keys_to_ignore_on_save = ignored  # noqa: SLF001 - as above
        return merged

    def _record(self) -> BlockRecord:
        partner = self.peft_config[self.active_adapter]
        return BlockRecord(
            config=self.talan.config,
            base_model=getattr(self.get_base_model(), "name_or_path", None) or None,
            hidden_size=self.talan.hidden_size,
            num_layers=self.talan.num_layers,
            partner=PeftType(partner.peft_type).value,
        )


def add_talan(model: PeftModel, config: TalanConfig, *, generator: torch.Generator) -> TalanPeftModel:
    """Give a PEFT model a block.

    The block comes after PEFT on purpose: PEFT would otherwise find layers of its own to adapt inside it.

    Args:
        model: A PEFT model for causal language modelling; changed in place.
        config: The block's configuration, resolved against the backbone here.
        generator: A CPU generator, the only source of the block's initial values.

    Returns:
        The same object, now a `TalanPeftModel`, on the backbone's device, in the mode (train or eval) it was in.

    Raises:
        UserError: If the model cannot carry a block.
    """
    if type(model) is not PeftModelForCausalLM:
        raise UserError(
            f"TALAN cannot be added to a {type(model).__name__}.",
            'Make the PEFT model with task_type="CAUSAL_LM", and add one block only.',
        )
    if model.active_peft_config.is_prompt_learning:
        raise UserError(
            f"TALAN cannot be paired with {model.active_peft_config.peft_type}: it changes the sequence.",
            "Use a partner that adapts weights, for example talan+lora.",
        )
    backbone = cast("PreTrainedModel", model.get_base_model())
    attachment = TalanAttachment(backbone, config, generator=generator)
    width = attachment.config.d_mem
    if width is not None and width >= attachment.hidden_size:
        warnings.warn(_SHARE_WARNING.format(width=width), stacklevel=2)
    attachment.train(model.training)
    attach(backbone, attachment)
    model.__class__ = TalanPeftModel
    model.talan = attachment
    return cast("TalanPeftModel", model)


def load(directory: str | Path, base_model: PreTrainedModel | None = None, *, is_trainable: bool = False) -> PeftModel:
    """Load a saved arm, with or without a block.

    Args:
        directory: What `save_pretrained` wrote.
        base_model: The backbone, changed in place; loaded by the name in the checkpoint when None.
        is_trainable: Whether to go on training; otherwise the model is in evaluation mode and nothing requires
            gradients.

    Returns:
        A `TalanPeftModel`, or the plain `PeftModel` of a checkpoint without a block.

    Raises:
        UserError: If the directory is no checkpoint, is incomplete, or was made for another backbone.
    """
    directory = Path(directory)
    if not (directory / "adapter_config.json").is_file():
        raise UserError(
            f"{directory} holds no adapter_config.json.", "Give the directory that save_pretrained(DIR) wrote."
        )
    with_block = has_block(directory)
    with library_warnings_silenced():
        partner = PeftConfig.from_pretrained(str(directory))
    if base_model is None:
        if not partner.base_model_name_or_path:
            raise UserError(
                f"The checkpoint {directory} does not name its backbone.",
                "Pass it: talan_core.load(DIR, base_model=AutoModelForCausalLM.from_pretrained(NAME))",
            )
        base_model = AutoModelForCausalLM.from_pretrained(partner.base_model_name_or_path)
    if not with_block:
        return _load_partner(base_model, directory, partner, is_trainable=is_trainable)
    record = read_record(directory)
    text_config = base_model.config.get_text_config()
    found = (text_config.hidden_size, text_config.num_hidden_layers)
    if found != (record.hidden_size, record.num_layers):
        raise UserError(
            f"The TALAN block in {directory} was made for {record.base_model or 'a backbone'} with hidden size "
            f"{record.hidden_size} and {record.num_layers} layers; this backbone has {found[0]} and {found[1]}.",
            f"Load it with its own backbone: base_model={record.base_model or 'BACKBONE'}",
        )
    peft_model = _load_partner(base_model, directory, partner, is_trainable=is_trainable)
    model = add_talan(peft_model, record.config, generator=torch.Generator().manual_seed(0))  # values are overwritten
    _load_block(model.talan, directory)
    if not is_trainable:
        model.talan.requires_grad_(requires_grad=False)
    return model


def _load_partner(base: PreTrainedModel, directory: Path, partner: PeftConfig, *, is_trainable: bool) -> PeftModel:
    with library_warnings_silenced():
        return PeftModel.from_pretrained(base, str(directory), config=partner, is_trainable=is_trainable)


def _load_block(attachment: TalanAttachment, directory: Path) -> None:
    """Copy the block's tensors out of a checkpoint, after checking that it is the same block."""
    record = read_record(directory)
    if record.config != attachment.config:
        raise UserError(
            f"The TALAN block in {directory} has another configuration than this model's:\n"
            f"  {record.config}\n  {attachment.config}",
            f"Load it as a model of its own: talan_core.load({str(directory)!r})",
        )
    attachment.load_state_dict(read_tensors(directory))
