"""Networks that begin with a Dense layer read the rows of a sparse matrix as they are."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

from pellucid import (
    LBFGS,
    SELU,
    Accuracy,
    Adam,
    BatchNorm,
    CrossEntropy,
    Dense,
    DivergedError,
    Dropout,
    Graph,
    Node,
    ReLU,
    Residual,
    Sequential,
    Softmax,
    kernels,
)
from pellucid.core.sparse_rows import SparseRows
from pellucid.data import Dataset
from pellucid.data.input_stage import Passthrough, Scaling
from pellucid.data.sparse import SparseMatrix
from pellucid.doctor import Watch
from pellucid.errors import DataError, ShapeError
from pellucid.training import AverageWeights, KeepBest

N, COLUMNS = 90, 40
KERNELS = pytest.mark.parametrize("kernel_set", ["reference", "compiled"])

# Networks whose first layer reads sparse rows, in training and in prediction.
SPARSE = {
    "dense": Sequential(Dense(3), Softmax()),
    "relu": Sequential(Dense(20), ReLU(), Dense(3), Softmax()),
    "no bias": Sequential(Dense(5, bias=False), ReLU(), Dense(3), Softmax()),
    "selu and dropout": Sequential(Dense(9), SELU(), Dropout(0.3), Dense(3), Softmax()),
    "normalized": Sequential(Dense(9, bias=False), BatchNorm(), ReLU(), Dense(3), Softmax()),
    "nested": Sequential(Sequential(Sequential(Dense(9)), ReLU()), Dense(3), Softmax()),
}

# Networks before whose first layer the rows of a batch become dense.
OTHERS = {
    "dropout": Sequential(Dropout(0.3), Dense(9), ReLU(), Dense(3), Softmax()),
    "residual": Sequential(Residual(Dense(COLUMNS)), Dense(3), Softmax()),
    "graph": Graph(Node("a", Dense(9), "input"), Node("b", Sequential(Dense(3), Softmax()), "a")),
}


@pytest.fixture(autouse=True)
def _kernels(request):
    name = request.node.callspec.params.get("kernel_set", "compiled") if hasattr(request.node, "callspec") else "compiled"
    with kernels.using(name):
        yield


@pytest.fixture
def x():
    """A matrix with empty rows, rows of one value, and columns without a value."""
    random = np.random.default_rng(0)
    dense = random.normal(size=(N, COLUMNS)) * (random.random((N, COLUMNS)) < 0.1)
    dense[[0, 7, N - 1]] = 0
    dense[:, [0, 5, COLUMNS - 1]] = 0
    return scipy.sparse.csr_array(dense.astype(np.float32))


Y = np.arange(N) % 3


@pytest.fixture
def never_dense(monkeypatch):
    """Let every conversion of sparse rows to an array fail."""

    def fail(self, rows, out):
        raise AssertionError("rows of a sparse matrix become dense")

    monkeypatch.setattr(SparseMatrix, "write", fail)


def trained(network, x, stage=None, optimizer=None, **options):
    model = network.compile((COLUMNS,), CrossEntropy(), optimizer or Adam(0.01), [Accuracy()], input_stage=stage)
    model.fit(x, Y, epochs=3, batch_size=20, validation=(x[:25], Y[:25]), **options)
    return model


def assert_same(sparse, dense, *, exact):
    """Compare two models: the compiled kernels sum in the same order, those of BLAS do not."""
    if exact:
        np.testing.assert_array_equal(sparse.parameters, dense.parameters)
        np.testing.assert_array_equal(sparse.state.statistics, dense.state.statistics)
        assert sparse.history.rows[-1]["validation_loss"] == dense.history.rows[-1]["validation_loss"]
    np.testing.assert_allclose(sparse.parameters, dense.parameters, atol=2e-5)


@KERNELS
@pytest.mark.parametrize("network", SPARSE.values(), ids=list(SPARSE))
def test_a_network_is_trained_as_with_the_dense_matrix(network, x, kernel_set, never_dense):
    sparse, dense = trained(network, x), trained(network, x.toarray())
    assert_same(sparse, dense, exact=kernel_set == "compiled")
    for rows in (slice(None), slice(0, 5), slice(7, 8), slice(0, 0)):
        found, expected = sparse.predict(x[rows]), dense.predict(x[rows].toarray())
        np.testing.assert_allclose(found, expected, atol=1e-5)
        if kernel_set == "compiled":
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(sparse.predict(x[rows], logits=True).shape, expected.shape)
    assert sparse.evaluate(x, Y)["accuracy"] == dense.evaluate(x.toarray(), Y)["accuracy"]


@pytest.mark.parametrize("network", OTHERS.values(), ids=list(OTHERS))
def test_before_other_first_layers_the_rows_of_a_batch_become_dense(network, x):
    sparse, dense = trained(network, x), trained(network, x.toarray())
    assert_same(sparse, dense, exact=True)
    np.testing.assert_array_equal(sparse.predict(x), dense.predict(x.toarray()))


@pytest.mark.parametrize("stage", [Passthrough(), Scaling(0.3)])
def test_the_input_stage_scales_the_values(stage, x, never_dense):
    assert_same(trained(SPARSE["relu"], x, stage), trained(SPARSE["relu"], x.toarray(), stage), exact=True)


OPTIONS = {
    "weights": {"sample_weight": np.arange(N) % 4},
    "class weights": {"class_weight": {0: 2.0}},
    "parts": {"deterministic": True},
    "accumulated": {"accumulate": 3},
    "policies": {"policies": (AverageWeights(0.9), KeepBest(), Watch())},
    "exact metrics": {"exact_training_metrics": True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_options_of_a_training(options, x, never_dense):
    network = SPARSE["selu and dropout"]
    assert_same(trained(network, x, **options), trained(network, x.toarray(), **options), exact=True)


def test_other_ways_of_training(x, never_dense):
    models = [SPARSE["relu"].compile((COLUMNS,), CrossEntropy(), Adam(0.01)) for _ in range(2)]
    for model, source in zip(models, (x, x.toarray()), strict=True):
        model.train_on_batch(source[:9], Y[:9])
        model.train_on_batch(source[9:10], Y[9:10])
        model.fit(Dataset(source, Y).take(np.arange(0, N, 2)), epochs=2, batch_size=16)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    rates = [
        model.find_learning_rate(source, Y, steps=20).suggestion for model, source in zip(models, (x, x.toarray()), strict=True)
    ]
    assert rates[0] == rates[1]
    whole = [SPARSE["relu"].compile((COLUMNS,), CrossEntropy(), LBFGS()) for _ in range(2)]
    for model, source in zip(whole, (x, x.toarray()), strict=True):
        model.fit(source, Y, epochs=3)
    np.testing.assert_array_equal(whole[0].parameters, whole[1].parameters)


def test_predictions_of_few_dense_and_sparse_samples_alternate(x):
    model = trained(SPARSE["relu"], x)
    expected = model.predict(x.toarray())[:4]
    for source in (x[:4].toarray(), x[:4], x[:4].toarray(), x[:4]):  # those of arrays are replayed
        np.testing.assert_array_equal(model.predict(source), expected)


def test_a_training_that_diverges_names_the_layer(x, never_dense):
    model = SPARSE["relu"].compile((COLUMNS,), CrossEntropy(), Adam(1e30))
    with pytest.raises(DivergedError, match=r"dense\d"):
        model.fit(x, Y, epochs=30, batch_size=20)


def backwards(x, parts=1):
    """Return the matrix with the entries of each row in the opposite order, each stored in several parts."""
    rows, columns = x.nonzero()
    order = np.repeat(np.lexsort((-columns, rows)), parts)
    return scipy.sparse.csr_matrix((x.data[order] / parts, columns[order], parts * x.indptr), x.shape)


def wide_indices(x):
    result = scipy.sparse.csr_array(x)
    result.indices, result.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
    return result


FORMS = {
    "csr_matrix": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_array,
    "coo": scipy.sparse.coo_array,
    "lil": scipy.sparse.lil_array,
    "float64": lambda x: x.astype(np.float64),
    "int64 indices": wide_indices,
    "in two parts, backwards": lambda x: backwards(x, 2),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_forms_of_sparse_matrices(form, x, never_dense):
    given = form(x)
    before = given.copy()
    model = SPARSE["relu"].compile((COLUMNS,), CrossEntropy(), Adam(0.01))
    model.fit(given, Y, epochs=2, batch_size=20)
    assert (given != before).nnz == 0
    same = SPARSE["relu"].compile((COLUMNS,), CrossEntropy(), Adam(0.01))
    same.fit(x, Y, epochs=2, batch_size=20)
    np.testing.assert_array_equal(model.parameters, same.parameters)
    np.testing.assert_array_equal(model.predict(given), same.predict(x))


def test_columns_in_any_order_are_not_sorted(x, never_dense):
    given = backwards(x)
    assert not given.has_sorted_indices
    matrix = SparseMatrix.of(given)
    assert np.shares_memory(matrix.values, given.data)  # no copy
    assert np.shares_memory(matrix.columns, given.indices)
    models = [trained(SPARSE["relu"], source) for source in (given, x)]
    np.testing.assert_allclose(models[0].parameters, models[1].parameters, atol=2e-5)
    np.testing.assert_allclose(models[0].predict(given), models[0].predict(x), atol=1e-6)
    assert not given.has_sorted_indices


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64])
def test_dtypes_of_values(dtype, x, never_dense):
    values = x.astype(np.int64).astype(dtype)
    floats = values.astype(np.float32)
    models = [trained(SPARSE["relu"], source) for source in (values, floats)]
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    np.testing.assert_array_equal(models[0].predict(values), models[1].predict(floats))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(wrong, x):
    x = x.astype(np.float64)
    x.data[-1] = wrong
    model = SPARSE["relu"].compile((COLUMNS,), CrossEntropy(), Adam(0.01))
    row = x.nonzero()[0][-1]
    with pytest.raises(DataError, match=f"sample {row}"):
        model.fit(x, Y)
    x.data[-1] = 1e300  # float32 does not hold it
    with pytest.raises(DataError, match=f"sample {row}"):
        model.fit(x, Y)
    with pytest.raises(DataError, match=f"sample {row}"):
        model.predict(x)
    with pytest.raises(DataError, match=f"sample {row - 40}"):
        model.train_on_batch(x[40:], Y[40:])


def test_other_shapes_are_refused(x):
    model = trained(SPARSE["relu"], x)
    with pytest.raises(ShapeError, match=r"\(n, 40\), got \(90, 39\)"):
        model.predict(x[:, 1:])
    with pytest.raises(ShapeError, match="at least one sample"):
        model.train_on_batch(x[:0], Y[:0])


def test_a_wide_matrix_takes_the_memory_of_the_parameters():
    random, columns, units = np.random.default_rng(0), 20_000, 8
    wide = scipy.sparse.random_array((600, columns), density=0.001, random_state=random, dtype=np.float32).tocsr()
    model = Sequential(Dense(units), ReLU(), Dense(2), Softmax()).compile((columns,), CrossEntropy(), Adam())
    y = np.arange(600) % 2
    tracemalloc.start()
    model.fit(wide, y, epochs=2, batch_size=200, validation=(wide, y))
    model.predict(wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * model.parameters.nbytes  # a dense batch has 16 MB, the parameters 0.64


def test_rows_of_a_batch():
    matrix = SparseMatrix.of(scipy.sparse.csr_array(np.array([[0, 1.5, 0], [0, 0, 0], [2, 0, -3], [0, 0, 4]])))
    rows = matrix.rows(np.array([3, 2, 1, 2]), np.float32)
    assert (len(rows), rows.shape, rows.values.dtype, rows.columns.dtype, rows.starts.dtype) == (
        4,
        (4, 3),
        np.float32,
        np.int64,
        np.int64,
    )
    np.testing.assert_array_equal(rows.values, [4, 2, -3, 2, -3])
    np.testing.assert_array_equal(rows.columns, [2, 0, 2, 0, 2])
    np.testing.assert_array_equal(rows.starts, [0, 1, 3, 3, 5])
    part = rows[1:3]
    assert isinstance(part, SparseRows)
    assert (len(part), part.shape) == (2, (2, 3))
    np.testing.assert_array_equal(part.starts, [1, 3, 3])
    assert np.shares_memory(part.values, rows.values)
    matrix.rows(slice(0, 1), np.float64).values[:] = 9  # the caller may change what it receives
    np.testing.assert_array_equal(matrix.values, [1.5, 2, -3, 4])
