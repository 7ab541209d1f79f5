"""Tests of upsampling against NumPy's and SciPy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from pellucid import ShapeError, UpSample1D, UpSample2D
from pellucid.errors import ConfigError
from pellucid.kernels import compiled, reference
from pellucid.testing import asymmetric, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@FLOAT64_KERNELS
@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_linear_interpolation_of_sequences_equals_numpy(kernels, factor):
    x = asymmetric((2, 7, 3))
    at = (np.arange(7 * factor) + 0.5) / factor  # the centres of the new steps, where step i extends from i to i + 1
    wanted = [[np.interp(at, np.arange(7) + 0.5, one[:, k]) for k in range(3)] for one in x]
    out = run_layer(UpSample1D(factor, "linear"), x, kernels=kernels)
    np.testing.assert_allclose(out.y, np.swapaxes(wanted, 1, 2), atol=1e-13)


@FLOAT64_KERNELS
@DTYPES
@pytest.mark.parametrize(("factor", "size"), [(2, (5, 4)), ((3, 2), (4, 7)), ((1, 4), (2, 1)), ((2, 5), (1, 9))], ids=str)
def test_images_equal_scipy_and_the_gradient_is_the_transposed_map(kernels, dtype, factor, size):
    x = asymmetric((3, *size, 17)).astype(dtype)
    fh, fw = factor if isinstance(factor, tuple) else (factor, factor)
    dy = asymmetric((3, size[0] * fh, size[1] * fw, 17), 1).astype(dtype)
    bound = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    for interpolation, order in (("nearest", 0), ("bilinear", 1)):
        out = run_layer(UpSample2D(factor, interpolation), x, dy, kernels=kernels)
        wanted = scipy.ndimage.zoom(x, (1, fh, fw, 1), order=order, mode="nearest", grid_mode=True)
        if order == 0:  # exact copies; SciPy rounds positions half way between two pixels to the other one
            wanted = x.repeat(fh, axis=1).repeat(fw, axis=2)
            np.testing.assert_array_equal(out.y, wanted)
        np.testing.assert_allclose(out.y, wanted, rtol=0, atol=bound)
        # a linear map L has Lᵀ as its gradient: ⟨L x, dy⟩ = ⟨x, Lᵀ dy⟩, here for each pixel alone
        for pixel in [(0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, size[1] // 2)]:
            unit = np.zeros_like(x)
            unit[(slice(None), *pixel)] = 1
            seen = (run_layer(UpSample2D(factor, interpolation), unit, kernels=kernels).y * dy).sum(axis=(1, 2))
            np.testing.assert_allclose(out.dx[(slice(None), *pixel)], seen, rtol=0, atol=10 * bound)
        np.testing.assert_allclose((out.y * dy).sum(), (x * out.dx).sum(), rtol=1e-4)


@BOTH
def test_a_constant_image_stays_constant_and_a_ramp_is_flat_at_its_ends(kernels):
    x = np.full((1, 3, 4, 2), 0.1, np.float32)
    np.testing.assert_allclose(run_layer(UpSample2D(3, "bilinear"), x, kernels=kernels).y, 0.1, rtol=2e-7)
    ramp = np.arange(4.0).reshape(1, 1, 4, 1)
    y = run_layer(UpSample2D((1, 2), "bilinear"), ramp, kernels=kernels).y.ravel()
    np.testing.assert_allclose(y, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: UpSample2D(2, "linear"), ConfigError, "use 'bilinear'"),
        (lambda: UpSample1D(2, "bilinear"), ConfigError, "use 'linear'"),
        (lambda: UpSample1D(2, "cubic"), ConfigError, "nearest, linear"),
        (lambda: UpSample2D(0), ConfigError, "factor must be at least 1"),
        (lambda: UpSample2D(1.5), ConfigError, "factor must be"),
        (lambda: UpSample2D().build((8, 2)), ShapeError, "for sequences .* use UpSample1D"),
        (lambda: UpSample1D().build((8, 8, 2)), ShapeError, "images .* use UpSample2D"),
    ],
)
def test_messages_of_invalid_settings(make, kind, words):
    with pytest.raises(kind, match=words):
        make()
