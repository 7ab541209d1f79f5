"""The data set of the drawing mode: MNIST, pen digits and drawings that are not digits."""

from __future__ import annotations

import numpy as np

from pellucid import DataError
from pellucid.data import Dataset, Splits, digit
from pellucid.data.drawings import pen_digits
from pellucid.data.drawings.non_digits import KINDS, TRAINING_KINDS, non_digit
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT
from pellucid.data.sources import drawings as drawings_source


def splits(n: int, seed: int, name: str) -> Splits:
    random = np.random.default_rng(seed)
    sets = [
        Dataset(random.integers(0, 256, (n, 28, 28, 1), np.uint8), np.arange(n) % 10, classes="0123456789") for _ in range(3)
    ]
    return Splits(*sets, name, f"a folder of {name}", name * 8)


def test_it_combines_all_sources_and_has_new_kinds_in_the_test_set(monkeypatch):
    monkeypatch.setattr(drawings_source, "SIZES", {"train": 12, "validation": 8, "test": 12})
    mnist, pen = splits(40, 0, "mnist"), splits(20, 1, "pen")
    combined = drawings_source.combine(mnist, lambda: pen)
    assert combined.sizes == {"train": 40 + 20 + 12, "validation": 68, "test": 72}
    assert combined.classes == CLASSES
    assert combined.source == "a folder of mnist and a folder of pen"
    np.testing.assert_array_equal(combined.train.x[:40], mnist.train.x)
    np.testing.assert_array_equal(combined.test.x[40:60], pen.test.x)
    assert (combined.train.y == CLASSES.index(NO_DIGIT)).sum() == 12
    expected = [digit(non_digit(KINDS[i % len(KINDS)], i, "test")) for i in range(12)]
    np.testing.assert_array_equal(combined.test.x[-12:], expected)
    expected = [digit(non_digit(TRAINING_KINDS[i % len(TRAINING_KINDS)], i, "validation")) for i in range(8)]
    np.testing.assert_array_equal(combined.validation.x[-8:], expected)
    assert set(KINDS) - set(TRAINING_KINDS)
    assert set(drawings_source.VARIED_KINDS) == set(TRAINING_KINDS), "the unseen kinds stay unseen"


def test_the_digest_covers_all_drawings_that_are_not_digits(monkeypatch):
    """In the training set there are three times as many as in the test set."""
    monkeypatch.setattr(drawings_source, "SIZES", {"train": 3, "validation": 1, "test": 1})
    original, first = drawings_source.non_digit_images, splits(20, 0, "mnist")

    def digest(changed):
        def images(part, kinds, count):
            data = original(part, kinds, count)
            if part == "train" and changed is not None:
                data.source_x[changed] ^= 1
            return data

        monkeypatch.setattr(drawings_source, "non_digit_images", images)
        return drawings_source.combine(first, lambda: splits(10, 1, "pen")).sha256

    assert len({digest(changed) for changed in (None, 0, 2)}) == 3
    other_split = Splits(first.validation, first.train, first.test, first.name, first.source, first.sha256)
    whole = digest(None)
    assert drawings_source.combine(other_split, lambda: splits(10, 1, "pen")).sha256 == whole  # runs stay comparable


def test_more_sets_are_added_to_the_training_set_and_count_in_the_digest(monkeypatch):
    monkeypatch.setattr(drawings_source, "SIZES", {"train": 4, "validation": 4, "test": 4})
    mnist, more = splits(40, 0, "mnist"), [drawings_source.styled_digits(20)]
    plain, combined = (drawings_source.combine(mnist, lambda: splits(20, 1, "pen"), one.copy) for one in ([], more))
    assert (combined.sizes["train"], combined.sizes["validation"]) == (plain.sizes["train"] + 20, plain.sizes["validation"])
    np.testing.assert_array_equal(combined.train.x[-20:], more[0].x)
    np.testing.assert_array_equal(combined.train.y[-20:], np.arange(20) % 10)
    assert combined.sha256 != plain.sha256


def test_only_the_training_writers_are_varied(monkeypatch):
    path = [(10.0 * i, float(i * i)) for i in range(12)]
    drawings = tuple(pen_digits.Drawing((np.array(path),), label, writer) for label, writer in ((3, 20), (4, 21), (5, 30)))
    monkeypatch.setattr(pen_digits, "find_file", lambda folder: ("path", "here"))
    monkeypatch.setattr(pen_digits, "load_drawings", lambda path: drawings)
    varied = drawings_source.varied_digits(None, 3)
    assert varied.y.tolist() == [3, 3, 3]
    assert len({image.tobytes() for image in varied.x}) == 3
    np.testing.assert_array_equal(drawings_source.varied_digits(None, 2).x, varied.x[:2])


def test_without_pen_digits_it_is_made_with_a_message(monkeypatch, capsys):
    monkeypatch.setattr(drawings_source, "SIZES", dict.fromkeys(drawings_source.SIZES, 4))

    def no_network():
        raise DataError("no network")

    combined = drawings_source.combine(splits(40, 0, "mnist"), no_network)
    assert combined.name == "drawings without pen strokes"
    assert combined.sizes["train"] == 44
    assert "no network" in capsys.readouterr().err
