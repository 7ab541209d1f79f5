"""The dtypes with which compiled kernels are tested."""

from __future__ import annotations

import numpy as np
import pytest

# Models have float32. Kernels of float64, which take a minute to compile, serve calls such as Loss.value_and_gradient alone.
DTYPES = pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.long)])
