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

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor

from talan_core.bounded import MEGABYTE, open_regular, parse_json, read_bounded
from talan_core.errors import UserError
from talan_core.training.signs import Signs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from talan_core.training.data import EncodedData
    from talan_core.training_settings import TrainingSettings

TRAINED: Final = "trained.safetensors"
RUN: Final = "talan_run.json"
_MOST: Final = 64 * MEGABYTE
_SCRATCH: Final = "talan_run.tmp"
_PREFIX: Final = "checkpoint-"
_FORMAT: Final = 2


class OtherRunError(UserError):
    """A working directory holds checkpoints that are not of this run."""


@dataclass(frozen=True)
class Progress:
    """How far a complete checkpoint is.

    Args:
        directory: Where it is.
        run: Identity of the run, from `run_identity`.
        step: Optimizer steps done.
        losses: The loss of each of them.
        seconds: Wall time that they took.
        signs: What was seen meanwhile.
    """

    directory: Path
    run: str
    step: int
    losses: tuple[float, ...]
    seconds: float
    signs: Signs = field(default_factory=Signs)


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
    digest.update(json.dumps([_FORMAT, settings.to_dict(), list(order)], sort_keys=True).encode())
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
    scratch = progress.directory / _SCRATCH
    data = {
        "format": _FORMAT,
        "run": progress.run,
        "step": progress.step,
        "losses": list(progress.losses),
        "seconds": progress.seconds,
        "signs": progress.signs.to_json(),
        "files": _flushed_hashes(progress.directory),
    }
    scratch.write_text(json.dumps({**data, "sha256": _hash_of(data)}) + "\n", encoding="utf-8")
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
    return max(_complete(work_dir), key=lambda progress: progress.step, default=None)


def drop_unfinished(work_dir: Path) -> None:
    """Remove checkpoints that are not complete: their steps may come again.

    Args:
        work_dir: The run's working directory, which need not exist.
    """
    complete = {progress.directory for progress in _complete(work_dir)}
    for directory in _directories(work_dir):
        if directory not in complete:
            shutil.rmtree(directory, ignore_errors=True)


def drop_older(work_dir: Path, kept: int) -> None:
    """Remove all finished checkpoints but the furthest, so that a kill never leaves fewer than ``kept``."""
    finished = [path for path in _directories(work_dir) if (path / RUN).is_file()]
    for directory in sorted(finished, key=lambda path: int(path.name.removeprefix(_PREFIX)))[:-kept]:
        shutil.rmtree(directory, ignore_errors=True)


def to_resume(work_dir: Path, run: str) -> Progress | None:
    """Find the checkpoint from which a run goes on.

    Args:
        work_dir: The run's working directory.
        run: The run's identity.

    Returns:
        The furthest complete checkpoint, or None if the run has to start.

    Raises:
        OtherRunError: If the directory belongs to another run.
    """
    progress = last_complete(work_dir)
    if progress is not None and progress.run != run:
        raise OtherRunError(
            f"{work_dir} holds checkpoints of another run: its recipe, its data, its seed or its arm is different.",
            f"Type: rm -r {work_dir}, or give another work_dir.",
        )
    return progress


def _directories(work_dir: Path) -> list[Path]:
    found = [path for path in work_dir.glob(f"{_PREFIX}*") if path.is_dir()]
    return [path for path in found if path.name.removeprefix(_PREFIX).isdecimal()]


def _complete(work_dir: Path) -> list[Progress]:
    """Return the checkpoints that were finished and are as they were written."""
    return [progress for path in _directories(work_dir) if (progress := _read(path)) is not None]


def _hash_of(data: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _hashes(directory: Path) -> dict[str, str]:
    """Return the SHA-256 hash of every file of a checkpoint but the one that holds them."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.name not in (RUN, _SCRATCH)]
    found = {}
    for path in files:
        with open_regular(path) as file:
            found[path.relative_to(directory).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _flushed_hashes(directory: Path) -> dict[str, str]:
    """Bring all files of a checkpoint to disk, and return their hashes."""
    found = _hashes(directory)
    for name in found:
        with (directory / name).open("rb") as file:
            os.fsync(file.fileno())
    return found


def _read(directory: Path) -> Progress | None:
    """Read a checkpoint's progress; None where it was not finished, was damaged, or has another format."""
    try:
        data = parse_json(read_bounded(directory / RUN, _MOST))
        content = {name: value for name, value in data.items() if name != "sha256"}
        is_whole = data["sha256"] == _hash_of(content) and data["format"] == _FORMAT
        if not is_whole or data["files"] != _hashes(directory):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, going away, or damaged
        return None
    signs = Signs.from_json(data.get("signs", {}))
    return Progress(directory, data["run"], data["step"], tuple(data["losses"]), data["seconds"], signs)
