"""A row of somebody's data set as a training item: `messages`, `prompt` and `completion`, or preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from talan_core.errors import UserError
from talan_core.training.data import Dialogue, Example, Turn
from talan_core.training.encoding import ASSISTANT

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPES = (
    'Give {"prompt": "...", "completion": "..."} or '
    '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}.'
)


def item_of(row: Mapping[str, Any], where: str, source: str) -> Example | Dialogue:
    """Read one row.

    Args:
        row: `messages`, a list of {"role", "content"}; or `prompt` and `completion`, which are two texts or two such
            lists; or preferences, `prompt`, `chosen` and `rejected`, which are texts or lists of one message. Other
            fields are passed over.
        where: Where the row stands, for error messages.
        source: The item's source.

    Returns:
        An `Example` for two texts, otherwise a `Dialogue`.

    Raises:
        UserError: The row has none of these shapes, or nothing in it is to be learned.
    """
    if row.get("messages") is not None:
        return _dialogue(row["messages"], where, source)
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return _dialogue([*prompt, *completion], where, source)
    if completion is None and row.get("chosen") is not None:
        better, worse = (_said(row, name, where) for name in ("chosen", "rejected"))
        example = Example(_said(row, "prompt", where), better, source, worse)
        if not worse.strip():
            raise UserError(f"{where}: the rejected answer is empty.", "Give one, or leave such rows out.")
    else:
        example = Example(_text(row, "prompt", where), _text(row, "completion", where), source)
    if not example.completion.strip():
        raise UserError(f"{where}: the completion is empty.", "Give every example an answer to learn.")
    return example


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    found = "no field" if value is None else f"no text in the field, but a {type(value).__name__}:"
    raise UserError(f"{where}: {found} {name!r}.", _SHAPES)


def _said(row: Mapping[str, Any], name: str, where: str) -> str:
    """Return a text of preference data, which may be the content of one message."""
    value = row.get(name)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return _text({name: value[0].get("content")}, name, where)
    if isinstance(value, list):
        raise UserError(
            f"{where}: {name!r} has {len(value)} messages, and preferences are read of one turn.",
            'Give {"prompt": "...", "chosen": "...", "rejected": "..."}.',
        )
    return _text(row, name, where)


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
