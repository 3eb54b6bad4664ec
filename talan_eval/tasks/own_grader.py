"""A task of a user's YAML file that one of our graders judges: ``metadata: {grader: NAME}``.

``fields`` beside it says where a document keeps what the grader reads, as in ``fields: {answer: solution}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import Problems, UserError, check_name
from talan_eval.grading.graders import CODE, GRADERS, OWN_GRADERS
from talan_eval.tasks.published_tests import assertions_of, helpers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GENERATED: Final = "generate_until"
_READ: Final[Mapping[str, str]] = {CODE: "tests"}
"""What our graders read of a document where that is not its ``answer``."""


def own_grader(name: str, config: Any) -> str | None:  # noqa: ANN401 - lm-eval's TaskConfig
    """Return the grader that a task's description names; None where the task scores itself.

    Raises:
        UserError: There is no such grader, or the task is not answered in words.
    """
    metadata = config.metadata if isinstance(config.metadata, dict) else {}
    if "grader" not in metadata:
        return None
    grader = str(metadata["grader"])
    check_name(f"grader (in metadata of {name})", grader, GRADERS)
    if config.output_type != _GENERATED:
        raise UserError(
            f"{name} names the grader {grader}, and is of the kind {config.output_type}: there are no words to grade.",
            f"Write output_type: {_GENERATED} in its YAML file, or leave the grader out.",
        )
    return grader


def graded_documents(
    name: str, grader: str, metadata: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return documents with what the grader reads under the names that it knows.

    Args:
        name: The task.
        grader: Its grader.
        metadata: Of its description.
        documents: As lm-eval loaded them.

    Raises:
        UserError: A document lacks what is read, or tests are no list of texts.
    """
    fields = metadata.get("fields") or {}
    if not isinstance(fields, dict):
        raise UserError(f"{name}: fields in its metadata are no table.", "Write fields: {answer: FIELD}")
    found: list[dict[str, Any]] = []
    problems = Problems()
    needed = _READ.get(grader, "answer") if grader in OWN_GRADERS else None
    for place, doc in enumerate(documents):
        with problems.collecting():
            one = dict(doc)
            for ours, theirs in fields.items():
                if theirs not in doc:
                    raise _lacking(name, place, str(theirs), doc)
                one[str(ours)] = doc[theirs]
            if needed is not None and needed not in one:
                raise _lacking(name, place, needed, doc)
            if grader == CODE:
                _read_tests(name, place, one)
            found.append(one)
    problems.raise_any()
    return found


def kept_documents(name: str, metadata: Mapping[str, Any], documents: Sequence[Any]) -> list[Any]:
    """Leave out the items that a description names under ``leave_out``, by what its ``item_id`` says.

    Raises:
        UserError: One of them is not there, or nothing tells items apart.
    """
    named = metadata.get("leave_out") or ()
    if not named:
        return list(documents)
    ids = item_ids(name, metadata, documents)
    unknown = [str(one) for one in named if str(one) not in ids]
    if unknown or "item_id" not in metadata:
        raise UserError(
            f"{name}: its metadata leave out {', '.join(unknown) or 'items by number'}, and no item_id says that.",
            "Write item_id: FIELD, and under leave_out what stands in that field.",
        )
    gone = {str(one) for one in named}
    return [doc for doc, own in zip(documents, ids, strict=True) if own not in gone]


def item_ids(name: str, metadata: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the identifiers of items: the field that ``item_id`` names, else their place.

    Raises:
        UserError: A document lacks it, or two have the same.
    """
    field = metadata.get("item_id")
    if field is None:
        return [str(place) for place in range(len(documents))]
    for place, doc in enumerate(documents):
        if field not in doc:
            raise _lacking(name, place, str(field), doc)
    found = [str(doc[field]) for doc in documents]
    twice = next((one for one in found if found.count(one) > 1), None) if len(set(found)) < len(found) else None
    if twice is not None:
        raise UserError(f"{name}: two items have the {field} {twice!r}.", "Name a field that tells items apart.")
    return found


def _read_tests(name: str, place: int, doc: dict[str, Any]) -> None:
    """Check an item's assertions, and read those of HumanEval+ and MBPP+ from the one text in which they are."""
    tests, entry_point = doc["tests"], doc.get("entry_point")
    if isinstance(tests, str):
        try:
            doc["tests"] = tests = list(assertions_of(tests, None if entry_point is None else str(entry_point)))
        except ValueError as error:
            raise UserError(
                f"{name}, item {place}: {error}.",
                "Leave the item out: write item_id: FIELD and leave_out: [ID] in the metadata of the YAML file.",
            ) from error
        if entry_point is not None and "prompt" in doc:
            doc.setdefault("test_setup_code", helpers_of(str(doc["prompt"]), str(entry_point)))
    if not isinstance(tests, list) or not tests or not all(isinstance(one, str) for one in tests):
        raise UserError(
            f"{name}, item {place}: its tests are no list of assertions.",
            'Write them as texts: "tests": ["assert f(1) == 2"]',
        )


def _lacking(name: str, place: int, field: str, doc: Mapping[str, Any]) -> UserError:
    return UserError(
        f"{name}, item {place}: there is no field {field!r} in it; it has {', '.join(map(str, doc))}.",
        "Say in the YAML file's metadata where it is, such as fields: {answer: solution}",
    )
