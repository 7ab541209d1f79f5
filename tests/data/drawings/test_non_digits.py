"""Random drawings that are not digits."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import ConfigError
from pellucid.data import digit
from pellucid.data.drawings import non_digits
from pellucid.data.drawings.non_digits import KINDS, non_digit, non_digit_images, varied_non_digits


@pytest.mark.parametrize("kind", KINDS)
def test_non_digits_are_all_different_and_reproducible(kind):
    images = [digit(non_digit(kind, number)) for number in range(6)]
    assert len({image.tobytes() for image in images}) == 6
    assert all(10 < image.astype(float).mean() < 130 for image in images)
    drawing, same = non_digit(kind, 3), non_digit(kind, 3)
    for stroke, same_stroke in zip(drawing, same, strict=True):
        np.testing.assert_array_equal(stroke, same_stroke)
    assert digit(non_digit(kind, 3, "test")).tobytes() != images[3].tobytes()


def test_figures_are_outlines_with_parts_which_begin_on_the_outline_in_half_of_them():
    attached = 0
    for number in range(40):
        outline, *parts = non_digit("figure", number)
        assert len(parts) >= 2
        attached += max(np.abs(outline - part[0]).sum(axis=1).min() for part in parts) < 1e-9
    assert 10 <= attached <= 30


def test_changed_drawings_are_others_than_the_unchanged_ones(monkeypatch):
    monkeypatch.setattr(non_digits, "pen_width", lambda random: 1.0)
    images = varied_non_digits("train", KINDS, 12)
    assert (images.y == 10).all()
    np.testing.assert_array_equal(varied_non_digits("train", KINDS, 3).x, images.x[:3])
    assert not (images.x[:3] == non_digit_images("train", KINDS, 3).x).all(axis=(1, 2, 3)).any()


def test_unknown_kinds_are_refused():
    with pytest.raises(ConfigError, match="there is no kind of drawing 'scrible': did you mean 'scribble'"):
        non_digit("scrible", 0)
