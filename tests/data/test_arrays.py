"""Data sets from arrays in memory."""

from __future__ import annotations

import pytest

from pellucid.data import from_arrays
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
