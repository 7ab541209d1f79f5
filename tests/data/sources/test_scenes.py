"""Scenes of digits with a class map each."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import Dataset, Splits
from pellucid.data.sources import registry, scenes

SIZES = {"train": 30, "validation": 8, "test": 12}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    for part, size in SIZES.items():
        monkeypatch.setitem(scenes.SIZES, part, size)


def bars(label: int, n: int = 10) -> Dataset:
    """Return images of one digit: a bright block of 18 × 6 pixels."""
    x = np.zeros((n, 28, 28, 1), np.uint8)
    x[:, 5:23, 11:17] = 255
    return Dataset(x, np.full(n, label), classes="0123456789")


def test_each_set_is_made_from_one_set_of_digits():
    made = scenes.from_digits(Splits(bars(3), bars(5), bars(8), "mnist", "here", "abc"))
    assert made.sizes == SIZES
    assert (made.name, made.source) == ("mnist-scenes", "here")
    assert made.classes == ("ground", *"12345678")
    for data, label in ((made.train, 3), (made.validation, 5), (made.test, 8)):
        assert data.shape == (40, 40, 1)
        assert data.x.dtype == np.uint8
        assert data.y.shape == (len(data), 40, 40)
        assert set(np.unique(data.y)) == {0, label}


def test_a_map_is_where_the_ink_of_a_scene_is():
    """A block has 18 × 6 pixels of 28 × 28, so up to 108 in a scene; a scene has one to three digits."""
    made = scenes.scenes(bars(4), 200, "train", "scenes")
    ink = made.y > 0
    assert made.x[..., 0][ink].min() >= 77  # at the edge half the ink, 128, in a brightness of at least 154 / 256
    assert made.x[..., 0][~ink].mean() < 45
    digits = ink.sum(axis=(1, 2)) / 108
    assert 20**2 / 28**2 * 0.7 < digits.min() < 0.8
    assert 2 < digits.max() <= 3


def test_no_digit_covers_another():
    """White squares of 20 to 28 pixels: with their full area in the map, two of them rarely fit into 40 × 40 pixels."""
    squares = Dataset(np.full((80, 28, 28, 1), 255, np.uint8), np.arange(80) % 10, classes="0123456789")
    areas = [np.unique(one[one > 0], return_counts=True)[1] for one in scenes.scenes(squares, 60, "train", "scenes").y]
    assert {int(area) for one in areas for area in one} <= {side**2 for side in range(20, 29)}
    assert all(len(one) for one in areas)


def test_scenes_repeat_and_other_digits_or_parts_give_others():
    splits = Splits(bars(3), bars(5), bars(8), "mnist", "here", "abc")
    one, again = scenes.from_digits(splits), scenes.from_digits(splits)
    assert one.sha256 == again.sha256
    np.testing.assert_array_equal(one.train.x, again.train.x)
    assert not np.array_equal(scenes.scenes(bars(3), 8, "validation", "s").x, one.train.x[:8])
    other_split = scenes.from_digits(Splits(bars(5), bars(3), bars(8), "mnist", "here", "abc"))
    assert other_split.sha256 == one.sha256  # runs stay comparable
    assert scenes.from_digits(Splits(bars(3), bars(5), bars(7), "mnist", "here", "abc")).sha256 != one.sha256
    assert scenes.from_digits(Splits(bars(3), bars(5), bars(8), "mnist", "here", "abd")).sha256 != one.sha256


def test_the_bytes_of_a_scene_are_the_same_everywhere():
    (x,), (y,) = (getattr(scenes.scenes(bars(4), 1, "train", "scenes"), name).astype(int) for name in "xy")
    assert (int(x.sum()), int(y.sum()), x[0, :6, 0].tolist()) == (29110, 192, [25, 27, 24, 0, 19, 20])


def test_images_are_reduced_by_means_over_areas():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(scenes.reduced(image, 2), [[2, 4], [10, 12]])  # 2.5, 4.5, … rounded down
    np.testing.assert_array_equal(scenes.reduced(image, 4), image)
    # Rows of ⅔: the first is 1 of row 0 and ⅓ of row 1, by columns alike.
    expected = int((0 + 1 / 3 * 1 + 1 / 3 * 4 + 1 / 9 * 5) / (16 / 9))
    assert scenes.reduced(image, 3)[0, 0] == expected
    np.testing.assert_array_equal(scenes.reduced(np.full((28, 28), 255, np.uint8), 23), np.full((23, 23), 255))


def test_the_registry_makes_them_from_mnist(mnist_folder):
    made = registry.load("mnist-scenes")
    assert made.sizes == SIZES
    assert made.sha256 != registry.load("mnist").sha256
    status = {row["name"]: row for row in registry.status()}["mnist-scenes"]
    assert (status["where"], status["sizes"], status["ok"]) == ("made from mnist", SIZES, True)
