"""One way to write JSON, so that equal content has equal bytes and an equal hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

JsonObject = dict[str, Any]
"""What JSON calls an object; the store does not look into the values."""

_MISSING: Final = "(absent)"


def canonical_json(value: object) -> bytes:
    """Return ``value`` as JSON in ASCII with sorted keys and no spare white space.

    Raises:
        ValueError: A number is NaN or infinite.
        TypeError: A value has no JSON form, or a key of an object is not a string.
    """
    _check_keys(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def readable_json(value: object) -> bytes:
    """Return ``value`` as ``canonical_json`` does, but indented for people and ended by a newline."""
    _check_keys(value)
    return (json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n").encode("ascii")


def canonical_hash(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of ``value`` in hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def first_difference(left: object, right: object, path: str = "") -> tuple[str, str, str] | None:
    """Return the first field, in sorted order, in which two JSON values differ.

    Returns:
        Its dotted path and the two values as short JSON, or None where the values are equal.
    """
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            inner = f"{path}.{key}" if path else str(key)
            if key not in left or key not in right:
                return inner, _short(left.get(key, _MISSING)), _short(right.get(key, _MISSING))
            found = first_difference(left[key], right[key], inner)
            if found is not None:
                return found
        return None
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = zip(left, right, strict=True)
        found_inside = (first_difference(one, other, f"{path}.{place}") for place, (one, other) in enumerate(pairs))
        return next((found for found in found_inside if found is not None), None)
    if canonical_json(left) == canonical_json(right):
        return None
    return path or "the whole", _short(left), _short(right)


def _short(value: object, limit: int = 120) -> str:
    text = canonical_json(value).decode("ascii")
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _check_keys(value: object) -> None:
    """Refuse keys that JSON would turn into strings: 1 and "1" must not become one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"The key {key!r} of a JSON object is not a string.")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)
