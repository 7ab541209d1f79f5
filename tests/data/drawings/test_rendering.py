"""Drawings of any position, size and pen are converted to the form of MNIST."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pellucid import ConfigError, DataError, ShapeError
from pellucid.data.drawings.rendering import BOX, PEN, SIDE, digit
from pellucid.data.drawings.strokes import resampled
from pellucid.kernels import load

SEVEN = [[(10, 10), (60, 12), (30, 90)], [(20, 50), (55, 48)]]


def mass(image):
    ink = image[..., 0].astype(float)
    return [float((ink * axis).sum() / ink.sum()) for axis in np.mgrid[:SIDE, :SIDE]]


def box(image, least=64):
    rows, columns = (np.flatnonzero((image[..., 0] >= least).any(axis=axis)) for axis in (1, 0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def moved(strokes, scale=1.0, x=0.0, y=0.0):
    return [[(scale * a + x, scale * b + y) for a, b in stroke] for stroke in strokes]


@pytest.mark.parametrize("name", ["reference", "compiled"])
def test_the_pen_covers_the_pixels_near_its_line(name):
    kernels = load(name)
    out = np.full((9, 12), 7, np.float32)
    kernels.draw_strokes(np.array([[4, 2, 4, 8]], np.float32), 1.0, out)
    assert out[4, 5] == 1  # the middle of the line
    assert out[5, 5] == pytest.approx(0.5)  # its edge goes through the centre of the pixel
    assert out[6, 5] == 0
    assert out[4, 9] == pytest.approx(0.5)  # round ends
    assert out[5, 9] == pytest.approx(1.5 - math.sqrt(2), abs=1e-6)
    kernels.draw_strokes(np.array([[0, 0, 0, 0], [8, 11, 30, 40]], np.float32), 0.5, out)
    assert out[0, 0] == 1  # a dot
    assert out[8, 11] == 1  # the beginning of a line that leaves the image
    assert out[4, 5] == 0  # the previous content is overwritten


def test_both_kernels_draw_the_same():
    random = np.random.default_rng(0)
    for count in (1, 3, 700):
        segments = random.uniform(-5, 35, (count, 4)).astype(np.float32)
        one, other = (
            load(name).draw_strokes(segments, 1.2, np.empty((28, 28), np.float32)) for name in ("reference", "compiled")
        )
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("change", [{}, {"scale": 7.0}, {"scale": 0.01}, {"x": 5000.0, "y": -300.0}])
def test_position_and_size_do_not_matter(change):
    image = digit(moved(SEVEN, **change))
    assert image.shape == (28, 28, 1)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - digit(SEVEN)).max() <= 1
    assert mass(image) == pytest.approx([13.5, 13.5], abs=0.15)
    top, bottom, left, right = box(image)
    assert bottom - top == pytest.approx(BOX, abs=1)
    assert (right - left) / (bottom - top) == pytest.approx(
        (50 * (BOX - PEN) / 80 + PEN) / BOX, abs=0.08
    )  # the aspect ratio is kept


def test_the_box_and_the_whole_canvas():
    top, bottom, left, right = box(digit(SEVEN, "box"))
    assert (top + bottom) / 2 == pytest.approx(14, abs=0.6)
    assert (left + right) / 2 == pytest.approx(14, abs=0.6)
    corner = digit(SEVEN, "none", canvas=(280, 280))
    top, bottom, left, right = box(corner, 32)
    assert bottom <= 11  # a tenth of a pixel each
    assert right <= 8


def test_an_unbalanced_drawing_stays_in_the_image():
    comb = [[(0, 0), (0, 100)], *[[(0, y), (100, y)] for y in (96, 98, 100)]]  # its centre of mass is far below its middle
    image = digit(comb)
    rows = np.flatnonzero(image[..., 0].any(axis=1))
    assert rows[-1] - rows[0] >= BOX - 2


@pytest.mark.parametrize("strokes", [[[(3, 4)]], [[(3, 4), (3, 4)]], [[], [(0, 0)]]])
def test_a_dot_stays_a_dot(strokes):
    image = digit(strokes)
    assert 255 * 3 < image.sum() < 255 * 7  # π·1.2² pixels
    assert mass(image) == pytest.approx([13.5, 13.5], abs=0.1)


@pytest.mark.parametrize("dark_on_light", [True, False])
@pytest.mark.parametrize("form", ["bytes", "numbers", "channel"])
def test_a_scan_and_its_strokes_give_the_same_image(dark_on_light, form):
    """The same seven, drawn large in a corner of a sheet with a pen of the right width."""
    sheet = np.zeros((300, 200), np.float32)
    straight = [resampled(np.array(one, float), 1.0) for one in SEVEN]  # few points would be a curve
    lines = [(y + 100, x + 40, b + 100, a + 40) for one in straight for (x, y), (a, b) in itertools.pairwise(one)]
    load("reference").draw_strokes(np.asarray(lines, np.float32), PEN / 2 * 80 / (BOX - PEN), sheet)
    sheet = 0.1 + 0.7 * sheet
    sheet = 0.95 - sheet if dark_on_light else sheet
    drawing = sheet if form == "numbers" else np.round(255 * sheet).astype(np.uint8)
    found, wanted = digit(drawing[..., None] if form == "channel" else drawing), digit(straight)
    near = min(np.abs(np.roll(found, (i, j), (0, 1)).astype(int) - wanted).mean() for i in (-1, 0, 1) for j in (-1, 0, 1))
    assert near < 9  # of 255; a scan is shifted by whole pixels
    assert mass(found) == pytest.approx([13.5, 13.5], abs=0.6)


def test_a_small_scan_is_enlarged():
    tiny = np.zeros((12, 12), np.uint8)
    tiny[3:9, 5:7] = 255
    top, bottom, left, right = box(digit(tiny))
    assert bottom - top == BOX
    assert right - left == pytest.approx(BOX / 3, abs=1)


@pytest.mark.parametrize(
    ("drawing", "error", "message"),
    [
        ([], DataError, "this drawing is empty"),
        ([[]], DataError, "this drawing is empty"),
        ("seven", DataError, "list of strokes"),
        (None, DataError, "list of strokes"),
        ([[(1, 2, 3)]], DataError, r"stroke 0 .* shape \(1, 3\)"),
        ([[(1, 2)], [("a", 2)]], DataError, "stroke 1 must be a list of points"),
        ([[(1, 2), (3,)]], DataError, "stroke 0 must be a list of points"),
        ([[(1, math.nan)]], DataError, "not finite"),
        ([[(1, math.inf)]], DataError, "not finite"),
        ([[(1, 1e30)]], DataError, "beyond"),
        ([[(i, i) for i in range(10_001)]], DataError, "more than 10,000 points"),
        ([[(0, 0)]] * 1_001, DataError, "1,001 strokes"),
        (np.zeros((28, 28), np.uint8), DataError, "this image is empty"),
        (np.full((28, 28), np.nan), DataError, "not finite"),
        (np.zeros((28, 28, 3), np.uint8), ShapeError, "must be grey"),
        (np.zeros((0, 28), np.uint8), ShapeError, "must be grey"),
    ],
)
def test_invalid_drawings_are_refused(drawing, error, message):
    with pytest.raises(error, match=message):
        digit(drawing)


def test_unknown_normalizations_and_canvases():
    with pytest.raises(ConfigError, match="did you mean 'mass'"):
        digit(SEVEN, "mas")
    for canvas in ((0, 10), (math.nan, 1), (1, 2, 3)):
        with pytest.raises(DataError, match="width and a height"):
            digit(SEVEN, "none", canvas=canvas)


def test_a_long_scribble_fills_the_image():
    random = np.random.default_rng(0)
    scribble = [random.uniform(0, 500, (5_000, 2)).tolist(), random.uniform(0, 500, (5_000, 2)).tolist()]
    assert (digit(scribble)[5:-5, 5:-5] == 255).all()
