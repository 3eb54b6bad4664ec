"""Checkpoints of a run in progress: written whole, recognised, and read back bit for bit.

A checkpoint is a directory `checkpoint-N` of the run's working directory, after N optimizer steps. It holds what
`save_pretrained` writes (so it can be loaded like any arm), what transformers' Trainer needs to go on (optimizer,
schedule, random state), and two files of ours:

trained.safetensors   every trained tensor by its name, in the type it is trained in
talan_run.json        written last: which run this is, its step, its losses so far, and the hash of every other file

All files are flushed to disk before `talan_run.json` is written. A checkpoint without it was interrupted while it was
written, and one whose files have other hashes was damaged: neither is ever resumed from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor

from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from talan_core.training.data import EncodedData
    from talan_core.training.settings import TrainingSettings

TRAINED: Final = "trained.safetensors"
RUN: Final = "talan_run.json"
_PREFIX: Final = "checkpoint-"
_FORMAT: Final = 2


@dataclass(frozen=True)
class Progress:
    """How far a checkpoint is.

    Args:
        directory: Where it is.
        run: Identity of the run, from `run_identity`.
        step: Optimizer steps done.
        losses: The loss of each of them.
        seconds: Wall time that they took.
    """

    directory: Path
    run: str
    step: int
    losses: tuple[float, ...]
    seconds: float


def run_identity(model: nn.Module, data: EncodedData, order: Sequence[int], settings: TrainingSettings) -> str:
    """Hash what determines a run: its recipe, its examples in their order, and the initial values that it trains.

    The frozen backbone's weights are not hashed.

    Args:
        model: The model before training.
        data: The encoded training set.
        order: The examples in the order of use.
        settings: The recipe.

    Returns:
        A SHA-256 hash in hexadecimal.
    """
    digest = hashlib.sha256()
    recipe = dataclasses.asdict(settings)
    digest.update(json.dumps([_FORMAT, recipe, list(order)], sort_keys=True).encode())
    for example in data.examples:
        digest.update(json.dumps([example.input_ids, example.prompt_length, example.unlearned]).encode())
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            digest.update(f"{name}:{weight.dtype}:{tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def trained_tensors(model: nn.Module, whole: Mapping[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
    """Return every trained tensor by name, on the CPU.

    Args:
        model: The model.
        whole: The gathered state of a model that is sharded over processes; None where nothing is sharded.
    """
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    return {
        name: (weight if whole is None else whole[name]).detach().cpu().contiguous().clone() for name, weight in trained
    }


def write_trained(directory: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write the trained tensors of a checkpoint."""
    save_file(dict(tensors), str(directory / TRAINED), metadata={"format": "pt"})


@torch.no_grad()
def read_trained(directory: Path, model: nn.Module) -> None:
    """Copy a checkpoint's trained tensors into a model, sharded or not.

    Raises:
        UserError: If the checkpoint was written for other tensors.
    """
    stored = load_file(str(directory / TRAINED))
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if stored.keys() != trained.keys():
        raise UserError(
            f"The checkpoint {directory} holds other trained tensors than this model has.",
            "Build the arm that was trained, or give another work_dir.",
        )
    for name, weight in trained.items():
        value = stored[name].to(weight.device)
        if isinstance(weight, DTensor):
            value = distribute_tensor(value, weight.device_mesh, weight.placements)
        weight.copy_(value)


def write_progress(progress: Progress) -> None:
    """Close a checkpoint: from here on it counts as complete."""
    target = progress.directory / RUN
    scratch = target.with_suffix(".tmp")
    files = _flushed_hashes(progress.directory)
    data = {
        "format": _FORMAT,
        "run": progress.run,
        "step": progress.step,
        "losses": list(progress.losses),
        "seconds": progress.seconds,
        "files": files,
    }
    scratch.write_text(json.dumps(data) + "\n", encoding="utf-8")
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    scratch.replace(target)


def last_complete(work_dir: Path) -> Progress | None:
    """Find the furthest complete checkpoint of a working directory.

    Args:
        work_dir: The directory, which need not exist.

    Returns:
        Its progress, or None if there is none.
    """
    found = [_read(directory) for directory in work_dir.glob(f"{_PREFIX}*") if (directory / RUN).is_file()]
    for progress, files in sorted(found, key=lambda one: one[0].step, reverse=True):
        if files == _hashes(progress.directory):
            return progress
    return None


def to_resume(work_dir: Path, run: str) -> Progress | None:
    """Find the checkpoint from which a run goes on.

    Args:
        work_dir: The run's working directory.
        run: The run's identity.

    Returns:
        The furthest complete checkpoint, or None if the run has to start.

    Raises:
        UserError: If the directory belongs to another run.
    """
    progress = last_complete(work_dir)
    if progress is not None and progress.run != run:
        raise UserError(
            f"{work_dir} holds checkpoints of another run: its recipe, its data, its seed or its arm is different.",
            f"Type: rm -r {work_dir}, or give another work_dir.",
        )
    return progress


def _hashes(directory: Path) -> dict[str, str]:
    """Return the SHA-256 hash of every file of a checkpoint but the one that holds them."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.name != RUN]
    found = {}
    for path in files:
        with path.open("rb") as file:
            found[path.relative_to(directory).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _flushed_hashes(directory: Path) -> dict[str, str]:
    """Bring all files of a checkpoint to disk, and return their hashes."""
    found = _hashes(directory)
    for name in found:
        with (directory / name).open("rb") as file:
            os.fsync(file.fileno())
    return found


def _read(directory: Path) -> tuple[Progress, dict[str, str]]:
    data = json.loads((directory / RUN).read_text(encoding="utf-8"))
    if data["format"] != _FORMAT:
        raise UserError(
            f"{directory} was written by another version of talan_core.",
            f"Type: rm -r {directory}, or give another work_dir.",
        )
    losses = tuple(cast("list[float]", data["losses"]))
    return Progress(directory, data["run"], data["step"], losses, data["seconds"]), data["files"]
