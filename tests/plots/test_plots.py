"""Figures: the drawn elements, labels, alternative texts and files."""

from __future__ import annotations

import base64
import dataclasses
import functools
import html
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pellucid import (
    Add,
    Conv2D,
    CrossEntropy,
    DataError,
    Dense,
    FileError,
    Flatten,
    Graph,
    History,
    MaxPool2D,
    Node,
    PellucidError,
    RateSearch,
    ReLU,
    Sequential,
    ShapeError,
    Softmax,
    plots,
)
from pellucid.data import Dataset
from pellucid.doctor.labels import LabelSearch
from pellucid.explain import Importance, PartialDependence
from pellucid.explain.intervals import calibrate
from pellucid.metrics import Reliability, reliability, threshold_curve
from pellucid.report.adaptive import adaptive
from pellucid.report.contents import svg


def some_history():
    rows = [
        {"epoch": k, "train_loss": 1 / k, "train_accuracy": 1 - 0.5 / k, "validation_loss": loss, "validation_accuracy": 0.6}
        for k, loss in enumerate([0.9, 0.5, 0.7], start=1)
    ]
    return History(rows)


@pytest.fixture
def history():
    return some_history()


TABLE = np.array([[5, 0, 1], [2, 7, 0], [0, 0, 10]])


def curves(ax):
    """Return label -> (line style, marker, x, y) of the curves."""
    return {
        line.get_label(): (line.get_linestyle(), line.get_marker(), list(line.get_xdata()), list(line.get_ydata()))
        for line in ax.get_lines()
    }


def test_learning_curves(history):
    figure = plots.learning_curves(history, "a run")
    assert isinstance(figure, Figure)
    loss, accuracy = figure.axes
    assert [ax.get_xlabel() for ax in figure.axes] == ["Epoch", "Epoch"]
    assert [ax.get_ylabel() for ax in figure.axes] == ["Loss (nats)", "Accuracy (%)"]
    assert figure.get_suptitle() == "a run"
    drawn = curves(loss)
    assert drawn["Training"] == ("-", "o", [1, 2, 3], history["train_loss"])
    assert drawn["Validation"] == ("--", "s", [1, 2, 3], history["validation_loss"])
    assert drawn["Best epoch: 2"][2] == [2, 2], "the lowest validation loss"
    assert curves(accuracy)["Training"][3] == pytest.approx([50, 75, 100 * (1 - 0.5 / 3)])
    assert {text.get_text() for text in loss.get_legend().get_texts()} == set(drawn)
    history.best_epoch = 3
    assert "Best epoch: 3" in curves(plots.learning_curves(history).axes[0]), "the epoch that early stopping restored"


def test_learning_curves_of_a_history_without_accuracy():
    (ax,) = plots.learning_curves(History([{"epoch": 1, "train_loss": 0.5}])).axes
    assert set(curves(ax)) == {"Training"}
    with pytest.raises(DataError, match="has no epochs"):
        plots.learning_curves(History())


