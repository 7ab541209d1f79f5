"""A metric at each position equals the metric of the rows of that position alone."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    F1,
    R2,
    AbsoluteError,
    Accuracy,
    ConfigError,
    ConfusionMatrix,
    PerPosition,
    Recall,
    SquaredError,
    kernels as kernel_sets,
)

KERNELS = kernel_sets.load("reference")


def streamed(state, outputs, targets, weights, cuts):
    """Return the result for samples (n, …positions, k), counted in batches that end at ``cuts``."""
    k, axes = outputs.shape[-1], weights.shape[1:]
    for rows in np.split(np.arange(len(outputs)), cuts):
        y = targets[rows].reshape(-1, *targets.shape[1 + len(axes) :])
        state.update(outputs[rows].reshape(-1, k), y, weights[rows].reshape(-1))
    return state.result()


@pytest.mark.parametrize("positions", [(4,), (2, 3)])
@pytest.mark.parametrize(
    "metric", [AbsoluteError(), SquaredError(), R2(), Accuracy(), Recall(), F1(1), ConfusionMatrix()], ids=repr
)
def test_each_position_has_the_metric_of_its_own_rows(metric, positions):
    random = np.random.default_rng(0)
    n, k = 30, 3
    outputs = random.random((n, *positions, k)).astype(np.float32)
    shape = (n, *positions)
    targets = random.random((*shape, k)).astype(np.float32) if metric.needs == "numbers" else random.integers(0, k, shape)
    weights = random.random(shape).astype(np.float32)
    weights[:, 1] = 0  # no sample has a weight there
    weights[3:9] = 0
    result = streamed(
        PerPosition(metric).start_at(positions, lambda one: one.start(k, KERNELS)), outputs, targets, weights, [4, 8, 20]
    )
    assert result.shape[: len(positions)] == positions
    for at in np.ndindex(positions):
        there = (slice(None), *at)
        alone = streamed(metric.start(k, KERNELS), outputs[there], targets[there], weights[there], [11])
        np.testing.assert_allclose(result[at], alone, rtol=1e-12)
    assert np.isnan(result[1]).all() or metric == ConfusionMatrix()


def test_the_name_and_what_is_needed_are_those_of_the_metric():
    metric = PerPosition(AbsoluteError())
    assert (metric.name, metric.needs, metric.lower_is_better) == ("mae_by_position", "numbers", True)
    assert (PerPosition(F1(2)).name, PerPosition(F1(2)).needs, PerPosition(F1(2)).lower_is_better) == (
        "f1_2_by_position",
        "classes",
        False,
    )


def test_metrics_without_positions_and_nested_ones_are_refused():
    with pytest.raises(ConfigError, match=r"PerPosition\(metric=R2\(\)\).*ends in one vector for each sample: use R2\(\)"):
        PerPosition(R2()).start(3, KERNELS)
    with pytest.raises(ConfigError, match=r"use R2\(\)"):
        PerPosition(R2()).start_at((), lambda one: one.start(3, KERNELS))
    with pytest.raises(ConfigError, match=r"each position has one value already, use PerPosition\(metric=R2\(\)\)"):
        PerPosition(PerPosition(R2()))
