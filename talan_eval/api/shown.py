"""A result, and the scores of one arm, as a program and a notebook see them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talan_core.errors import UserError
from talan_core.extras import lacking
from talan_eval.planning.advice import power_curves
from talan_eval.report import delimited, latex, markdown, plots, scored, wording
from talan_eval.report.context import Context
from talan_eval.report.notebook import fragment
from talan_eval.report.scored import one_page
from talan_eval.result.arm_scores import ArmScores
from talan_eval.result.reading import read_result, read_scores
from talan_eval.result.schema import Result

if TYPE_CHECKING:
    from talan_eval.report.plots import Figure


class ShownResult(Result):
    """A published result that can be shown and tabulated; its fields are those of ``result.json``."""

    @classmethod
    def of(cls, result: Result) -> ShownResult:
        """Return a result as one that can be shown."""
        return cls.model_construct(result.model_fields_set, **dict(result))

    def to_markdown(self) -> str:
        """Return the whole report as GitHub-flavoured Markdown, as ``talan-eval report --format md`` prints it."""
        return markdown.render(self)

    def to_latex(self) -> str:
        """Return the tables in LaTeX (booktabs), as ``talan-eval report --format tex`` prints them."""
        return latex.render(self)

    def to_csv(self) -> str:
        """Return a row per benchmark, slice and mean of each contrast as CSV, at full precision."""
        return delimited.render(self)

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas is an extra
        """Return a ``pandas.DataFrame`` with the rows and columns of ``to_csv``; what has no value is missing.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UserError("A data frame needs pandas.", "Install it: pip install pandas") from error
        header, rows = delimited.rows_of(self)
        return pd.DataFrame(rows, columns=list(header)).convert_dtypes()

    def figures(self, gain: float = 1.0) -> dict[str, Figure]:
        """Draw the figures, by name; Jupyter shows each, and ``figure.png()`` is one for a paper.

        Args:
            gain: Points for which the power curves plan.

        Raises:
            UserError: matplotlib is not installed.
        """
        if not plots.available():
            raise lacking("Figures need matplotlib.", "plots")
        power = power_curves(self, (gain / 2, gain, 2 * gain))
        return {one.name: one for one in plots.draw(self, Context(power=power))}

    def _repr_html_(self) -> str:
        """Return what Jupyter shows: verdict, tables, warnings and signature."""
        return fragment(self)

    def __repr__(self) -> str:
        """Return the verdict in one line."""
        return f"<{wording.title(self)}: mean {self.contrasts[0].aggregate.verdict}>"

    __str__ = __repr__


class ShownScores(ArmScores):
    """The scores of one arm that can be shown and tabulated; their fields are those of its ``result.json``."""

    @classmethod
    def of(cls, scores: ArmScores) -> ShownScores:
        """Return scores as ones that can be shown."""
        return cls.model_construct(scores.model_fields_set, **dict(scores))

    def to_markdown(self) -> str:
        """Return the whole report as GitHub-flavoured Markdown."""
        return scored.markdown(self)

    def to_csv(self) -> str:
        """Return a row per backbone and benchmark, and the means, as CSV at full precision."""
        return scored.csv(self)

    def _repr_html_(self) -> str:
        """Return what Jupyter shows: the scores with their intervals, warnings and signature."""
        return one_page.fragment(self)

    def __repr__(self) -> str:
        """Return the scores in one line."""
        return f"<{' '.join(scored.headlines(self))}>"

    __str__ = __repr__


def load_scores(path: str | os.PathLike[str]) -> ShownScores:
    """Read the scores of one arm.

    Args:
        path: ``result.json``, or the directory of an evaluation.

    Raises:
        UserError: There is none, or it is damaged or of a newer schema.
    """
    found = read_scores(Path(path))
    if found is None:
        raise UserError(
            f"There are no scores of one arm at {os.fspath(path)}.",
            "Name the directory of an evaluation; a comparison is read by talan_eval.load_result(DIR)",
        )
    return ShownScores.of(found)


def load_result(path: str | os.PathLike[str]) -> ShownResult:
    """Read a result.

    Args:
        path: ``result.json``, or the directory of a comparison.

    Raises:
        UserError: There is no result, or it is damaged, contradicts itself, or is of a newer schema.
    """
    return ShownResult.of(read_result(Path(path)))
