"""Text that others wrote, made safe to show: no control characters, nothing that cannot be encoded."""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# C0 and C1 controls but tab and newline (ANSI escapes start with one), lone surrogates, and the marks that reorder text
_HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    r"""Replace what a terminal, a browser or an encoder would act on instead of showing it.

    Args:
        text: Anything, such as a model's answer. "\r\n" and a lone "\r" become newlines.

    Returns:
        Text of the same length or shorter that has an UTF-8 form, with U+FFFD where something was replaced.
    """
    return _HOSTILE.sub(REPLACEMENT, text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """Return ``clean`` text with every run of white space as one blank."""
    return " ".join(clean(text).split())
