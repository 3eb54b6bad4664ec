"""Bring a backbone into memory, with proof of which weights it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talan_core.backbones.content_hash import hash_files
from talan_core.backbones.smollm2 import locate_smollm2
from talan_core.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from talan_core.backbones.names import BackboneSpec


@dataclass(frozen=True, slots=True)
class Revision:
    """Which weights a name stands for.

    Attributes:
        location: Directory or Hub id.
        commit: Commit hash on the Hub; None for a directory.
        sha256: Hash over every file of a local directory that can change an answer; None for a Hub id.
        note: How the weights came to be, where that matters.
        template: A file with the chat template that stands in the place of the tokenizer's own; None for that.
        outline: Whether the configuration alone is here, to plan with: no weights, no tokenizer.
    """

    location: str
    commit: str | None
    sha256: str | None
    note: str = ""
    template: Path | None = None
    outline: bool = False


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
        return Revision(str(found.directory), None, hash_files(found.directory), found.note)
    if spec.kind == "built" and not (Path(spec.location) / "config.json").is_file():
        raise UserError(
            f"The backbone {spec.name} is not shipped, and was not built here yet.",
            f"Build it once, in hours on any two cores: make {spec.name}, or without a Makefile python -m "
            f"talan_core.backbones.micro.pretrain --name {spec.name} --work DIR, and the same with --export.",
        )
    return Revision(spec.location, None, hash_files(Path(spec.location)))


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


def load_model(
    revision: Revision,
    dtype: str,
    device: torch.device,
    *,
    attention: str | None = None,
    quantization: str | None = None,
    divided: bool = False,
) -> PreTrainedModel:
    """Load the weights.

    Args:
        revision: As found by ``locate``.
        dtype: "float32" or "bfloat16".
        device: Where to put them.
        attention: Name of the attention implementation; the library's own choice when None.
        quantization: "4bit" (NF4, double quantisation) or "8bit" (LLM.int8()), of bitsandbytes; None for neither.
        divided: Divide the layers among all devices that this process sees, instead of putting them on one.

    Returns:
        The model in evaluation mode, without gradients.
    """
    import torch  # noqa: PLC0415 - heavy
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - heavy

    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    if quantization is not None:
        options |= {"quantization_config": _quantized(quantization), "device_map": {"": device}}
    if divided:
        options["device_map"] = "balanced"
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        revision.location, revision=revision.commit, dtype=getattr(torch, dtype), trust_remote_code=False, **options
    )
    model.config._commit_hash = revision.commit  # noqa: SLF001 - where transformers itself used to note it
    if "device_map" not in options:
        torch.nn.Module.to(model, device)
    model.requires_grad_(requires_grad=False)
    model.train(mode=False)
    return model


def _quantized(kind: str) -> Any:  # noqa: ANN401 - transformers' configuration
    import torch  # noqa: PLC0415 - heavy
    from transformers import BitsAndBytesConfig  # noqa: PLC0415 - heavy

    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call] # untyped in transformers
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call] # as above
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def load_tokenizer(revision: Revision) -> PreTrainedTokenizerBase:
    """Load the tokenizer, padding on the left and with a padding token, as batched generation needs it."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        revision.location, revision=revision.commit, trust_remote_code=False
    )
    if revision.template is not None:
        tokenizer.chat_template = revision.template.read_text(encoding="utf-8")
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
