"""The gate's report as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from talan_eval.gate.facts import GateReport


def to_json(report: GateReport) -> str:
    """Return the fields of the report at full precision, in points, with ``exit_code`` first; ASCII."""
    return json.dumps({"exit_code": report.exit_code, **asdict(report)}, indent=2, allow_nan=False) + "\n"
