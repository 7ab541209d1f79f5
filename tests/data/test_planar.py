"""Data sets in the plane: their geometry, by its formulas, and their reproducibility."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data.planar import FEATURES, PLANAR, SURFACES, blobs, circles, features, moons, spirals, with_features, xor
from pellucid.errors import ConfigError, DataError


@pytest.mark.parametrize("make", PLANAR.values(), ids=PLANAR)
def test_every_set(make):
    data = make(201, 0.3, 5)
    assert data.x.shape == (201, 2)
    assert data.x.dtype == np.float32
    assert data.y.dtype == np.int64
    assert data.classes == tuple("012"[: data.y.max() + 1])
    assert np.ptp(np.bincount(data.y)) <= 1
    assert data.x.tobytes() == make(201, 0.3, 5).x.tobytes()
    assert data.x.tobytes() != make(201, 0.3, 6).x.tobytes()
    assert np.abs(data.x.mean(axis=0)).max() < 0.15
    assert np.abs(make(200, 0.0, 5).x).max() <= 2.0 + 1e-6


@pytest.mark.parametrize("make", PLANAR.values(), ids=PLANAR)
def test_noise_scales_a_fixed_gaussian_displacement(make):
    exact, little, much = (make(4000, noise, 1).x for noise in (0.0, 0.1, 0.4))
    np.testing.assert_allclose(much - exact, 4 * (little - exact), atol=1e-5)
    assert (little - exact).std() == pytest.approx(0.1, rel=0.03)
    assert np.abs((little - exact).mean(axis=0)).max() < 0.01


def test_moons_are_half_circles():
    data = moons(400, 0.0, 2)
    upper, lower = (data.x[data.y == label] / 1.3 for label in (0, 1))
    np.testing.assert_allclose(np.hypot(*(upper + np.array([0.5, 0.25])).T), 1, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*(lower - np.array([0.5, 0.25])).T), 1, atol=1e-6)
    assert (upper[:, 1] >= -0.25 - 1e-6).all()
    assert (lower[:, 1] <= 0.25 + 1e-6).all()


def test_circles_have_two_radii():
    data = circles(100, 0.0, 3)
    np.testing.assert_allclose(np.hypot(*data.x.T), np.where(data.y == 0, 2, 1), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_spirals_wind_once(classes):
    data = spirals(240, 0.0, 4, classes)
    radius, angle = np.hypot(*data.x.T), np.arctan2(*data.x.T[::-1])
    np.testing.assert_allclose(np.cos(angle - np.pi * radius - 2 * np.pi * data.y / classes), 1, atol=1e-4)
    assert radius.max() > 1.9
    assert len(np.unique(data.y)) == classes


def test_blobs_surround_their_centres():
    data = blobs(3000, 0.3, 6, 3)
    angle = np.deg2rad([90, 210, 330])
    for label in range(3):
        cloud = data.x[data.y == label]
        np.testing.assert_allclose(cloud.mean(axis=0), 1.5 * np.array([np.cos(angle[label]), np.sin(angle[label])]), atol=0.04)
        np.testing.assert_allclose(cloud.std(axis=0), 0.3, rtol=0.07)


def test_xor_is_the_product_of_the_signs():
    data = xor(400, 0.0, 7)
    np.testing.assert_array_equal(data.y, data.x[:, 0] * data.x[:, 1] < 0)
    assert np.abs(data.x).min() >= 0.2 - 1e-6
    quarters = 2 * (data.x[:, 0] > 0) + (data.x[:, 1] > 0)
    assert np.bincount(quarters).tolist() == [100] * 4


@pytest.mark.parametrize(
    ("name", "height"),
    [
        ("plane", lambda x1, x2: (x1 + x2) / 4),
        ("saddle", lambda x1, x2: x1 * x2 / 4),
        ("ripples", lambda x1, x2: np.cos(np.pi * np.sqrt(x1**2 + x2**2))),
    ],
    ids=SURFACES,
)
def test_surfaces_have_noisy_heights(name, height):
    make = SURFACES[name]
    exact, little, much = (make(4000, noise, 1) for noise in (0.0, 0.1, 0.4))
    assert (exact.x.dtype, exact.y.dtype, exact.y.shape, exact.classes, exact.name) == (
        np.float32,
        np.float32,
        (4000,),
        None,
        name,
    )
    assert exact.x.tobytes() == much.x.tobytes()
    assert 1.99 < np.abs(exact.x).max() <= 2
    np.testing.assert_allclose(exact.y, height(*exact.x.T), atol=1e-5)
    np.testing.assert_allclose(much.y - exact.y, 4 * (little.y - exact.y), atol=1e-5)
    assert (little.y - exact.y).std() == pytest.approx(0.1, rel=0.05)
    assert make(50, 0.1, 5).y.tobytes() == make(50, 0.1, 5).y.tobytes()
    assert make(50, 0.1, 5).x.tobytes() != make(50, 0.1, 6).x.tobytes()


def test_features_are_functions_of_the_coordinates():
    x = np.array([[0.5, -2], [3, 0.25]], np.float32)
    (a, b), computed = x.T, features(x, FEATURES)
    assert computed.dtype == np.float32
    np.testing.assert_allclose(computed, np.stack([a, b, a**2, b**2, a * b, np.sin(a), np.sin(b)], axis=1), rtol=1e-6)
    data = with_features(moons(40), "x2^2", "x1")
    np.testing.assert_array_equal(data.x, features(moons(40).x, ["x2^2", "x1"]))
    np.testing.assert_array_equal(data.y, moons(40).y)
    assert (data.classes, data.name) == (("0", "1"), "moons")


def test_impossible_arguments_are_refused():
    with pytest.raises(DataError, match="did you mean 'x1'"):
        with_features(moons(), "x11")
    with pytest.raises(DataError, match="at least one of x1, x2"):
        with_features(moons())
    with pytest.raises(ConfigError, match="n must be at least 1"):
        SURFACES["plane"](0)
    with pytest.raises(ConfigError, match="n must be at least 1"):
        moons(0)
    with pytest.raises(ConfigError, match="noise must be at least 0"):
        circles(noise=-1)
    with pytest.raises(DataError, match="at least one point for each"):
        blobs(2, classes=3)
    with pytest.raises(DataError, match="at least two classes"):
        spirals(classes=1)
