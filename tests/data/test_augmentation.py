"""Augmentation: the geometry equals that of SciPy, the random streams are keyed, and training repeats."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.ndimage

from pellucid import Adam, ConfigError, CrossEntropy, Dense, Flatten, Sequential, ShapeError, Softmax
from pellucid.data import Augmentation
from pellucid.data.augmentation import AUGMENTATIONS, THICKNESS, WIDTH, _lattice
from pellucid.data.augmentation_text import format_augmentation, parse_augmentation
from pellucid.data.batches import Batches
from pellucid.data.input_stage import input_stage_for
from pellucid.kernels import compiled, load, reference

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
ALL = AUGMENTATIONS["strong"]
RNG = np.random.default_rng(0)
BLOBS = (255 * np.clip(scipy.ndimage.gaussian_filter(RNG.normal(0, 6, (40, 20, 14, 1)), (0, 2, 2, 0)), 0, 1)).astype(np.uint8)


def augmented(augmentation, x, numbers, kernels, *, seed=3, epoch=2):
    out = np.empty((len(numbers), *x.shape[1:]), np.float32)
    return augmentation.apply_batch(x, np.asarray(numbers), 1 / 255, np.asarray(numbers), seed, epoch, out, kernels)


@BOTH
def test_without_amounts_nothing_is_changed(kernels):
    np.testing.assert_allclose(augmented(Augmentation(), BLOBS, range(40), kernels), BLOBS / np.float32(255), atol=1e-6)


@BOTH
def test_the_geometry_equals_that_of_scipy(kernels):
    for augmentation in (
        Augmentation(rotation=40, scale=0.3, stretch=0.2, shear=0.4, shift=3),
        Augmentation(rotation=20, shift=1, elastic=1.5, smoothness=3),
    ):
        drawn = reference.uniform(77, np.arange(40), WIDTH + 1)
        maps = augmentation._maps(drawn, 20, 14)
        down, across = _lattice(20, augmentation.smoothness), _lattice(14, augmentation.smoothness)
        fields = RNG.normal(0, augmentation.elastic, (40, 2, down.shape[1] * across.shape[1])).astype(np.float32)
        thickness, boxes = np.zeros(40, np.float32), np.zeros((40, 4), np.int64)
        got = np.empty(BLOBS.shape, np.float32)
        kernels.warp(BLOBS, np.arange(40), 1.0, maps, fields, down, across, thickness, boxes, 0.0, 0, np.arange(40), got)
        p, q = np.mgrid[:20, :14]
        for i, (a, b, c, d, e, f) in enumerate(maps.astype(float)):
            lattice = fields[i].reshape(2, down.shape[1], across.shape[1])
            points = np.stack([a * p + b * q + c, d * p + e * q + f]) + down @ lattice @ across.T
            wanted = scipy.ndimage.map_coordinates(BLOBS[i, ..., 0].astype(float), points, order=1, mode="grid-constant")
            np.testing.assert_allclose(got[i, ..., 0], wanted, atol=0.02)  # of 255


def test_the_amounts_have_their_documented_units():
    drawn = np.full((2, WIDTH + 1), 0.5, np.float32)
    drawn[1] = 1.0
    for name, amount, place, wanted in [
        ("rotation", 90, (5, 0), (0, -5)),  # a quarter turn to the left: what was left of the middle is below
        ("shift", 2, (0, 0), (-2, -2)),
        ("scale", np.log(2), (4, 2), (2, 1)),
        ("stretch", 1, (4, 2), (4 * np.exp(-0.5), 2 * np.exp(0.5))),
        ("shear", 0.5, (4, 1), (4, -1)),
    ]:
        neither, most = Augmentation(**{name: amount})._maps(drawn, 21, 21).reshape(2, 2, 3).astype(float)
        p, q = np.array(place) + 10
        np.testing.assert_allclose(neither @ [p, q, 1], [p, q], atol=1e-5)
        got = most @ [p, q, 1] - 10
        np.testing.assert_allclose(got, wanted, atol=1e-5, err_msg=name)


def test_the_elastic_field_has_its_smoothness_and_depends_on_the_seed():
    for smoothness in (1.0, 2.5, 4.0):
        weights = _lattice(28, smoothness).astype(float)
        between = np.subtract.outer(np.arange(28), np.arange(28))
        # the correlation of noise smoothed by a Gaussian of width s, at distance d, is exp(−d²/4s²)
        np.testing.assert_allclose(weights @ weights.T, np.exp(-((between / smoothness) ** 2) / 4), atol=0.01)
    images = [
        AUGMENTATIONS["elastic"].apply_batch(
            BLOBS, np.arange(1), 1, np.arange(1), s, 0, np.empty((1, 20, 14, 1), np.float32), k
        )
        for s, k in ((0, compiled), (1, compiled))
    ]
    assert not np.array_equal(*images)


@BOTH
def test_strokes_noise_and_rectangles(kernels):
    numbers = np.arange(40)
    plain = BLOBS / np.float32(255)
    thicker = augmented(Augmentation(thickness=1), BLOBS, numbers, kernels)
    ink = (thicker - plain).sum(axis=(1, 2, 3))
    from pellucid.core import rng

    drawn = reference.uniform(rng.at_step(rng.stream_key(3, "augmentation"), 2), numbers, WIDTH + 1)[:, THICKNESS]
    assert ((ink > 0) == (drawn > 0.5)).all()
    assert ((drawn > 0.5).sum() > 10) & ((drawn < 0.5).sum() > 10)
    noise = augmented(Augmentation(noise=0.2), BLOBS, numbers, kernels) - plain
    assert abs(noise.mean()) < 5 * 0.2 / noise.size**0.5
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    assert abs(np.corrcoef(noise.reshape(40, -1)) - np.eye(40)).max() < 0.35  # other samples, other noise
    white = np.full((2000, 10, 8, 1), 255, np.uint8)
    erased = augmented(Augmentation(erasing=0.3, erased=0.5), white, np.arange(2000), kernels)[..., 0]
    hit = (erased == 0).any(axis=(1, 2))
    assert abs(hit.mean() - 0.3) < 0.05
    assert (erased == 0).any(axis=2).sum(axis=1).max() == 5
    assert (erased == 0).any(axis=1).sum(axis=1).max() == 4
    assert ((erased == 0).sum(axis=0) > 5).all(), "every pixel may be hit"


@BOTH
def test_a_share_of_the_images_is_changed(kernels):
    x = BLOBS.repeat(50, axis=0)
    plain, all_of_them = x * np.float32(1 / 255), augmented(ALL, x, np.arange(2000), kernels)
    some = augmented(dataclasses.replace(ALL, share=0.7), x, np.arange(2000), kernels)
    unchanged = (some == plain).all(axis=(1, 2, 3))
    assert 0.26 < unchanged.mean() < 0.34
    np.testing.assert_array_equal(some[~unchanged], all_of_them[~unchanged])  # the same changes as with a share of 1
    assert not np.array_equal(
        unchanged, (augmented(dataclasses.replace(ALL, share=0.7), x, range(2000), kernels, epoch=3) == plain).all((1, 2, 3))
    )
    np.testing.assert_array_equal(augmented(dataclasses.replace(ALL, share=0.0), x, np.arange(2000), kernels), plain)
    floats = BLOBS.astype(np.float32)
    out = dataclasses.replace(ALL, share=0.0).apply(floats)
    np.testing.assert_array_equal(out, floats)


def test_formatted_settings_can_be_parsed():
    third = Augmentation(shift=1 / 3, share=0.75)
    for augmentation in (
        None,
        *AUGMENTATIONS.values(),
        Augmentation(),
        third,
        dataclasses.replace(ALL, rotation=20, smoothness=2),
    ):
        assert parse_augmentation(format_augmentation(augmentation)) == augmentation
    texts = [format_augmentation(augmentation) for augmentation in (None, AUGMENTATIONS["affine"], third)]
    assert texts == ["none", "affine", f"shift={1 / 3!r},share=0.75"]


def test_an_image_depends_only_on_seed_epoch_and_index():
    kernels = load()  # those that apply() uses
    whole = augmented(ALL, BLOBS, np.arange(40), kernels)
    some = np.array([31, 4, 4, 17])
    np.testing.assert_array_equal(augmented(ALL, BLOBS, some, kernels), whole[some])
    for other in ({"seed": 4}, {"epoch": 3}):
        assert not np.isclose(augmented(ALL, BLOBS, np.arange(40), kernels, **other), whole).all(axis=(1, 2, 3)).any()
    np.testing.assert_array_equal(ALL.apply(BLOBS, seed=3, epoch=2)[some], whole[some])


@pytest.mark.parametrize("form", ["float32", "float64", "big-endian", "strided", "memory map"])
def test_images_of_any_dtype_and_layout(form, tmp_path):
    x = BLOBS
    if form.startswith("float"):
        x = (BLOBS / 255).astype(form)
    elif form == "big-endian":
        x = (BLOBS / 255).astype(">f4")
    elif form == "strided":
        x = BLOBS.repeat(2, axis=0)[::2]
    elif form == "memory map":
        np.save(tmp_path / "x.npy", BLOBS)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    made = Batches(
        x,
        np.arange(40),
        None,
        rows=np.arange(39, -1, -1),
        stage=input_stage_for(x),
        augmentation=ALL,
        batch_size=7,
        seed=3,
        shuffle=True,
        kernels=compiled,
    )
    seen = {int(n): image.copy() for batch, targets, _ in made.epoch(2) for n, image in zip(targets, batch, strict=True)}
    wanted = augmented(ALL, BLOBS[::-1].copy(), np.arange(40), compiled)
    np.testing.assert_allclose(np.stack([seen[n] for n in range(40)]), wanted, atol=2e-6)


def small():
    return Sequential(Flatten(), Dense(8), Dense(4), Softmax()).compile((20, 14, 1), CrossEntropy(), Adam(0.01), seed=1)


def test_training_repeats_and_can_be_continued():
    y = np.arange(40) % 4
    first, second, halves, plain = (small() for _ in range(4))
    for model in (first, second):
        model.fit(BLOBS, y, epochs=2, augmentation=ALL)
    np.testing.assert_array_equal(first.parameters, second.parameters)
    for _ in range(2):
        halves.fit(BLOBS, y, augmentation=ALL)
    np.testing.assert_array_equal(first.parameters, halves.parameters)
    plain.fit(BLOBS, y, epochs=2)
    assert not np.array_equal(first.parameters, plain.parameters)


def test_other_samples_and_invalid_amounts_are_refused():
    table = Sequential(Dense(4), Softmax()).compile((3,), CrossEntropy())
    with pytest.raises(ShapeError, match="augmentation needs images"):
        table.fit(np.zeros((8, 3)), np.arange(8) % 4, augmentation=ALL)
    with pytest.raises(ConfigError, match="augmentation must be"):
        small().fit(BLOBS, np.arange(40) % 4, augmentation="elastic")
    for settings in ({"rotation": -1}, {"erasing": 1.1}, {"smoothness": 0.5}, {"thickness": float("nan")}):
        with pytest.raises(ConfigError):
            Augmentation(**settings)


def test_other_samples_are_refused_before_training_changes_anything():
    assert ALL.apply(BLOBS[:0]).shape == (0, 20, 14, 1)
    table = Sequential(Dense(4), Softmax()).compile((3,), CrossEntropy())
    with pytest.raises(ShapeError):
        table.fit(np.zeros((8, 3)), np.arange(8) % 4, augmentation=ALL)
    assert table.input_stage is None


def test_augmentations_by_name():
    assert parse_augmentation("none") is None
    assert parse_augmentation("affine") is AUGMENTATIONS["affine"]
    assert parse_augmentation("rotation=10,shift=2") == Augmentation(rotation=10, shift=2)
    assert parse_augmentation("affine,share=0.75,shift=1") == dataclasses.replace(AUGMENTATIONS["affine"], share=0.75, shift=1)
    for text, message in {
        "elastik": "did you mean 'elastic'",
        "rotate=3": "did you mean 'rotation'",
        "shift=far": "is not a number",
        "shift": "there is no augmentation 'shift'",
        "affin,share=0.75": "there is no augmentation 'affin': did you mean 'affine'",
        "affine,elastic": "elastic='' is not a number",
        "none,share=0.5": "none takes no settings",
        "": "there is no augmentation ''",
    }.items():
        with pytest.raises(ConfigError, match=message):
            parse_augmentation(text)
    for one in AUGMENTATIONS.values():
        assert dataclasses.asdict(one) != dataclasses.asdict(Augmentation())
