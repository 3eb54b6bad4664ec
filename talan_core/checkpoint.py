"""One directory for both: PEFT's own files for the partner, and two files of ours for the block.

    adapter_config.json        the partner's, plus the key "talan" (a plain PEFT load warns that it does not know it)
    adapter_model.safetensors  the partner only; a plain PEFT load reads it
    talan_config.json          `BlockRecord`
    talan_model.safetensors    every tensor of the block, untrained ones too: a random stream is no file format
    README.md                  the model card

In the strict layout the partner's "peft_type" is `STRICT_TYPE`, a type that PEFT does not know, so that a plain PEFT
load fails with that text instead of warning. Adapters beyond the first have a directory of the same form
inside the first's. Arms without an adapter of PEFT have `talan_core.plain.PlainRecord` in the place of PEFT's files.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from safetensors.torch import load_file, save_file

from talan_core.config import TalanConfig
from talan_core.errors import UserError
from talan_core.quiet import library_warnings_silenced

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import torch
    from peft import PeftConfig

ADAPTER_CONFIG: Final = "adapter_config.json"
BLOCK_CONFIG: Final = "talan_config.json"
BLOCK_WEIGHTS: Final = "talan_model.safetensors"
ADAPTER_KEY: Final = "talan"
STRICT_TYPE: Final = "TALAN (load this checkpoint with talan_core.load(DIR), plain PEFT would drop its block)"
_CONTEXT: Final = ("base_model", "hidden_size", "num_layers", "partner")


@dataclass(frozen=True)
class Provenance:
    """Where an arm comes from.

    Args:
        arm: Its canonical name.
        seed: The run's seed.
        versions: Packages that can change a number, by name.
    """

    arm: str
    seed: int
    versions: Mapping[str, str]

    @classmethod
    def now(cls, arm: str, seed: int) -> Provenance:
        """Note the versions of the installed packages."""
        return cls(arm, seed, {name: version(name) for name in ("talan-eval", "torch", "transformers", "peft")})


@dataclass(frozen=True)
class BlockRecord:
    """What `talan_config.json` says.

    Args:
        config: The resolved configuration.
        base_model: Name or path of the backbone, or None when it has none.
        hidden_size: Width d of the backbone.
        num_layers: Number of its decoder layers.
        partner: PEFT's name of the partner's type, such as "LORA", or the arm's name of a partner that PEFT has not.
        base_revision: Commit of the backbone on the Hub, where that is known.
        provenance: Where the arm comes from, where that is known.
    """

    config: TalanConfig
    base_model: str | None
    hidden_size: int
    num_layers: int
    partner: str
    base_revision: str | None = None
    provenance: Provenance | None = None


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
        "base_revision": record.base_revision,
        "provenance": None if record.provenance is None else dataclasses.asdict(record.provenance),
    }
    (directory / BLOCK_CONFIG).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, str(directory / BLOCK_WEIGHTS), metadata={"format": "pt"})


def announce_block(adapter_directory: Path, *, strict: bool) -> None:
    """Add the key to the partner's configuration that makes a plain PEFT load warn.

    Args:
        adapter_directory: Where PEFT wrote the partner's `adapter_config.json`.
        strict: Make a plain PEFT load fail instead.
    """
    path = adapter_directory / ADAPTER_CONFIG
    data = {**json.loads(path.read_text(encoding="utf-8")), ADAPTER_KEY: BLOCK_CONFIG}
    if strict:
        data["peft_type"] = STRICT_TYPE
    path.write_text(json.dumps(data, indent=2, sort_keys=True), encoding="utf-8")


def is_strict(directory: str | os.PathLike[str]) -> bool:
    """Say whether a checkpoint has the strict layout."""
    path = Path(directory) / ADAPTER_CONFIG
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("peft_type") == STRICT_TYPE


def read_partner(directory: str | os.PathLike[str]) -> PeftConfig:
    """Read the partner's configuration, in either layout.

    Args:
        directory: The checkpoint.
    """
    from peft import PeftConfig  # noqa: PLC0415 - the other readers do without PEFT

    with library_warnings_silenced():
        if not is_strict(directory):
            return cast("PeftConfig", PeftConfig.from_pretrained(str(directory)))
        data = PeftConfig.from_json_file(str(Path(directory) / ADAPTER_CONFIG))
        data["peft_type"] = read_record(directory).partner
        return cast("PeftConfig", PeftConfig.from_peft_type(**data))  # type: ignore[no-untyped-call] # untyped in PEFT


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
        context = {name: data.pop(name) for name in _CONTEXT}
        context["base_revision"] = data.pop("base_revision", None)
        provenance = data.pop("provenance", None)
        context["provenance"] = None if provenance is None else Provenance(**provenance)
    except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
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
