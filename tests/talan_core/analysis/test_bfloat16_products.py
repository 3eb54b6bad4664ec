"""Products of bfloat16 on the CPU are those of any hardware that sums in float32 and rounds once."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.nn import functional

from talan_core.analysis.bfloat16_products import products_in_float32

DRAW = torch.Generator().manual_seed(2)
X = torch.randn(40, 24, generator=DRAW).bfloat16()
WEIGHT = torch.randn(32, 24, generator=DRAW).bfloat16()
BIAS = torch.randn(32, generator=DRAW).bfloat16()


@pytest.mark.parametrize("bias", [None, BIAS])
def test_a_product_is_the_float32_sum_rounded_once(bias):
    exact = X.double() @ WEIGHT.double().T + (0 if bias is None else bias.double())
    with products_in_float32():
        found = functional.linear(X, WEIGHT, bias)
        named = functional.linear(X, WEIGHT, bias=bias)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, named)
    assert float((found != exact.to(torch.bfloat16)).double().mean()) < 0.005  # sums that lie on a border of rounding
    assert torch.allclose(found.double(), exact, rtol=2**-8, atol=1e-6)


def test_it_is_the_cpus_own_product_but_for_borders_of_rounding():
    own = functional.linear(X, WEIGHT)
    with products_in_float32():
        found = functional.linear(X, WEIGHT)
    assert float((found != own).double().mean()) < 0.005


def test_a_module_takes_it_and_other_types_and_threads_do_not():
    layer = torch.nn.Linear(24, 32).bfloat16()
    wide = torch.full((1, 4096), 1.0).bfloat16(), torch.full((1, 4096), 0.0625).bfloat16()
    elsewhere = []

    def other():
        elsewhere.append(torch.overrides._get_current_function_mode_stack())

    with torch.no_grad(), products_in_float32():
        module = layer(X)
        single = functional.linear(X.float(), WEIGHT.float())
        many = functional.linear(*wide)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    expected = functional.linear(X.float(), layer.weight.detach().float(), layer.bias.detach().float()).bfloat16()
    assert torch.equal(module, expected)
    assert torch.equal(single, functional.linear(X.float(), WEIGHT.float()))
    assert float(many) == 256.0
    assert elsewhere == [[]]
