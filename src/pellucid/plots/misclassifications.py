"""Galleries: the images that a model misclassifies, and those whose labels are probably wrong, the clearest first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.doctor.labels import LabelSearch
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.metrics import binary_scores, class_scores
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.plots.style import BLUE, VERMILION, blank_figure, grid_size, join_names, show_image, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 6
CHUNK = 2048  # samples predicted at once: a data set can be larger than memory


def mistakes(model: Model | Ensemble, data: Dataset, count: int = 18, title: str = "") -> Figure:
    """Draw the ``count`` most confident mistakes of a classifier among the images of ``data``.

    Above each image are its true class (blue), and the predicted class with its probability, or its score for a model without
    probabilities (vermilion, with a cross).

    Raises DataError if there are no mistakes or no targets, ShapeError if the samples are not images, and ConfigError if the
    model is not a classifier.
    """
    first = model.models[0] if isinstance(model, Ensemble) else model
    refuse_several(first.network, "mistakes")
    loss, output_shape = first.state.loss, first.output_shape
    _check_images(data, "mistakes")
    if data.y is None:
        raise DataError(f"{data.name} has no targets, so mistakes cannot be found")
    if not loss.classifies:
        raise ConfigError(f"mistakes needs a classifier, but this model has the loss {loss}")
    if len(output_shape) > 1:
        raise ConfigError(
            f"mistakes shows samples with one class, but this model predicts one at each of {output_shape[:-1]} positions: "
            "use plots.maps"
        )
    if count < 1:
        raise ConfigError(f"count={count}: must be at least 1")
    rows, predicted, true, confidence = _find_mistakes(model, data, by_sign=loss.head is None)
    if not len(rows):
        raise DataError(f"there are no mistakes among the {len(data):,} samples of {data.name}")
    order = np.argsort(-confidence, kind="stable")[:count]
    images = data.take(rows[order]).x
    names = model.classes or data.classes or [str(k) for k in range(1 + max(int(predicted.max()), int(true.max())))]
    text_of = "{:.2f}".format if loss.head is None else _percent  # scores are not limited to 0 … 1
    texts = [(names[int(true[i])], names[int(predicted[i])], text_of(float(confidence[i]))) for i in order]

    summary = f"{len(rows):,} of {len(data):,} wrong, the most confident mistakes first"
    above = [(f"True: {true_name}", f"✗ {predicted_name}, {score}") for true_name, predicted_name, score in texts]
    figure = _gallery(images, above, title or summary)
    listed = join_names(
        (f"{true_name} predicted as {predicted_name} ({score})" for true_name, predicted_name, score in texts), 8
    )
    return with_alt(figure, f"{len(order)} misclassified images of {data.name}; {summary}: {listed}.")


def suspect_labels(search: LabelSearch, data: Dataset, count: int = 18, title: str = "") -> Figure:
    """Draw the ``count`` images of ``data`` whose labels are most probably wrong, as :func:`~pellucid.doctor.search_labels`
    found them.

    Above each image are its label (blue), and the class that it more probably has with its probability (vermilion, with a
    cross).

    Raises DataError if another data set was searched, ShapeError if the samples are not images, and ConfigError for a count
    below 1.
    """
    _check_images(data, "suspect_labels")
    if len(search.given) != len(data):
        raise DataError(f"{data.name} has {len(data):,} samples, but labels of {len(search.given):,} were searched")
    if count < 1:
        raise ConfigError(f"count={count}: must be at least 1")
    chosen = search.ranking[:count]
    texts = [
        (search.classes[search.given[i]], search.classes[search.likely[i]], _percent(float(search.other[i]))) for i in chosen
    ]
    summary = f"{search.contradicted:,} of {len(data):,} labels contradicted, the most probably wrong ones first"
    above = [(f"Label: {given}", f"✗ {likely}, {percent}") for given, likely, percent in texts]
    figure = _gallery(data.take(chosen).x, above, title or summary)
    listed = join_names((f"{given}, rather {likely} ({percent})" for given, likely, percent in texts), 8)
    return with_alt(figure, f"{len(chosen)} images of {data.name} with labels that are probably wrong; {summary}: {listed}.")


def _check_images(data: Dataset, function: str) -> None:
    if not isinstance(data.shape, tuple) or len(data.shape) != 3 or data.shape[2] not in (1, 3):
        raise ShapeError(f"{function} shows images (h, w, 1 or 3), but {data.name} has samples of the shape {data.shape}")


def _gallery(images: Array, texts: Sequence[tuple[str, str]], title: str) -> Figure:
    """Draw images (n, h, w, 1 or 3) in a grid, with two lines of text above each: the first blue, the second vermilion."""
    column_count, row_count = grid_size(len(images), COLUMNS)
    h, w = images.shape[1:3]
    height = row_count * (0.45 + 1.2 * min(2.0, h / w)) + 0.3
    figure, axes = blank_figure(max(1.25 * column_count, 2.6), height, column_count, row_count)
    for ax, image, (first, second) in zip(axes, images, texts, strict=False):
        show_image(ax, image)
        ax.set_title(first, fontsize=8, color=BLUE, pad=14)
        style = {"ha": "center", "va": "bottom", "fontsize": 8, "color": VERMILION}
        ax.text(0.5, 1.03, second, transform=ax.transAxes, **style)
    for ax in axes:
        ax.set_axis_off()
    figure.suptitle("\n".join(textwrap.wrap(title, int(11 * figure.get_figwidth()))), fontsize=10)
    return figure


def _find_mistakes(model: Model | Ensemble, data: Dataset, *, by_sign: bool) -> tuple[Array, Array, Array, Array]:
    """Return the row, the predicted class, the true class and the confidence of each misclassified sample."""
    chunks: list[tuple[Array, Array, Array, Array]] = []
    for start in range(0, len(data), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(data)))
        samples = data.take(rows)
        outputs, targets = model.predict(samples.x), np.asarray(samples.y)
        single = outputs.shape[1] == 1
        if not single and targets.ndim == 2 and not np.allclose(targets.sum(axis=1), 1):
            raise ConfigError(f"{data.name}: samples with several classes cannot be shown as mistakes")
        scores, labels = binary_scores(outputs, targets) if single and by_sign else class_scores(outputs, targets)
        predicted = scores.argmax(axis=1)
        wrong = predicted != labels
        chunks.append((rows[wrong], predicted[wrong], labels[wrong], scores[wrong, predicted[wrong]]))
    rows, predicted, true, confidence = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    return rows, predicted, true, confidence


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %" if fraction < 0.9995 else ">99.9 %"
