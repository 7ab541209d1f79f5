"""Losses: gradients for every allowed pair of loss and last layer, exact values, and targets that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics

from pellucid import (
    SGD,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    ConfigError,
    CosineDistance,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Exp,
    Flatten,
    FunctionLoss,
    GaussianNLL,
    Hinge,
    Huber,
    Identity,
    KLDivergence,
    LogSquaredError,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Tanh,
    Triplet,
    kernels as kernel_sets,
)
from pellucid.core.config import registered_classes
from pellucid.losses import Loss
from pellucid.testing import asymmetric, check_loss
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep
from tests.kernels.dtypes import FLOAT64_KERNELS

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
RANDOM = np.random.default_rng(0)
LABELS = np.array([0, 2, 1, 1, 0])
SOFT = RANDOM.dirichlet([1, 1, 1], 5)
NUMBERS = RANDOM.normal(0, 1, (5, 3))
MULTI_LABEL = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])


def cubes(outputs, targets):
    """The loss Σ|d|³ of d = ŷ − y, as a function of one's own."""
    d = outputs - targets
    return (abs(d) ** 3).sum(axis=1), 3 * d * abs(d)


# (loss, last layers of the network, targets of five samples)
PAIRS = [
    (CrossEntropy(), (Dense(3), Softmax()), LABELS),
    (CrossEntropy(), (Dense(3), Softmax()), SOFT),
    (CrossEntropy(), (Sequential(Dense(3), Sequential(Softmax())),), LABELS),
    (CrossEntropy(), (Softmax(),), np.minimum(LABELS, 1)),  # after the Tanh in the test, which has two units
    (CrossEntropy(smoothing=0.3), (Dense(3), Softmax()), LABELS),
    (CrossEntropy(smoothing=0.3), (Dense(3), Softmax()), SOFT),
    (KLDivergence(), (Dense(3), Softmax()), SOFT),
    (KLDivergence(), (Dense(3), Softmax()), np.eye(3)[LABELS]),
    (BinaryCrossEntropy(), (Dense(1), Sigmoid()), LABELS > 0),
    (BinaryCrossEntropy(), (Dense(3), Sigmoid()), MULTI_LABEL),
    (BinaryCrossEntropy(), (Dense(3), Sigmoid()), np.clip(NUMBERS + 0.5, 0, 1)),
    (BinaryCrossEntropy(3.0), (Dense(3), Sigmoid()), MULTI_LABEL),
    (BinaryCrossEntropy((0.5, 1, 7)), (Dense(3), Sigmoid()), np.clip(NUMBERS + 0.5, 0, 1)),
    (BinaryFocalCrossEntropy(), (Dense(1), Sigmoid()), LABELS > 0),
    (BinaryFocalCrossEntropy(0.5, 0.8), (Dense(3), Sigmoid()), MULTI_LABEL),
    (BinaryFocalCrossEntropy(5, 0.1), (Dense(3), Sigmoid()), np.clip(NUMBERS + 0.5, 0, 1)),
    *((Hinge(), (Dense(3), *head), LABELS) for head in ((), (Identity(),), (Tanh(),), (Tanh(), Dropout(0.3)))),
    *((Hinge(), (Dense(1), *head), LABELS > 0) for head in ((), (Tanh(),))),
    (Hinge(), (ReLU(), Dense(2)), np.eye(2)[1 * (LABELS > 0)]),
    *((Poisson(), (Dense(3), *head), abs(NUMBERS)) for head in ((), (Identity(),), (Dropout(0.3),))),
    (Poisson(), (Dense(1),), LABELS),
    *((LogSquaredError(unit), (Dense(3), Tanh(), Exp()), 0.1 + abs(NUMBERS)) for unit in (1.0, 0.7, (0.5, 1.0, 2.0))),
    *(
        (loss, (Dense(3), head), NUMBERS)
        for loss in (MeanSquaredError(), MeanAbsoluteError(), Huber(0.4))
        for head in (Identity(), ReLU(), Sigmoid(), Tanh(), Softmax(), Dropout(0.3))
    ),
    (MeanSquaredError(), (Dense(3),), NUMBERS),
    (MeanSquaredError(2.5), (Dense(3),), NUMBERS),
    (MeanSquaredError((2.5, 0.3, 1.0)), (Dense(3),), NUMBERS),
    (MeanSquaredError(), (Dense(1),), NUMBERS[:, 0]),
    (MeanSquaredError(), (Dense(3), Softmax()), LABELS),
    (MeanAbsoluteError(), (Dense(1),), NUMBERS[:, 0]),
    *((Quantile(0.9), (Dense(3), *head), NUMBERS) for head in ((), (ReLU(),), (Tanh(), Dropout(0.3)))),
    *((Quantile((0.1, 0.5, 0.9)), (Dense(3),), y) for y in (NUMBERS, NUMBERS[:, 0], NUMBERS[:, :1])),
    *((GaussianNLL(), (Dense(6), *head), NUMBERS) for head in ((), (Identity(),), (Dropout(0.3),))),
    (GaussianNLL(0.5), (Dense(2),), NUMBERS[:, 0]),
    *((CosineDistance(), (Dense(3), *head), NUMBERS) for head in ((), (Sigmoid(),), (Tanh(), Dropout(0.3)))),
    *((Triplet(margin), (Dense(3), *head), LABELS) for margin in (0.3, 5.0) for head in ((), (Tanh(),))),
    (Triplet(), (Dense(1),), np.array([-7, 10**12, -7, 10**12, 3])),
    (Huber(), (Dense(3), Softmax()), LABELS),
    *((FunctionLoss(cubes), (Dense(3), *head), NUMBERS) for head in ((), (Softmax(),))),
    (FunctionLoss(cubes), (Dense(1),), NUMBERS[:, :1]),
]


