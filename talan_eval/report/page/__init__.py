"""The page: one self-contained HTML file that works from ``file://`` without any network."""

from talan_eval.report.page.assembly import render

__all__ = ["render"]
