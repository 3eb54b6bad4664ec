"""A model card that others wrote, with our scores in it: their text stays, our section and metadata are renewed."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from talan_core.errors import UserError

_START: Final = "<!-- scores by talan-eval -->"
_END: Final = "<!-- end of scores by talan-eval -->"
_OURS: Final = re.compile(re.escape(_START) + r".*?" + re.escape(_END), re.DOTALL)
_FRONT: Final = re.compile(r"\A---\s*\n(.*?)^---\s*$\n?", re.DOTALL | re.MULTILINE)
_LISTS: Final = ("tags",)


def merged_card(existing: str | None, ours: str) -> str:
    """Put our card into one that is there.

    Args:
        existing: The card of the repository; None where it has none.
        ours: Our card, metadata above it.

    Returns:
        The card. Of the metadata theirs stay, and ``model-index`` gains our entry in the place of an earlier one of the
        same name; of the text our section stands between marks and replaces an earlier one.

    Raises:
        UserError: The metadata that are there cannot be read.
    """
    data, body = _parts(ours)
    section = f"{_START}\n\n{body.strip()}\n\n{_END}"
    if existing is None:
        return f"{_front(data)}\n{section}\n"
    known, text = _parts(existing)
    found = _OURS.search(text)
    whole = text[: found.start()] + section + text[found.end() :] if found else f"{text.rstrip()}\n\n{section}\n"
    return f"{_front(_merged(known, data))}\n{whole.lstrip()}"


def _merged(known: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    entries = known.get("model-index") or []
    if not isinstance(entries, list):
        raise _unreadable("model-index is no list")
    names = {one["name"] for one in ours["model-index"]}
    kept = [one for one in entries if not (isinstance(one, dict) and one.get("name") in names)]
    merged = {**ours, **known, "model-index": [*kept, *ours["model-index"]]}
    for name in _LISTS:
        theirs = known.get(name) or []
        merged[name] = list(dict.fromkeys([*(theirs if isinstance(theirs, list) else [theirs]), *ours.get(name, [])]))
    return merged


def _parts(card: str) -> tuple[dict[str, Any], str]:
    """Return the metadata and the text of a card."""
    match = _FRONT.match(card)
    if match is None:
        return {}, card
    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise _unreadable(" ".join(str(error).split())[:200]) from error
    if data is not None and not isinstance(data, dict):
        raise _unreadable("they are no table")
    return data or {}, card[match.end() :]


def _front(data: dict[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(data, sort_keys=False, allow_unicode=True)}---\n"


def _unreadable(why: str) -> UserError:
    return UserError(
        f"The metadata of the model card that is there cannot be read: {why}.",
        "Mend the card on the Hub, and push again.",
    )