@pytest.mark.parametrize(
    ("loss", "end", "y"), PAIRS, ids=lambda value: repr(value) if isinstance(value, (Loss, tuple)) else "y"
)
def test_gradients_of_every_allowed_pair(loss, end, y):
    check_loss(loss, Sequential(Flatten(), Dense(2), Tanh(), *end), (2, 2), y)


def test_the_table_has_every_loss():
    assert set(registered_classes(Loss).values()) == {type(loss) for loss, _, _ in PAIRS}


@FLOAT64_KERNELS
def test_values_equal_those_of_scikit_learn_and_scipy(kernels):
    random = np.random.default_rng(1)
    z, w = random.normal(0, 5, (50, 4)), random.random(50)
    labels = np.arange(50) % 4

    def value(loss, logits, y):
        target = loss.targets(y, logits.shape[1:])
        return loss.compute(logits, target, w, 1.0, *np.empty((2, *logits.shape)), kernels) / w.sum()

    wanted = sklearn.metrics.log_loss(labels, scipy.special.softmax(z, axis=1), sample_weight=w)
    assert value(CrossEntropy(), z, labels) == pytest.approx(wanted, rel=1e-12)
    soft = random.dirichlet(np.ones(4), 50).astype(np.float32)
    wanted = np.average(-(soft * scipy.special.log_softmax(z, axis=1)).sum(axis=1), weights=w)
    assert value(CrossEntropy(), z, soft) == pytest.approx(wanted, rel=1e-12)
    wanted = sklearn.metrics.log_loss(labels > 1, scipy.special.expit(z[:, 0]), sample_weight=w)
    assert value(BinaryCrossEntropy(), z[:, :1], labels > 1) == pytest.approx(wanted, rel=1e-9)  # scikit-learn rounds 1 − p
    answers = np.eye(4)[labels]
    each = [sklearn.metrics.log_loss(answers[:, j], scipy.special.expit(z[:, j]), sample_weight=w) for j in range(4)]
    assert value(BinaryCrossEntropy(), z, answers) == pytest.approx(np.mean(each), rel=1e-9)
    wanted = sklearn.metrics.mean_squared_error(soft, z, sample_weight=w)
    assert value(MeanSquaredError(), z, soft) == pytest.approx(wanted, rel=1e-12)
    units = np.array([2.0, 0.5, 4.0, 1.0])  # powers of two, which round nothing
    assert value(MeanSquaredError(tuple(units)), z * units, soft * units) == pytest.approx(wanted, rel=1e-12)


def computed(loss, z, y, kernels, dtype=np.float64):
    """Return the losses of each sample, the outputs and dz for logits z."""
    z = np.array(z, dtype)
    a, dz = np.empty((2, *z.shape), dtype)
    target = loss.targets(np.array(y), z.shape[1:])
    each = []
    for i in range(len(z)):
        row = slice(i, i + 1)
        one = target[row] if target.ndim == 1 else target[row].astype(dtype)
        each.append(loss.compute(z[row], one, np.ones(1, dtype), 1.0, a[row], dz[row], kernels))
    return each, a, dz


