from __future__ import annotations

import collections
import decimal
import fractions
import json
import time
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talan_eval.sandbox.inside.equality import same
from talan_eval.sandbox.inside.values import TooLargeError, encode


class _Point(NamedTuple):
    x: int
    y: int


_HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.sampled_from([0.0, 1.0, -0.0, 0.5, float("inf"), 1j, complex(1, 0)])
    | st.text(max_size=2)
    | st.binary(max_size=2)
    | st.sampled_from([decimal.Decimal(1), fractions.Fraction(1, 2), fractions.Fraction(1)])
    | st.builds(range, st.integers(0, 2), st.integers(0, 2)),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
_VALUES = st.recursive(
    _HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.sets(_HASHABLE, max_size=3)
        | st.dictionaries(_HASHABLE, inner, max_size=3)
        | st.lists(inner, max_size=2).map(collections.deque)
    ),
    max_leaves=6,
)


def _sent(value: object) -> object:
    return json.loads(encode(value))


@given(_VALUES, _VALUES)
@settings(deadline=None, max_examples=400, derandomize=True)
def test_the_comparison_agrees_with_python(left, right):
    assert same(_sent(left), _sent(right)) == (left == right)
    assert same(_sent(left), _sent(left)) == (left == left)  # noqa: PLR0124 - a value that holds NaN differs from itself


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ({1: "a"}, collections.Counter()),
        ([1], (1,)),
        ([1], "1"),
        ([1, 2], [2, 1]),
        ({1}, [1]),
        ({1: 2}, {1: 3}),
        ("1", 1),
        (b"1", "1"),
        (None, 0),
        (float("nan"), float("nan")),
        ([1], collections.deque([1])),
        ([0, 1], range(2)),
        (1, object()),
        (0, lambda: 0),
    ],
)
def test_unequal(expected, value):
    assert not same(_sent(expected), _sent(value))


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (1, True),
        (1, 1.0),
        ({"a": 1}, collections.OrderedDict(a=1)),
        ({"a": 2}, collections.Counter("aa")),
        ({"a"}, {"a": 1}.keys()),
        ({1, 2}, frozenset({2.0, 1})),
        ((1, 2), _Point(1, 2)),
        (b"1", bytearray(b"1")),
        (1 << 200, 1 << 200),
        ("\ud800\x00", "\ud800\x00"),
        ({(1, "a"): [1], (2,): []}, {(2.0,): [], (True, "a"): [1]}),
    ],
)
def test_equal(expected, value):
    assert same(_sent(expected), _sent(value))


def test_integers_longer_than_python_prints_are_compared():
    assert same(_sent(10**5000), _sent(10**5000))
    assert not same(_sent(10**5000), _sent(10**5000 + 1))


class _Liar:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def test_an_object_that_claims_to_equal_everything_equals_nothing():
    assert not same(_sent(5), _sent(_Liar()))
    assert not same(_sent([5]), _sent([_Liar()]))


def test_values_that_are_too_deep_cyclic_or_large_are_refused():
    cyclic: list[object] = []
    cyclic.append(cyclic)
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    for value in (cyclic, deep, list(range(300_000))):
        with pytest.raises(TooLargeError):
            encode(value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
@settings(deadline=None, max_examples=200, derandomize=True)
def test_json_that_no_encoder_wrote_never_raises(value):
    for expected in (1, "a", [1], (1,), {1}, {1: 1}, b"1", range(3), None, 1j, fractions.Fraction(1, 2)):
        assert same(_sent(expected), value) in {True, False}


@pytest.mark.parametrize(
    "value",
    [
        {"i": "x"},
        {"i": 5},
        {"f": "x"},
        {"f": None},
        {"c": []},
        {"c": 1},
        {"m": "x"},
        {"m": "sNaN"},
        {"m": "1e999999999"},
        {"n": [1, 0]},
        {"n": [1]},
        {"n": ["a", "b"]},
        {"s": 1},
        {"d": [[1]]},
        {"d": [1]},
        {"r": [0, 1, 0]},
        {"t": None},
        {"u": []},
    ],
)
def test_forged_values_equal_nothing(value):
    for expected in (1, [1], (1,), {1}, {1: 1}, range(3)):
        assert not same(_sent(expected), value)


@pytest.mark.speed
def test_colliding_keys_do_not_stall_the_comparison():
    modulus = (1 << 61) - 1
    start = time.process_time()
    assert not same(_sent({1: 1}), {"d": [[{"i": hex(modulus * n)}, 1] for n in range(40_000)]})
    expected = {n: n for n in range(20_000)}
    assert not same(_sent(expected), {"d": [[{"i": hex(modulus * n)}, n] for n in range(20_000)]})
    assert time.process_time() - start < 2.0
