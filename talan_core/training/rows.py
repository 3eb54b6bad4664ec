"""A row of somebody's data set as a training item: `messages`, `prompt` and `completion`, or preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError
from talan_core.training.data import Dialogue, Example, Turn
from talan_core.training.encoding import ASSISTANT

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPES: Final = (
    'Give {"prompt": "...", "completion": "..."} or '
    '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}.'
)

_PREFERENCE: Final = 'Give {"prompt": "...", "chosen": "...", "rejected": "..."}.'


def item_of(row: Mapping[str, Any], where: str, source: str) -> Example | Dialogue:
    """Read one row.

    Args:
        row: `messages`, a list of {"role", "content"}; or `prompt` and `completion`, which are two texts or two such
            lists; or a preference of one turn, `prompt`, `chosen` and `rejected`, which are texts or lists of messages;
            the prompt may also stand in front of both answers. Other fields are passed over.
        where: Where the row stands, for error messages.
        source: The item's source.

    Returns:
        An `Example` for two texts, otherwise a `Dialogue`.

    Raises:
        UserError: The row has none of these shapes, or nothing in it is to be learned.
    """
    if row.get("chosen") is not None or row.get("rejected") is not None:
        return _preference(row, where, source)
    if row.get("messages") is not None:
        return _dialogue(row["messages"], where, source)
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return _dialogue([*prompt, *completion], where, source)
    if row.get("label") is False:
        raise UserError(
            f"{where}: the completion has the label false, so it is not to be learned.",
            "Leave such rows out, or give pairs with chosen and rejected.",
        )
    example = Example(_text(row, "prompt", where), _text(row, "completion", where), source)
    if not example.completion.strip():
        raise UserError(f"{where}: the completion is empty.", "Give every example an answer to learn.")
    return example


def _preference(row: Mapping[str, Any], where: str, source: str) -> Example:
    """Read a preference of one turn, as texts or as messages whose prompt stands apart or in front of both answers."""
    (before, better), (also, worse) = (_answer(row, name, where) for name in ("chosen", "rejected"))
    if before != also:
        raise UserError(f"{where}: 'chosen' and 'rejected' answer different prompts.", _PREFERENCE)
    prompt = row.get("prompt") if before is None else before
    if isinstance(prompt, list):
        prompt = _only(prompt, "user", "prompt", where)
    example = Example(_text({"prompt": prompt}, "prompt", where), better, source, worse)
    for name, text in (("chosen", better), ("rejected", worse)):
        if not text.strip():
            raise UserError(f"{where}: the {name} answer is empty.", "Give one, or leave such rows out.")
    if better == worse:
        raise UserError(f"{where}: the chosen answer is the rejected one.", "Leave such rows out.")
    return example


def _answer(row: Mapping[str, Any], name: str, where: str) -> tuple[str | None, str]:
    """Return one answer of a preference, and the prompt where it stands in front of it."""
    value = row.get(name)
    if not isinstance(value, list):
        return None, _text(row, name, where)
    *before, last = value or [None]
    asked = _only(before, "user", name, where) if before else None
    return asked, _only([last], ASSISTANT, name, where)


def _only(messages: list[Any], role: str, name: str, where: str) -> str:
    """Return the text of the one message that there may be."""
    one = messages[0] if len(messages) == 1 else None
    content = one.get("content") if isinstance(one, dict) and one.get("role") == role else None
    if not isinstance(content, str):
        raise UserError(f"{where}: {name!r} is no preference of one turn, asked by the user.", _PREFERENCE)
    return content


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    found = "no field" if value is None else f"no text in the field, but a {type(value).__name__}:"
    raise UserError(f"{where}: {found} {name!r}.", _SHAPES)


def _dialogue(messages: Any, where: str, source: str) -> Dialogue:  # noqa: ANN401 - whatever the file holds
    if not isinstance(messages, list):
        raise UserError(f"{where}: 'messages' is not a list.", _SHAPES)
    turns = []
    for number, message in enumerate(messages, 1):
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if not (isinstance(role, str) and isinstance(content, str)):
            raise UserError(f"{where}: message {number} has no text under 'role' and 'content'.", _SHAPES)
        turns.append(Turn(role, content))
    answers = [turn for turn in turns if turn.role == ASSISTANT]
    if not answers or not all(turn.content.strip() for turn in answers):
        problem = "an assistant's message is empty" if answers else "no message is the assistant's"
        raise UserError(f"{where}: {problem}.", "Give every example an answer to learn.")
    if turns[0].role == ASSISTANT:
        raise UserError(f"{where}: the assistant speaks first.", "Begin with a message of the user.")
    return Dialogue(tuple(turns), source)
