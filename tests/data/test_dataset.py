"""A set of samples: its content, its splits, and errors."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest

from pellucid.data.dataset import Dataset, Splits
from pellucid.errors import DataError, ShapeError


def numbered(n: int, labels=None, **settings) -> Dataset:
    """Return n samples whose value is their row number, so that a sample can be recognized."""
    return Dataset(np.arange(n, dtype=np.float32)[:, None], labels, **settings)


def ids(data: Dataset) -> list[int]:
    return [int(value) for value in data.x[:, 0]]


def on_disk(tmp_path, n: int):
    array = np.memmap(tmp_path / "x.dat", np.uint8, "w+", shape=(n, 4))
    array[:] = np.arange(n)[:, None] % 256
    array.flush()
    return np.memmap(tmp_path / "x.dat", np.uint8, "r", shape=(n, 4))


def test_holds_the_arrays_unchanged():
    x, y = np.zeros((5, 3, 2, 1), np.uint8), np.arange(5)
    data = Dataset(x, y, np.ones(5), ["a", "b", "c", "d", "e"], "toys")
    assert data.x is x
    assert data.y is y
    assert data.x.dtype == np.uint8
    assert len(data) == 5
    assert data.shape == (3, 2, 1)
    assert data.classes == ("a", "b", "c", "d", "e")
    assert repr(data) == "Dataset(toys: 5 × 3×2×1 uint8, 5 classes, weighted)"


def test_repr_of_a_large_set():
    data = Dataset(np.zeros((55_000, 2, 1), np.uint8), np.zeros(55_000, int), classes=("0", "1"), name="mnist train")
    assert repr(data) == "Dataset(mnist train: 55,000 × 2×1 uint8, 2 classes)"


def test_rows_choose_without_copying():
    x = np.arange(12.0).reshape(6, 2)
    data = Dataset(x, np.arange(6), np.arange(6.0), rows=[4, 1])
    assert data.source_x is x
    assert data.rows.dtype == np.int64
    assert data.x.tolist() == [[8, 9], [2, 3]]
    assert data.y.tolist() == [4, 1]
    assert data.sample_weight.tolist() == [4, 1]
    assert len(data) == 2
    assert data.take([1]).y.tolist() == [1]


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "words"),
    [
        ((np.zeros((3, 2)), np.zeros(4, int)), {}, ShapeError, "y has 4 rows and x has 3"),
        ((np.zeros((3, 2)), None, np.ones(2)), {}, ShapeError, "sample_weight has 2 rows"),
        ((np.zeros((3, 2)), None, np.ones((3, 1))), {}, ShapeError, "one number for each sample"),
        ((np.zeros((0, 2)), None), {}, DataError, "empty"),
        ((np.zeros((3, 0)), None), {}, DataError, "empty"),
        ((np.float64(3), None), {}, ShapeError, "single number"),
        ((np.zeros(3), np.int64(1)), {}, ShapeError, "y must have one row"),
        ((np.array([{}, []], object), None), {}, DataError, "x must hold numbers, got object"),
        ((np.zeros(2), np.array(["cat", "dog"])), {}, DataError, "np.unique"),
        (([[1, 2], [3]], None), {}, DataError, "x cannot be converted to an array"),
        ((np.ma.masked_array([1.0, 2.0], [0, 1]), None), {}, DataError, "masked"),
        ((np.zeros(2), None, [1.0, -0.5]), {}, DataError, "got -0.5 at row 1"),
        ((np.zeros(2), None, [np.nan, 1]), {}, DataError, "got nan at row 0"),
        ((np.zeros(2), None, [1, np.inf]), {}, DataError, "got inf"),
        ((np.zeros(2), None, [0, 0]), {}, DataError, "all weights are zero"),
        ((np.zeros(2), [0, 2]), {"classes": ("a", "b")}, DataError, "labels must be from 0 to 1, got 0 to 2"),
        ((np.zeros(2), [0, -1]), {"classes": ("a", "b")}, DataError, "got -1"),
        ((np.zeros(2), np.eye(2)), {"classes": ("a", "b", "c")}, ShapeError, "2 columns for 3 classes"),
        ((np.zeros(2), [0, 1]), {"classes": ("a", "a")}, DataError, "different names"),
        ((np.zeros(2), None), {"rows": [2]}, DataError, "rows must be from 0 to 1"),
        ((np.zeros(2), None), {"rows": [-1]}, DataError, "rows must be from 0 to 1"),
        ((np.zeros(2), None), {"rows": [True, False]}, DataError, "np.flatnonzero"),
        ((np.zeros(2), None), {"rows": np.zeros(0, int)}, DataError, "rows is empty"),
    ],
)
def test_refuses(arguments, settings, error, words):
    with pytest.raises(error, match=re.escape(words)):
        Dataset(*arguments, **settings, name="toys")


@pytest.mark.parametrize("count", [0, 10, -1, 11, 0.0, 1.0, 0.01, 0.99, 2.5, True, "3", None, float("nan")])
def test_split_refuses_an_empty_side(count):
    with pytest.raises(DataError, match="toys: split"):
        numbered(10, name="toys").split(count)


def test_split_is_stratified_exactly():
    labels = np.repeat([3, 0, 7], [500, 300, 200])  # sorted, as files often are
    rest, part = numbered(1000, labels).split(100, seed=4)
    assert dict(zip(*np.unique(part.y, return_counts=True), strict=True)) == {0: 30, 3: 50, 7: 20}
    assert sorted(ids(rest) + ids(part)) == list(range(1000))
    assert (labels[ids(rest)] == rest.y).all()
    assert (labels[ids(part)] == part.y).all()


def test_split_fills_up_from_the_largest_remainders():
    # 10 of 33: 11 · 10/33 = 3.33, 15 · 10/33 = 4.55, 7 · 10/33 = 2.12: 3 + 4 + 2, and the tenth goes to the second.
    _, part = numbered(33, np.repeat([0, 1, 2], [11, 15, 7])).split(10)
    assert np.bincount(part.y).tolist() == [3, 5, 2]


def test_split_breaks_ties_at_random():
    # Targets that never repeat all have the same remainder; taking them in order would take the smallest.
    _, part = numbered(200, np.arange(200)).split(100)
    assert 30 < sum(value < 100 for value in part.y) < 70


@pytest.mark.parametrize("one_hot", [True, False])
def test_split_of_targets_in_columns(one_hot):
    labels = np.repeat([0, 1], [80, 20])
    y = np.eye(2, dtype=np.float32)[labels] if one_hot else labels[:, None]
    rest, part = numbered(100, y).split(10)
    assert labels[ids(part)].sum() == 2
    assert labels[ids(rest)].sum() == 18


@pytest.mark.parametrize("y", [None, np.linspace(0, 1, 100), np.ones((100, 3)), np.zeros((100, 2, 2), int)])
def test_split_without_labels_is_shuffled(y):
    rest, part = numbered(100, y).split(0.25)
    assert (len(rest), len(part)) == (75, 25)
    assert sorted(ids(rest) + ids(part)) == list(range(100))
    assert ids(part) != sorted(ids(part))


def test_split_shuffles_and_repeats():
    data = numbered(300, np.repeat([0, 1, 2], 100))
    first, again, other = (data.split(60, seed=seed) for seed in (0, 0, 1))
    assert ids(first[0]) == ids(again[0])
    assert ids(first[1]) == ids(again[1])
    assert ids(first[1]) != ids(other[1])
    for part in first:  # the labels are mixed, not one class after the other
        assert np.count_nonzero(np.diff(part.y)) > len(part) / 2


def test_the_rest_of_a_split_has_all_classes_in_every_range():
    y = np.repeat(np.arange(10), 600)
    rest, _ = Dataset(np.zeros((6000, 1)), y).split(500)
    for start in range(0, 5500, 250):  # 25 expected, 4.7 standard deviation
        counts = np.bincount(rest.y[start : start + 250], minlength=10)
        assert counts.min() > 5, f"from sample {start}: {counts}"
        assert counts.max() < 50, f"from sample {start}: {counts}"


def test_split_carries_weights_and_names():
    data = numbered(10, np.arange(10) % 2, sample_weight=np.arange(10.0), classes=("even", "odd"), name="toys")
    rest, part = data.split(4)
    for side in (rest, part):
        assert side.sample_weight.tolist() == ids(side)
        assert side.classes == ("even", "odd")
        assert side.name == "toys"
        assert side.rows is None


def test_split_copies_arrays_in_memory():
    data = numbered(10)
    _, part = data.split(5)
    part.x[:] = -1
    assert ids(data) == list(range(10))


def test_a_memory_map_keeps_rows_and_is_not_read(tmp_path, monkeypatch):
    x = on_disk(tmp_path, 200)
    read = []
    item = np.memmap.__getitem__
    monkeypatch.setattr(np.memmap, "__getitem__", lambda self, index: read.append(index) or item(self, index))
    labels = np.arange(200) % 4
    rest, part = Dataset(x, labels, np.ones(200)).split(40)
    part, third = part.split(8)
    assert not read
    assert rest.source_x is third.source_x is x
    assert (third.x[:, 0] == third.rows).all()
    assert (labels[third.rows] == third.y).all()
    assert read
    chosen = np.concatenate([rest.rows, part.rows, third.rows])
    assert sorted(chosen) == list(range(200))
    assert np.bincount(third.y).tolist() == [2, 2, 2, 2]


def test_limit_is_stratified():
    data = numbered(1000, np.repeat([0, 1], [900, 100]))
    few = data.limit(50, seed=3)
    assert np.bincount(few.y).tolist() == [45, 5]
    assert ids(few) == ids(data.limit(50, seed=3)) != ids(data.limit(50, seed=4))
    assert data.limit(1000) is data
    assert data.limit(5000) is data
    for wrong in (0, -3, 1.5, "ten", True):
        with pytest.raises(DataError, match="data: limit"):
            data.limit(wrong)


def test_take_keeps_the_order_and_refuses_missing_rows():
    data = numbered(6, np.arange(6))
    assert ids(data.take([5, 0, 5])) == [5, 0, 5]
    with pytest.raises(DataError, match="rows must be from 0 to 5, got 6"):
        data.take([6])


def test_html_shows_the_first_images():
    Image = pytest.importorskip("PIL.Image")
    x = np.random.default_rng(0).integers(0, 256, (30, 5, 4, 3), np.uint8)
    page = Dataset(x, None, name="<b>")._repr_html_()
    assert "&lt;b&gt;: 30 × 5×4×3 uint8" in page
    assert "script" not in page
    grid = np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', page)[1]))))
    assert grid.shape == (2 * 5, 10 * 4, 3)
    assert (grid[5:, 8:12] == x[12]).all()


def test_html_of_large_images_stays_small():
    Image = pytest.importorskip("PIL.Image")
    page = Dataset(np.zeros((3, 300, 200, 1), np.uint8), None)._repr_html_()
    grid = Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', page)[1])))
    assert grid.mode == "L"
    assert grid.size == (3 * 40, 60)


@pytest.mark.parametrize("x", [np.zeros((3, 4, 4, 1)), np.zeros((3, 16), np.uint8), np.zeros((3, 4, 4, 2), np.uint8)])
def test_html_of_other_samples_has_no_images(x):
    assert "<img" not in Dataset(x, None)._repr_html_()


def test_three_sets_of_the_given_sizes():
    data = numbered(100, np.arange(100) % 2)
    assert data.splits(validation=5, test=0.2).sizes == {"train": 75, "validation": 5, "test": 20}
    for validation in (0, -1, 0.0, -0.5, 1.0, 1.5, 0.001, 100):
        with pytest.raises(DataError, match=rf"splits\(validation={validation}\) of 100 samples: expected an integer from 1"):
            data.splits(validation=validation)
    with pytest.raises(DataError, match=r"splits\(test=0\) of 100 samples"):
        data.splits(test=0)
    with pytest.raises(DataError, match="leaves no training set"):
        data.splits(validation=60, test=0.4)


def test_splits_have_sizes_and_a_repr():
    sets = (numbered(n, np.zeros(n, int), classes=("a", "b")) for n in (1200, 30, 40))
    splits = Splits(*sets, "toys", "a folder", "00")
    assert splits.classes == ("a", "b")
    assert splits.sizes == {"train": 1200, "validation": 30, "test": 40}
    assert repr(splits) == "Splits(toys: train 1,200, validation 30, test 40; from a folder)"
    assert "a folder" in splits._repr_html_()