@FLOAT64_KERNELS
def test_regression_losses_by_hand(kernels):
    z, y = [[0.5, -3.0], [2.0, 1.0]], [[0.0, 1.0], [2.0, 1.5]]  # errors ½ and −4, 0 and −½
    each, a, dz = computed(MeanAbsoluteError(), z, y, kernels)
    assert each == [2.25, 0.25]
    np.testing.assert_array_equal(dz, [[0.5, -0.5], [0, -0.5]])
    np.testing.assert_array_equal(a, z)
    each, a, dz = computed(Huber(2.0), z, y, kernels)
    assert each == [(0.125 + 2 * (4 - 1)) / 2, 0.0625]
    np.testing.assert_array_equal(dz, [[0.25, -1], [0, -0.25]])
    np.testing.assert_array_equal(a, z)


@KERNELS
def test_the_squared_error_of_logarithms_by_hand(kernels):
    z, y = np.exp([[1.0, -0.5], [0.0, 2.0]]), np.exp([[0.0, 0.5], [0.0, 1.0]])  # differences of the logarithms: 1, −1, 0, 1
    each, a, dz = computed(LogSquaredError((1.0, 2.0)), z, y, kernels)
    np.testing.assert_allclose(each, [(1 + 1 / 4) / 2, (0 + 1 / 4) / 2], rtol=1e-6)  # targets are float32
    np.testing.assert_allclose(dz * z, [[1, -1 / 4], [0, 1 / 4]], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(a, z)
    assert not np.isfinite(computed(LogSquaredError(), [[-1.0]], [[1.0]], kernels)[0]).any()


@FLOAT64_KERNELS
def test_the_poisson_loss_is_the_negative_log_likelihood_of_the_counts(kernels):
    z, counts = np.array([[0.3], [-1.0], [2.0]]), np.array([0, 3, 7])
    each, rates, dz = computed(Poisson(), z, counts, kernels)
    wanted = -scipy.stats.poisson.logpmf(counts, np.exp(z[:, 0])) - scipy.special.gammaln(counts + 1)
    np.testing.assert_allclose(each, wanted, rtol=1e-12)
    np.testing.assert_allclose(rates, np.exp(z), rtol=1e-15)  # metrics see the rates, predict returns their logarithms
    np.testing.assert_allclose(dz, np.exp(z) - counts[:, None], rtol=1e-12)


@FLOAT64_KERNELS
def test_hinge_losses_by_hand_and_by_scikit_learn(kernels):
    z, answers = np.array([[2.0], [0.25], [-3.0], [-0.5]]), np.array([1, 1, 1, 0])
    each, _, dz = computed(Hinge(), z, answers, kernels)
    assert each == [0, 0.75, 4, 0.5]
    assert dz.ravel().tolist() == [0, -1, -1, 1]
    assert np.mean(each) == sklearn.metrics.hinge_loss(answers, z[:, 0])
    each, _, dz = computed(Hinge(), [[1.0, 0.5, -2.0], [4.0, 0.0, 1.0], [0.0, 0.0, 0.0]], [0, 2, 1], kernels)
    np.testing.assert_allclose(each, [0.5 / 3, (4 + 0) / 3, 2 / 3], rtol=1e-15)
    np.testing.assert_allclose(3 * dz, [[-1, 1, 0], [1, 0, -1], [1, -2, 1]], rtol=1e-15)


@FLOAT64_KERNELS
def test_the_divergence_equals_scipys_and_is_zero_where_outputs_equal_targets(kernels):
    random = np.random.default_rng(1)
    z = random.normal(0, 5, (50, 4))
    y = random.dirichlet(np.ones(4), 50)
    y[::5] = np.eye(4)[2]
    each, a, _ = computed(KLDivergence(), z, y, kernels)
    exact = KLDivergence().targets(y, (4,)).astype(float)  # the values of float32
    np.testing.assert_allclose(each, scipy.special.rel_entr(exact, scipy.special.softmax(z, axis=1)).sum(axis=1), atol=2e-6)
    np.testing.assert_allclose(a, scipy.special.softmax(z, axis=1), rtol=1e-12)
    same, _, dz = computed(KLDivergence(), np.log(y[1:5]), y[1:5], kernels)
    np.testing.assert_allclose(same, 0, atol=1e-6)
    np.testing.assert_allclose(dz, 0, atol=1e-7)


@FLOAT64_KERNELS
def test_smoothing_equals_cross_entropy_with_smoothed_targets(kernels):
    random = np.random.default_rng(1)
    z, labels, soft = random.normal(0, 5, (50, 4)), np.arange(50) % 4, random.dirichlet(np.ones(4), 50)
    for y, rows in ((labels, np.eye(4)[labels]), (soft, soft)):
        smoothed = computed(CrossEntropy(smoothing=0.2), z, y, kernels)
        wanted = computed(CrossEntropy(), z, 0.8 * rows + 0.05, kernels)
        for one, other in zip(smoothed, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_array_equal(CrossEntropy(smoothing=0.2).targets(labels, (4,)), labels)  # metrics see the labels
    masked = computed(CrossEntropy(), [[0.0, -np.inf, 0.0]], [2], kernels)
    assert masked[0] == [pytest.approx(np.log(2))]


@KERNELS
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_logits_stay_finite_and_exact(kernels, size):
    size = float(np.float32(size))
    z = np.array([[size, -size, 0], [size, -size, 0], [size, size, -size]], np.float32)
    a, dz, w = np.empty_like(z), np.empty_like(z), np.ones(3, np.float32)
    loss = CrossEntropy().compute(z, np.array([0, 2, 0]), w, 1.0, a, dz, kernels)
    assert loss == pytest.approx(0 + size + np.log(2), rel=1e-15)
    np.testing.assert_array_equal(dz, [[0, 0, 0], [1, 0, -1], [-0.5, 0.5, 0]])
    loss = BinaryCrossEntropy().compute(z, np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0]], np.float32), w, 1.0, a, dz, kernels)
    assert loss == pytest.approx((2 * size + 2 * np.log(2)) / 3, rel=1e-15)
    np.testing.assert_allclose(3 * dz, [[0, 0, -0.5], [1, -1, 0.5], [0, 0, 0]], rtol=1e-6)
    assert np.isfinite(a).all()


