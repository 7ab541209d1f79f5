"""Labels that are probably wrong: those that networks contradict which were trained on other samples.

The samples are divided into folds. A network is trained on all folds but one, and predicts the probabilities of that one, so
that no network has seen the labels that it judges. This is the out-of-fold prediction of "confident learning" (Northcutt,
Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, 2021).

An error of a network is not a wrong label: networks err on hard samples, of which they are unsure. A label counts as
contradicted if the network is sure of another class. That is one of two things:

- Of all samples to which the networks give that class, it is surer than of 30 %. As in confident learning, the scale is the
  usual certainty, which differs from network to network and falls with the share of wrong labels.
- The label has less than 5 % and the other class more than 80 % of the probability, after a calibration by a temperature (Guo
  et al., On Calibration of Modern Neural Networks, 2017).

Without wrong labels about a fifth of the errors, or fewer, are so sure, whatever the accuracy: 16 to 20 % on 4,000 digits of
MNIST, 14 to 23 % on the digits of scikit-learn. With 3 % wrong labels it is 29 to 41 %. More than a fifth is a finding, if
chance does not explain it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data.checks import class_labels
from pellucid.data.dataset import Dataset
from pellucid.doctor import data_kinds as kinds
from pellucid.doctor.columns import listed
from pellucid.doctor.diagnosis import Diagnosis
from pellucid.errors import ConfigError, DataError

FOLDS = 5
LABEL, OTHER = 0.05, 0.8  # calibrated probabilities: the label has less, another class more
LESS_SURE = 0.3  # of the samples with the same prediction are less sure
MIN_IN_CLASS = 10  # samples: networks cannot judge labels of smaller classes
SIGNIFICANT = 2.0  # standard deviations of the number of contradicted labels, if it were the usual share of the errors
SMALLEST = 1e-12  # probability whose logarithm is taken


class Classifier(Protocol):
    """A trained model that predicts the probabilities of classes (n, k), or (n, 1) for yes and no."""

    def predict(self, x: Any) -> Any: ...


@dataclass(frozen=True)
class LabelSearch:
    """The labels of a data set beside out-of-fold predictions; all arrays have one entry for each sample.

    ``given`` are the labels, and ``likely`` the most probable other classes. ``probability`` and ``other`` are the calibrated
    probabilities of the two; ``loss`` is −log of the first. ``ranking`` has the indices of all samples, the most probably
    wrong label first, and ``contradicted`` is how many of them count as contradicted. ``accuracy`` is that of the networks.
    """

    given: Array
    likely: Array
    probability: Array
    other: Array
    ranking: Array
    contradicted: int
    accuracy: float
    classes: tuple[str, ...]

    @property
    def loss(self) -> Array:
        """The out-of-fold loss of each sample."""
        return -np.log(np.maximum(self.probability, SMALLEST))

    @property
    def suspects(self) -> Array:
        """The samples whose labels are contradicted, the most probably wrong label first."""
        return self.ranking[: self.contradicted]

    @property
    def findings(self) -> Diagnosis:
        """One finding if more labels are contradicted than networks contradict by mistake, else none."""
        errors = round((1 - self.accuracy) * len(self.given))
        usual = kinds.WRONG_LABELS.threshold
        limit = usual * errors + SIGNIFICANT * np.sqrt(usual * (1 - usual) * errors)
        if self.contradicted < kinds.FEW or self.contradicted <= limit:
            return Diagnosis()
        first = int(self.ranking[0])
        text = (
            f"networks that have not seen them contradict {self.contradicted:,} of {len(self.given):,} labels; sample {first} "
            f"is labelled {self.classes[self.given[first]]}, and seems to be {self.classes[self.likely[first]]} "
            f"({100 * self.other[first]:.1f} %)."
        )
        share = self.contradicted / errors
        return Diagnosis([kinds.WRONG_LABELS.finding("training set", share, text, samples=listed(self.suspects))])


def search_labels(
    data: Dataset,
    train: Callable[[Dataset, int], Classifier],
    *,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LabelSearch:
    """Return which labels of a data set are probably wrong.

    ``train(part, seed)`` trains a new network on a part of the data and returns it; it is called once for each of the
    ``folds``, and has to give a good network: one that errs often contradicts right labels, too, and then wrong ones are not
    found. ``progress`` is called with the number of the fold, from 1, and their number before each training.

    Raises DataError for data without one class for each sample, ConfigError for fewer than 2 folds or if ``train`` is not a
    function, and the errors of training.
    """
    if not isinstance(data, Dataset) or not callable(train):
        given = f"{type(data).__name__} and {type(train).__name__}"
        raise ConfigError(f"search_labels(data, train) takes a Dataset and a function of a part of it and a seed, got {given}")
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise ConfigError(f"folds={folds!r}: must be an integer of at least 2")
    targets = None if data.source_y is None or isinstance(data.y, dict) else class_labels(np.asarray(data.y))
    if targets is None or isinstance(data.classes, dict):
        raise DataError(f"{data.name}: wrong labels are searched for where each sample has one class")
    labels = np.asarray(targets).astype(np.int64)
    n, k = len(labels), max(int(labels.max()) + 1, len(data.classes or ()))
    if labels.min() < 0 or n < 2 * folds:
        raise DataError(f"{data.name}: labels must be from 0, and there must be at least {2 * folds} samples for {folds} folds")
    fold = _folds(labels, folds, seed)
    p = np.empty((n, k))
    for i in range(folds):
        if progress is not None:
            progress(i + 1, folds)
        model = train(data.take(np.flatnonzero(fold != i)), seed + i)
        rows = np.flatnonzero(fold == i)
        part = data.take(rows)
        p[rows] = _probabilities(model.predict(part.x if data.origin is None else part), k, data.name)
    names = data.classes or tuple(str(label) for label in range(k))
    return _search(p, labels, names)


def _folds(labels: Array, folds: int, seed: int) -> Array:
    """Return the fold of each sample. Each class is spread evenly over the folds."""
    order = generator(seed, "doctor", "folds").permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[by_class] = np.arange(len(labels)) % folds
    return fold


def _probabilities(predicted: Any, k: int, name: str) -> Array:
    """Return the probabilities (m, k) of the classes; for a single output, those of no and yes."""
    p = np.asarray(predicted, np.float64)
    if p.ndim == 2 and p.shape[1] == 1 and k == 2:
        p = np.concatenate([1 - p, p], axis=1)
    if p.ndim != 2 or p.shape[1] != k or p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise DataError(
            f"{name}: the search for wrong labels needs probabilities of {k} classes; the model predicts an array {p.shape}. "
            "End the network with Softmax(), or with Sigmoid() for two classes"
        )
    return p


def _search(p: Array, labels: Array, classes: tuple[str, ...]) -> LabelSearch:
    n, rows = len(labels), np.arange(len(labels))
    p = _calibrated(p, labels)
    own = p[rows, labels]
    others = p.copy()
    others[rows, labels] = -1
    likely = others.argmax(axis=1)
    other = others[rows, likely]
    judged = np.bincount(labels, minlength=p.shape[1])[labels] >= MIN_IN_CLASS
    predicted = np.where(other > own, likely, labels)
    certainty = np.maximum(other, own)
    usual = np.full(p.shape[1], np.inf)
    for label in np.unique(predicted):
        usual[label] = np.quantile(certainty[predicted == label], LESS_SURE)
    sure = (certainty >= usual[predicted]) | ((own < LABEL) & (other > OTHER))
    wrong = judged & (other > own) & sure
    # The contradicted labels are first, then the others; within both, the smallest margin between label and other class.
    ranking = np.lexsort((own - other, ~judged, ~wrong))
    accuracy = 1 - np.count_nonzero(other > own) / n
    return LabelSearch(labels, likely, own, other, ranking, int(wrong.sum()), float(accuracy), classes)


def _calibrated(p: Array, labels: Array) -> Array:
    """Return the probabilities with the temperature T of the lowest loss: p_j^(1/T), divided by their sum.

    The loss is convex in 1/T. It is minimized by the golden section, on a logarithmic scale from 1/20 to 20.
    """
    logs = np.log(np.maximum(p, SMALLEST))
    rows = np.arange(len(labels))

    def log_softmax(inverse: float) -> Array:
        z = logs * inverse
        z -= z.max(axis=1, keepdims=True)
        z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
        return z

    def loss(exponent: float) -> float:
        return -float(log_softmax(np.exp(exponent))[rows, labels].mean())

    ratio = (np.sqrt(5) - 1) / 2
    low, high = -np.log(20), np.log(20)
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    for _ in range(25):  # the interval becomes 3e-5
        if loss_a < loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - ratio * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + ratio * (high - low)
            loss_b = loss(b)
    result: Array = np.exp(log_softmax(np.exp((low + high) / 2)))
    return result
