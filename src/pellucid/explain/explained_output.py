"""The output that an attribution explains: the output of one class, or the difference between two classes.

It is a linear function of the outputs z (n, k) of the network, with coefficients c (n, k) and a constant d (n):

    f = Σ_k c_k z_k + d

"Why 4?" has the coefficient 1 for class 4. "Why 4 and not 9?" has the coefficient −1 for class 9 as well; for logits before a
softmax that is the logarithm of p₄/p₉, because the normalization cancels. For a network with a single output, class 1 (yes)
has the logit z and class 0 (no) has −z; their probabilities are p and 1 − p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError, did_you_mean
from pellucid.model.model import Model

OutputKind = Literal["logit", "output"]
ClassChoice = int | str | Sequence[int] | Sequence[str] | Array  # one class, or one for each sample


@dataclass(frozen=True, eq=False)
class ExplainedOutput:
    """The function f for each of n samples.

    ``target`` (n) and ``against`` (n) or None are the classes; ``coefficients`` (n, k) and ``constant`` (n) are c and d.
    """

    target: Array
    against: Array | None
    coefficients: Array
    constant: Array

    def values(self, outputs: Array) -> Array:
        """Return f (n) for the outputs (n, k) of the n samples, in float64."""
        return np.einsum("nk,nk->n", self.coefficients, outputs, dtype=np.float64) + self.constant

    def values_of_sample(self, i: int, outputs: Array) -> Array:
        """Return the f of sample i for the outputs (m, k) at m points, (m) in float64."""
        values: Array = outputs.astype(np.float64) @ self.coefficients[i] + self.constant[i]
        return values


def check_output_kind(of: str) -> None:
    """Raise ConfigError unless ``of`` is "logit" or "output"."""
    if of not in get_args(OutputKind):
        raise ConfigError(f"of={of!r}: choose 'logit', before the softmax or sigmoid, or 'output', after it")


def explained_output(
    model: Model, outputs: Array, target: ClassChoice | None, against: ClassChoice | None, of: OutputKind
) -> ExplainedOutput:
    """Return the function to explain for n samples with the ``outputs`` (n, k); ``target=None`` is the predicted class.

    Raises ConfigError for unknown classes, if both classes are equal, and if ``against`` is given for a single output;
    DataError for classes that are neither indices nor names; ShapeError if there is neither one class nor one per sample.
    """
    n, k = outputs.shape
    binary = k == 1 and model.state.loss.classifies
    probability = of == "output" and model.state.head is not None
    class_count = 2 if binary else k
    if target is not None:
        target_classes = _class_indices(model, target, n, class_count, "target")
    elif binary:  # the probability 0.5 is the logit 0
        target_classes = (outputs[:, 0] >= (0.5 if probability else 0)).astype(np.int64)
    else:
        predictions = outputs[:, : model.state.output.metric_shape[-1]]  # of a GaussianNLL the means, without the variances
        target_classes = predictions.argmax(axis=1)
    other_classes = None if against is None else _class_indices(model, against, n, class_count, "against")
    if binary:
        if other_classes is not None:
            raise ConfigError("a single output already compares yes with no: leave out 'against'")
        sign = np.where(target_classes == 1, 1.0, -1.0)
        constant = (target_classes == 0) * (1.0 if probability else 0.0)
        return ExplainedOutput(target_classes, None, sign[:, None], constant)
    coefficients = np.eye(k)[target_classes]
    if other_classes is not None:
        if (equal := np.flatnonzero(target_classes == other_classes)).size:
            raise ConfigError(
                f"sample {equal[0]}: target and against are both class {other_classes[equal[0]]}; choose two different classes"
            )
        coefficients -= np.eye(k)[other_classes]
    return ExplainedOutput(target_classes, other_classes, coefficients, np.zeros(n))


def _class_indices(model: Model, given: ClassChoice, n: int, class_count: int, what: str) -> Array:
    """Return (n) class indices for one class or one per sample, given by index or by name."""
    array = np.asarray(given)
    if array.shape not in ((), (n,)):
        raise ShapeError(f"{what} must be one class, or one for each of the {n} samples; got the shape {array.shape}")
    if array.dtype.kind == "U":
        indices = [_class_index(model, str(name), class_count, what) for name in array.ravel()]
        array = np.array(indices, np.int64).reshape(array.shape)
    if array.dtype.kind not in "iu" and array.size:
        raise DataError(f"{what} must be class numbers (0 … {class_count - 1}) or names, got {array.dtype}")
    if ((array < 0) | (array >= class_count)).any():
        bad = array[(array < 0) | (array >= class_count)].ravel()[0]
        raise ConfigError(f"{what}={bad} is out of range: the classes are 0 … {class_count - 1}")
    return np.broadcast_to(array, (n,)).astype(np.int64)


def _class_index(model: Model, name: str, class_count: int, what: str) -> int:
    if model.classes is None or len(model.classes) != class_count:
        raise ConfigError(f"{what}={name!r}: the outputs of this model have no names; give a number, 0 … {class_count - 1}")
    if name not in model.classes:
        raise ConfigError(f"{what}={name!r} is not a class of this model: {did_you_mean(name, model.classes)}")
    return model.classes.index(name)
