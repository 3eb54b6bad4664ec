"""The formats that can be read. To add one, add its line; one of another package is an entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from talan_core.extensions import Extended
from talan_eval.importers.helm import HelmRuns
from talan_eval.importers.inspect_ai import InspectLogs
from talan_eval.importers.lighteval import LightevalDetails
from talan_eval.importers.lm_eval import LmEvalLogs
from talan_eval.importers.openai_evals import OpenAIEvals
from talan_eval.importers.own import OwnResults
from talan_eval.importers.promptfoo import PromptfooOutputs
from talan_eval.importers.reader import LogReader
from talan_eval.importers.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Mapping

READERS: Final[tuple[type[LogReader], ...]] = (
    OwnResults,
    InspectLogs,
    LmEvalLogs,
    HelmRuns,
    LightevalDetails,
    OpenAIEvals,
    PromptfooOutputs,
    Tables,
)
"""The first that recognises a file reads it."""


def _wrong(name: str, found: Any) -> str:  # noqa: ANN401 - whatever a package names
    if LogReader not in getattr(found, "__mro__", ()):  # a protocol, of which subclasses cannot be asked
        return "it is no class derived from talan_eval.importers.reader.LogReader"
    return "" if found.harness == name else f"its harness is {found.harness!r}"


BY_HARNESS: Final[Mapping[str, type[LogReader]]] = Extended(
    "talan_eval.log_readers", {one.harness: one for one in READERS}, _wrong
)
"""The formats by name of their harness, those of other packages among them."""


def readers() -> tuple[type[LogReader], ...]:
    """Return all formats: those of other packages before tables, which take any file that looks like one.

    Raises:
        UserError: A package's cannot be imported, or has the name of another.
    """
    own = {one.harness for one in READERS}
    added = tuple(BY_HARNESS[name] for name in BY_HARNESS if name not in own)
    return (*(one for one in READERS if one is not Tables), *added, *(one for one in READERS if one is Tables))
