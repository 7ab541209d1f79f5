"""The question that an attribution answers: why this class, or why this one and not that one?

Asked about outputs z (n, k), it is a linear function of them, with coefficients c (n, k) and a constant d (n):

    f = Σ_k c_k z_k + d

"Why 4?" has a one at 4. "Why 4 and not 9?" has a minus one at 9 as well; of logits behind a softmax that is the logarithm of
p₄/p₉, for the normalization cancels. A network with a single output for yes or no says yes (class 1) with z and no
(class 0) with −z, or with the probabilities p and 1 − p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError, did_you_mean
from pellucid.model.model import Model

Of = Literal["logit", "output"]
Class = int | str | Sequence[int] | Sequence[str] | Array


@dataclass(frozen=True, eq=False)
class Question:
    """The classes asked about, ``target`` (n) and ``against`` (n) or None, as ``coefficients`` (n, k) and ``constant`` (n)."""

    target: Array
    against: Array | None
    coefficients: Array
    constant: Array

    def answer(self, outputs: Array) -> Array:
        """f (n) of the n samples' outputs (n, k), in float64."""
        return np.einsum("nk,nk->n", self.coefficients, outputs, dtype=np.float64) + self.constant

    def answers(self, i: int, outputs: Array) -> Array:
        """f (m) of sample i's question, for the outputs (m, k) at m points."""
        values: Array = outputs.astype(np.float64) @ self.coefficients[i] + self.constant[i]
        return values


def check_of(of: str) -> None:
    """Refuses what is neither "logit" nor "output"."""
    if of not in get_args(Of):
        raise ConfigError(f"of={of!r}: explain the 'logit', what is before the softmax or sigmoid, or the 'output' behind it")


def question(model: Model, outputs: Array, target: Class | None, against: Class | None, of: Of) -> Question:
    """The question about n samples, whose ``outputs`` (n, k) tell the guess that ``target=None`` stands for.

    Raises ConfigError for classes that there are not, and where both classes are the same; ShapeError where their number
    is not n.
    """
    n, k = outputs.shape
    yes_or_no = k == 1 and model.loss.classifies
    probability = of == "output" and model.loss.head is not None
    count = 2 if yes_or_no else k
    if target is not None:
        chosen = _classes(model, target, n, count, "target")
    elif yes_or_no:  # half a probability is a logit of 0
        chosen = (outputs[:, 0] >= (0.5 if probability else 0)).astype(np.int64)
    else:
        chosen = outputs.argmax(axis=1)
    other = None if against is None else _classes(model, against, n, count, "against")
    if yes_or_no:
        if other is not None:
            raise ConfigError("a single output weighs yes against no by itself: leave 'against' out")
        sign = np.where(chosen == 1, 1.0, -1.0)
        return Question(chosen, None, sign[:, None], (chosen == 0) * (1.0 if probability else 0.0))
    coefficients = np.eye(k)[chosen]
    if other is not None:
        if (same := np.flatnonzero(chosen == other)).size:
            raise ConfigError(
                f"sample {same[0]}: target and against are both class {other[same[0]]}, and nothing tells a class from "
                "itself: name another one"
            )
        coefficients -= np.eye(k)[other]
    return Question(chosen, other, coefficients, np.zeros(n))


def _classes(model: Model, given: Class, n: int, count: int, what: str) -> Array:
    """(n): class numbers, for one class or one for each sample, by number or by name."""
    array = np.asarray(given)
    if array.shape not in ((), (n,)):
        raise ShapeError(f"{what} is one class, or one for each of the {n} samples; got the shape {array.shape}")
    if array.dtype.kind == "U":
        array = np.array([_number(model, str(name), count, what) for name in array.ravel()], np.int64).reshape(array.shape)
    if array.dtype.kind not in "iu" and array.size:
        raise DataError(f"{what} must be class numbers (0 … {count - 1}) or names, got {array.dtype}")
    if ((array < 0) | (array >= count)).any():
        bad = array[(array < 0) | (array >= count)].ravel()[0]
        raise ConfigError(f"{what}={bad} is out of range: there are the classes 0 … {count - 1}")
    return np.broadcast_to(array, (n,)).astype(np.int64)


def _number(model: Model, name: str, count: int, what: str) -> int:
    if model.classes is None or len(model.classes) != count:
        raise ConfigError(f"{what}={name!r}: this model's outputs have no names; give a number, 0 … {count - 1}")
    if name not in model.classes:
        raise ConfigError(f"{what}={name!r} is no class of this model: {did_you_mean(name, model.classes)}")
    return model.classes.index(name)