# -- combinations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "end", "words"),
    [
        (CrossEntropy(), (), r"CrossEntropy needs Softmax\(\) as the last layer, got Dense\(.*; put Softmax\(\) at the end"),
        (CrossEntropy(), (ReLU(),), r"got ReLU\(\); put Softmax\(\) at the end"),
        (CrossEntropy(), (Softmax(), Dropout(0.1)), r"got Dropout\(rate=0.1\); put Softmax\(\) at the end"),
        (CrossEntropy(), (Sigmoid(),), r"with Sigmoid\(\) use loss=BinaryCrossEntropy\(\)"),
        (BinaryCrossEntropy(), (Softmax(),), r"with Softmax\(\) use loss=CrossEntropy\(\)"),
        (BinaryCrossEntropy(), (Identity(),), r"BinaryCrossEntropy needs Sigmoid\(\)"),
        (CrossEntropy(), (Softmax(), Softmax()), "a Softmax after a Softmax flattens .* remove one"),
        (CrossEntropy(), (Sequential(Softmax()), Sequential(Sequential(Softmax()))), "remove one"),
        (MeanSquaredError(), (Softmax(), Softmax()), "remove one"),
        (KLDivergence(), (), r"KLDivergence needs Softmax\(\) as the last layer"),
        (
            Hinge(),
            (Softmax(),),
            r"Hinge needs a linear output or Tanh\(\), got Softmax\(\): .* use loss=CrossEntropy",
        ),
        (Hinge(), (Sigmoid(), Dropout(0.1)), r"got Sigmoid\(\): remove it, or use loss=BinaryCrossEntropy\(\)"),
        (Hinge(), (ReLU(),), r"got ReLU\(\): remove it$"),
        (BinaryFocalCrossEntropy(), (), r"BinaryFocalCrossEntropy needs Sigmoid\(\) as the last layer"),
        (BinaryFocalCrossEntropy(), (Softmax(),), r"with Softmax\(\) use loss=CrossEntropy\(\)"),
        (
            BinaryCrossEntropy((1, 2)),
            (Sigmoid(),),
            "pos_weight has 2 numbers for 3 outputs; give one number for all, or one",
        ),
        (Quantile((0.1, 0.9)), (), "levels has 2 numbers for 3 outputs"),
        (MeanSquaredError((1.0, 2.0)), (), "unit has 2 numbers for 3 outputs"),
        (GaussianNLL(), (), "needs two outputs for each target, a mean and the logarithm of a variance; got 3 outputs"),
        (GaussianNLL(), (Dense(4), ReLU()), r"GaussianNLL needs a linear output, got ReLU\(\): remove it$"),
        (CosineDistance(), (Dense(1),), "needs at least 2 outputs, got 1"),
        (Poisson(), (Tanh(),), r"Poisson needs a linear output, got Tanh\(\): remove it$"),
    ],
    ids=repr,
)
def test_other_pairs_are_refused_with_the_fix(loss, end, words):
    with pytest.raises(ConfigError, match=words):
        Sequential(Dense(3), *end).compile((4,), loss)


