"""What the runner of GitHub Actions makes of a job's output, after its ActionCommand.cs and ActionCommandManager.cs."""

from __future__ import annotations

import dataclasses
import re
import unicodedata

COMMANDS = {
    "stop-commands", "set-env", "set-output", "save-state", "add-mask", "add-path", "add-matcher", "remove-matcher",
    "warning", "error", "notice", "debug", "group", "endgroup", "echo",
}  # fmt: skip


WIDTHLESS = {"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me"}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that the runner would carry out."""

    name: str
    data: str
    line: str


def commands(output):
    """Return the commands in an output; text is compared as a culture-aware comparison may do it."""
    return [found for line in re.split(r"\r\n|\r|\n", output) if (found := _first_form(line) or _second_form(line))]


def _visible(line):
    return "".join(sign for sign in line if unicodedata.category(sign) not in WIDTHLESS)


def _first_form(line):
    text = _visible(line).lstrip()
    if not text.startswith("::") or "::" not in text[2:]:
        return None
    info, _, data = text[2:].partition("::")
    return _known(info.partition(" ")[0], data, line)


def _second_form(line):
    text = _visible(line)
    start = text.find("##[")
    end = text.find("]", start)
    if start < 0 or end < 0:
        return None
    return _known(text[start + 3 : end].partition(" ")[0], text[end + 1 :], line)


def _known(name, data, line):
    return Command(name.lower(), data, line) if name.lower() in COMMANDS else None
