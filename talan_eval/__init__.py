"""Paired-seed comparisons of adapters on lm-eval tasks.

From Python::

    import talan_eval

    result = talan_eval.compare(base="lora", treat="talan+lora", seeds=7)
    scores = talan_eval.evaluate("mine=runs/mine", tasks="gsm8k_micro")
    result = talan_eval.compare_logs({"lora": "runs/lora", "dora": "runs/dora"})
    result = talan_eval.compare_scores(frame, base="lora")
    result = talan_eval.load_result("results/NAME")
    result.to_pandas(), result.to_markdown(), result.contrasts[0].aggregate.verdict
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from talan_core.errors import UserError
    from talan_eval.api.comparisons import compare, compare_logs, compare_scores, evaluate
    from talan_eval.api.shown import ShownResult, ShownScores, load_result, load_scores

__version__: str

__all__ = [
    "ShownResult",
    "ShownScores",
    "UserError",
    "__version__",
    "compare",
    "compare_logs",
    "compare_scores",
    "evaluate",
    "load_result",
    "load_scores",
]

_PLACES: Final = {
    "ShownResult": "talan_eval.api.shown",
    "ShownScores": "talan_eval.api.shown",
    "UserError": "talan_core.errors",
    "compare": "talan_eval.api.comparisons",
    "compare_logs": "talan_eval.api.comparisons",
    "compare_scores": "talan_eval.api.comparisons",
    "evaluate": "talan_eval.api.comparisons",
    "load_result": "talan_eval.api.shown",
    "load_scores": "talan_eval.api.shown",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    """Load what was asked for on first use: neither the version nor a command must wait for the rest."""
    if name == "__version__":
        return _version()
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Return what there is, loaded or not."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - reading it takes longer than this

    try:
        return version("talan-eval")
    except PackageNotFoundError:
        return "unversioned"  # sources on the path that were never installed; signatures say the same
