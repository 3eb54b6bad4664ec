"""Figures (extra ``plots``), readable in grey and by colour-blind people: shape and line say it as well."""

from talan_eval.report.plots.figures import Figure, available, draw

__all__ = ["Figure", "available", "draw"]
