"""Class weights: how much each class counts in training, so that rare classes are not drowned by common ones.

A class' weight multiplies the weights of its samples, in training alone: validation and ``evaluate`` say what there is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.training.inputs import Samples
from pellucid.training.parts import Parts

ClassWeight = str | Sequence[float] | Mapping[int, float] | Mapping[str, float]
BALANCED = "balanced"


def weighted(samples: Samples, given: ClassWeight | None, parts: Parts, names: Sequence[str] | None) -> Samples:
    """The samples, each with its weight times that of its class; ``names`` are those of the classes, if they have any.

    - "balanced": n/(k n_c) for each of k classes, so that all count alike; n_c is the sum of the weights of the class, n of
      all (scikit-learn's formula).
    - a list: one weight for each class, in order.
    - a mapping: weights by class number or name; 1 for classes that are not named.

    Raises ConfigError for classes that there are not and weights below 0, DataError where targets are no classes.
    """
    if given is None:
        return samples
    labels, k = _labels(samples.targets, parts), parts.classes
    weights = np.ones(len(labels), np.float32) if samples.weights is None else samples.weights
    if isinstance(given, str):
        if given != BALANCED:
            raise ConfigError(f"class_weight={given!r}: {did_you_mean(given, [BALANCED])}, or a weight for each class")
        factors = _balanced(np.bincount(labels, weights, k), names)
    elif isinstance(given, Mapping):
        factors = np.ones(k)
        for key, value in given.items():
            factors[_number(key, k, names)] = _weight(value, key)
    elif not isinstance(given, (Sequence, np.ndarray)):
        raise ConfigError(f"class_weight={given!r}: it is {BALANCED!r}, a list with a weight for each class, or a mapping")
    else:
        if len(given) != k:
            raise ConfigError(f"class_weight has {len(given)} weights for {k} classes: one for each, or a mapping for some")
        factors = np.array([_weight(value, c) for c, value in enumerate(given)])
    product = (weights * factors[labels]).astype(np.float32)
    if not product.any():
        raise ConfigError(f"class_weight={given!r}: all samples would weigh nothing, and nothing would be learned")
    return dataclasses.replace(samples, weights=product)


def _balanced(counts: Array, names: Sequence[str] | None) -> Array:
    if (missing := np.flatnonzero(counts == 0)).size:
        c = int(missing[0])
        name = f"{c}" if names is None else f"{names[c]!r}"
        raise DataError(
            f"class_weight='balanced': class {name} does not occur in the training data, and no weight makes up for that; "
            "give a weight for each class, or a network without it"
        )
    balanced: Array = counts.sum() / (len(counts) * counts)
    return balanced


def _labels(targets: Array, parts: Parts) -> Array:
    """(n): the class of each sample."""
    loss, k = parts.loss, parts.output_shape[0]
    if not loss.classifies:
        raise DataError(f"class_weight are for classes, and {loss} is for numbers: give sample weights, fit(sample_weight=…)")
    if targets.ndim == 1:
        return targets
    if k > 1 and loss.independent:
        raise DataError(
            f"class_weight: {loss} asks {k} independent questions of a sample: give sample weights, fit(sample_weight=…)"
        )
    if k > 1 or ((targets > 0) & (targets < 1)).any():
        raise DataError(
            "class_weight: soft labels belong to several classes at once: give sample weights, fit(sample_weight=…)"
        )
    return (targets[:, 0] > 0).astype(np.int64)


def _number(key: object, k: int, names: Sequence[str] | None) -> int:
    if isinstance(key, str):
        if names is None or len(names) != k:
            raise ConfigError(f"class_weight has {key!r}, and these classes have no names; give numbers, 0 … {k - 1}")
        if key not in names:
            raise ConfigError(f"class_weight has {key!r}, which is no class: {did_you_mean(key, names)}")
        return list(names).index(key)
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or not 0 <= key < k:
        raise ConfigError(f"class_weight has {key!r}, which is no class: there are the classes 0 … {k - 1}")
    return int(key)


def _weight(value: object, key: object) -> float:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= float(value) < np.inf:
        return float(value)
    raise ConfigError(f"class_weight: the weight of class {key!r} must be a finite number, at least 0; got {value!r}")
