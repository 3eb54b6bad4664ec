"""Where the numbers of a result come from, in words: how programs were run, what was probed, and its provenance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from talan_eval.report import format as fmt
from talan_eval.result.labels import cell_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import JsonValue

    from talan_eval.result.arm_scores import ArmScores
    from talan_eval.result.schema import Result


_OF_SHORT_SIGNATURE: Final = frozenset({"backbone", "seeds", "family", "sandbox", "version"})


def sandbox_stamp(result: Result | ArmScores) -> str:
    """Return how model-written programs were run, in one sentence that cannot be overlooked where it matters."""
    info = result.sandbox
    if not info:
        return "No model-written program was run."
    boundary = info.get("boundary")
    if info.get("label") == "imported":
        return f"Scores were read from logs; whether and how model-written programs were run is {boundary}."
    how = f" ({boundary})" if isinstance(boundary, str) and boundary else ""
    if info.get("label") == "unsandboxed" or info.get("tier") in {"none", None}:
        return f"UNSANDBOXED: model-written programs ran without a kernel boundary{how}."
    mixed = info.get("tiers_of_cells")
    others = f"; cells in tiers {', '.join(map(str, mixed))}" if isinstance(mixed, list) else ""
    return f"Model-written programs ran in sandbox tier {info['tier']}{how}{others}."


def provenance_summary(result: Result | ArmScores) -> str:
    """Return the scalar entries of the provenance as "key value" pairs; nested entries are in the JSON."""
    pairs = [f"{key} {value}" for key, value in result.provenance.items() if isinstance(value, str | int | float)]
    return ", ".join(pairs) if pairs else "not recorded"


def short_signature(result: Result) -> str:
    """Return the parts of the signature by which a reader tells two runs apart; equal ones need not be comparable."""
    parts = result.signature.split("|")
    return "|".join(part for part in parts if part.partition(":")[0] in _OF_SHORT_SIGNATURE) or result.signature


def provenance_rows(result: Result | ArmScores) -> tuple[tuple[str, str], ...]:
    """Return provenance and sandbox as pairs of text: two levels as names like "machine.device", the rest as JSON."""
    whole = {**result.provenance, **{f"sandbox {key}": value for key, value in result.sandbox.items()}}
    parts = [part for key, value in whole.items() for part in _opened(key, value)]
    rows = [row for key, value in parts for row in _listed(key, value)]
    return tuple((key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)) for key, value in rows)


def unparsed(result: Result) -> str:
    """Return the shares of unreadable answers per benchmark and arm; empty if unknown, or where a table has them."""
    if len(result.contrasts) > 1:
        return ""
    contrast = result.contrasts[0]
    parts = [
        f"{name} {fmt.percent(cell.base_unparsed)} / {fmt.percent(cell.treat_unparsed)}"
        for cell, name in zip(contrast.cells, cell_names(result, contrast), strict=True)
        if cell.base_unparsed is not None and cell.treat_unparsed is not None
    ]
    return f"Answers without a readable result, base / treat: {', '.join(parts)}." if parts else ""


def live_probe(result: Result | ArmScores) -> str:
    """Return the weakest probe of each arm: its adapter was active if the logits moved; empty if none was recorded."""
    if not result.probes:
        return ""
    weakest = _weakest((probe.arm, probe.max_logit_change) for probe in result.probes)
    said = f"Smallest logit change against the bare backbone over seeds: {weakest}."
    of_blocks = [probe for probe in result.probes if probe.block_max_logit_change is not None]
    if of_blocks:
        alone = _weakest((probe.arm, probe.block_max_logit_change) for probe in of_blocks)
        writes = _weakest((probe.arm, probe.relative_write) for probe in of_blocks)
        said += f" Of the block alone: {alone}"
        said += f"; its write is at least this share of the residual stream: {writes}." if writes else "."
    return said


def _weakest(found: Iterable[tuple[str, float | None]]) -> str:
    """Return the smallest number of each arm."""
    weakest: dict[str, float] = {}
    for arm, value in found:
        if value is not None:
            weakest[arm] = min(value, weakest.get(arm, value))
    return ", ".join(f"{arm} {value:.3g}" for arm, value in weakest.items())


def _opened(key: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Yield the parts of an object under their names, and anything else as it is."""
    if not isinstance(value, dict) or not value:
        yield key, value
        return
    for name, inner in value.items():
        yield f"{key}.{name}", inner


def _listed(key: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Yield the members of a list that all have names, such as benchmarks, and anything else as it is."""
    members = value if isinstance(value, list) else []
    named = [member for member in members if isinstance(member, dict) and "name" in member]
    if not named or len(named) < len(members):
        yield key, value
        return
    for member in named:
        yield f"{key}.{member['name']}", {name: inner for name, inner in member.items() if name != "name"}
