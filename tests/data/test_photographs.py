"""Augmentation of photographs: every setting does what its formula says, and a change depends on seed, epoch and index only."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import scipy.ndimage

from pellucid import Adam, ConfigError, CrossEntropy, DataError, Dense, Flatten, Sequential, ShapeError, Softmax
from pellucid.data import Augmentation, PhotoAugmentation
from pellucid.data.augmentation_text import format_augmentation, parse_augmentation
from pellucid.data.photographs import PHOTO, SHARE
from pellucid.kernels import compiled, reference

RNG = np.random.default_rng(0)
PHOTOS = (255 * scipy.ndimage.gaussian_filter(RNG.random((30, 12, 16, 3)), (0, 1, 1, 0))).astype(np.uint8)
PLAIN = PHOTOS / np.float32(255)


def changed(kernels=reference, x=PHOTOS, numbers=range(30), seed=3, epoch=2, **settings):
    out, numbers = np.empty((len(numbers), *x.shape[1:]), np.float32), np.asarray(numbers)
    return PhotoAugmentation(**settings).apply_batch(x, numbers, 1 / 255, numbers, seed, epoch, out, kernels)


@pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
def test_flips_and_shifts_move_whole_pixels(kernels):
    np.testing.assert_allclose(changed(kernels), PLAIN, atol=1e-6)
    np.testing.assert_allclose(changed(kernels, flip=1), PLAIN[:, :, ::-1], atol=1e-6)
    np.testing.assert_allclose(changed(kernels, flip_vertical=1), PLAIN[:, ::-1], atol=1e-6)
    found = set()
    for image, before in zip(changed(kernels, shift=2), PLAIN, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        crops = {(i, j): padded[i : i + 12, j : j + 16] for i in range(5) for j in range(5)}
        found |= {place for place, crop in crops.items() if np.allclose(image, crop, atol=1e-6)}
    assert {i for i, _ in found} == {j for _, j in found} == {0, 1, 2, 3, 4}


def test_half_of_the_images_are_flipped():
    flipped = np.isclose(changed(flip=0.5), PLAIN[:, :, ::-1], atol=1e-6).all(axis=(1, 2, 3))
    assert 8 <= flipped.sum() <= 22
    np.testing.assert_allclose(changed(flip=0.5)[~flipped], PLAIN[~flipped], atol=1e-6)


def test_a_crop_is_a_rectangle_inside_the_image_of_the_stated_area_and_ratio():
    p, q = np.mgrid[:12, :16].astype(np.float32)
    ramps = np.broadcast_to(np.stack([p / 11, q / 15, 0 * p], axis=-1), (400, 12, 16, 3))
    out = changed(x=np.ascontiguousarray(ramps), numbers=range(400), crop=0.3, stretch=0.4) * 255
    top, left, bottom, right = out[:, 0, 0, 0], out[:, 0, 0, 1], out[:, -1, -1, 0], out[:, -1, -1, 1]
    assert min(top.min(), left.min()) >= -1e-5
    assert max(bottom.max(), right.max()) <= 1 + 1e-5
    area, ratio = (bottom - top) * (right - left), np.log((right - left) / (bottom - top))
    assert 0.24 < area.min() < 0.35, "beyond 0.3 only where a side would be longer than the image"
    assert 0.8 < area.max() <= 1
    assert 0.35 < np.abs(ratio).max() < 0.401
    assert top.max() > 0.3, "the rectangle is anywhere in the image"
    np.testing.assert_allclose(out[:, 0, 8, 1], left + 8 / 15 * (right - left), atol=1e-5)


def test_the_rotation_is_that_of_the_other_augmentation():
    maps = PhotoAugmentation(rotation=30)._geometry(np.full((1, SHARE + 1), 0.9, np.float32), 12, 16).maps
    wanted = Augmentation(rotation=30)._maps(np.full((1, SHARE + 1), 0.9, np.float32), 12, 16)
    np.testing.assert_allclose(maps, wanted, atol=1e-5)


def test_brightness_contrast_and_saturation_are_factors():
    x = 0.3 + 0.2 * PLAIN
    bytes_like = np.ascontiguousarray(x * 255)
    luma = x @ [0.299, 0.587, 0.114]

    def factors(got, centre):
        distance = x - centre
        factor = ((got - centre) * distance).sum(axis=(1, 2, 3)) / (distance**2).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(got, np.clip(centre + factor[:, None, None, None] * (x - centre), 0, 1), atol=1e-5)
        return factor

    for name, centre in (
        ("brightness", np.zeros((30, 1, 1, 1))),
        ("contrast", luma.mean(axis=(1, 2))[:, None, None, None]),
        ("saturation", luma[..., None]),
    ):
        factor = factors(changed(x=bytes_like, **{name: 0.5}).astype(float), centre)
        assert 0.5 <= factor.min() < 0.65, name
        assert 1.35 < factor.max() <= 1.5, name


def test_the_hue_is_turned_and_greys_stay_grey():
    x = np.full((30, 2, 2, 3), 0.5, np.float32)
    x[:, 0] = [0.6, 0.4, 0.6]
    out = changed(x=x * 255, hue=120)
    np.testing.assert_allclose(out[:, 1], 0.5, atol=1e-6)
    yiq = np.array([colorsys.rgb_to_yiq(*colour) for colour in out[:, 0, 0].astype(float)])
    before = np.array(colorsys.rgb_to_yiq(0.6, 0.4, 0.6))
    np.testing.assert_allclose(yiq[:, 0], before[0], atol=2e-3)
    np.testing.assert_allclose(np.hypot(*yiq[:, 1:].T), np.hypot(*before[1:]), atol=3e-3)
    angles = np.rad2deg(np.arctan2(yiq[:, 2], yiq[:, 1]) - np.arctan2(before[2], before[1]))
    assert 90 < np.abs((angles + 180) % 360 - 180).max() < 125


def test_a_fraction_of_the_images_becomes_grey():
    out = changed(grey=0.4)
    grey = np.isclose(out, out[..., :1], atol=1e-6).all(axis=(1, 2, 3))
    assert 5 <= grey.sum() <= 19
    np.testing.assert_allclose(out[~grey], PLAIN[~grey], atol=1e-6)
    np.testing.assert_allclose(out[grey][..., 0], PLAIN[grey] @ [0.299, 0.587, 0.114], atol=1e-5)


def test_all_colours_together_are_the_steps_in_their_order():
    every = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.5, "hue": 20, "grey": 0.3}
    x = np.ascontiguousarray((0.4 + 0.1 * PLAIN) * 255)  # no value reaches 0 or 1
    steps = x
    for name in every:
        steps = np.ascontiguousarray(changed(x=steps, **{name: every[name]}) * 255)
    np.testing.assert_allclose(changed(x=x, **every), steps / 255, atol=1e-5)


def test_grey_images_have_no_colours_to_change():
    grey = np.ascontiguousarray(PHOTOS[..., :1])
    np.testing.assert_allclose(changed(x=grey, saturation=1, hue=90, grey=1), PLAIN[..., :1], atol=1e-6)
    assert not np.allclose(changed(x=grey, brightness=0.5, contrast=0.5), PLAIN[..., :1], atol=0.01)
    colours = changed(x=np.repeat(grey, 3, axis=-1), brightness=0.5, contrast=0.5)
    np.testing.assert_allclose(colours[..., :1], changed(x=grey, brightness=0.5, contrast=0.5), atol=1e-5)


def test_a_rectangle_is_erased_after_the_colours_are_changed():
    out = changed(erasing=1, erased=0.9, brightness=0.3)
    assert ((out == 0).all(axis=-1).mean(axis=(1, 2)) > 0.02).mean() > 0.8


def test_a_change_depends_only_on_seed_epoch_and_index():
    settings = {name: getattr(PHOTO, name) for name in ("flip", "crop", "brightness", "contrast", "saturation", "hue")}
    settings |= {"rotation": 10, "shift": 1, "erasing": 0.3, "share": 0.8}
    for kernels in (reference, compiled):
        whole, some = changed(kernels, **settings), [17, 3, 8]
        np.testing.assert_array_equal(changed(kernels, numbers=some, **settings), whole[some])
        np.testing.assert_array_equal(changed(kernels, numbers=[5], **settings)[0], whole[5])
        for other in ({"seed": 4}, {"epoch": 3}):
            assert not np.isclose(changed(kernels, **settings, **other), whole).all(axis=(1, 2, 3)).any(where=np.arange(30) < 3)
    unchanged = np.isclose(changed(**settings), PLAIN, atol=1e-6).all(axis=(1, 2, 3))
    assert 1 <= unchanged.sum() <= 14


def test_samples_that_are_not_photographs_are_refused():
    with pytest.raises(ShapeError, match="needs images"):
        PhotoAugmentation().apply(np.zeros((3, 8)))
    with pytest.raises(ShapeError, match="one or three channels, got samples of the shape"):
        PhotoAugmentation(brightness=0.1).apply(np.zeros((3, 8, 8, 4)))
    assert PhotoAugmentation(flip=1).apply(np.ones((3, 8, 8, 4))).shape == (3, 8, 8, 4)
    with pytest.raises(DataError, match="values from 0 to 1, got -1 to 0: give images of bytes"):
        PhotoAugmentation(contrast=0.1).apply(-np.ones((3, 8, 8, 3)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("photo", PHOTO),
        ("photo,flip=0,crop=1", PhotoAugmentation(stretch=0.2, brightness=0.2, contrast=0.2, saturation=0.3, hue=10)),
        ("photo,shift=4", None),
    ],
)
def test_settings_as_text(text, wanted):
    parsed = parse_augmentation(text)
    assert wanted is None or parsed == wanted
    assert isinstance(parsed, PhotoAugmentation)
    assert format_augmentation(parsed) == text
    with pytest.raises(ConfigError, match=r"no setting 'flip': .*; for photographs, begin with photo: photo,flip=…"):
        parse_augmentation("rotation=3,flip=0.5")
    with pytest.raises(ConfigError, match=r"no setting 'apply': [^;]*$"):  # a method is no setting
        parse_augmentation("apply=1")
    with pytest.raises(ConfigError, match="shift must be an integer, not float"):
        parse_augmentation("photo,shift=1.5")


# -- functions --------------------------------------------------------------------------------------------------------


def small_model(shape=(2, 2, 1)):
    return Sequential(Flatten(), Dense(2), Softmax()).compile(shape, CrossEntropy(), Adam(0.1))


def fitted(x, y, function, **options):
    model = small_model(x.shape[1:])
    model.fit(x, y, augmentation=function, **options)
    return model


def test_a_function_gets_one_sample_after_the_input_stage_and_its_own_generator():
    x, y = RNG.integers(0, 256, (12, 2, 2, 1), np.uint8), np.arange(12) % 2
    seen = {}

    def function(sample, generator):
        assert sample.shape == (2, 2, 1)
        assert sample.dtype == np.float32
        (row,) = np.flatnonzero(np.isclose(x / 255, sample).all(axis=(1, 2, 3)))
        seen.setdefault(row, []).append(generator.random())
        sample += 100  # the function may overwrite it
        return np.zeros((2, 2, 1))

    model = fitted(x, y, function, batch_size=5, epochs=2)
    first = {row: list(drawn) for row, drawn in seen.items()}
    assert len({number for drawn in first.values() for number in drawn}) == 24, "each sample and epoch has its own stream"
    seen.clear()
    np.testing.assert_array_equal(fitted(x, y, function, batch_size=5, epochs=2).parameters, model.parameters)
    assert seen == first
    seen.clear()
    fitted(x, y, function, batch_size=12, epochs=2, shuffle=False)
    assert seen == first, "whatever the batches and the order"
    np.testing.assert_array_equal(model.weights["dense1.W"], small_model().weights["dense1.W"])


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x, generator: None, DataError, "the function returned None; it must return the changed sample"),
        (lambda x, generator: x[0], ShapeError, r"returned the shape \(2, 1\) for a sample of the shape \(2, 2, 1\)"),
        (lambda x, generator: x * np.nan, DataError, "returned NaN or infinity"),
        (lambda x, generator: np.full((2, 2, 1), "a"), DataError, "must return numbers"),
        (lambda x, generator: {}[1], KeyError, "1"),
    ],
)
def test_a_function_that_does_not_work(function, error, message):
    with pytest.raises(error, match=message):
        fitted(np.zeros((4, 2, 2, 1)), [0, 1, 0, 1], function)
