"""Rounding for the eye never changes what a number says."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from talan_eval.report import format as fmt

ALPHAS = st.sampled_from([0.05, 0.01, 0.1, 0.025, 0.00625])


def test_numbers_as_a_reader_expects_them():
    assert fmt.gain(1.234) == "+1.23"
    assert fmt.gain(-0.001) == "0.00"
    assert fmt.interval((-0.5, 1.25)) == "-0.50 to +1.25"
    assert fmt.interval((0.0031, 1.25)) == "+0.003 to +1.25"
    assert fmt.interval((0.0, 1e-15)) == "0.00 to 0.00"
    assert fmt.p_value(0.04999, 0.05) == "0.04999"
    assert fmt.p_value(0.05001, 0.05) == "0.0500"
    assert fmt.p_value(1e-9, 0.05) == "<0.0001"
    assert fmt.p_value(0.51234) == "0.512"
    assert fmt.p_value(None) == fmt.MISSING


@given(st.floats(0, 1), ALPHAS)
def test_a_shown_p_value_lies_on_the_same_side_of_alpha(p, alpha):
    shown = float(fmt.p_value(p, alpha).lstrip("<"))
    assert (shown < alpha) == (p < alpha) or abs(p - alpha) < 1e-8


@given(st.floats(-100, 100), st.floats(0, 100))
def test_a_shown_interval_excludes_zero_exactly_when_the_interval_does(low, width):
    ends = (low, low + width)
    shown = [float(text) for text in re.split(" to ", fmt.interval(ends))]
    for end, seen in zip(ends, shown, strict=True):
        assert (seen > 0, seen < 0) == (end > 0, end < 0) or abs(end) < 1e-7
