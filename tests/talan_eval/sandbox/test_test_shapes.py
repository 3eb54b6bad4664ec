from __future__ import annotations

import ast
import json

import pytest

from talan_eval.sandbox.plan import ComputedValue, Literal, parse_test, split_test


def literal(tree):
    return Literal(json.dumps(tree))


@pytest.mark.parametrize(
    ("test", "call", "expected"),
    [
        ("assert f(1) == 2", "f(1)", literal(2)),
        ("assert f(1) == 2, 'why'", "f(1)", literal(2)),
        ("assert (f(1) == 2)", "f(1)", literal(2)),
        ("  assert f(1)==[1, 'a']\n", "f(1)", literal([1, "a"])),
        ("assert 2 == f(1)", "f(1)", literal(2)),
        ("assert set(f([1])) == {1}", "set(f([1]))", literal({"s": [1]})),
        ("assert f(\n1\n) == (1,\n 2)", "f(1)", literal({"t": [1, 2]})),
        ("assert f() == -1.5", "f()", literal({"f": "-1.5"})),
        ("assert f(1) == sys.getsizeof((1,))", "f(1)", ComputedValue("sys.getsizeof((1,))", ("sys",))),
        ("assert f(1) == sorted([2, 1])", "f(1)", ComputedValue("sorted([2, 1])", ())),
        ("assert sum(10, 15) == 6", "sum(10, 15)", literal(6)),
        ("assert 6 == sum(10, 15)", "sum(10, 15)", literal(6)),
        ("assert sum(1) == len('a')", "sum(1)", ComputedValue("len('a')", ())),
        ("assert f(1) == g(1)", "not not f(1) == g(1)", literal(tree=True)),
        ("assert f(1)", "not not f(1)", literal(tree=True)),
        ("assert not f(1)", "not not not f(1)", literal(tree=True)),
        ("assert f(1) is None", "not not f(1) is None", literal(tree=True)),
        ("assert f(1) != 2", "not not f(1) != 2", literal(tree=True)),
        ("assert 1 == f(1) == 1", "not not 1 == f(1) == 1", literal(tree=True)),
        ("assert 1 == 1", "not not 1 == 1", literal(tree=True)),
    ],
)
def test_a_test_is_split_into_a_call_and_an_expected_value(test, call, expected):
    node, found = split_test(test)
    assert (ast.unparse(node), found) == (call, expected)
    assert parse_test(test).expected == expected
    assert parse_test(test).call.co_names == compile(call, "", "eval").co_names


@pytest.mark.parametrize("test", ["", "f(1) == 2", "assert f(1) == 2; assert f(2) == 3", "assert f(1) ==", "import os"])
def test_what_is_not_one_assert_is_refused(test):
    with pytest.raises(ValueError, match="The test"):
        parse_test(test)
