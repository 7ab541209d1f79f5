"""Variations and styles: drawings as other hands would draw them, the same ones each time."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.core import rng
from pellucid.data.drawings import styles, variations
from pellucid.data.drawings.rendering import PEN, image_of
from pellucid.data.drawings.styles import styled_digit
from pellucid.data.drawings.variations import (
    few_points,
    hooked,
    joined,
    parted,
    pen_width,
    trembling,
    trimmed,
    unit_size,
    varied,
)

FOUR = [np.array([(30, 0), (15, 55), (85, 55)], float), np.array([(65, 25), (60, 60), (60, 100)], float)]
ONE = [np.stack([np.full(40, 20.0), np.arange(40.0)], axis=1)]
SEVEN = [np.concatenate([np.stack([np.arange(30.0), np.zeros(30)], axis=1), [[20 - i / 3, i] for i in range(1, 45)]])]


def generator(number=0):
    return rng.generator(0, "test", number)


def length(strokes):
    return sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in strokes)


def test_a_variation_is_repeatable_and_differs_with_its_random_numbers():
    drawings = [varied(FOUR, generator(number), 4) for number in range(30)]
    assert len({image_of(strokes).tobytes() for strokes in drawings}) == 30
    for stroke, same in zip(drawings[7], varied(FOUR, generator(7), 4), strict=True):
        np.testing.assert_array_equal(stroke, same)
    assert {len(strokes) for strokes in drawings} == {1, 2}  # the pen is sometimes not lifted
    assert all(np.ptp(np.concatenate(strokes), axis=0).max() < 2 for strokes in drawings)


@pytest.mark.parametrize("label", [None, 1, 7])
def test_dots_and_short_strokes_have_variations_too(label):
    for number in range(60):
        for strokes in ([np.array([(3.0, 4.0)])], [np.array([(0.0, 0.0), (1.0, 1.0)])], [ONE[0], np.array([(9.0, 9.0)])]):
            changed = varied(strokes, generator(number), label)
            assert all(np.isfinite(stroke).all() and len(stroke) for stroke in changed)
            assert image_of(changed, pen_width(generator(number))).max() > 150


def test_unit_size():
    points = np.concatenate(unit_size(FOUR))
    np.testing.assert_allclose(points.max(axis=0) - points.min(axis=0), (0.7, 1))
    np.testing.assert_allclose(points.max(axis=0) + points.min(axis=0), 0, atol=1e-12)


def test_a_pen_that_is_not_lifted_makes_one_stroke_of_all():
    (stroke,) = joined(FOUR, 5)
    np.testing.assert_array_equal(stroke[:3], FOUR[0])
    np.testing.assert_array_equal(stroke[-3:], FOUR[1])
    between = np.hypot(*np.diff(stroke[2:-2], axis=0).T)
    np.testing.assert_allclose(between, between[0])  # along the way
    assert 4 < between[0] <= 5
    assert len(joined(ONE)) == 1


def test_structural_changes():
    strokes = unit_size(SEVEN)
    parts = parted(strokes, generator())
    assert len(parts) == 2
    assert 0.018 < np.hypot(*(parts[1][0] - parts[0][-1])) / length(strokes) < 0.075
    assert length(parts) < 0.985 * length(strokes)
    assert 0.88 * length(strokes) < length(trimmed(strokes, generator())) < 0.99 * length(strokes)
    assert 0.03 < length(hooked(strokes, generator())) - length(strokes) < 0.14
    moved = parted(unit_size(FOUR), generator())
    assert [np.array_equal(a, b) for a, b in zip(moved, unit_size(FOUR), strict=True)].count(False) == 1


def test_ones_and_sevens_get_strokes():
    one, seven = variations.ADDITIONS[1], variations.ADDITIONS[7]
    widths = [np.ptp(np.concatenate(one(unit_size(ONE), generator(number)))[:, 0]) for number in range(20)]
    assert min(widths) > 0.09
    path, bar = seven(unit_size(SEVEN), generator())
    np.testing.assert_array_equal(path, unit_size(SEVEN)[0])
    assert np.abs(np.diff(bar[[0, -1]], axis=0)[0, 0]) > 0.2
    assert abs(np.diff(bar[[0, -1]], axis=0)[0, 1]) < 0.15
    assert seven(unit_size(FOUR), generator())[1] is not None
    assert len(seven(unit_size(FOUR), generator())) == 2  # it has two strokes already


def test_few_points_keep_the_ends():
    for number in range(20):
        (stroke,) = few_points(unit_size(SEVEN), generator(number))
        assert 5 <= len(stroke) <= 26
        np.testing.assert_array_equal(stroke[[0, -1]], unit_size(SEVEN)[0][[0, -1]])
    assert min(len(few_points(ONE, generator(number), 12)[0]) for number in range(40)) == 9  # every fifth of 40


def test_tremble_is_relative_to_the_height():
    still = [np.stack([np.arange(500.0), 100 * (np.arange(500.0) % 2)], axis=1)]
    moved = trembling(still, 0.03, generator())[0] - still[0]
    assert moved.std(axis=0) == pytest.approx([3, 3], rel=0.15)


def test_the_width_of_the_pen():
    widths = np.array([pen_width(generator(number)) for number in range(300)])
    assert widths.min() > 0.7
    assert widths.max() < 1.4
    assert np.log(widths).std() == pytest.approx(0.12, rel=0.2)
    thin, thick = (image_of(FOUR, width).astype(float).sum() for width in (0.8, 1.2))
    assert thick / thin == pytest.approx(1.5, abs=0.15)
    box = np.flatnonzero((image_of(FOUR, 3 / PEN)[..., 0] > 128).any(axis=1))
    assert box[-1] - box[0] + 1 == pytest.approx(20, abs=1)  # a wide pen does not make the digit larger


def test_styles_alternate_and_are_repeatable():
    first = [styled_digit(number) for number in range(200)]
    assert [label for _, label in first] == [number % 10 for number in range(200)]
    assert len({image_of(strokes).tobytes() for strokes, _ in first}) == 200
    for stroke, same in zip(first[3][0], styled_digit(3)[0], strict=True):
        np.testing.assert_array_equal(stroke, same)
    other, _ = styled_digit(3, "test")
    assert image_of(other).tobytes() != image_of(first[3][0]).tobytes()


def test_a_curve_has_corners_where_a_point_is_written_twice():
    points = np.array([(0, 0), (5, 0), (5, 0), (5, 9)], float)
    stroke = styles._drawn(points, True, generator())
    steps = np.diff(stroke, axis=0)
    steps /= np.hypot(*steps.T)[:, None]
    cosines = (steps[1:] * steps[:-1]).sum(axis=1)
    assert cosines.min() < 0.4  # a right angle, but for the moved points
    assert np.sort(cosines)[1] > 0.9  # everywhere else the curve is smooth
