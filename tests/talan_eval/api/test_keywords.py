"""Keyword arguments are the options of the command line, under the same names and with the same checks."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import talan_eval
from talan_eval.api.keywords import filled
from talan_eval.requests.compare import CompareRequest
from talan_eval.requests.compare_logs import CompareLogsRequest
from talan_eval.requests.fields import declared


def test_python_values_become_what_is_typed():
    request = filled(
        CompareRequest,
        {
            "treat": ("talan+lora", "noise+lora"),
            "seeds": range(3),
            "tasks": ["gsm8k_micro"],
            "backbone": "micro",
            "limit": np.int64(5),
            "out": Path("somewhere"),
            "recipe": {"epochs": 2, "packing": True},
            "alpha": 1,
            "data_dir": None,
            "loss": False,
        },
        "compare()",
    )
    assert request == CompareRequest(
        treat=("talan+lora", "noise+lora"),
        seeds="0,1,2",
        tasks="gsm8k_micro,",
        backbone=("micro",),
        limit=5,
        out=Path("somewhere"),
        recipe=("epochs=2", "packing=true"),
        alpha=1.0,
        loss=False,
    )


def test_seed_zero_alone_is_a_list_of_one_seed():
    assert filled(CompareRequest, {"seeds": [0]}, "compare()").seeds == "0,"
    assert filled(CompareRequest, {"seeds": 7}, "compare()").seeds == "7"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"treats": "lora"}, "Unknown option 'treats'"),
        ({"limit": "many"}, r"compare\(\): limit is 'many', not a whole number"),
        ({"limit": True}, r"compare\(\): limit is True"),
        ({"loss": 1}, r"compare\(\): loss is 1, not true or false"),
        ({"treat": ["lora", 3]}, "not a text or a list of texts"),
        ({"recipe": {"epochs": [2]}}, "not a table of texts, numbers"),
        ({"dry_run": True}, "no dry run"),
        ({"base_logs": "x"}, "Unknown option 'base_logs'"),
    ],
)
def test_mistakes_are_named(options, says):
    with pytest.raises(talan_eval.UserError, match=says):
        talan_eval.compare(**options)


@pytest.mark.parametrize(
    ("function", "request_class"),
    [
        (talan_eval.compare, CompareRequest),
        (talan_eval.compare_logs, CompareLogsRequest),
        (talan_eval.compare_scores, CompareLogsRequest),
    ],
)
def test_signature_and_help_list_the_options(function, request_class):
    known = {field.name: field for field in declared(request_class)}
    parameters = inspect.signature(function).parameters
    listed = [name for name in parameters if name in known and name != "logs"]
    assert len(listed) > 15
    for name in listed:
        assert parameters[name].default == known[name].default
        assert f"    {name}: {known[name].metadata['help']}" in function.__doc__


def test_the_package_lists_what_it_offers_and_nothing_else_is_there():
    assert {*talan_eval.__all__} <= {*dir(talan_eval)}
    for name in talan_eval.__all__:
        assert getattr(talan_eval, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'comparee'"):
        _ = talan_eval.comparee
