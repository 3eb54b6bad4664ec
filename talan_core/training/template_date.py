"""Chat templates that write the date: one fixed date instead of the clock, the same in training and answering.

Templates read a date in two ways: by calling ``strftime_now(FORMAT)``, which transformers binds to the clock (Granite,
Mistral, Llama 3.2), or from a variable ``date_string`` with a constant to fall back on (Llama 3.1: "26 Jul 2024").
transformers lets no caller replace the function, so the template itself is given a macro of that name in front, which
hides it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CLOCK: Final = re.compile(r"\bstrftime_now\b")
_VARIABLE: Final = re.compile(r"\bdate_string\b")
_OF_LLAMA: Final = "%d %b %Y"
_FLAGS: Final = ("", "-", "_", "0", "^", "#")  # of glibc and the BSDs: no padding, spaces, zeros, capitals
_DIRECTIVES: Final = "aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZ"  # all but %s, which depends on the time zone
_CHOOSE: Final = (
    "{% for plain in format.split('%%') %}{% if not loop.first %}%{% endif %}"
    "{% for part in plain.split('%') %}"
    "{% if loop.first %}{{ part }}"
    "{% elif part[:1] in values %}{{ values[part[:1]] ~ part[1:] }}"
    "{% elif part[:2] in values %}{{ values[part[:2]] ~ part[2:] }}"
    "{% else %}{{ '%' ~ part }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


def reads_date(template: str | dict[str, str] | None) -> bool:
    """Tell whether a chat template may write a date: it names ``strftime_now`` or ``date_string``."""
    text = str(template or "")
    return bool(_CLOCK.search(text) or _VARIABLE.search(text))


def fix_date(tokenizer: PreTrainedTokenizerBase, date: dt.date) -> None:
    """Make a tokenizer's chat templates write a fixed date, in place; those that read none stay as they are.

    Args:
        tokenizer: The backbone's tokenizer.
        date: The date; the time of day is midnight, without a time zone.
    """
    templates = tokenizer.chat_template
    if isinstance(templates, dict):
        tokenizer.chat_template = {name: with_date(text, date) for name, text in templates.items()}
    elif templates:
        tokenizer.chat_template = with_date(templates, date)


def with_date(template: str, date: dt.date) -> str:
    """Return a chat template that writes a fixed date where it read the clock.

    Args:
        template: A Jinja template; one that reads no date comes back as it is.
        date: The date.
    """
    if _CLOCK.search(template):
        # The line break at the end belongs to the macro's tag (transformers sets trim_blocks): no text is added.
        values = f"{{% set values = {json.dumps(_values(date))} %}}"
        return f"{{% macro strftime_now(format) %}}{values}{_CHOOSE}{{% endmacro %}}\n{template}"
    if _VARIABLE.search(template):
        return f"{{% set date_string = {json.dumps(date.strftime(_OF_LLAMA))} %}}\n{template}"
    return template


def _values(date: dt.date) -> dict[str, str]:
    """Return what each directive of ``strftime`` writes, by the letters after the percent sign."""
    midnight = dt.datetime.combine(date, dt.time())
    values = {}
    for name in (flag + directive for directive in _DIRECTIVES for flag in _FLAGS):
        try:
            written = midnight.strftime(f"%{name}")
        except ValueError:  # a directive that this platform does not know; a template cannot have used it either
            continue
        if written != f"%{name}":
            values[name] = written
    return values
