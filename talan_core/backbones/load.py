"""Bring a backbone into memory, with proof of which weights it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.backbones.smollm2 import locate_smollm2
from talan_core.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_core.backbones.names import BackboneSpec

_VOCABULARY: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken")


@dataclass(frozen=True, slots=True)
class Revision:
    """Which weights a name stands for.

    Attributes:
        location: Directory or Hub id.
        commit: Commit hash on the Hub; None for a directory.
        sha256: Hash over all weight files of a local directory, in the order of their names; None for a Hub id.
        note: How the weights came to be, where that matters.
    """

    location: str
    commit: str | None
    sha256: str | None
    note: str = ""


def locate(spec: BackboneSpec) -> Revision:
    """Find the weights of a backbone and hash or pin them, without loading them.

    Args:
        spec: The backbone.

    Returns:
        Where the weights are and which they are.

    Raises:
        UserError: They cannot be had; the message says what to type.
    """
    if spec.kind == "hub":
        return _hub_revision(spec.location)
    if spec.kind == "smollm2":
        found = locate_smollm2()
        if found.directory is None:
            return _hub_revision(spec.location)
        return Revision(str(found.directory), None, hash_weights(found.directory), found.note)
    return Revision(spec.location, None, hash_weights(Path(spec.location)))


def hash_weights(directory: Path) -> str:
    """Return the sha256 over the weight and tokenizer files of a directory.

    Args:
        directory: A model directory as written by ``save_pretrained``.

    Raises:
        UserError: It holds no weights or no tokenizer.
    """
    weights = [*directory.glob("*.safetensors"), *directory.glob("*.bin")]
    vocabulary = [file for pattern in _VOCABULARY for file in directory.glob(pattern)]
    for what, found in (("weights", weights), ("tokenizer", vocabulary)):
        if not found:
            raise UserError(
                f"The directory {directory} holds no {what}.",
                "Type --backbone with a directory into which model and tokenizer were saved by save_pretrained.",
            )
    files = sorted({*weights, *vocabulary, *directory.glob("tokenizer*"), *directory.glob("*.jinja")})
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _hub_revision(hub_id: str) -> Revision:
    """Resolve a Hub id to a commit: from the network, else from the local cache."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - heavy, only for Hub ids
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415 - as above

    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
    try:
        path = snapshot_download(hub_id, allow_patterns=patterns)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"The backbone {hub_id!r} is not in the local Hub cache and cannot be fetched ({type(error).__name__}).",
            "Check the id and the network (gated models need `hf auth login`), or type --backbone micro.",
        ) from error
    return Revision(hub_id, Path(path).name, None)


def load_model(revision: Revision, dtype: str, device: torch.device) -> PreTrainedModel:
    """Load the weights.

    Args:
        revision: As found by :func:`locate`.
        dtype: "float32" or "bfloat16".
        device: Where to put them.

    Returns:
        The model in evaluation mode, without gradients.
    """
    import torch  # noqa: PLC0415 - heavy
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - heavy

    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        revision.location, revision=revision.commit, dtype=getattr(torch, dtype)
    )
    torch.nn.Module.to(model, device)
    model.requires_grad_(requires_grad=False)
    model.train(mode=False)
    return model


def load_tokenizer(revision: Revision) -> PreTrainedTokenizerBase:
    """Load the tokenizer, padding on the left and with a padding token, as batched generation needs it."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(revision.location, revision=revision.commit)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
