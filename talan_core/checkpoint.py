"""One directory for both: PEFT's own files for the partner, and two files of ours for the block.

    adapter_config.json        the partner's, plus the key "talan"
    adapter_model.safetensors  the partner only; a plain PEFT load reads it
    talan_config.json          `BlockRecord`
    talan_model.safetensors    every tensor of the block, untrained ones too: a random stream is no file format
    README.md                  the model card

In the strict layout, the default, the partner's "task_type" is `STRICT_TASK`, a task that PEFT does not know: loading the
directory with PEFT, `AutoModelForCausalLM` or a pipeline fails with a ValueError that holds that text. Without it they
would warn of an unknown key, drop the block, and go on. (Directories of an earlier version have `STRICT_TYPE` as
"peft_type" instead, of which PEFT makes a KeyError.) Adapters beyond the first have a directory of the same form inside
the first's. Arms without an adapter of PEFT have `talan_core.plain.PlainRecord` in the place of PEFT's files.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, cast

from safetensors.torch import save_file

from talan_core.adapter_config import check_adapter_config
from talan_core.config import DEFAULT_COMPONENTS, TalanConfig
from talan_core.errors import UserError
from talan_core.quiet import library_warnings_silenced
from talan_core.stored import check_largest, damaged, largest_dimension, one_error, read_json, read_tensors

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import torch
    from peft import PeftConfig

ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
BLOCK_CONFIG: Final = "talan_config.json"
BLOCK_WEIGHTS: Final = "talan_model.safetensors"
ADAPTER_KEY: Final = "talan"
OWN_DIRECTORY: Final = "."
"""As the name of a backbone: the checkpoint's own directory, where a merged model is."""
STRICT_TASK: Final = "TALAN: load this checkpoint with talan_core.load(DIR), plain PEFT would drop its block"
STRICT_TYPE: Final = "TALAN (load this checkpoint with talan_core.load(DIR), plain PEFT would drop its block)"
_CONTEXT: Final[Mapping[str, type | UnionType]] = {
    "base_model": str | NoneType,
    "hidden_size": int,
    "num_layers": int,
    "partner": str,
}
_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")


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
        dtype: Type of the backbone's weights, such as "bfloat16", where that is known.
    """

    config: TalanConfig
    base_model: str | None
    hidden_size: int
    num_layers: int
    partner: str
    base_revision: str | None = None
    provenance: Provenance | None = None
    dtype: str | None = None


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
    announced = adapter_config.is_file() and ADAPTER_KEY in read_json(adapter_config)
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
        "dtype": record.dtype,
        "provenance": None if record.provenance is None else dataclasses.asdict(record.provenance),
    }
    (directory / BLOCK_CONFIG).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, str(directory / BLOCK_WEIGHTS), metadata={"format": "pt"})


def announce_block(adapter_directory: Path, *, strict: bool) -> None:
    """Say in the partner's configuration that there is a block beside it.

    Args:
        adapter_directory: Where PEFT wrote the partner's `adapter_config.json`.
        strict: Make a plain PEFT load fail; else it warns of a key that it does not know.
    """
    path = adapter_directory / ADAPTER_CONFIG
    data = {**read_json(path), ADAPTER_KEY: BLOCK_CONFIG}
    if strict:
        data["task_type"] = STRICT_TASK
    path.write_text(json.dumps(data, indent=2, sort_keys=True), encoding="utf-8")


def is_strict(directory: str | os.PathLike[str]) -> bool:
    """Say whether a checkpoint has the strict layout."""
    path = Path(directory) / ADAPTER_CONFIG
    return path.is_file() and strict_by(read_json(path))


def strict_by(adapter_config: Mapping[str, Any]) -> bool:
    """Say whether an `adapter_config.json` is of the strict layout.

    Args:
        adapter_config: What it says.
    """
    return adapter_config.get("task_type") == STRICT_TASK or adapter_config.get("peft_type") == STRICT_TYPE


def read_partner(directory: str | os.PathLike[str]) -> PeftConfig:
    """Read the partner's configuration, in either layout.

    Args:
        directory: The checkpoint.

    Raises:
        UserError: If it is damaged, or no configuration of an adapter of a causal language model.
    """
    from peft import PeftConfig  # noqa: PLC0415 - the other readers do without PEFT

    directory = Path(directory)
    path = directory / ADAPTER_CONFIG
    data = read_json(path)
    kind = data.get("peft_type")
    if not isinstance(kind, str):
        raise damaged(path, f"peft_type={kind!r}")
    with one_error(directory), library_warnings_silenced():
        if strict_by(data):
            data["task_type"] = "CAUSAL_LM"  # a block stands beside no other
            if kind == STRICT_TYPE:
                data["peft_type"] = read_record(directory).partner
            config = cast("PeftConfig", PeftConfig.from_peft_type(**data))  # type: ignore[no-untyped-call] # untyped in PEFT
        else:
            config = cast("PeftConfig", PeftConfig.from_pretrained(str(directory)))
        check_adapter_config(config, path)
    return config


def read_adapter(directory: Path) -> dict[str, torch.Tensor]:
    """Read the partner's tensors onto the CPU.

    Args:
        directory: The checkpoint.

    Raises:
        UserError: If they are damaged, or there are none but in a pickle, which is not read: it may hold a program.
    """
    path = directory / ADAPTER_WEIGHTS
    if path.is_file():
        return read_tensors(path)
    pickles = sorted(file.name for file in directory.glob("adapter_model.*") if file.name != ADAPTER_WEIGHTS)
    if pickles:
        raise UserError(
            f"{directory} holds the adapter as {pickles[0]}, a format that can run programs and is not read here.",
            "Where you trust it, load it with PEFT and save it anew: model.save_pretrained(DIR)",
        )
    raise UserError(
        f"The checkpoint {directory} has {ADAPTER_CONFIG}, but {ADAPTER_WEIGHTS} is missing.",
        f"Copy the whole directory again, including {ADAPTER_WEIGHTS}.",
    )


def read_record(directory: str | os.PathLike[str]) -> BlockRecord:
    """Read `talan_config.json`.

    Args:
        directory: The checkpoint.

    Raises:
        UserError: If the file is not what this version writes.
    """
    path = Path(directory) / BLOCK_CONFIG
    data = read_json(path)
    with one_error(path):
        context = {name: data.pop(name) for name in _CONTEXT}
        for name, kind in _CONTEXT.items():
            if not isinstance(context[name], kind) or isinstance(context[name], bool):
                raise damaged(path, f"{name}={context[name]!r}")
        context["base_revision"] = text_or_none(path, data, "base_revision")
        context["dtype"] = text_or_none(path, data, "dtype")
        context["provenance"] = provenance_of(path, data.pop("provenance", None))
        try:
            config = TalanConfig.from_dict(data)
        except UserError as error:
            raise damaged(path, error.problem) from error
        record = BlockRecord(config=config, **context)
    if not record.config.is_resolved:
        raise damaged(path, "layer or d_mem is not the number for one backbone")
    return record


def text_or_none(path: Path, data: dict[str, Any], name: str) -> str | None:
    """Take a text out of what a file says; None where it says nothing.

    Args:
        path: The file, for the error.
        data: What it says; the name is removed.
        name: Which of it.

    Raises:
        UserError: It is something else.
    """
    value = data.pop(name, None)
    if not isinstance(value, str | None):
        raise damaged(path, f"{name}={value!r}")
    return value


def provenance_of(path: Path, data: object) -> Provenance | None:
    """Read where an arm comes from.

    Args:
        path: The file, for the error.
        data: What it says, or None.

    Raises:
        UserError: It is no provenance.
    """
    if data is None:
        return None
    if not isinstance(data, dict):
        raise damaged(path, f"provenance={data!r}")
    with one_error(path):
        found = Provenance(**data)
    if not (isinstance(found.arm, str) and type(found.seed) is int and isinstance(found.versions, dict)):
        raise damaged(path, f"provenance={data!r}")
    return found


def read_block(directory: str | os.PathLike[str], config: TalanConfig) -> dict[str, torch.Tensor]:
    """Read the block's tensors onto the CPU.

    Args:
        directory: The checkpoint.
        config: The block's configuration, whose sizes are compared before a block is made of it.

    Raises:
        UserError: If the file is damaged, or not of a block of that configuration.
    """
    path = Path(directory) / BLOCK_WEIGHTS
    tensors = read_tensors(path)
    check_largest(path, [("components", config.components)], max(len(tensors), DEFAULT_COMPONENTS))
    sizes = [(name, getattr(config, name)) for name in ("slots", "d_mem", "heads")]
    check_largest(path, sizes, largest_dimension(tensors))
    return tensors


def local_directory(directory: str | os.PathLike[str]) -> Path:
    """Return a directory as it is, and a Hub id as the directory of its downloaded files.

    Args:
        directory: A directory, or the Hub id of a repository of such files.

    Raises:
        UserError: If it is no directory and the Hub does not give it.
    """
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