def test_confusion_matrix():
    figure = plots.confusion_matrix(TABLE, ("cat", "dog", "owl"))
    assert isinstance(figure, Figure)
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Predicted class", "True class")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["cat", "dog", "owl"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["cat", "dog", "owl"]
    cells = {tuple(map(int, text.get_position()[::-1])): text.get_text() for text in ax.texts}
    assert cells == {(i, j): str(TABLE[i, j]) for i, j in zip(*TABLE.nonzero(), strict=True)}, "row true, column predicted"
    assert ax.get_title() == "3 of 25 wrong"
    shades = ax.get_images()[0].get_array()
    np.testing.assert_allclose(shades**2, TABLE / TABLE.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("table", [np.zeros((2, 3)), np.zeros(4), np.zeros((0, 0)), np.zeros((2, 2, 2))])
def test_a_confusion_matrix_is_square(table):
    with pytest.raises(ShapeError, match=r"square \(k, k\), got"):
        plots.confusion_matrix(table)


def test_a_class_that_never_occurs_has_no_shade():
    with np.errstate(all="raise"):
        figure = plots.confusion_matrix([[0, 0], [1, 2]])
    assert figure.axes[0].get_images()[0].get_array()[0].tolist() == [0, 0]


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml")])
def test_figures_are_saved_as_png_and_svg(history, tmp_path, ending, start):
    for name, figure in (("curves", plots.learning_curves(history)), ("matrix", plots.confusion_matrix(TABLE))):
        path = tmp_path / f"{name}.{ending}"
        plots.save(figure, path)
        assert path.read_bytes().startswith(start)
    if ending == "svg":
        assert "Predicted class" in path.read_text(), "text stays text"


def test_figures_that_cannot_be_saved(history, tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*/nowhere/figure.png: No such file"):
        plots.save(plots.learning_curves(history), tmp_path / "nowhere" / "figure.png")
    with pytest.raises(FileError, match=r"figure\.docx"):
        plots.save(plots.learning_curves(history), tmp_path / "figure.docx")
    assert not list(tmp_path.iterdir())


# -- every figure ------------------------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 10, 10, 1), np.uint8)
LABELS = np.arange(40) % 3
GRAPH = Graph(Node("a", Dense(2), "input"), Node("b", Dense(2), "a"), Node("sum", Add(), "a", "b"))
RATES = RateSearch(np.array([0.01, 0.1, 1.0]), np.array([2.0, 1.0, 3.0]), np.array([2.0, 1.1, 2.9]), 0.1, diverged=True)
STATE = {"a 3": ([(np.array([1.0, 0.0]), np.array([[1.0, -1.0], [0.5, 2.0]]))], np.array([0.2, 0.8]))}
SQUARE = (-1.0, 1.0, -1.0, 1.0)


IMPORTANCE = Importance(("noise", "area"), np.array([[-0.1, 0.1], [0.5, 0.7]]), 0.9, "r2")
AREA = PartialDependence(
    "area",
    np.array([10.0, 20.0, 30.0]),
    np.array([[[0], [1], [2]], [[2], [3], [4.0]]]),
    ("prediction",),
    np.array([10.0, 30.0]),
)
CITY = PartialDependence("city", ("Graz", "Linz"), np.array([[[0], [1]], [[2], [3.0]]]), ("prediction",), ("Graz", "Linz"))
CURVE = threshold_curve(np.array([0.9, 0.7, 0.6, 0.1]), np.array([1, 0, 1, 0]))


@functools.cache
def model():
    network = Sequential(Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(3), Softmax())
    return network.compile(input_shape=(10, 10, 1), loss=CrossEntropy(), classes=("cat", "dog", "owl"))


def pets():
    return Dataset(IMAGES, LABELS, name="pets")


def searched(n):
    """Return a search in the first n labels of pets, of which each is contradicted."""
    labels, half = LABELS[:n], np.full(n, 0.5)
    return LabelSearch(labels, (labels + 1) % 3, 0.25 * half, half, np.arange(n), n, 0.5, ("cat", "dog", "owl"))


# One row for each figure: what makes it, and words of its alternative text.
FIGURES = {
    "accuracies": (lambda: plots.accuracies({"a": 0.5, "b": 0.75}, {"a": (0.4, 0.6), "b": (0.6, 0.9)}), "The best is b."),
    "activation_histograms": (lambda: plots.activation_histograms(model(), IMAGES), "over 40 samples"),
    "attributions": (lambda: plots.attributions({"in": [np.eye(3)], "map": [-np.eye(3)]}, ["0"], ["map"]), "below, in map"),
    "confusion_matrix": (lambda: plots.confusion_matrix(TABLE), "3 of 25 wrong, most often 1 predicted as 0 (2)"),
    "decision_regions": (
        lambda: plots.decision_regions({"x": np.eye(4)}, [[0, 0], [0.5, 0]], [0, 1], SQUARE),
        "2 points of two classes",
    ),
    "forecast_errors": (
        lambda: plots.forecast_errors({"model": np.eye(3)[:, :2], "naive": np.ones((3, 2))}, ["a", "b"]),
        "a: model 1 to 0, naive 1 to 1; b: model 0 to 0",
    ),
    "histograms": (
        lambda: plots.histograms({"net": {"relu1": {"before": plots.histogram(np.arange(9.0), 0, 8)}}}, "output"),
        "columns are relu1",
    ),
    "disagreements": (
        lambda: plots.disagreements(IMAGES[:2], LABELS[:2], {"a": LABELS[:2], "b": 1 - LABELS[:2]}),
        "b is wrong on 2",
    ),
    "feature_maps": (lambda: plots.feature_maps(model(), IMAGES[0]), "conv2d1 (4 maps"),
    "graph_diagram": (lambda: plots.graph_diagram(GRAPH), "sum reads a and b"),
    "learning_curves": (lambda: plots.learning_curves(some_history()), "Validation loss from 0.9 to 0.7. "),
    "learning_rate_finder": (lambda: plots.learning_rate_finder(RATES), "The suggestion, at the steepest descent, is 0.1."),
    "loss_surface": (lambda: plots.loss_surface(np.eye(3), SQUARE, {"path": [[(0, 0), (1, 1)]]}), "path (1)"),
    "maps": (lambda: plots.maps({"truth": LABELS[:4].reshape(1, 2, 2)}), "class 0 in 50%"),
    "mistakes": (lambda: plots.mistakes(model(), pets(), 4), "4 misclassified images of pets"),
    "network_diagram": (lambda: plots.network_diagram({"net": (Dense(3), (2,))}), "Diagram of net: input 2 and Dense 3."),
    "network_state": (lambda: plots.network_state(STATE, "01"), "a 3: 1 with 80 %"),
    "over_seeds": (lambda: plots.over_seeds({"loss": {"SGD": [[3, 1], [5, 3]]}}, [1, 2], "epoch"), "SGD 4 to 2"),
    "images": (lambda: plots.images([IMAGES[:2] / 255], ["first"], "two"), "two: 2 images in each"),
    "importance": (lambda: plots.importance(IMPORTANCE), "Not clearly above 0: noise."),
    "partial_dependence": (
        lambda: plots.partial_dependence([AREA, CITY]),
        "area: mean from 1 at 10 to 3 at 30; city: Graz 1 and Linz 2",
    ),
    "reliability_diagram": (
        lambda: plots.reliability_diagram(reliability([0.2, 0.3, 0.9], [0, 1, 1]), "yes"),
        "0.20: 0.00 (1), 0.30: 1.00 (1) and 0.90: 1.00 (1)",
    ),
    "residuals": (
        lambda: plots.residuals([0, 1, 5], [0, 0, 1], calibrate(np.zeros(9), np.full(9, 2.0))),
        "66.7 % are in the 90 % intervals of ± 2",
    ),
    "threshold_curves": (
        lambda: plots.threshold_curves({"yes": CURVE}, {"recall 100 %": CURVE.for_recall(1)}),
        "Marked: recall 100 %: threshold 0.6, precision 0.667, recall 1.000.",
    ),
    "predictions": (lambda: plots.predictions([1, 2], [1.5, 2]), "mean absolute error 0.25"),
    "representation": (lambda: plots.representation({"input": np.eye(2)}, [0, 1], "ab"), "colored by class (a and b)"),
    "series": (lambda: plots.series([[1, 2]], [[1, 1.5]]), "mean absolute error 0.25, at the first step 0, at the last 0.5"),
    "suspect_labels": (lambda: plots.suspect_labels(searched(len(LABELS)), pets(), 2), "2 images of pets with labels"),
    "sweep": (lambda: plots.sweep({"lr": [0.1, 1]}, {(0.1,): 0.5, (1,): 0.9}), "50.00 to 90.00 %, the best at lr = 1"),
    "weights": (lambda: plots.weights(model()), "4 of the 4 units of conv2d1"),
}
HELPERS = {"alt", "histogram", "principal_plane", "save"}
EMPTY = {  # one call for each figure that can have nothing to draw
    "accuracies": lambda: plots.accuracies({}, {}),
    "activation_histograms": lambda: plots.activation_histograms(model(), IMAGES[:0]),
    "attributions": lambda: plots.attributions({}),
    "confusion_matrix": lambda: plots.confusion_matrix(np.zeros((0, 0))),
    "decision_regions": lambda: plots.decision_regions({}, [], [], SQUARE),
    "forecast_errors": lambda: plots.forecast_errors({}, []),
    "histograms": lambda: plots.histograms({}, "x"),
    "disagreements": lambda: plots.disagreements(IMAGES[:0], LABELS[:0], {}),
    "feature_maps": lambda: plots.feature_maps(model(), IMAGES[0], layers=[]),
    "learning_curves": lambda: plots.learning_curves(History()),
    "loss_surface": lambda: plots.loss_surface(np.eye(3), SQUARE, {}),
    "maps": lambda: plots.maps({}),
    "mistakes": lambda: plots.mistakes(model(), Dataset(IMAGES[:4], model().predict(IMAGES[:4]).argmax(axis=1))),
    "network_diagram": lambda: plots.network_diagram({}),
    "network_state": lambda: plots.network_state({}, ()),
    "over_seeds": lambda: plots.over_seeds({}, [], "epoch"),
    "images": lambda: plots.images([], []),
    "importance": lambda: plots.importance(Importance((), np.zeros((0, 3)), 0.0, "r2")),
    "partial_dependence": lambda: plots.partial_dependence([]),
    "reliability_diagram": lambda: plots.reliability_diagram(Reliability(10, *np.zeros((3, 0)), np.zeros((0, 2)))),
    "residuals": lambda: plots.residuals([], []),
    "threshold_curves": lambda: plots.threshold_curves({}),
    "predictions": lambda: plots.predictions([], []),
    "representation": lambda: plots.representation({}, [], ()),
    "series": lambda: plots.series(np.zeros((0, 3)), np.zeros((0, 3))),
    "suspect_labels": lambda: plots.suspect_labels(searched(0), Dataset(IMAGES[:0], LABELS[:0])),
    "sweep": lambda: plots.sweep({"lr": []}, {}),
    "weights": lambda: plots.weights(model(), count=0),
}


def test_every_figure_has_its_rows():
    figures = set(plots.__all__) - HELPERS
    assert set(FIGURES) == figures, "a figure without a row is not tested"
    assert figures - set(EMPTY) == {"graph_diagram", "learning_rate_finder"}, "only these can always be drawn"


def test_the_documentation_lists_all_figures():
    page = (Path(__file__).parents[2] / "docs/figures.md").read_text(encoding="utf-8")
    assert not [name for name in plots.__all__ if f"`{name}(" not in page and f"plots.{name}(" not in page]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_an_alternative_text(name, tmp_path):
    made, words = FIGURES[name][0](), FIGURES[name][1]
    assert isinstance(made, Figure)
    text = plots.alt(made)
    assert words in text
    assert text.endswith(".")
    assert made.get_figwidth() <= 14
    plots.save(made, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.info["Description"] == text


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_figure_is_an_error(name):
    with pytest.raises(PellucidError):
        EMPTY[name]()


def test_an_svg_file_has_an_alternative_text(tmp_path):
    made = plots.confusion_matrix(TABLE, ('"a" & <b>', "c", "d"))
    plots.save(made, tmp_path / "figure.svg")
    root = ElementTree.parse(tmp_path / "figure.svg").getroot()
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == plots.alt(made)
    assert '"a" & <b>' in plots.alt(made)
    made.set_label("another text")
    plots.save(made, tmp_path / "figure.svg")
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().attrib["aria-label"] == "another text"


def test_a_figure_without_alternative_text_can_be_saved(tmp_path):
    plain = Figure()
    plots.save(plain, tmp_path / "plain.svg")
    plots.save(plain, tmp_path / "plain.pdf")
    assert plots.alt(plain) == ""
    assert "aria-label" not in (tmp_path / "plain.svg").read_text()


def test_a_notebook_shows_a_figure_with_its_alternative_text():
    made = plots.confusion_matrix(TABLE, ('"a" & <b>', "c", "d"))
    page = made._repr_html_()
    assert f'alt="{html.escape(plots.alt(made))}"' in page
    with Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', page)[1]))) as image:
        assert image.width == pytest.approx(160 * made.get_figwidth(), abs=1)


def test_ticks_are_at_the_values():
    few = plots.over_seeds({"loss": {"SGD": [[3, 1, 2]]}}, [1, 32, 1000], "batch size", log_x=True).axes[0]
    assert [tick.get_text() for tick in few.get_xticklabels()] == ["1", "32", "1,000"]
    whole = plots.over_seeds({"loss": {"SGD": [[3, 1, 2]], "Adam": [[1, 2, 3]]}}, [1, 2, 3], "epoch").axes[0]
    assert all(float(tick).is_integer() for tick in whole.get_xticks())
    assert few.get_legend() is None, "one curve needs no legend"
    assert [text.get_text() for text in whole.get_legend().get_texts()] == ["SGD", "Adam"]
    many = plots.over_seeds({"loss": {str(i): [[i, i]] for i in range(8)}}, [1, 2], "epoch").axes[0]
    assert len({(line.get_color(), line.get_marker()) for line in many.get_lines()}) == 8


@pytest.mark.parametrize("name", ["$25,000-$50,000", "a_$x_$", r"\$1 of $2 \frac$", "_hidden", "$_$"])
def test_names_of_users_are_drawn_as_they_are(name):
    """Two dollar signs begin a formula in Matplotlib, and an underscore a name that legends leave out."""
    column = dataclasses.replace(CITY, column=name, values=(name, "Linz"), observed=(name, "Linz"), outputs=(name,))
    classes = dataclasses.replace(AREA, curves=np.ones((2, 3, 3)), outputs=("a", name, "c"))
    other = Importance((name, "area"), np.ones((2, 2)), 0.9, "r2")
    made = {
        "confusion": (plots.confusion_matrix(TABLE, ("cat", name, "owl"), name), 3),
        "importance": (plots.importance(other, title=name), 2),
        "dependence": (plots.partial_dependence([column]), 3),
        "classes": (plots.partial_dependence([classes], name), 2),
        "thresholds": (plots.threshold_curves({name: CURVE, "b": CURVE}), 2),
        "calibration": (plots.reliability_diagram(reliability([0.2, 0.3, 0.9], [0, 1, 1]), name), 1),
        "seeds": (plots.over_seeds({name: {name: [[3, 1]], "b": [[1, 2]]}}, [1, 2], name, marks={f"{name}?": 1}), 4),
        "forecasts": (plots.forecast_errors({name: np.eye(3)[:, :2], "b": np.ones((3, 2))}, [name, "b"]), 2),
        "maps": (plots.maps({name: np.array([[[0, 1]]])}, classes=[name, "b"]), 2),
        "sweep": (plots.sweep({name: [name, "b"]}, {(name,): 0.5, ("b",): 0.9}, title=name), 3),
        "accuracies": (plots.accuracies({name: 0.5, "b": 0.75}, {name: (0.4, 0.6), "b": (0.6, 0.9)}), 1),
        "representation": (plots.representation({name: np.eye(2)}, [0, 1], [name, "b"]), 2),
    }
    for what, (figure, times) in made.items():
        drawn = svg(figure, what)
        texts = [html.unescape(text) for text in re.findall("<text[^>]*>([^<]*)</text>", drawn)]
        assert sum(name in text for text in texts) == times, (what, texts)
        assert "<tspan" not in drawn, "formulas are made of such parts"


def test_powers_of_ten_stay_formulas():
    drawn = svg(plots.over_seeds({"loss": {"a": [[1, 1e5]]}}, [1, 2], "$ and $", log=["loss"]), "log")
    assert "<tspan" in drawn, "the exponent is above"
    assert "$ and $" in drawn


def rgb(color):
    return f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"


CELLS = """() => [...document.querySelectorAll('[id^="cell-"] text')].map(text => getComputedStyle(text).fill)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_on_the_cells_of_a_confusion_matrix_keep_their_colours(browser, scheme):
    """The cells are an image, which does not follow the scheme of the reader; the labels beside them do."""
    page = browser.new_page(color_scheme=scheme)
    page.set_content(adaptive(svg(plots.confusion_matrix(TABLE), "confusion")))
    assert page.evaluate("document.querySelectorAll('svg image').length") == 1
    white, black = "rgb(255, 255, 255)", "rgb(0, 0, 0)"
    assert page.evaluate(CELLS) == [white, black, black, white, white]  # of 5, 1, 2, 7 and 10
    page.set_content(adaptive(svg(plots.sweep({"a": [1], "b": [1, 2, 3]}, {(1, 1): 0.1, (1, 2): 0.9}), "sweep")))
    assert page.evaluate(CELLS) == [black, white], "the text of the missing one is on the ground of the page"
    page.set_content(adaptive(svg(plots.maps({"truth": np.array([[[0, 1]]])}), "maps")))
    colors = page.evaluate("""[...document.querySelectorAll('[id^="cell-"] path')].map(path => getComputedStyle(path).fill)""")
    assert colors == [rgb(color) for color in plots.class_maps.CLASS_COLORS[:2]], "the legend has the colors of the maps"
    page.set_content(adaptive(svg(plots.confusion_matrix(TABLE), "confusion")))
    label = page.evaluate("getComputedStyle(document.querySelector('[id^=\"matplotlib.axis\"] text')).fill")
    assert label == (black if scheme == "light" else "rgb(232, 236, 240)")
    page.close()


# -- figures of tables -------------------------------------------------------------------------------------------------


def test_the_importance_of_columns_is_in_its_order():
    (ax,) = plots.importance(IMPORTANCE).axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["area", "noise"]
    means = {line.get_marker(): line.get_xdata()[0] for line in ax.get_lines() if len(line.get_xdata()) == 1}
    assert means == {"o": pytest.approx(0.6), "x": pytest.approx(0)}, "a cross is not clearly above 0"
    assert ax.get_xlabel() == "Loss of R² when the column is shuffled"
    loss = Importance(("a",), np.ones((1, 2)), 0.9, "log_loss")
    assert plots.importance(loss).axes[0].get_xlabel() == "Rise of the log loss (nats) when the column is shuffled"
    many = Importance(tuple(map(str, range(20))), np.ones((20, 2)), 0.9, "r2")
    assert len(plots.importance(many, count=3).axes[0].get_yticks()) == 3


def test_partial_dependence_has_the_curves_of_rows_and_their_mean():
    figure = plots.partial_dependence([AREA, CITY])
    numbers, categories = figure.axes[:2]
    lines = curves(numbers)
    assert lines["Mean over the rows"][2:] == ([10, 20, 30], [1, 2, 3])
    assert lines["Values in the rows"][2] == [10, 30]
    assert sum(len(line.get_xdata()) == 3 for line in numbers.get_lines()) == 3, "two rows and the mean"
    assert [tick.get_text() for tick in categories.get_xticklabels()] == ["Graz", "Linz"]
    assert numbers.get_ylim() == categories.get_ylim(), "the same scale"
    assert numbers.get_ylabel() == "Predicted value"
    one = PartialDependence("a", np.array([1.0, 2.0]), np.ones((3, 2, 2)) / 2, ("no", "yes"), np.array([1.0, 1, 2]))
    assert {"no", "yes"} <= set(curves(plots.partial_dependence([one]).axes[0]))


@pytest.mark.parametrize("outputs", [("prediction",), ("low", "mid", "high")])
def test_missing_numbers_are_drawn_beside_their_curves(outputs):
    k = len(outputs)
    found = PartialDependence(
        "area", np.array([10.0, 20.0, 30.0]), np.ones((2, 3, k)), outputs, np.array([10.0, np.nan]), False, np.full((2, k), 3.0)
    )
    figure = plots.partial_dependence([found])
    (ax,) = figure.axes
    assert [tick.get_text() for tick in ax.get_xticklabels(minor=True)] == ["(missing)"]
    assert max(ax.get_xticks()) <= 30
    beside = [line for line in ax.get_lines() if min(line.get_xdata()) > 30 and 3.0 in line.get_ydata()]
    assert len(beside) == (2 if k == 1 else 3), "dots of rows and a bar, or a marker for each class"
    assert "and 3 if missing" in plots.alt(figure)


def test_partial_dependence_on_days_has_dates_on_its_axis():
    days = np.linspace(17_167, 18_993, 5)  # from the first day of 2017 to that of 2022
    figure = plots.partial_dependence(
        [dataclasses.replace(AREA, values=days, curves=np.ones((2, 5, 1)), observed=days, days=True)]
    )
    figure.draw_without_rendering()
    assert {"2018", "2019", "2020", "2021"} <= {tick.get_text() for tick in figure.axes[0].get_xticklabels()}
    assert "at 2017-01-01 to 1 at 2022-01-01" in plots.alt(figure)


def test_a_threshold_is_marked_where_it_is():
    roc, trade = plots.threshold_curves({"yes": CURVE}, {"recall 100 %": CURVE.for_recall(1)}).axes
    (mark,) = [line for line in trade.get_lines() if line.get_label() == "recall 100 %"]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (1, pytest.approx(2 / 3))
    (mark,) = [line for line in roc.get_lines() if line.get_marker() == "s"]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (0.5, 1)
    assert "yes: area 0.750" in curves(roc)


def test_residuals_outside_of_their_interval_are_crosses():
    (ax, _) = plots.residuals([0, 1, 5], [0, 0, 1], calibrate(np.zeros(9), np.full(9, 2.0))).axes
    assert curves(ax)["Outside: 33.3 %"][1:] == ("x", [1], [4])
