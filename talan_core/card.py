"""The model card of a checkpoint: README.md, as the Hub shows it, from nothing but the checkpoint's own files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from talan_core.block import block_parameters
from talan_core.checkpoint import ADAPTER_CONFIG, read_record, strict_by

if TYPE_CHECKING:
    import os

    from talan_core.checkpoint import BlockRecord

_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+")
_PARTNER_KEYS: Final = ("r", "lora_alpha", "alpha", "lora_dropout", "bias", "use_dora", "use_rslora", "target_modules")


def write_card(directory: Path, base_parameters: int) -> None:
    """Write README.md beside a block's files.

    Args:
        directory: The checkpoint, complete but for the card.
        base_parameters: Number of the backbone's parameters.
    """
    record = read_record(directory)
    path = directory / ADAPTER_CONFIG
    adapter = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    (directory / "README.md").write_text(render_card(record, adapter, base_parameters), encoding="utf-8")


def render_card(record: BlockRecord, adapter: dict[str, Any], base_parameters: int) -> str:
    """Write the card's text.

    Args:
        record: What `talan_config.json` says.
        adapter: What `adapter_config.json` says; empty for an arm without an adapter of PEFT.
        base_parameters: Number of the backbone's parameters.

    Returns:
        Markdown with the Hub's metadata in front.
    """
    parts = [_metadata(record), _introduction(record, strict=strict_by(adapter)), _usage(record)]
    block = {name: value for name, value in record.config.to_dict().items() if name != "format"}
    parts.append("## TALAN block\n\n" + _table(block))
    number = block_parameters(record.config, record.hidden_size)
    parts.append(f"{number:,} parameters, {number / base_parameters:.3%} of the backbone's {base_parameters:,}.")
    partner = {name: adapter[name] for name in _PARTNER_KEYS if adapter.get(name) is not None}
    parts.append(f"## Partner: {record.partner}\n\n" + (_table(partner) if partner else "No options."))
    parts.append("## Provenance\n\n" + _table(_origin(record)))
    return "\n\n".join(parts) + "\n"


def _metadata(record: BlockRecord) -> str:
    lines = ["---"]
    if record.base_model is not None and _HUB_ID.fullmatch(record.base_model):
        lines += [f"base_model: {record.base_model}", "base_model_relation: adapter"]
    lines += ["library_name: talan-eval", "pipeline_tag: text-generation", "tags:", "- talan"]
    return "\n".join([*lines, f"- {record.partner.lower()}", "---"])


def _introduction(record: BlockRecord, *, strict: bool) -> str:
    plain = "Plain PEFT refuses to load it." if strict else "Plain PEFT warns and loads the partner without the block."
    return (
        f"# TALAN with {record.partner} for {_shown(record.base_model)}\n\n"
        "A partner and a TALAN block, a sequence-conditioned latent side path in the residual stream (Zhang et al., "
        f"2026, [arXiv 2606.06902](https://arxiv.org/abs/2606.06902)), trained together. {plain}"
    )


def _usage(record: BlockRecord) -> str:
    given = "" if record.base_model is not None else ", base_model=BACKBONE"
    return (
        f"```python\nimport talan_core  # pip install 'talan-eval[train]'\n\n"
        f'model = talan_core.load("DIRECTORY"{given})\n```'
    )


def _origin(record: BlockRecord) -> dict[str, Any]:
    origin: dict[str, Any] = {
        "backbone": _shown(record.base_model),
        "backbone commit": record.base_revision or "not known",
        "hidden size, layers": f"{record.hidden_size}, {record.num_layers}",
    }
    if record.provenance is None:
        return {**origin, "arm, seed": "not known"}
    made = record.provenance
    return {**origin, "arm": made.arm, "seed": made.seed, **{f"{name} version": v for name, v in made.versions.items()}}


def _table(rows: dict[str, Any]) -> str:
    shown = (f"| {name} | `{value}` |" for name, value in rows.items())
    return "\n".join(["| | |", "|---|---|", *shown])


def _shown(base_model: str | os.PathLike[str] | None) -> str:
    """Name a backbone without the directories that it lay in."""
    if base_model is None:
        return "an unnamed backbone"
    return str(base_model) if _HUB_ID.fullmatch(str(base_model)) else Path(base_model).name
