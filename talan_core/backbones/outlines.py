"""Backbones of which only the configuration is here: enough to plan a comparison, not to run one.

The directory ``published`` holds ``config.json`` values of the backbones of the paper (Zhang et al., 2026), under each
one's Hub id. Tests hold what decides sizes (width, depth, number of parameters) to the table of operating points; the
other values were not compared with the Hub's files. Nothing of weights or tokenizers is there.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.backbones.load import Revision

if TYPE_CHECKING:
    from talan_core.backbones.names import BackboneSpec

_PUBLISHED: Final = Path(__file__).parent / "published"


def outline(spec: BackboneSpec) -> Revision | None:
    """Return the configuration of a backbone that is not on this machine; None where it is not known.

    Args:
        spec: The backbone.
    """
    wanted = spec.location.lower().replace("/", "--")
    for directory in _PUBLISHED.iterdir() if spec.kind == "hub" else ():
        if directory.name.lower() == wanted:
            return Revision(
                str(directory), None, _hash(directory / "config.json"), "its configuration alone", outline=True
            )
    return None


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
