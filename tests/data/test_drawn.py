"""Drawings that are no digits, the mixed data set of the drawing mode, and corrections."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pellucid import ConfigError, DataError, FileError
from pellucid.data import Corrections, Dataset, Splits, digit
from pellucid.data.drawings import mixed as drawn
from pellucid.data.drawings.non_digits import IN_TRAINING, KINDS, nondigit
from pellucid.data.drawings.rendering import CLASSES, NO_DIGIT

SEVEN = [[[10, 10], [50, 10], [20, 80]]]


@pytest.mark.parametrize("kind", KINDS)
def test_non_digits_are_drawings_each_another_and_always_the_same(kind):
    pictures = [digit(nondigit(kind, number)) for number in range(6)]
    assert len({picture.tobytes() for picture in pictures}) == 6
    assert all(10 < picture.astype(float).mean() < 130 for picture in pictures)
    again = nondigit(kind, 3)
    for one, other in zip(again, nondigit(kind, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert digit(nondigit(kind, 3, "test")).tobytes() != pictures[3].tobytes()


def test_other_kinds_are_refused():
    with pytest.raises(ConfigError, match="there is no kind of drawing 'scrible': did you mean 'scribble'"):
        nondigit("scrible", 0)


def splits(n: int, seed: int, name: str) -> Splits:
    random = np.random.default_rng(seed)
    sets = [
        Dataset(random.integers(0, 256, (n, 28, 28, 1), np.uint8), np.arange(n) % 10, classes="0123456789") for _ in range(3)
    ]
    return Splits(*sets, name, f"a folder of {name}", name * 8)


def test_the_mixed_set_has_all_of_them_and_new_kinds_in_the_test(monkeypatch):
    monkeypatch.setattr(drawn, "SIZES", {"train": 12, "validation": 8, "test": 12})
    mnist, pen = splits(40, 0, "mnist"), splits(20, 1, "pen")
    mixed = drawn.mixed(mnist, lambda: pen)
    assert mixed.sizes == {"train": 40 + 20 + 12, "validation": 68, "test": 72}
    assert mixed.classes == CLASSES
    assert mixed.source == "a folder of mnist and a folder of pen"
    np.testing.assert_array_equal(mixed.train.x[:40], mnist.train.x)
    np.testing.assert_array_equal(mixed.test.x[40:60], pen.test.x)
    assert (mixed.train.y == CLASSES.index(NO_DIGIT)).sum() == 12
    wanted = [digit(nondigit(KINDS[i % len(KINDS)], i, "test")) for i in range(12)]
    np.testing.assert_array_equal(mixed.test.x[-12:], wanted)
    wanted = [digit(nondigit(IN_TRAINING[i % len(IN_TRAINING)], i, "validation")) for i in range(8)]
    np.testing.assert_array_equal(mixed.validation.x[-8:], wanted)
    assert set(KINDS) - set(IN_TRAINING)


def test_without_pen_strokes_it_is_made_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(drawn, "SIZES", dict.fromkeys(drawn.SIZES, 4))

    def none():
        raise DataError("no network")

    mixed = drawn.mixed(splits(40, 0, "mnist"), none)
    assert mixed.name == "drawings without pen strokes"
    assert mixed.sizes["train"] == 44
    assert "no network" in capsys.readouterr().err


def test_corrections_are_files_that_make_a_data_set(tmp_path):
    folder = Corrections(tmp_path / "new" / "corrections")
    assert folder.drawings() == []
    with pytest.raises(DataError, match="holds no corrections"):
        folder.dataset()
    lines = [np.array(SEVEN[0], float)]
    assert folder.keep(lines, (100.0, 100.0), "7", "1") == 1
    assert folder.keep(lines, None, NO_DIGIT, None) == 2
    data = folder.dataset()
    np.testing.assert_array_equal(data.y, [7, 10])
    np.testing.assert_array_equal(data.x[0], digit(SEVEN))
    file = sorted(folder.folder.iterdir())[0]
    assert json.loads(file.read_text())["canvas"] == [100.0, 100.0]


@pytest.mark.parametrize("text", ["{}", '{"label": "A", "strokes": [[[1, 2]]]}', "[]", "{"])
def test_damaged_corrections_are_named(tmp_path, text):
    (tmp_path / "1.json").write_text(text)
    with pytest.raises(FileError, match=r"1\.json"):
        Corrections(tmp_path).drawings()


def test_a_folder_takes_so_many_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.data.drawings.corrections.MOST", 1)
    folder = Corrections(tmp_path)
    folder.keep([np.ones((2, 2))], None, "1", None)
    with pytest.raises(DataError, match="holds 1 corrections"):
        folder.keep([np.ones((2, 2))], None, "1", None)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot make the folder"):
        Corrections(tmp_path / "file" / "x").keep([np.ones((2, 2))], None, "1", None)


def test_corrections_join_the_training_data():
    mnist = splits(40, 0, "mnist")
    some = Dataset(mnist.test.x[:2], np.array([3, 9]), classes=CLASSES)
    both = drawn.corrected(mnist, some)
    assert both.sizes == {"train": 40 + 2 * drawn.HEARD, "validation": 40, "test": 40}
    np.testing.assert_array_equal(both.train.x[40:42], some.x)
    assert (both.train.y[40:].reshape(-1, 2) == [3, 9]).all()
    assert both.sha256 != mnist.sha256
    none = Dataset(mnist.test.x[:1], np.array([10]), classes=CLASSES)
    with pytest.raises(DataError, match="train on drawings"):
        drawn.corrected(mnist, none)
    with pytest.raises(DataError, match="corrections are pictures"):
        drawn.corrected(mnist, Dataset(np.zeros((1, 7, 7, 1), np.uint8), np.array([1])))
