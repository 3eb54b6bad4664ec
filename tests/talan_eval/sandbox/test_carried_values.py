"""Values of the standard library's plain types leave the process of a program, and equal what they equal in Python."""

from __future__ import annotations

import collections
import datetime as dt
import itertools
import json
import types

import pytest

from talan_eval.grading.graders import grade_answers
from talan_eval.sandbox.inside.equality import same
from talan_eval.sandbox.inside.values import TooLargeError, encode

_UTC = dt.UTC
_PLUS2 = dt.timezone(dt.timedelta(hours=2))
_VALUES = [
    ...,
    dt.date(2024, 2, 29),
    dt.date(2024, 3, 1),
    dt.datetime(2024, 2, 29),  # noqa: DTZ001 - a naive one
    dt.datetime(2024, 2, 29, 12, tzinfo=_UTC),
    dt.datetime(2024, 2, 29, 14, tzinfo=_PLUS2),
    dt.datetime(2024, 2, 29, 12, tzinfo=_PLUS2),
    dt.datetime(2024, 2, 29, 12),  # noqa: DTZ001 - as above
    dt.time(12),
    dt.time(12, tzinfo=_UTC),
    dt.time(14, tzinfo=_PLUS2),
    dt.timedelta(days=1),
    dt.timedelta(hours=24),
    dt.timedelta(seconds=1),
    _UTC,
    dt.timezone(dt.timedelta(0)),
    _PLUS2,
    {1: 2}.keys(),
    {1: 2}.items(),
    {1: 3}.items(),
    {1},
    {(1, 2)},
    frozenset({(1, 2)}),
    memoryview(b"ab"),
    b"ab",
    bytearray(b"ab"),
    b"ac",
    collections.ChainMap({1: 2}, {3: 4}),
    {1: 2, 3: 4},
    collections.UserDict({1: 2, 3: 4}),
    types.MappingProxyType({1: 2, 3: 4}),
    collections.UserList([1, 2]),
    [1, 2],
    (1, 2),
    collections.UserString("ab"),
    "ab",
    "Ellipsis",
    "date 2024-02-29",
    None,
    0,
]


def _sent(value: object) -> object:
    return json.loads(encode(value))


def test_the_comparison_agrees_with_python():
    pairs = list(itertools.product(_VALUES, _VALUES))
    assert [(a, b) for a, b in pairs if same(_sent(a), _sent(b)) != (a == b)] == []


def test_values_of_a_dict_are_carried_and_are_no_list():
    assert same(_sent({1: 2}.values()), _sent({3: 2}.values()))
    assert not same(_sent({1: 2}.values()), _sent({1: 3}.values()))
    assert not same(_sent([2]), _sent({1: 2}.values()))


def test_a_view_of_other_than_bytes_is_not_carried():
    assert not same(_sent(b"\1\0\0\0"), _sent(memoryview(b"\1\0\0\0").cast("i")))


def test_a_mapping_that_holds_itself_is_too_large():
    mapping = collections.UserDict()
    mapping["self"] = mapping
    with pytest.raises(TooLargeError):
        encode(mapping)


@pytest.mark.parametrize(
    ("program", "test", "right"),
    [
        ("import datetime\ndef f(): return datetime.date(2024, 1, 2)", "assert f() == datetime.date(2024, 1, 2)", True),
        (
            "import datetime\ndef f(): return datetime.date(2024, 1, 3)",
            "assert f() == datetime.date(2024, 1, 2)",
            False,
        ),
        ("def f(): return {1: 2}.items()", "assert f() == {(1, 2)}", True),
        ("def f(): return ...", "assert f() == ...", True),
        ("def f(): return 'Ellipsis'", "assert f() == ...", False),
        ("def f(): return memoryview(b'ab')", "assert f() == b'ab'", True),
        ("from collections import ChainMap\ndef f(): return ChainMap({1: 2})", "assert f() == {1: 2}", True),
        ("from collections import UserList\ndef f(): return UserList([1])", "assert f() == [1]", True),
        ("from collections import UserString\ndef f(): return UserString('a')", "assert f() == 'a'", True),
    ],
)
def test_programs_that_return_them(program, test, right):
    (grade,) = grade_answers("code", [{"tests": [test]}], [f"```python\n{program}\n```"])
    assert (grade.verdict == "match") is right, grade
