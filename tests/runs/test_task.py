"""The task of a run."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import Adam, Dense, Sequential
from pellucid.data import Dataset
from pellucid.errors import DataError
from pellucid.runs.recipe import Recipe
from pellucid.runs.task import Task
from pellucid.training import FitOptions

RECIPE = Recipe("a line", lambda outputs: Sequential(Dense(outputs)), Adam(), FitOptions())


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 1e8 + 0.1])
def test_a_constant_target_is_refused_although_its_deviation_is_rounded(value):
    x = np.random.default_rng(0).normal(size=(7, 2))
    with pytest.raises(DataError, match=r"the target is always .*, so there is nothing to learn"):
        Task.of(RECIPE, Dataset(x, np.full(7, value)), "table")
    varying = np.append(np.full(6, value), 2 * value + 1)
    assert Task.of(RECIPE, Dataset(x, varying), "table").loss.unit == pytest.approx(varying.std())
