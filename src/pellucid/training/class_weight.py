"""Class weights, which balance classes of different sizes in training.

The weight of a class multiplies the sample weights of its samples. Validation and ``evaluate`` do not use class weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.networks.ports import check_known
from pellucid.training.inputs import Samples
from pellucid.training.output import Output
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState

ClassWeight = str | Sequence[float] | Mapping[int, float] | Mapping[str, Any]
BALANCED = "balanced"


def check_class_weight(class_weight: object) -> None:
    """Raise ConfigError unless ``class_weight`` is None, "balanced", a sequence or a mapping. The weights need the data."""
    if isinstance(class_weight, str) and class_weight != BALANCED:
        raise ConfigError(
            f"class_weight={class_weight!r}: {did_you_mean(class_weight, [BALANCED])} Otherwise give one weight per class"
        )
    if class_weight is not None and not isinstance(class_weight, (str, Mapping, Sequence, np.ndarray)):
        raise ConfigError(f"class_weight={class_weight!r}: give {BALANCED!r}, a list with one weight per class, or a mapping")


def weighted(
    samples: Samples, class_weight: ClassWeight | None, state: ModelState, names: Any, *, whole: bool = True
) -> Samples:
    """Return the samples with weights multiplied by the weight of their class; ``names`` are the class names, if known.

    ``whole`` means that they are the whole training set, of which at least one sample must count.

    ``class_weight`` is one of

    - "balanced": n/(k n_c) for each of k classes, so that all have the same total weight; n_c is the sum of the sample
      weights of the class, n that of all samples (scikit-learn's formula);
    - a list: one weight for each class, in order;
    - a mapping from class number or name to weight; classes that are not in it have the weight 1.

    For a network with several outputs it is a mapping from output to one of these.

    Raises ConfigError for unknown classes and negative weights, DataError where the targets are not classes.
    """
    check_class_weight(class_weight)
    if class_weight is None:
        return samples
    if not isinstance(state.output, SeveralOutputs):
        product = _product(samples.targets, samples.weights, class_weight, state.output, names, whole)
        return dataclasses.replace(samples, weights=product)
    outputs = state.output.parts
    if not isinstance(class_weight, Mapping):
        raise ConfigError(
            f"class_weight={class_weight!r}: the network has several outputs: give a dictionary by output, such as "
            f"{{{next(iter(outputs))!r}: {class_weight!r}}}"
        )
    by_output: Mapping[str, Any] = class_weight  # type: ignore[assignment]
    check_known(by_output, outputs, "class_weight", "output")
    weights = dict(samples.weights.items())
    for name, given in by_output.items():
        check_class_weight(given)
        own_names = names.get(name) if isinstance(names, Mapping) else None
        weights[name] = _product(samples.targets[name], weights[name], given, outputs[name], own_names, whole)
    return dataclasses.replace(samples, weights=NamedArrays(weights))


def _product(
    targets: Array, given: Array | None, class_weight: Any, output: Output, names: Sequence[str] | None, whole: bool
) -> Array:
    """Return the weights ``given``, or ones, multiplied by those of the classes of one output."""
    labels, k = _labels(targets, output), output.class_count
    weights = np.ones(len(labels), np.float32) if given is None else given
    weights = np.broadcast_to(weights.reshape(weights.shape + (1,) * (labels.ndim - weights.ndim)), labels.shape)
    if isinstance(class_weight, str):
        factors = _balanced(np.bincount(labels.reshape(-1), weights.reshape(-1), k), names)
    elif isinstance(class_weight, Mapping):
        factors = np.ones(k)
        for key, value in class_weight.items():
            factors[_class_number(key, k, names)] = _checked_weight(value, key)
    else:
        if len(class_weight) != k:
            raise ConfigError(
                f"class_weight has {len(class_weight)} weights for {k} classes: give one per class, or a mapping for some"
            )
        factors = np.array([_checked_weight(value, c) for c, value in enumerate(class_weight)])
    product: Array = (weights * factors[labels]).astype(np.float32)
    if whole and not product.any():
        raise ConfigError(f"class_weight={class_weight!r}: every sample would have the weight 0")
    return product


def _balanced(counts: Array, names: Sequence[str] | None) -> Array:
    """Return the balancing weights (k) for the sums of sample weights ``counts`` (k). Raises DataError where one is zero."""
    if (missing := np.flatnonzero(counts == 0)).size:
        c = int(missing[0])
        name = f"{c}" if names is None else f"{names[c]!r}"
        raise DataError(
            f"class_weight='balanced': class {name} does not occur in the training data, so no weight can balance it; "
            "give one weight per class, or a network without that class"
        )
    balanced: Array = counts.sum() / (len(counts) * counts)
    return balanced


def _labels(targets: Array, output: Output) -> Array:
    """Return the class of each position of each sample, (n, *positions).

    Raises DataError where they do not have exactly one class each.
    """
    loss, k = output.loss, output.shape[-1]
    if not loss.classifies:
        kind = "distances" if loss.compares_samples else "numbers"
        raise DataError(f"class_weight is for classes, and {loss} is for {kind}: give sample weights, fit(sample_weight=…)")
    if targets.ndim == 1 + len(output.positions):
        return targets
    if k > 1 and loss.multi_label:
        raise DataError(
            f"class_weight: with {loss}, the {k} outputs are independent labels: give sample weights, fit(sample_weight=…)"
        )
    if k > 1 or ((targets > 0) & (targets < 1)).any():
        raise DataError(
            "class_weight: soft labels belong to several classes at once: give sample weights, fit(sample_weight=…)"
        )
    return (targets[..., 0] > 0).astype(np.int64)


def _class_number(key: object, k: int, names: Sequence[str] | None) -> int:
    """Return the number of the class that ``key``, a number or a name, refers to. Raises ConfigError for unknown classes."""
    if isinstance(key, str):
        if names is None or len(names) != k:
            raise ConfigError(f"class_weight has {key!r}, but the classes have no names: give class numbers, 0 to {k - 1}")
        if key not in names:
            raise ConfigError(f"class_weight has the unknown class {key!r}: {did_you_mean(key, names)}")
        return list(names).index(key)
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or not 0 <= key < k:
        raise ConfigError(f"class_weight has the unknown class {key!r}: the classes are 0 to {k - 1}")
    return int(key)


def _checked_weight(value: object, key: object) -> float:
    """Return the weight of the class ``key`` as a float. Raises ConfigError unless it is finite and at least 0."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= float(value) < np.inf:
        return float(value)
    raise ConfigError(f"class_weight: the weight of class {key!r} must be a finite number, at least 0; got {value!r}")