def test_a_network_without_layers_is_refused():
    with pytest.raises(ConfigError, match="got nothing; put Softmax"):
        Sequential().compile((4,), CrossEntropy())


# -- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [LABELS, LABELS.astype(np.uint8), LABELS.astype(float), LABELS[:, None], np.eye(3)[LABELS]])
def test_cross_entropy_takes_labels_in_all_forms(y):
    targets = CrossEntropy().targets(y, (3,))
    assert targets.dtype == np.int64
    np.testing.assert_array_equal(targets, LABELS)


def test_soft_labels_and_numbers_keep_their_values():
    np.testing.assert_array_equal(CrossEntropy().targets(SOFT, (3,)), SOFT.astype(np.float32))
    np.testing.assert_array_equal(BinaryCrossEntropy().targets([True, False] @ np.eye(2) > 0, (1,)), [[1], [0]])
    np.testing.assert_array_equal(MeanSquaredError().targets(np.array([1, 2]), (1,)), [[1], [2]])
    np.testing.assert_array_equal(MeanSquaredError().targets(LABELS, (3,)), np.eye(3)[LABELS])  # labels as one-hot


@pytest.mark.parametrize(
    ("loss", "y", "error", "words"),
    [
        (CrossEntropy(), [0, 1, 3], DataError, r"label 3 in sample 2 is out of range: 3 outputs take the labels 0 … 2"),
        (CrossEntropy(), [0, -1, 1], DataError, "label -1 in sample 1 is out of range"),
        (CrossEntropy(), [0, 1.5, 1], DataError, r"integers 0 … 2, got 1.5; for numbers use MeanSquaredError\(\)"),
        (CrossEntropy(), [0, np.nan, np.inf], DataError, "labels hold NaN or infinity in 2 places, first in sample 1"),
        (CrossEntropy(), ["cat", "dog"], DataError, "labels must be numbers, got <U3 .number the classes"),
        (CrossEntropy(), [[0.5, 0.5, 0], [0.5, 0.5, 0.5]], DataError, "the targets of sample 1 are not a distribution"),
        (CrossEntropy(), [[1.5, -0.5, 0]], DataError, "the targets of sample 0 are not a distribution"),
        (CrossEntropy(), [[1, 0]], ShapeError, r"the outputs of a sample have the shape \(3,\), the targets have \(2,\)"),
        (
            BinaryCrossEntropy(),
            [[0, 1, 2]],
            DataError,
            "sample 0 is out of range: BinaryCrossEntropy takes values from 0 to 1",
        ),
        (BinaryCrossEntropy(), [[0, 1, 1], [0, 1, -0.1]], DataError, "in sample 1 is out of range"),
        (BinaryCrossEntropy(), [0, 1], ShapeError, "the targets have one number"),
        (MeanSquaredError(), [0.5, 1.5], ShapeError, "the targets have one number"),
        (MeanSquaredError(), [3, 0], DataError, "label 3 in sample 0 is out of range"),
        (MeanSquaredError(), [[1, 2, np.inf]], DataError, "targets hold NaN or infinity in 1 places"),
        (CrossEntropy(smoothing=0.1), [[0.5, 0.5, 0.5]], DataError, "the targets of sample 0 are not a distribution"),
        (KLDivergence(), [[0.5, 0.5, 0], [0.5, 0.5, 0.5]], DataError, "the targets of sample 1 are not a distribution"),
        (KLDivergence(), [0, 1], DataError, r"takes distributions, 3 numbers per sample; for labels use CrossEntropy\(\)"),
        (Hinge(), [0, 3], DataError, "label 3 in sample 1 is out of range"),
        (Hinge(), [[0.5, 0.5, 0]], DataError, "labels or one-hot rows"),
        (Hinge(), [[1, 1, 0]], DataError, "labels or one-hot rows"),
        (Poisson(), [[0, 1, 2], [3, -1, 0]], DataError, "counts, at least 0; got -1 in sample 1"),
        (LogSquaredError(), [[1, 1, 2], [3, 0, 1]], DataError, "numbers above 0; got 0 in sample 1"),
        (MeanAbsoluteError(), [3, 0], DataError, "label 3 in sample 0 is out of range"),
        (Huber(), [0.5, 1.5], ShapeError, "the targets have one number"),
        (BinaryFocalCrossEntropy(), [[0, 1, 2]], DataError, "BinaryFocalCrossEntropy takes values from 0 to 1"),
        (
            Quantile(),
            [0.5, 1.5],
            ShapeError,
            r"Quantile: .* \(3,\), the targets have one number",
        ),
        (Quantile((0.1, 0.5, 0.9)), [[0, 1]], ShapeError, r"the targets have \(2,\)"),
        (CosineDistance(), [1, 2], ShapeError, "the targets have one number"),
        (CosineDistance(), [[1, 2, np.nan]], DataError, "targets hold NaN or infinity"),
        (Triplet(), [[0, 1, 0]], ShapeError, r"Triplet takes one label for each sample, the targets have \(3,\)"),
        (Triplet(), [0, 0.5], DataError, "Triplet takes integers as labels, got 0.5"),
        (Triplet(), ["a", "b"], DataError, "number the classes"),
        (MeanSquaredError(), [[1j, 2, 3]], DataError, "targets must be numbers, got complex128"),
    ],
)
def test_invalid_targets_are_refused(loss, y, error, words):
    with pytest.raises(error, match=words):
        loss.targets(np.array(y), (3,))


