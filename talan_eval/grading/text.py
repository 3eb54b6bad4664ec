"""What graders share: quoting for reasons, characters that stand for others, and marks that are no text."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_QUOTED: Final = 80
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    0xFEFF: None,
}  # Letters and digits of other styles: mathematical ones (bold, script, double-struck) and letters in circles.
_STYLED: Final = re.compile("[\U0001d400-\U0001d7ff\u24b6-\u24e9]")

_TOKEN: Final = re.compile(r"<\|[A-Za-z_][A-Za-z_0-9]{0,40}\|>|<(?:/s|eos|end_of_turn|end_of_text|endoftext|EOT)>")
_TOKEN_AT_END: Final = re.compile(rf"(?:{_TOKEN.pattern})(?=[ \t]*(?:\n|\Z))")


def without_tokens(text: str) -> str:
    """Return ``text`` with a line break for each special token that decoding left in it ("<|eot_id|>", "</s>")."""
    return _TOKEN.sub("\n", text) if "<" in text else text


def without_tokens_at_ends(text: str) -> str:
    """Return a text without special tokens at the ends of lines: inside a line of a program they are its own."""
    return _TOKEN_AT_END.sub("", text) if "<" in text else text


def quoted(text: str) -> str:
    """Return ``text`` in quotes on one line of bounded length, for use in a reason."""
    short = text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"
    return repr(short)


def half_width(text: str) -> str:
    """Return ``text`` with full-width and styled letters, digits and signs as plain ones, without byte-order marks."""
    if text.isascii():
        return text
    return _STYLED.sub(lambda sign: unicodedata.normalize("NFKC", sign.group()), text.translate(_FULL_WIDTH))
