"""Tests of the layers that move values: padding, cropping, Permute and Repeat, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import GRU, Crop1D, Crop2D, Permute, Repeat, Sequential, ShapeError, ZeroPad1D, ZeroPad2D
from pellucid.errors import ConfigError
from pellucid.testing import asymmetric, run_layer

BORDERS = [  # (settings for images, ((top, bottom), (left, right)))
    (1, ((1, 1), (1, 1))),
    ((2, 1), ((2, 2), (1, 1))),
    (((0, 2), (1, 0)), ((0, 2), (1, 0))),
    (0, ((0, 0), (0, 0))),
]


@pytest.mark.parametrize(("setting", "sides"), BORDERS, ids=str)
def test_padding_and_cropping_are_each_others_transpose(setting, sides):
    small, large = asymmetric((2, 3, 4, 2)), asymmetric((2, 3 + sum(sides[0]), 4 + sum(sides[1]), 2), 1)
    padded = np.pad(small, ((0, 0), *sides, (0, 0)))
    (top, bottom), (left, right) = sides
    cropped = large[:, top : large.shape[1] - bottom, left : large.shape[2] - right]
    pad, crop = run_layer(ZeroPad2D(setting), small, large), run_layer(Crop2D(setting), large, small)
    for got, wanted in ((pad.y, padded), (pad.dx, cropped), (crop.y, cropped), (crop.dx, padded)):
        np.testing.assert_array_equal(got, wanted)


def test_padding_and_cropping_of_sequences():
    x, dy = asymmetric((2, 4, 3)), asymmetric((2, 7, 3), 1)
    pad, crop = run_layer(ZeroPad1D((1, 2)), x, dy), run_layer(Crop1D((1, 2)), dy, x)
    padded = np.pad(x, ((0, 0), (1, 2), (0, 0)))
    for got, wanted in ((pad.y, padded), (pad.dx, dy[:, 1:5]), (crop.y, dy[:, 1:5]), (crop.dx, padded)):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("axes", [(0,), (1, 0), (1, 2, 0), (2, 1, 0), (3, 0, 2, 1)], ids=str)
def test_permute_is_numpys_transpose(axes):
    x = asymmetric((2, 3, 4, 5, 6)[: len(axes) + 1])
    wanted = x.transpose(0, *(axis + 1 for axis in axes))
    dy = asymmetric(wanted.shape, 1)
    out = run_layer(Permute(axes), x, dy)
    np.testing.assert_array_equal(out.y, wanted)
    np.testing.assert_array_equal(out.dx.transpose(0, *(axis + 1 for axis in axes)), dy)


def test_repeat_gives_a_vector_to_every_step():
    x, dy = asymmetric((3, 4)), asymmetric((3, 5, 4), 1)
    out = run_layer(Repeat(5), x, dy)
    np.testing.assert_array_equal(out.y, np.repeat(x[:, None], 5, axis=1))
    np.testing.assert_allclose(out.dx, dy.sum(axis=1), atol=1e-13)
    assert Sequential(GRU(4), Repeat(7), GRU(3, return_sequences=True)).build((5, 2)).shape == (7, 3)


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: Crop2D(2).build((4, 9, 1)), ShapeError, r"removes everything from samples of shape \(4, 9, 1\)"),
        (lambda: Crop2D((0, 2)).build((9, 4, 5)), ShapeError, "removes everything"),
        (lambda: Crop1D((3, 1)).build((4, 1)), ShapeError, "removes everything"),
        (lambda: Crop1D().build((4, 4, 1)), ShapeError, "use Crop2D"),
        (lambda: Crop2D().build((4, 4)), ShapeError, "use Crop1D"),
        (lambda: ZeroPad1D().build((4, 4, 1)), ShapeError, "use ZeroPad2D"),
        (lambda: Crop2D(-1), ConfigError, "border must be at least 0"),
        (lambda: Permute((1, 2)), ConfigError, "an order of 0, 1, .*the batch axis is not counted"),
        (lambda: Permute(()), ConfigError, "the axes of one sample"),
        (lambda: Permute((1, 0)).build((2, 3, 4)), ShapeError, r"samples with 2 axes, got \(2, 3, 4\)"),
        (lambda: Repeat(0), ConfigError, "times must be at least 1"),
        (lambda: Repeat(3).build((4, 2)), ShapeError, r"flat features, got \(4, 2\); .*return_sequences=False"),
    ],
)
def test_messages_of_invalid_settings(make, kind, words):
    with pytest.raises(kind, match=words):
        make()
