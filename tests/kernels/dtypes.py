"""The dtypes with which compiled kernels are tested, and the kernels for float64."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import kernels as kernel_sets

# Models have float32. Kernels of float64, which take a minute to compile, serve calls such as Loss.value_and_gradient alone.
DTYPES = pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.long)])

# For tests that compute in float64: they hold the reference kernels against a formula. test_kernel_pairs.py holds the compiled
# kernels against the reference, in float32.
FLOAT64_KERNELS = pytest.mark.parametrize(
    "kernels",
    [kernel_sets.load("reference"), pytest.param(kernel_sets.load("compiled"), marks=pytest.mark.long)],
    ids=["reference", "compiled"],
)