def test_the_targets_of_a_gaussian_are_half_as_many_as_its_outputs():
    assert GaussianNLL().targets(np.array([1.0, 2.0]), (2,)).shape == (2, 1)
    assert GaussianNLL().targets(NUMBERS, (6,)).shape == (5, 3)
    with pytest.raises(ShapeError, match=r"GaussianNLL: .* \(2,\), the targets have \(3,\)"):
        GaussianNLL().targets(NUMBERS, (4,))


def test_hinge_with_one_output_takes_0_and_1():
    assert Hinge().targets(np.array([True, False]), (1,)).ravel().tolist() == [1, -1]
    with pytest.raises(DataError, match=r"label -1 in sample 1: Hinge takes 0 and 1; for −1 and 1 pass y > 0"):
        Hinge().targets(np.array([1, -1]), (1,))


# -- sample weights ----------------------------------------------------------------------------------------------------


@KERNELS
@pytest.mark.parametrize(
    ("loss", "head", "y"),
    [
        (CrossEntropy(), Softmax(), LABELS),
        (CrossEntropy(smoothing=0.1), Softmax(), SOFT),
        (KLDivergence(), Softmax(), SOFT),
        (BinaryCrossEntropy(), Sigmoid(), MULTI_LABEL),
        (BinaryCrossEntropy(3.0), Sigmoid(), MULTI_LABEL),
        (BinaryFocalCrossEntropy(), Sigmoid(), MULTI_LABEL),
        (Hinge(), Tanh(), LABELS),
        (MeanSquaredError(), Tanh(), NUMBERS),
        (MeanAbsoluteError(), Tanh(), NUMBERS),
        (Huber(), Tanh(), NUMBERS),
        (Poisson(), Identity(), abs(NUMBERS)),
        (LogSquaredError(), Exp(), 0.1 + abs(NUMBERS)),
        (Quantile(0.8), Tanh(), NUMBERS),
        (GaussianNLL(1.0), Dense(6), NUMBERS),
        (CosineDistance(), Tanh(), NUMBERS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_weight_of_two_equals_the_sample_twice_and_equal_weights_cancel(kernels, loss, head, y):
    parts = ModelState(Sequential(Dense(3), head), (4,), loss, SGD(), 0, kernels, np.float64)
    x, targets = asymmetric((5, 4)), parts.output.targets(y)

    def learned(rows, weights):
        step = GradientStep(parts)
        return step(x[rows], targets[rows], np.array(weights, np.float64), 1), step.gradient

    plain = learned([0, 1, 2, 3, 4], [1, 1, 1, 1, 1])
    for one, other in (
        (learned([0, 1, 2, 3, 4], [1, 2, 1, 3, 0]), learned([0, 1, 1, 2, 3, 3, 3], [1] * 7)),
        (learned([0, 1, 2, 3, 4], [2, 2, 2, 2, 2]), plain),
    ):
        assert one[0] == pytest.approx(other[0], rel=1e-14)
        np.testing.assert_allclose(one[1], other[1], rtol=0, atol=1e-15)
    assert learned([0, 1], [0, 0])[0] == 0  # no division by zero where all weights are 0
