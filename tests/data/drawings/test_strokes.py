"""Strokes are made even: few points and many, steady and trembling hands give nearly the same lines and images."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import digit
from pellucid.data.drawings.strokes import STEP, catmull_rom, even_strokes, resampled, smoothed

ANGLES = np.linspace(0, 2 * np.pi, 200)
CIRCLE = np.stack([50 * np.cos(ANGLES), 70 * np.sin(ANGLES)], axis=1)
SEVEN = [np.array([(0, 0), (60, 0), (20, 90)], float), np.array([(15, 45), (50, 45)], float)]


def distances(path):
    return np.hypot(*np.diff(path, axis=0).T)


def difference(one, other):
    """Return the ink that differs between two images, relative to the ink of the first."""
    return float(np.abs(one.astype(float) - other).sum() / one.sum())


def dense(stroke, count=40):
    return resampled(stroke, distances(stroke).sum() / count)


def test_the_curve_goes_through_the_points_and_has_their_directions():
    points = np.array([(0, 0), (1, 2), (4, 3), (4, 9)], float)
    curve = catmull_rom(points, 0.01)
    for point in points:
        assert distances(np.stack([point, curve[np.hypot(*(curve - point).T).argmin()]]))[0] < 1e-9
    t0, t1 = distances(points)[:2] ** 0.5
    (p0, p1, p2), at = points[:3], np.hypot(*(curve - points[1]).T).argmin()
    derivative = (p1 - p0) / t0 - (p2 - p0) / (t0 + t1) + (p2 - p1) / t1
    before, after = curve[at] - curve[at - 1], curve[at + 1] - curve[at]
    for direction in (before, after):
        np.testing.assert_allclose(direction / np.hypot(*direction), derivative / np.hypot(*derivative), atol=0.02)
    np.testing.assert_allclose(catmull_rom(points[:2], 0.5)[:, 1], 2 * catmull_rom(points[:2], 0.5)[:, 0])  # a straight line


def test_resampled_points_are_at_equal_distances_with_both_ends():
    path = resampled(np.array([(0, 0), (1, 0), (1, 5), (1, 5.5)], float), 0.6)
    np.testing.assert_allclose(distances(path[:2]), 6.5 / 11)
    np.testing.assert_allclose(path[[0, -1]], [(0, 0), (1, 5.5)])
    assert len(path) == 12
    assert len(resampled(path, 100)) == 2


def test_smoothing_keeps_ends_and_straight_lines_and_flattens_waves_by_its_formula():
    x = np.arange(200.0)
    line = np.stack([x, 2 * x], axis=1)
    np.testing.assert_allclose(smoothed(line, 10), line, atol=1e-9)
    wave = np.stack([x, 0.01 * np.sin(x / 3)], axis=1)
    after = smoothed(wave, 2)
    np.testing.assert_allclose(after[[0, -1]], wave[[0, -1]], atol=1e-12)
    np.testing.assert_allclose(after[20:-20, 1], wave[20:-20, 1] * np.exp(-((2 / 3) ** 2) / 2), atol=1e-4)
    assert smoothed(line, 0.0) is line


def test_even_strokes_have_even_points_and_the_ends_of_the_strokes():
    for stroke, even in zip([*SEVEN, CIRCLE], even_strokes([*SEVEN, CIRCLE]), strict=True):
        step = distances(even)
        assert step.max() < 160 * STEP * 1.001  # 160 is the height of both together
        assert np.median(step) > 0.9 * step.max()  # they are closer at corners that smoothing rounds
        np.testing.assert_allclose(even[[0, -1]], stroke[[0, -1]], atol=1e-9)
    assert [len(stroke) for stroke in even_strokes([np.array([(1.0, 2), (1, 2)]), np.array([(3.0, 4)])])] == [1, 1]


def test_units_and_position_do_not_matter():
    for one, other in zip(even_strokes(SEVEN), even_strokes([1e-4 * stroke + 3 for stroke in SEVEN]), strict=True):
        np.testing.assert_allclose(1e-4 * one + 3, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kept", [4, 25])
def test_few_points_and_many_give_nearly_the_same_image(kept):
    few = np.concatenate([CIRCLE[:-1:kept], CIRCLE[-1:]])
    assert difference(digit([CIRCLE]), digit([few])) < 0.07  # with straight lines between 9 points 0.14


def test_a_trembling_line_gives_nearly_the_image_of_a_steady_one():
    random = np.random.default_rng(0)
    for strokes, limit in (([CIRCLE[::4]], 0.32), ([dense(stroke) for stroke in SEVEN], 0.26)):
        height = np.ptp(np.concatenate(strokes)[:, 1])
        shaken = [stroke + random.normal(0, 0.03 * height, stroke.shape) for stroke in strokes]
        assert difference(digit(strokes), digit(shaken)) < limit  # without smoothing 0.41 and 0.33


def test_corners_stay_corners():
    (even, _) = even_strokes([dense(stroke) for stroke in SEVEN])
    corner = np.hypot(*(even - SEVEN[0][1]).T).min()
    assert corner < 0.06 * 90  # one pixel of the image, less than half the width of the pen


def test_a_long_scribble_stays_as_it_is():
    scribble = [np.random.default_rng(0).uniform(0, 500, (4_000, 2))]
    assert even_strokes(scribble)[0] is scribble[0]
