"""Data sets from arrays in memory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse

from pellucid import Columns, CrossEntropy, Dense, Ensemble, Sequential, Softmax
from pellucid.data import Dataset, from_arrays
from pellucid.errors import DataError, DataWarning


def test_arrays_with_text_labels_and_column_names():
    data = from_arrays([[1, 2], [3, 5], [5, 8]], ["dog", "cat", "dog"], names=["a", "b"])
    assert data.classes == ("cat", "dog")
    assert data.y.tolist() == [1, 0, 1]
    assert data.input_stage().center == (3.0, 5.0)
    assert from_arrays([[1, 2]], ["cat"], classes=("dog", "cat")).y.tolist() == [1]
    with pytest.raises(DataError, match="y contains the unknown class 'cow'"):
        from_arrays([[1, 2]], ["cow"], classes=("dog", "cat"))
    with pytest.raises(DataError, match="names must be different"):
        from_arrays([[1, 2]], [0], names=["a"])


def test_the_samples_of_a_sparse_data_set_are_no_data_frame():
    rows = scipy.sparse.csr_array(np.eye(6))
    data = Dataset(rows, np.arange(6) % 2)
    of_data, of_matrix = (Sequential(Dense(2), Softmax()).compile((6,), CrossEntropy()) for _ in range(2))
    of_data.fit(data.x, data.y, epochs=1)
    of_matrix.fit(rows, data.y, epochs=1)
    np.testing.assert_array_equal(of_data.predict(data.x), of_matrix.predict(rows))


def test_an_array_of_numbers_has_codes_in_a_coded_column():
    regions = np.arange(48) % 12 + 1
    x = np.column_stack([np.linspace(0, 1, 48), regions]).astype(float)
    data = from_arrays(x, (regions > 6).astype(int), names=["n", "region"], categorical=["region"])
    model = Sequential(Columns(data.input_stage().value_kinds), Dense(2), Softmax()).compile((2,), CrossEntropy())
    model.fit(data, epochs=1)
    expected = model.predict(data)
    with pytest.warns(DataWarning, match="from 0 to 12 in the column region; the numbers in it are read as codes, and are"):
        model.predict(x)
    with pytest.raises(DataError, match=r"has codes from 0 to 12 in the column region, got 8010: for categories, pass a data"):
        model.predict(np.array([[0.5, 3.0], [0.5, 8010.0]]))
    with pytest.raises(DataError, match=r"in the column region, got 2\.5"):
        model.evaluate(np.array([[0.5, 2.5]]), [0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.predict(x.astype(object)), expected)
        np.testing.assert_allclose(Ensemble([model, model]).predict(data), expected, rtol=1e-5)
        model.predict(np.array([[0.5, 0.0], [0.5, 3.0]]))  # 0 is no category
