"""Figures: what is drawn, how it is labelled, and that it can be saved."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from pellucid import DataError, FileError, History, ShapeError, plots


@pytest.fixture
def history():
    rows = [
        {"epoch": k, "train_loss": 1 / k, "train_accuracy": 1 - 0.5 / k, "validation_loss": loss, "validation_accuracy": 0.6}
        for k, loss in enumerate([0.9, 0.5, 0.7], start=1)
    ]
    return History(rows)


TABLE = np.array([[5, 0, 1], [2, 7, 0], [0, 0, 10]])


def curves(ax):
    """Label -> (line style, marker, x, y) of the curves in the legend's sense."""
    return {
        line.get_label(): (line.get_linestyle(), line.get_marker(), list(line.get_xdata()), list(line.get_ydata()))
        for line in ax.get_lines()
    }


def test_learning_curves(history):
    figure = plots.learning_curves(history, "a run")
    assert isinstance(figure, Figure)
    loss, accuracy = figure.axes
    assert [ax.get_xlabel() for ax in figure.axes] == ["epoch", "epoch"]
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss (nats)", "accuracy (%)"]
    assert figure.get_suptitle() == "a run"
    drawn = curves(loss)
    assert drawn["training"] == ("-", "o", [1, 2, 3], history["train_loss"])
    assert drawn["validation"] == ("--", "s", [1, 2, 3], history["validation_loss"])
    assert drawn["best epoch: 2"][2] == [2, 2], "the lowest validation loss"
    assert curves(accuracy)["training"][3] == pytest.approx([50, 75, 100 * (1 - 0.5 / 3)])
    assert {text.get_text() for text in loss.get_legend().get_texts()} == set(drawn)
    history.best_epoch = 3
    assert "best epoch: 3" in curves(plots.learning_curves(history).axes[0]), "what early stopping chose"


def test_learning_curves_of_what_was_measured():
    (ax,) = plots.learning_curves(History([{"epoch": 1, "train_loss": 0.5}])).axes
    assert set(curves(ax)) == {"training"}
    with pytest.raises(DataError, match="holds no epoch"):
        plots.learning_curves(History())


def test_confusion_matrix():
    figure = plots.confusion_matrix(TABLE, ("cat", "dog", "owl"))
    assert isinstance(figure, Figure)
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
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
def test_figures_are_saved_as_pictures_and_as_drawings(history, tmp_path, ending, start):
    for name, figure in (("curves", plots.learning_curves(history)), ("matrix", plots.confusion_matrix(TABLE))):
        path = tmp_path / f"{name}.{ending}"
        plots.save(figure, path)
        assert path.read_bytes().startswith(start)
    if ending == "svg":
        assert "predicted class" in path.read_text(), "text stays text"


def test_figures_that_cannot_be_saved(history, tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*/nowhere/figure.png: No such file"):
        plots.save(plots.learning_curves(history), tmp_path / "nowhere" / "figure.png")
    with pytest.raises(FileError, match=r"figure\.docx"):
        plots.save(plots.learning_curves(history), tmp_path / "figure.docx")
    assert not list(tmp_path.iterdir())
