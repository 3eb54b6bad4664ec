"""One directory for both: PEFT's own files for the partner, and two files of ours for the block.

adapter_config.json        the partner's, plus the key "talan" (a plain PEFT load warns about a key that it does not
know) adapter_model.safetensors  the partner only; a plain PEFT load reads it
talan_config.json          `BlockRecord`
talan_model.safetensors    every tensor of the block, untrained ones too: a random stream is no file format
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safetensors.torch import load_file, save_file

from talan_core.config import TalanConfig
from talan_core.errors import UserError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import torch

ADAPTER_CONFIG: Final = "adapter_config.json"
BLOCK_CONFIG: Final = "talan_config.json"
BLOCK_WEIGHTS: Final = "talan_model.safetensors"
ADAPTER_KEY: Final = "talan"


@dataclass(frozen=True)
class BlockRecord:
    """What `talan_config.json` says.

    Args:
        config: The resolved configuration.
        base_model: Name or path of the backbone, or None when it has none.
        hidden_size: Width d of the backbone.
        num_layers: Number of its decoder layers.
        partner: PEFT's name of the partner's type, such as "LORA".
    """

    config: TalanConfig
    base_model: str | None
    hidden_size: int
    num_layers: int
    partner: str


def has_block(directory: str | os.PathLike[str]) -> bool:
    """Say whether a checkpoint has a TALAN block.

    Args:
        directory: The checkpoint.

    Raises:
        UserError: If the adapter's configuration announces a block whose files are missing.
    """
    directory = Path(directory)
    files = [name for name in (BLOCK_CONFIG, BLOCK_WEIGHTS) if (directory / name).is_file()]
    adapter_config = directory / ADAPTER_CONFIG
    announced = adapter_config.is_file() and ADAPTER_KEY in json.loads(adapter_config.read_text(encoding="utf-8"))
    if len(files) == 1 or (announced and not files):
        missing = ", ".join(sorted({BLOCK_CONFIG, BLOCK_WEIGHTS} - set(files)))
        raise UserError(
            f"The checkpoint {directory} was saved with a TALAN block, but {missing} is missing.",
            f"Copy the whole directory again, including {BLOCK_CONFIG} and {BLOCK_WEIGHTS}.",
        )
    return bool(files)


def write_block(directory: Path, record: BlockRecord, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write the block's two files.

    Args:
        directory: An existing checkpoint directory.
        record: The block's configuration and what it was made for.
        tensors: The block's state.
    """
    data = {
        **record.config.to_dict(),
        "base_model": record.base_model,
        "hidden_size": record.hidden_size,
        "num_layers": record.num_layers,
        "partner": record.partner,
    }
    (directory / BLOCK_CONFIG).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, str(directory / BLOCK_WEIGHTS), metadata={"format": "pt"})


def announce_block(adapter_directory: Path) -> None:
    """Add the key to the partner's configuration that makes a plain PEFT load warn.

    Args:
        adapter_directory: Where PEFT wrote the partner's `adapter_config.json`.
    """
    path = adapter_directory / ADAPTER_CONFIG
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, ADAPTER_KEY: BLOCK_CONFIG}, indent=2, sort_keys=True), encoding="utf-8")


def read_record(directory: str | os.PathLike[str]) -> BlockRecord:
    """Read `talan_config.json`.

    Args:
        directory: The checkpoint.

    Raises:
        UserError: If the file is not what this version writes.
    """
    path = Path(directory) / BLOCK_CONFIG
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        context = {name: data.pop(name) for name in ("base_model", "hidden_size", "num_layers", "partner")}
    except (json.JSONDecodeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged or was not written by talan_core ({error}).",
            "Save the model again with save_pretrained(DIR).",
        ) from error
    return BlockRecord(config=TalanConfig.from_dict(data), **context)


def read_tensors(directory: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Read the block's tensors onto the CPU.

    Args:
        directory: The checkpoint.
    """
    return load_file(str(Path(directory) / BLOCK_WEIGHTS), device="cpu")
