"""What PEFT models and plain models have in common when they carry blocks: one block per adapter, one active."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from talan_core.attach import TalanAttachment, attach
from talan_core.checkpoint import BLOCK_WEIGHTS, BlockRecord, read_block, read_record, write_block
from talan_core.errors import UserError
from talan_core.rate import BLOCKS, watch_rate
from talan_core.stored import check_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from transformers import PreTrainedModel


class BlockCarrier(nn.Module):
    """Mixin of a model that carries blocks beside its adapters."""

    talans: nn.ModuleDict
    """The blocks by the name of the adapter that each belongs to."""

    @property
    def talan(self) -> TalanAttachment | None:
        """The block of the active adapter, or None if it has none."""
        blocks = self.__dict__["_modules"].get(BLOCKS)
        name = self._active_name()
        return cast("TalanAttachment", blocks[name]) if blocks is not None and name in blocks else None

    def _active_name(self) -> str:
        """Return the name of the active adapter."""
        raise NotImplementedError

    def _backbone(self) -> PreTrainedModel:
        """Return the model that the blocks are attached to."""
        raise NotImplementedError

    def _attachments(self) -> list[TalanAttachment]:
        return [cast("TalanAttachment", block) for block in self.talans.values()]

    def _carry(self, name: str, attachment: TalanAttachment) -> None:
        """Attach a block and take it in under the name of an adapter."""
        attach(self._backbone(), attachment)
        self.talans[name] = attachment
        attachment.enabled = name == self._active_name()
        watch_rate(attachment)

    def _activate(self, *, trainable: bool) -> None:
        """Switch the active adapter's block on and all others off."""
        active = self._active_name()
        for name, block in self.talans.items():
            attachment = cast("TalanAttachment", block)
            attachment.enabled = name == active
            attachment.block.set_trainable(attachment.config.scope if attachment.enabled and trainable else "frozen")

    def _drop(self, name: str) -> None:
        """Take the block of an adapter out for good."""
        cast("TalanAttachment", self.talans[name]).detach()
        del self.talans[name]

    def blocks_off(self) -> AbstractContextManager[None]:
        """Let no block write inside. Nests.

        The residual stream keeps the type that a block gives it, so that what changes is the write and nothing else.
        """
        return self._all_set("is_muted", to=True)

    def blocks_absent(self) -> AbstractContextManager[None]:
        """Be the model without its blocks inside, the type of its residual stream included. Nests."""
        return self._all_set("enabled", to=False)

    @contextlib.contextmanager
    def _all_set(self, name: str, *, to: bool) -> Iterator[None]:
        blocks = self._attachments()
        before = [getattr(block, name) for block in blocks]
        for block in blocks:
            setattr(block, name, to)
        try:
            yield
        finally:
            for block, value in zip(blocks, before, strict=True):
                setattr(block, name, value)

    def _write_block(
        self, directory: Path, name: str, partner: str, state: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        """Write the block of an adapter; `state` is the whole model's, where it had to be gathered from shards."""
        attachment = cast("TalanAttachment", self.talans[name])
        prefix = f"{BLOCKS}.{name}."
        given = {} if state is None else {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        backbone = self._backbone()
        record = BlockRecord(
            config=attachment.config,
            base_model=backbone.name_or_path or None,
            hidden_size=attachment.hidden_size,
            num_layers=attachment.num_layers,
            partner=partner,
            base_revision=getattr(backbone.config, "_commit_hash", None),
            dtype=str(backbone.dtype).removeprefix("torch."),
            provenance=attachment.provenance,
        )
        write_block(directory, record, given or attachment.state_dict())

    def _read_block(self, name: str, directory: Path, *, trainable: bool) -> None:
        """Read a checkpoint's block: into the adapter's own if it has one, else into a new one."""
        record = read_record(directory)
        tensors = read_block(directory, record.config)
        if name not in self.talans:
            check_backbone(record, self._backbone(), directory)
            fresh = torch.Generator().manual_seed(0)  # the values are overwritten
            attachment = TalanAttachment(self._backbone(), record.config, generator=fresh)
            check_tensors(directory / BLOCK_WEIGHTS, tensors, attachment.state_dict())
            self._carry(name, attachment)
        attachment = cast("TalanAttachment", self.talans[name])
        if record.config != attachment.config:
            raise UserError(
                f"The TALAN block in {directory} has another configuration than this model's:\n"
                f"  {record.config}\n  {attachment.config}",
                f"Load it as a model of its own: talan_core.load({str(directory)!r})",
            )
        check_tensors(directory / BLOCK_WEIGHTS, tensors, attachment.state_dict())
        attachment.load_state_dict(tensors)
        attachment.provenance = record.provenance
        if not trainable:
            attachment.requires_grad_(requires_grad=False)


def check_backbone(record: BlockRecord, backbone: PreTrainedModel, directory: Path) -> None:
    """Check that a checkpoint was made for a backbone of this shape.

    Raises:
        UserError: If it was not.
    """
    check_shape(record, backbone.config.get_text_config(), directory)


def check_shape(record: BlockRecord, text_config: Any, directory: Path) -> None:  # noqa: ANN401 - any configuration of transformers
    """Check the same of a backbone of which the configuration alone is here.

    Args:
        record: What the checkpoint says.
        text_config: The backbone's configuration, of its language model.
        directory: The checkpoint, for the error.

    Raises:
        UserError: It was made for a backbone of another width or depth.
    """
    found = (text_config.hidden_size, text_config.num_hidden_layers)
    if found != (record.hidden_size, record.num_layers):
        raise UserError(
            f"The TALAN block in {directory} was made for {record.base_model or 'a backbone'} with hidden size "
            f"{record.hidden_size} and {record.num_layers} layers; this backbone has {found[0]} and {found[1]}.",
            f"Load it with its own backbone: base_model={record.base_model or 'BACKBONE'}",
        )
