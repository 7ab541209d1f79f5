"""Findings on parts that differ from the training set: another distribution of the inputs, the classes or the targets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.doctor import data_kinds as kinds
from pellucid.doctor.columns import columns_place
from pellucid.doctor.finding import Finding
from pellucid.doctor.inputs import Input, Target


def shift_findings(inputs: Sequence[Input], targets: Sequence[Target]) -> Iterator[Finding]:
    """Yield the findings on differences between the training set and the other parts.

    Series are left out: they are split in time, and change.
    """
    if any(one.series for one in inputs):
        return
    for one in inputs:
        for part in list(one.parts)[1:]:
            yield from _inputs(one, part)
    for target in targets:
        for part in list(one.parts)[1:]:
            yield from _targets(target, part)


def _inputs(one: Input, part: str) -> Iterator[Finding]:
    train, own = (_features(one, name) for name in ("training", part))
    if train.shape[1] > kinds.MAX_COLUMNS:
        return
    distances = np.array([_distance(train[:, i], own[:, i]) for i in range(train.shape[1])])
    limit = max(kinds.SHIFTED_INPUTS.threshold, _by_chance(len(train), len(own), len(distances)))
    found = np.flatnonzero(distances > limit)
    if not len(found):
        return
    found = found[(-distances[found]).argsort(kind="stable")]
    i = found[0]
    means = np.nanmedian(train[:, i]), np.nanmedian(own[:, i])
    name = ("the brightness", "the contrast")[i] if one.kind == "images" else one.columns[i]
    place = one.place("images") if one.kind == "images" else columns_place(one, found.tolist())
    text = f"{name} has another distribution than in the training set: its median is {means[1]:.4g} instead of {means[0]:.4g}."
    yield kinds.SHIFTED_INPUTS.finding(f"{place}, {part} set", distances[i], text)


def _features(one: Input, part: str) -> Array:
    """Return the numbers (m, k) that are compared: of images the mean and standard deviation, else the means of columns."""
    x, _ = one.parts[part].spread(min(kinds.MAX_ROWS, max(1, kinds.MAX_VALUES // int(np.prod(one.train.source.shape[1:])))))
    if one.kind == "images":
        flat = x.reshape(len(x), -1).astype(np.float32)
        return np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1)
    return np.asarray(x, np.float64).reshape(len(x), -1, len(one.columns)).mean(axis=1)


def _distance(a: Array, b: Array) -> float:
    """Return the Kolmogorov-Smirnov distance: the largest difference of the two distribution functions."""
    a, b = np.sort(a[np.isfinite(a)]), np.sort(b[np.isfinite(b)])
    if not len(a) or not len(b):
        return 0.0
    at = np.concatenate([a, b])
    return float(np.abs(np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)).max())


def _by_chance(n: int, m: int, comparisons: int) -> float:
    """Return the distance of two samples of one distribution that is exceeded with the probability SHIFT_PROBABILITY.

    This is the asymptotic formula of Smirnov, sqrt(−ln(α/2) / 2 · (n + m)/(n m)), with α shared by the comparisons.
    """
    return math.sqrt(-math.log(kinds.SHIFT_PROBABILITY / (2 * comparisons)) / 2 * (n + m) / (n * m))


def _targets(target: Target, part: str) -> Iterator[Finding]:
    if target.labels is not None and part in target.labels:
        train, own = target.labels["training"], target.labels[part]
        found = np.unique(np.concatenate([train, own]))
        codes = [np.searchsorted(found, labels) for labels in (train, own)]
        shares = [np.bincount(one, minlength=len(found)) / len(one) for one in codes]
        distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
        # By chance it is at most sqrt(k / 2π · (1/n + 1/m)) on average; three times that does not occur.
        chance = 3 * math.sqrt(len(found) / (2 * math.pi) * (1 / len(train) + 1 / len(own)))
        if distance > max(kinds.SHIFTED_TARGETS.threshold, chance):
            i = int(np.abs(shares[0] - shares[1]).argmax())
            place = target.place(f"class {target.class_name(int(found[i]))}")
            text = f"it is {100 * shares[1][i]:.1f} % of the samples there and {100 * shares[0][i]:.1f} % of the training set."
            yield kinds.SHIFTED_TARGETS.finding(f"{place}, {part} set", distance, text)
    if target.values is not None and part in target.values:
        train, own = target.values["training"], target.values[part]
        for i in range(train.shape[1]):
            distance = _distance(train[:, i], own[:, i])
            if distance > max(kinds.SHIFTED_TARGETS.threshold, _by_chance(len(train), len(own), train.shape[1])):
                place = target.place("target" if train.shape[1] == 1 else f"target {i}")
                medians = np.nanmedian(own[:, i]), np.nanmedian(train[:, i])
                text = f"its median is {medians[0]:.4g} there and {medians[1]:.4g} in the training set."
                yield kinds.SHIFTED_TARGETS.finding(f"{place}, {part} set", distance, text)
