"""Tests of gated linear units: the closed form, and how many parameters they have."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from pellucid import GELU, Dense, Glorot, ShapeError, SwiGLU, Zeros, kernels as kernel_sets
from pellucid.testing import asymmetric, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)


@FLOAT64_KERNELS
@pytest.mark.parametrize("bias", [False, True])
def test_swiglu_is_the_formula_of_the_paper(kernels, bias):
    layer, x = SwiGLU(300, bias=bias), asymmetric((70, 2, 5))  # large enough for several tasks
    layout = layouts(layer, (2, 5))[0]
    theta = asymmetric((layout.size,), seed=1)
    out, arrays = run_layer(layer, x, theta=theta, kernels=kernels), layout.arrays(theta)
    W, b = arrays["W"], arrays.get("b", np.zeros(600))
    gates, values = x @ W[:, :300] + b[:300], x @ W[:, 300:] + b[300:]
    np.testing.assert_allclose(out.y, gates * scipy.special.expit(gates) * values, rtol=1e-10, atol=1e-12)


def test_it_costs_as_much_as_the_dense_layers_that_it_replaces():
    def size(*layers):
        width, total = 96, 0
        for layer in layers:
            spec = layer.build((width,))
            total += sum(slot.size for slot in spec.slots.values())
            (width,) = spec.shape
        return total

    assert size(SwiGLU(256), Dense(96, bias=False)) == size(Dense(384, bias=False), GELU(), Dense(96, bias=False))


def test_gates_and_values_are_initialized_like_two_layers():
    for layer, deviation in ((SwiGLU(500), 100**-0.5), (SwiGLU(500, Glorot()), (2 / (100 + 500)) ** 0.5)):
        slot = layer.build((100,)).slots["W"]
        W = slot.init.fill(slot.shape, np.random.default_rng(0))
        np.testing.assert_allclose(W.std(), deviation, rtol=0.02)
    assert not SwiGLU(2, Zeros()).build((3,)).slots["W"].init.fill((3, 4), np.random.default_rng(0)).any()
    with pytest.raises(ShapeError, match="expects features"):
        SwiGLU(3).build(())
