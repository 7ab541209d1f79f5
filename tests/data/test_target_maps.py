"""Targets that are maps of images: they move like the images, and what comes from outside does not count."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from pellucid import (
    SGD,
    BinaryCrossEntropy,
    Conv2D,
    CrossEntropy,
    Dense,
    FitOptions,
    Flatten,
    MeanSquaredError,
    Reshape,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
)
from pellucid.data import Augmentation, PhotoAugmentation
from pellucid.data.target_maps import moved
from pellucid.kernels import reference

RNG = np.random.default_rng(0)
N, H, W = 12, 10, 8
SMOOTH = scipy.ndimage.gaussian_filter(RNG.normal(0, 3, (N, H, W)), (0, 1.5, 1.5))
LABELS = np.digitize(SMOOTH, [-0.3, 0.3]) + 1  # 1 to 3, so that 0 is only outside
IMAGES = (LABELS[..., None] / 3).astype(np.float32)
ONES = np.ones(N, np.float32)
BOTH = Augmentation(rotation=30, scale=0.2, stretch=0.1, shear=0.2, shift=2, elastic=0.7, share=0.8)


def maps(augmentation, targets, weights=ONES, *, numbers=range(N), interpolate=False):
    numbers = np.asarray(numbers)
    return moved(
        augmentation,
        (H, W, 1),
        targets[numbers],
        weights[numbers],
        numbers,
        3,
        2,
        interpolate=interpolate,
        kernels=reference,
    )


def test_labels_are_those_of_the_nearest_pixel():
    labels, weights = maps(BOTH, LABELS)
    geometry = BOTH.geometry(np.arange(N), H, W, 3, 2, reference)
    for i in range(N):
        rows, columns = (place[i] for place in geometry._positions(H, W))
        wanted = scipy.ndimage.map_coordinates(LABELS[i], [rows, columns], order=0, mode="grid-constant")
        np.testing.assert_array_equal(labels[i], wanted)
    np.testing.assert_array_equal(weights, labels > 0)
    assert 0.7 < weights.mean() < 0.98


def test_the_map_fits_to_the_image():
    labels, weights = maps(BOTH, LABELS)
    images = BOTH.apply_batch(IMAGES, np.arange(N), 1.0, np.arange(N), 3, 2, np.empty_like(IMAGES), reference)[..., 0]
    nearest = np.abs(images * 3 - labels)[weights > 0]
    assert (nearest < 0.55).mean() > 0.9, "except beside the edge of the image, and where two classes are far apart"
    assert np.median(nearest) < 1e-4


@pytest.mark.parametrize("numbers", [[5], [7, 2]])
def test_the_change_of_a_map_does_not_depend_on_its_batch(numbers):
    for got, whole in zip(maps(BOTH, LABELS, numbers=numbers), maps(BOTH, LABELS), strict=True):
        np.testing.assert_array_equal(got, whole[numbers])


def test_flips_are_exact_and_weights_move_along():
    weights = RNG.random((N, H, W)).astype(np.float32)
    labels, moved_weights = maps(PhotoAugmentation(flip=1), LABELS, weights)
    np.testing.assert_array_equal(labels, LABELS[:, :, ::-1])
    np.testing.assert_array_equal(moved_weights, weights[:, :, ::-1])
    one_hot, moved_weights = maps(PhotoAugmentation(flip_vertical=1), np.eye(4)[LABELS], 2 * ONES)
    np.testing.assert_array_equal(one_hot, np.eye(4)[LABELS][:, ::-1])
    np.testing.assert_array_equal(moved_weights, np.full((N, H, W), 2))


def test_numbers_are_interpolated_like_the_image():
    targets = np.concatenate([SMOOTH[..., None], -SMOOTH[..., None]], axis=-1).astype(np.float32)
    got, weights = maps(BOTH, targets, interpolate=True)
    images = BOTH.apply_batch(targets, np.arange(N), 1.0, np.arange(N), 3, 2, np.empty_like(targets), reference)
    np.testing.assert_allclose(got[weights > 0], images[weights > 0], atol=1e-5)
    assert not got[weights == 0].any()
    assert 0.5 < weights.mean() < 0.95


def test_no_number_is_made_from_a_masked_one():
    weights = (RNG.random((N, H, W)) > 0.1).astype(np.float32)
    targets = np.where(weights[..., None] > 0, 1.0, 1e6).astype(np.float32)
    for augmentation in (BOTH, PhotoAugmentation(crop=0.5)):
        got, after = maps(augmentation, targets, weights, interpolate=True)
        assert (got[after > 0] < 1.1e3).all()
        assert after.mean() > 0.2
    got, after = maps(PhotoAugmentation(flip=1), targets, weights, interpolate=True)
    np.testing.assert_array_equal(after, weights[:, :, ::-1])


def test_other_targets_and_changes_that_move_no_pixel_leave_the_targets_alone():
    for augmentation, targets in (
        (BOTH, LABELS[:, 0, 0]),
        (BOTH, SMOOTH[:, 0]),
        (Augmentation(noise=0.1, erasing=0.5), LABELS),
        (PhotoAugmentation(brightness=0.5, erasing=1), LABELS),
    ):
        got = maps(augmentation, targets)
        np.testing.assert_array_equal(got[0], targets)
        assert got[1].shape == (N,)


SHIFTED = PhotoAugmentation(flip=0.5, shift=2)


def segmenter(loss, outputs, *last):
    return Sequential(Conv2D(3, 3, padding=1), Conv2D(outputs, 1), *last).compile((H, W, 1), loss, SGD(0.1), seed=7)


@pytest.mark.parametrize(
    ("loss", "outputs", "last", "targets"),
    [
        (CrossEntropy(), 4, [Softmax()], LABELS),
        (BinaryCrossEntropy(), 1, [Sigmoid()], (LABELS[..., None] > 1).astype(np.float32)),
        (MeanSquaredError(), 1, [], IMAGES),
    ],
)
def test_training_moves_images_and_maps_alike(loss, outputs, last, targets):
    model, wanted, streamed = (segmenter(loss, outputs, *last) for _ in range(3))
    model.fit(IMAGES, targets, augmentation=SHIFTED, batch_size=5, shuffle=False)
    # a map of ones, augmented as an image, shows what is inside
    x, inside = (SHIFTED.apply(a, seed=7, epoch=0) for a in (IMAGES, np.ones_like(IMAGES)))
    as_image = targets.reshape(N, H, W, 1) / np.float32(4)
    y = (SHIFTED.apply(as_image, seed=7, epoch=0) * 4).reshape(targets.shape)
    y = np.rint(y).astype(np.int64) if loss.classifies and outputs > 1 else y
    wanted.fit(x, y, sample_weight=np.rint(inside[..., 0]), batch_size=5, shuffle=False)
    np.testing.assert_allclose(model.parameters, wanted.parameters, atol=1e-6)
    streamed.fit([(IMAGES[i : i + 5], targets[i : i + 5]) for i in (0, 5, 10)], augmentation=SHIFTED)
    np.testing.assert_allclose(streamed.parameters, wanted.parameters, atol=1e-6)


@pytest.mark.parametrize("steps", [H, 3])
def test_the_steps_of_a_sequence_are_no_map(steps):
    def new_model():
        return Sequential(Flatten(), Dense(steps * W), Reshape((steps, W))).compile((H, W, 1), MeanSquaredError(), seed=7)

    model, wanted, streamed, y = new_model(), new_model(), new_model(), SMOOTH[:, :steps].astype(np.float32)
    model.fit(IMAGES, y, augmentation=SHIFTED, batch_size=5, shuffle=False)
    wanted.fit(SHIFTED.apply(IMAGES, seed=7, epoch=0), y, batch_size=5, shuffle=False)
    np.testing.assert_allclose(model.parameters, wanted.parameters, atol=1e-6)
    streamed.fit([(IMAGES[i : i + 5], y[i : i + 5]) for i in (0, 5, 10)], augmentation=SHIFTED)
    np.testing.assert_allclose(streamed.parameters, wanted.parameters, atol=1e-6)


def test_maps_of_another_size_are_refused_before_training():
    model = Sequential(Conv2D(4, 3, stride=2, padding=1), Softmax()).compile((H, W, 1), CrossEntropy())
    y = LABELS[:, ::2, ::2]
    with pytest.raises(ShapeError, match=r"moves the pixels of images of 10 × 8, but the targets have the positions \(5, 4\)"):
        model.fit_events(IMAGES, y, FitOptions(augmentation=SHIFTED))
    model.fit(IMAGES, y, augmentation=Augmentation(noise=0.1))


def test_the_targets_of_losses_for_numbers_are_interpolated():
    network = Sequential(Conv2D(1, 1))
    for batches in (lambda x: {"x": x, "y": x}, lambda x: {"x": [(x, x)]}):
        model = network.compile((H, W, 1), MeanSquaredError(), SGD(0.1))
        model.weights["conv2d1.W"][...] = 1
        history = model.fit(**batches(SMOOTH[..., None].astype(np.float32)), augmentation=BOTH)
        assert history["train_loss"][0] < 1e-9, "a network that returns its input is right wherever the position is inside"
