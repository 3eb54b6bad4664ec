from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.store.canonical import canonical_hash, canonical_json, first_difference, readable_json

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(_JSON)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_both_forms_read_back_as_the_same_value(value):
    assert json.loads(canonical_json(value)) == value
    assert json.loads(readable_json(value)) == value
    assert first_difference(value, value) is None


def test_the_order_of_keys_does_not_change_the_hash_and_a_value_does():
    assert canonical_hash({"a": 1, "b": 2}) == canonical_hash({"b": 2, "a": 1})
    assert canonical_hash({"a": 1}) != canonical_hash({"a": 1.0})


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}])
def test_numbers_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


def test_keys_that_are_no_strings_are_refused():
    with pytest.raises(TypeError, match="1"):
        canonical_json({"a": [{1: 2}]})


def test_text_that_utf8_cannot_hold_is_kept():
    assert json.loads(canonical_json("\ud800")) == "\ud800"


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3]}}, ("b.c.1", "2", "3")),
        ({"z": 1, "b": 1}, {"z": 2, "b": 2}, ("b", "1", "2")),
        ({"a": 1}, {}, ("a", "1", '"(absent)"')),
        ({"a": 0}, {"a": False}, ("a", "0", "false")),
        ({"a": (1,)}, {"a": [1]}, None),
    ],
)
def test_the_first_difference_is_named(left, right, expected):
    assert first_difference(left, right) == expected
