"""Tests of initializers: the variance of each formula, and the random stream of each slot."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from pellucid import (
    ConfigError,
    Constant,
    Dense,
    Glorot,
    GlorotUniform,
    He,
    HeUniform,
    Identity,
    LeCun,
    LeCunUniform,
    MeanSquaredError,
    Normal,
    Ones,
    Orthogonal,
    ReLU,
    Sequential,
    Signs,
    TruncatedNormal,
    Uniform,
    Zeros,
)
from pellucid.core.config import registered_classes
from pellucid.core.rng import generator
from pellucid.initializers import Initializer, fans

CONSTANT = {Zeros(): 0.0, Ones(): 1.0, Constant(0.25): 0.25}
CUT = math.sqrt(scipy.stats.truncnorm.var(-2, 2))  # 0.88
# The variance for n_in inputs and n_out outputs, and the largest value in standard deviations (None: normal, no bound).
EXPECTED = {
    Normal(): (lambda n_in, n_out: 0.01**2, None),
    TruncatedNormal(0.5): (lambda n_in, n_out: (0.5 * CUT) ** 2, 2 / CUT),
    Uniform(): (lambda n_in, n_out: 0.05**2 / 3, math.sqrt(3)),
    LeCun(): (lambda n_in, n_out: 1 / n_in, None),
    LeCunUniform(): (lambda n_in, n_out: 1 / n_in, math.sqrt(3)),
    He(): (lambda n_in, n_out: 2 / n_in, None),
    HeUniform(): (lambda n_in, n_out: 2 / n_in, math.sqrt(3)),
    Glorot(): (lambda n_in, n_out: 2 / (n_in + n_out), None),
    GlorotUniform(): (lambda n_in, n_out: 2 / (n_in + n_out), math.sqrt(3)),
}


def test_every_initializer_is_here():
    assert set(registered_classes(Initializer).values()) == {*map(type, [*CONSTANT, *EXPECTED]), Orthogonal, Signs}


def test_signs():
    values = Signs().fill((100, 50), generator(0))
    assert set(np.unique(values)) == {-1.0, 1.0}
    assert abs(values.mean()) < 3 / math.sqrt(5000)


@pytest.mark.parametrize("init", CONSTANT, ids=repr)
def test_constants(init):
    np.testing.assert_array_equal(init.fill((3, 4), generator(0)), np.full((3, 4), CONSTANT[init]))


@pytest.mark.parametrize(
    ("shape", "n_in", "n_out"),
    [
        ((784, 256), 784, 256),
        ((3, 5), 3, 5),
        ((5, 3, 16, 32), 5 * 3 * 16, 5 * 3 * 32),
        ((1, 1, 8, 4), 8, 4),
        ((7,), 7, 7),
        ((), 1, 1),
    ],
)
def test_fans_are_derived_from_the_shape(shape, n_in, n_out):
    assert fans(shape) == (n_in, n_out)


@pytest.mark.parametrize("shape", [(400, 500), (3, 3, 100, 200)])
@pytest.mark.parametrize("init", EXPECTED, ids=repr)
def test_mean_variance_and_bounds(init, shape):
    values = init.fill(shape, generator(0, "init", type(init).__name__))
    variance, bound = EXPECTED[init]
    sigma = math.sqrt(variance(*fans(shape)))
    n = values.size
    assert values.shape == shape
    assert values.dtype == np.float64
    assert abs(values.mean()) <= 5 * sigma / math.sqrt(n)
    assert abs(values.var() - sigma**2) <= 5 * sigma**2 * math.sqrt(2 / n)  # for a normal distribution; less for a uniform one
    largest = np.abs(values).max()
    if bound is None:
        assert 4 * sigma < largest < 7 * sigma
    else:
        assert bound * sigma * 0.999 <= largest <= bound * sigma
    assert (np.abs(values.mean(axis=tuple(range(values.ndim - 1)))) <= 6 * sigma / math.sqrt(n / shape[-1])).all()


def test_sigma_is_the_standard_deviation():
    assert Normal(2.0).fill((1000, 100), generator(0)).std() == pytest.approx(2.0, rel=0.01)
    assert not Normal(0).fill((10, 10), generator(0)).any()


@pytest.mark.parametrize("init", [*EXPECTED, Orthogonal()], ids=repr)
def test_values_depend_only_on_the_stream(init):
    def drawn(seed: int, name: str) -> bytes:
        return init.fill((4, 4), generator(seed, "init", name)).tobytes()

    assert drawn(0, "a") == drawn(0, "a")
    assert len({drawn(0, "a"), drawn(1, "a"), drawn(0, "b")}) == 3


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("init", [*CONSTANT, *EXPECTED, Orthogonal()], ids=repr)
def test_empty_shapes_are_allowed(init, shape):
    assert init.fill(shape, generator(0)).shape == shape


def test_uniform_covers_the_range_from_low_to_high():
    values = Uniform(-1.0, 3.0).fill((400, 500), generator(0))
    assert -1 <= values.min() < -0.999
    assert 2.999 < values.max() <= 3
    with pytest.raises(ConfigError, match="low must be at most high"):
        Uniform(1.0, 0.0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 3, 2, 7), (2, 2, 2, 40), (6,), ()])
def test_orthogonal_matrices_preserve_norms(shape):
    matrix = Orthogonal(1.5).fill(shape, generator(0)).reshape(-1, *shape[-1:] or (1,))
    matrix = matrix if len(matrix) >= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, 2.25 * np.eye(matrix.shape[1]), atol=1e-12)


def test_all_orthogonal_matrices_are_equally_likely():
    """In the plane: rotations by a uniform angle, and reflections. Without the signs the first element was never > 0."""
    drawn = np.array([Orthogonal().fill((2, 2), generator(0, i)) for i in range(2000)])
    angles = np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0])
    assert scipy.stats.kstest(angles, scipy.stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 0.001
    assert 0.45 < (np.linalg.det(drawn) > 0).mean() < 0.55


def test_each_slot_of_a_model_has_the_stream_of_its_path():
    def model(seed: int):
        network = Sequential(Dense(6, He()), ReLU(), Dense(6, He()), Identity())
        return network.compile((6,), MeanSquaredError(), seed=seed).weights

    one, other = model(0), model(1)
    expected = He().fill((6, 6), generator(0, "init", "dense2.W")).astype(np.float32)
    np.testing.assert_array_equal(one["dense2.W"], expected)
    assert (one["dense1.W"] != one["dense2.W"]).all()
    assert (one["dense1.W"] != other["dense1.W"]).all()
    assert not one["dense1.b"].any()


def test_he_preserves_the_signal_through_many_layers():
    """After twenty layers with ReLU, the mean square is still close to that of the input."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 256))
    before = np.square(x).mean()
    for depth in range(20):
        x = np.maximum(x @ He().fill((256, 256), generator(0, "init", depth)), 0)
    assert 0.5 < np.square(x).mean() / before < 2
