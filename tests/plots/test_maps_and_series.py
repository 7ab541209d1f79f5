"""Figures of class maps and of forecasts: the colors and the curves are those of the values."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from pellucid import DataError, ShapeError, plots
from pellucid.plots.class_maps import CLASS_COLORS, class_colors
from pellucid.plots.style import GREY

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 3, (2, 4, 6))
OUTPUTS = RANDOM.random((2, 4, 6, 3))
NAMES = ("ground", "disc", "block")


def shown(figure):
    return [np.asarray(ax.get_images()[0].get_array()) for ax in figure.axes]


def test_each_pixel_has_the_color_of_its_class():
    x = RANDOM.random((2, 8, 12, 1))
    figure = plots.maps({"truth": TRUTH, "prediction": OUTPUTS}, x, classes=NAMES, title="two")
    panels = shown(figure)
    assert len(panels) == 6
    colors = np.array([to_rgb(color) for color in CLASS_COLORS])
    np.testing.assert_allclose(panels[1], 1 - x[1, ..., 0])
    np.testing.assert_allclose(panels[2], colors[TRUTH[0]])
    np.testing.assert_allclose(panels[5], colors[OUTPUTS[1].argmax(axis=-1)])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(NAMES)
    assert [ax.get_ylabel() for ax in figure.axes[::2]] == ["input", "truth", "prediction"]
    equal = (OUTPUTS.argmax(axis=-1) == TRUTH).mean()
    assert f"Prediction and truth are equal in {equal:.1%}" in plots.alt(figure)
    assert f"disc in {(TRUTH == 1).mean():.0%}" in plots.alt(figure)


@pytest.mark.parametrize(("n", "lines"), [(8, 1), (2, 5), (1, 5)])
def test_the_legend_reads_from_left_to_right(n, lines):
    names = ("ground", *"12345678")
    figure = plots.maps({"truth": np.full((n, 4, 4), 8)}, classes=names)
    figure.draw_without_rendering()
    boxes = [(text, text.get_window_extent()) for text in figure.legends[0].get_texts()]
    middles = {text.get_text(): (-round((box.y0 + box.y1) / 20), box.x0) for text, box in boxes}
    assert sorted(names, key=middles.get) == list(names)
    assert len({line for line, _ in middles.values()}) == lines


def test_maps_and_pictures_may_be_lists():
    figure = plots.maps({"truth": [[[0, 1]]]}, [[[[0.0], [1.0]]]])
    np.testing.assert_allclose(shown(figure)[1], class_colors(2)[[[0, 1]]])
    assert plots.alt(figure).startswith("1 class map below")


def test_each_method_has_a_curve_of_errors():
    figure = plots.forecast_errors({f"method {i}": np.full((3, 1), i) for i in range(6)}, ["a"])
    assert [line.get_ydata()[0] for line in figure.axes[0].lines] == list(range(6))
    with pytest.raises(ShapeError, match=r"a column for each target; got \{'model': \(3, 2\)\}"):
        plots.forecast_errors({"model": np.zeros((3, 2))}, ["a"])


def test_a_single_output_is_a_map_of_two_classes_and_negative_numbers_have_no_label():
    p = np.array([[0.2, 0.5], [0.9, 0.49]])[None, ..., None]
    y = np.array([[[0, 1], [-1, -100]]])
    figure = plots.maps({"truth": y, "prediction": p})
    colors = class_colors(2)
    np.testing.assert_allclose(shown(figure)[0], colors[[[0, 1], [2, 2]]])
    np.testing.assert_allclose(shown(figure)[1], colors[[[0, 1], [1, 0]]])
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"class 0", "class 1", "no label"}
    assert "equal in 100.0% of them" in plots.alt(figure), "only pixels with a label count"
    assert len({tuple(color) for color in class_colors(30)}) == 31


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plots.maps([TRUTH]), DataError, "maps is a dictionary by name"),
        (lambda: plots.maps({"a": TRUTH, "b": TRUTH[:1]}), ShapeError, "all of one shape"),
        (lambda: plots.maps({"a": TRUTH[0]}), ShapeError, r"a: a class map is \(n, h, w\)"),
        (lambda: plots.maps({"a": TRUTH + 0.5}), DataError, "holds whole numbers"),
        (lambda: plots.maps({"a": TRUTH}, TRUTH[..., None][:1]), ShapeError, "x must be 2 images"),
        (lambda: plots.maps({"a": TRUTH}, classes=NAMES[:2]), DataError, "classes 0 … 2, but there are names for 2"),
        (lambda: plots.series(np.zeros((2, 3)), np.zeros((2, 4))), ShapeError, "with equal shapes"),
        (lambda: plots.series(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((1, 3))), ShapeError, "before must be"),
        (lambda: plots.series(np.zeros((2, 3)), np.zeros((2, 3)), names="ab"), ShapeError, "1 channels and 2 names"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_forecasts_are_drawn_after_the_values_that_were_seen():
    y, guess, before = RANDOM.random((2, 5, 3)), RANDOM.random((2, 5, 3)), RANDOM.random((2, 4, 3))
    figure = plots.series(y, guess, before, names="abc", title="three")
    assert len(figure.axes) == 6
    past, _, true, predicted = figure.axes[4].get_lines()  # the second sample, channel b
    np.testing.assert_array_equal(past.get_xydata(), np.stack([[-3, -2, -1, 0], before[1, :, 1]], axis=1))
    np.testing.assert_array_equal(true.get_xydata(), np.stack([np.arange(1, 6), y[1, :, 1]], axis=1))
    np.testing.assert_array_equal(predicted.get_ydata(), guess[1, :, 1])
    assert (past.get_color(), true.get_marker(), predicted.get_linestyle()) == (GREY, "o", "--")
    y[:, 0] = np.nan
    text = plots.alt(plots.series(y, guess))
    assert "at the first step nan" in text
    assert f"mean absolute error {np.nanmean(np.abs(y - guess)):.3g}," in text


def test_predictions_of_several_values_for_each_sample():
    y = np.arange(12.0).reshape(2, 3, 2)
    assert "of 12 values, from 0 to 11; mean absolute error 0.5" in plots.alt(plots.predictions(y, y + 0.5))
    assert "of 2 samples" in plots.alt(plots.predictions(y[:, 0, 0], y[:, :1, 0]))
