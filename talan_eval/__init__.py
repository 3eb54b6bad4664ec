"""Paired-seed comparisons of adapters on lm-eval tasks."""

from __future__ import annotations

__version__: str


def __getattr__(name: str) -> object:
    """Return the installed version on first use: reading the package's metadata takes longer than importing it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - as above

    try:
        return version("talan-eval")
    except PackageNotFoundError:
        return "unversioned"  # sources on the path that were never installed; signatures say the same
