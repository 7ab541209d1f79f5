"""Data sets from arrays in memory."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from pellucid import CrossEntropy, Dense, Sequential, Softmax
from pellucid.data import Dataset, from_arrays
from pellucid.errors import DataError


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
