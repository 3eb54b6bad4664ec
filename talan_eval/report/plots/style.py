"""How every figure looks. Colours are Okabe and Ito's (2008), of which the two used differ in lightness too."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAINED: Final = "#3a93d0"
LOST: Final = "#ad4100"
NEUTRAL: Final = "#7a7a7a"
INK: Final = "#010203"
"""Text and axes. In a page it becomes the page's own text colour, so that a figure suits light and dark."""

GROUND: Final = "#fefdfc"
"""What shows through open marks; in a page it becomes the page's own ground."""

_SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "none",  # text stays text: small, selectable, read by screen readers
    "svg.hashsalt": "talan-eval",  # equal figures have equal bytes
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


PAGE: Final = 7.2
"""Inches of a figure as wide as a page."""
COLUMN: Final = 3.3
"""Inches of a figure as wide as one of two columns of a paper, and as a phone; its text is set in 7 points."""
_OF_COLUMN: Final[dict[str, Any]] = {"font.size": 7, "axes.titlesize": 7, "legend.fontsize": 7}


@contextlib.contextmanager
def styled(width: float = PAGE) -> Iterator[None]:
    """Draw with the house style for a width in inches, and leave the caller's settings alone."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra

    # matplotlib types the keys one by one; a mapping of settings is what the function is for
    settings: Any = _SETTINGS if width > COLUMN else _SETTINGS | _OF_COLUMN
    with mpl.rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that many inches, without any window system."""
    from matplotlib.figure import Figure as MplFigure  # noqa: PLC0415 - an extra

    return MplFigure(figsize=(width, height))


def zero_line(axes: Axes) -> None:
    """Mark "no difference" on the horizontal axis."""
    axes.axvline(0, color=INK, linewidth=0.8)


def arrange(figure: Figure) -> None:
    """Make room for all labels, once and for all: a figure with a layout engine is laid out anew for every face."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415 - an extra

    ConstrainedLayoutEngine().execute(figure)


def to_svg(figure: Figure) -> str:
    """Return the figure as a stand-alone SVG document with a transparent ground."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def to_png(figure: Figure) -> bytes:
    """Return the figure as a PNG on white, 200 dots per inch."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def to_pdf(figure: Figure) -> bytes:
    """Return the figure as a PDF for LaTeX, with text as text (TrueType)."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra

    out = io.BytesIO()
    settings: Any = {"pdf.fonttype": 42}
    with mpl.rc_context(settings):
        figure.savefig(
            out, format="pdf", transparent=True, metadata={"CreationDate": None, "Creator": None, "Producer": None}
        )
    return out.getvalue()


def inline(svg: str, prefix: str) -> str:
    """Prepare an SVG document for a place inside an HTML page.

    Args:
        svg: From ``to_svg``.
        prefix: Put before every id, so that two figures of a page do not collide.

    Returns:
        The ``svg`` element alone, hidden from screen readers (its figure carries the description), in the page's own
        colours of text and ground.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{prefix}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    body = body.replace(INK, "currentColor").replace(GROUND, "var(--ground)")
    # as wide as the place allows, but never with larger text than was drawn
    return re.sub(
        r'<svg ([^>]*?)width="([0-9.]+)pt" height="[0-9.]+pt"',
        r'<svg aria-hidden="true" focusable="false" style="max-width: \2pt" \1',
        body,
        count=1,
    )
