"""Corrections: their files, their data set, and training with them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pellucid import DataError, FileError
from pellucid.data import Corrections, Dataset, Splits, digit
from pellucid.data.drawings.corrections import OVERSAMPLING, with_corrections
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT

SEVEN = [[[10, 10], [50, 10], [20, 80]]]


def test_corrections_are_files_and_a_data_set(tmp_path):
    corrections = Corrections(tmp_path / "new" / "corrections")
    assert corrections.drawings() == []
    with pytest.raises(DataError, match="has no corrections"):
        corrections.dataset()
    strokes = [np.array(SEVEN[0], float)]
    assert corrections.add(strokes, (100.0, 100.0), "7", "1") == 1
    assert corrections.add(strokes, None, NO_DIGIT, None) == 2
    data = corrections.dataset()
    np.testing.assert_array_equal(data.y, [7, 10])
    np.testing.assert_array_equal(data.x[0], digit(SEVEN))
    file = sorted(corrections.folder.iterdir())[0]
    assert json.loads(file.read_text()) == {"label": "7", "predicted": "1", "canvas": [100.0, 100.0], "strokes": SEVEN}


@pytest.mark.parametrize("text", ["{}", '{"label": "A", "strokes": [[[1, 2]]]}', "[]", "{"])
def test_damaged_corrections_are_named(tmp_path, text):
    (tmp_path / "1.json").write_text(text)
    with pytest.raises(FileError, match=r"1\.json"):
        Corrections(tmp_path).drawings()


def test_the_number_of_corrections_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.data.drawings.corrections.MAX_FILES", 1)
    corrections = Corrections(tmp_path)
    corrections.add([np.ones((2, 2))], None, "1", None)
    with pytest.raises(DataError, match="holds 1 corrections"):
        corrections.add([np.ones((2, 2))], None, "2", None)


def test_a_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot create the folder"):
        Corrections(tmp_path / "file" / "x").add([np.ones((2, 2))], None, "1", None)


def test_corrections_are_added_to_the_training_set():
    random = np.random.default_rng(0)
    sets = [
        Dataset(random.integers(0, 256, (40, 28, 28, 1), np.uint8), np.arange(40) % 10, classes="0123456789") for _ in range(3)
    ]
    mnist = Splits(*sets, "mnist", "a folder", "00")
    corrections = Dataset(mnist.test.x[:2], np.array([3, 9]), classes=CLASSES)
    both = with_corrections(mnist, corrections)
    assert both.sizes == {"train": 40 + 2 * OVERSAMPLING, "validation": 40, "test": 40}
    np.testing.assert_array_equal(both.train.x[40:42], corrections.x)
    assert (both.train.y[40:].reshape(-1, 2) == [3, 9]).all()
    assert both.sha256 != mnist.sha256
    no_digit = Dataset(mnist.test.x[:1], np.array([10]), classes=CLASSES)
    with pytest.raises(DataError, match="train on drawings"):
        with_corrections(mnist, no_digit)
    with pytest.raises(DataError, match="corrections are images"):
        with_corrections(mnist, Dataset(np.zeros((1, 7, 7, 1), np.uint8), np.array([1])))
