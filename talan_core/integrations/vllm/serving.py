"""A directory that `vllm serve` takes: merged weights and the tokenizer, and the block in a directory of its own in it.

    vllm serve DIR

In `config.json` the architecture is the one with a block, and the key "talan" says where the block is. The block does
not lie beside the weights, because vLLM loads every file of tensors that it finds there.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from talan_core.checkpoint import BLOCK_CONFIG, BLOCK_WEIGHTS, has_block, local_directory, read_record
from talan_core.errors import UserError
from talan_core.integrations.vllm import ARCHITECTURES, CONFIG_KEY
from talan_core.loading import load
from talan_core.merging import bf16_survival, merge, plain_tensors
from talan_core.stored import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BLOCK: Final = "talan"
_CONFIG: Final = "config.json"


@dataclass(frozen=True)
class Written:
    """What was written.

    Args:
        architecture: What `config.json` names.
        dtype: Type of the weights, such as "bfloat16".
        survival: Share of the weights changed by the adapter that rounding to bfloat16 leaves changed; None where they
            are not rounded, or none was changed.
    """

    architecture: str
    dtype: str
    survival: float | None


def write_for_vllm(checkpoint: Path, target: Path, *, dtype: str | None = None) -> Written:
    """Merge a checkpoint's adapter in float32 and write what `vllm serve` takes.

    Args:
        checkpoint: What `save_pretrained` wrote; its backbone is found by the name in it.
        target: A directory that does not exist.
        dtype: Type of the weights, "float32" or "bfloat16"; that of the backbone when None.

    Raises:
        UserError: The target is there, the adapter cannot be merged, or its architecture has no block in vLLM.
    """
    if target.exists():
        raise UserError(f"{target} exists.", "Type a directory that does not, or remove it.")
    checkpoint = local_directory(checkpoint)
    record = read_record(checkpoint) if has_block(checkpoint) else None
    arm = load(checkpoint, dtype=torch.float32)
    backbone = cast("PreTrainedModel", arm.get_base_model())
    place = _BackboneFiles.of(backbone)
    if record is not None:
        _check_architecture(backbone)
    kind = dtype or (None if record is None else record.dtype) or "bfloat16"
    merged = merge(arm)
    survival = bf16_survival(plain_tensors(merged), plain_tensors(place.model())) if kind == "bfloat16" else None
    merged.to(getattr(torch, kind)).save_pretrained(str(target))
    place.tokenizer().save_pretrained(str(target))
    config = read_json(target / _CONFIG)
    if record is not None:
        (target / _BLOCK).mkdir()
        for name in (BLOCK_CONFIG, BLOCK_WEIGHTS):
            shutil.copy(checkpoint / name, target / _BLOCK / name)
        config["architectures"] = [ARCHITECTURES[name] for name in config["architectures"]]
        config[CONFIG_KEY] = {"checkpoint": _BLOCK}
        (target / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return Written(config["architectures"][0], kind, survival)


@dataclass(frozen=True)
class _BackboneFiles:
    """Where a backbone was loaded from."""

    name: str
    revision: str | None

    @classmethod
    def of(cls, backbone: PreTrainedModel) -> _BackboneFiles:
        return cls(str(backbone.name_or_path), getattr(backbone.config, "_commit_hash", None))

    def model(self) -> PreTrainedModel:
        found: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            self.name, revision=self.revision, dtype=torch.float32, trust_remote_code=False
        )
        return found

    def tokenizer(self) -> PreTrainedTokenizerBase:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            self.name, revision=self.revision, trust_remote_code=False
        )
        return found


def _check_architecture(backbone: PreTrainedModel) -> None:
    named = type(backbone).__name__
    if named not in ARCHITECTURES:
        raise UserError(
            f"In vLLM there is no TALAN for {named}.", f"Backbones that have one are {', '.join(ARCHITECTURES)}."
        )
