"""L-BFGS: a quasi-Newton method for smooth functions that can be evaluated exactly, for small data sets and curve fitting.

:class:`LBFGS` holds the settings. As the optimizer of a model, it trains on the whole training set at once
(:mod:`pellucid.training.full_batch`). :func:`minimize` applies it to any function of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from pellucid.core.config import Count, NonNegative, Range, validate
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DivergedError, ShapeError
from pellucid.kernels import Kernels
from pellucid.optim.chain import Chain, Rule, Transform
from pellucid.optim.line_search import Point, strong_wolfe

# Differences of values up to this many units in the last place of the values may be rounding errors.
NOISE = 4.0

MAX_MEMORY = 1000  # pairs; more than some tens hardly help, and each takes twice the memory of the parameters
Function = Callable[[Array], tuple[float, Array]]  # returns the value and the gradient at a point


@dataclass(frozen=True)
class LBFGS(Rule):
    """The limited-memory BFGS method (Nocedal, 1980; Liu and Nocedal, 1989), with a line search for the strong Wolfe conditions
    (Moré and Thuente, 1994).

    One iteration moves along d = −H g, where H approximates the inverse of the matrix of second derivatives. H is not stored,
    but applied by the two-loop recursion over the last ``memory`` pairs s = θ' − θ, y = g' − g, from the multiple sᵀy/yᵀy of
    the identity:

        q ← g;  for each pair, the newest first:  a ← sᵀq/sᵀy, q ← q − a y
        r ← q sᵀy/yᵀy (newest pair);  for each pair, the oldest first:  r ← r + (a − yᵀr/sᵀy) s;  d = −r

    A line search then finds a step length α, often with a single evaluation of the function: θ ← θ + α d. Its first trial is
    α = 1, or without any pair, along −g, a step of length 1.

    The minimization ends when no component of the gradient exceeds ``gradient_tolerance``, or when an iteration reduces the
    value by at most ``decrease_tolerance`` · max(|value|, 1). The defaults are about SciPy's
    (L-BFGS-B). It also ends when the line search, which makes at most ``max_evaluations`` trials, finds no lower value even
    along −g.

    **As the optimizer of a model**, one epoch is one iteration over the whole training set. The function must be the same at
    each evaluation, and smooth, so batches, dropout, noise and augmentation are refused; in a chain, only ``L2`` and
    ``ElasticNet`` without its L1 part go with it. There is no learning rate; the histories show the step length α instead.
    """

    memory: Annotated[int, Range(1, MAX_MEMORY)] = 10
    gradient_tolerance: NonNegative = 1e-5
    decrease_tolerance: NonNegative = 2.2e-9
    max_evaluations: Count = 20
    learning_rate: ClassVar[float] = 1.0  # type: ignore[misc]  # not a setting: the line search determines the steps
    uses_rate: ClassVar[bool] = False
    full_batch: ClassVar[bool] = True

    @property
    def state_names(self) -> tuple[str, ...]:
        """The pairs s and y; s1 and y1 are the newest. Pairs that do not exist yet are zero."""
        return tuple(f"{name}{i}" for name in "sy" for i in range(1, self.memory + 1))

    def check_chain(self, chain: Chain) -> None:
        if chain.rates:
            raise ConfigError(
                f"{self} has no learning rate, so Chain(rates=…) has no meaning; Frozen(…) keeps parameters as they are"
            )
        for component in chain.pieces:
            if component is not self and not (isinstance(component, Transform) and component.is_penalty):
                raise ConfigError(
                    f"{component} does not go with {self}, which minimizes one smooth function, the loss plus penalties: its "
                    "chain may have L2(λ), or ElasticNet with l1=0; leave others out, or choose a rule such as Adam()"
                )

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        raise ConfigError(
            f"{self} evaluates the whole training set several times in each of its steps, so it works with fit only; "
            "train_on_batch, partial_fit and find_learning_rate need a rule for batches, such as Adam()"
        )


class CurvaturePairs:
    """The pairs (s, y) of the last iterations, the newest first, in vectors that the caller provides.

    ``state`` holds the vectors s, then as many vectors y, all of one length. Pairs already in them are used; unused vectors
    are zero. All products of vectors are summed in float64.
    """

    def __init__(self, state: Sequence[Array]):
        capacity = len(state) // 2
        self._s, self._y = state[:capacity], state[capacity:]
        # sᵀy and yᵀy of each pair
        self._products = [(_dot(s, y), _dot(y, y)) for s, y in zip(self._s, self._y, strict=True) if s.any()]

    def __len__(self) -> int:
        return len(self._products)

    def clear(self) -> None:
        """Remove all pairs."""
        self._products = []
        for vector in (*self._s, *self._y):
            vector[:] = 0

    def add(self, s: Array, y: Array, slope: float) -> None:
        """Add a pair; the oldest is dropped if there is no space.

        A pair without positive curvature, to rounding, is ignored: sᵀy ≤ ε |sᵀg|, where ``slope`` is sᵀg at the old point.
        With positive curvature, H stays positive definite, and all directions are directions of descent.
        """
        kind = self._s[0].dtype.type
        s, y = s.astype(kind), y.astype(kind)  # as they are stored
        product = _dot(s, y)
        if not product > np.finfo(np.float64).eps * abs(slope):
            return
        for vectors, newest in ((self._s, s), (self._y, y)):
            for older, newer in zip(vectors[:0:-1], vectors[-2::-1], strict=True):
                older[:] = newer
            vectors[0][:] = newest
        self._products = [(product, _dot(y, y)), *self._products][: len(self._s)]

    def direction(self, gradient: Array) -> Array:
        """Return −H g as a new float64 vector, by the two-loop recursion; without pairs −g."""
        d = -gradient
        factors = []
        for s, y, (sy, _) in zip(self._s, self._y, self._products, strict=False):
            factors.append(_dot(s, d) / sy)
            d -= np.multiply(factors[-1], y, dtype=np.float64)
        if self._products:
            sy, yy = self._products[0]
            d *= sy / yy
        for s, y, (sy, _), a in reversed(list(zip(self._s, self._y, self._products, factors, strict=False))):
            d += np.multiply(a - _dot(y, d) / sy, s, dtype=np.float64)
        return d


class Minimization:
    """A minimization by L-BFGS, one iteration at a time.

    ``theta`` is the point, a vector that each iteration updates in place; ``value`` and ``gradient`` belong to it, and ``f``
    is the function. After an iteration that moved, the last evaluation of ``f`` was at ``theta``. ``evaluations`` counts all
    evaluations. ``ended`` says why there is nothing left to do, and is None before that; ``converged`` says whether that is
    because of a tolerance. Points, pairs and gradients have the dtype of ``theta``; sums, the direction and the line search
    are in float64.

    A value or gradient that is not finite makes the line search retreat. At the start, it raises DivergedError.
    """

    def __init__(self, f: Function, theta: Array, pairs: CurvaturePairs, settings: LBFGS):
        self.f, self.theta, self.pairs, self.settings = f, theta, pairs, settings
        self.evaluations = 0
        self.ended: str | None = None
        self.converged = False
        self._trial = np.empty_like(theta)
        self._met_infinity = False  # whether a trial of the present iteration was not finite
        self.value, self.gradient = self._evaluate(theta)
        if not math.isfinite(self.value):
            raise DivergedError(f"the function to minimize is not finite at the start: its value is {self.value:g}")
        if not np.isfinite(self.gradient).all():
            raise DivergedError("the function to minimize is not finite at the start: its gradient has NaN or infinity")
        self._check_gradient()

    def _evaluate(self, theta: Array) -> tuple[float, Array]:
        """Return the value and a new float64 gradient."""
        self.evaluations += 1
        value, gradient = self.f(theta)
        result = float(value), np.array(gradient, np.float64)
        if not (math.isfinite(result[0]) and np.isfinite(result[1]).all()):
            self._met_infinity = True
        return result

    def iterate(self) -> float:
        """Make one iteration and return its step length α; 0 if no lower value was found, which ends the minimization."""
        if self.ended is not None:
            return 0.0
        while True:
            length = self._search(self.pairs.direction(self.gradient))
            if length > 0 or not len(self.pairs):
                break
            self.pairs.clear()  # they may describe another place: try the direction of steepest descent
        if length == 0:
            self.ended = "the line search found no further decrease at this precision"
        return length

    def _search(self, direction: Array) -> float:
        """Search along ``direction``, move there, and return the step length; 0, without a move, if no value is lower."""
        self._met_infinity = False
        slope = _dot(self.gradient, direction)
        if not -math.inf < slope < 0:
            return 0.0
        trial, gradient = self._trial, self.gradient

        def phi(step: float) -> Point:
            nonlocal gradient
            with np.errstate(over="ignore"):  # a component that overflows makes the value infinite, or NaN
                np.add(self.theta, step * direction, out=trial, casting="same_kind")
            value, gradient = self._evaluate(trial)
            return Point(step, value, _dot(gradient, direction))

        first = 1 / math.sqrt(_dot(direction, direction)) if not len(self.pairs) else 1.0
        noise = NOISE * float(np.finfo(trial.dtype).eps) * abs(self.value)
        start = Point(0.0, self.value, slope)
        found = strong_wolfe(phi, start, first, noise=noise, max_evaluations=self.settings.max_evaluations)
        if found is None:
            return 0.0
        step: Array = np.subtract(trial, self.theta, dtype=np.float64)
        self.pairs.add(step, gradient - self.gradient, found.step * slope)
        before, self.value, self.gradient = self.value, found.value, gradient
        self.theta[:] = trial
        self._check_gradient()
        if self.ended is None:
            self._check_decrease(before)
        return found.step

    def _check_gradient(self) -> None:
        largest, tolerance = float(np.abs(self.gradient).max(initial=0)), self.settings.gradient_tolerance
        if largest <= tolerance:
            self.converged = True
            self.ended = f"no component of the gradient exceeds gradient_tolerance={tolerance:g}"

    def _check_decrease(self, before: float) -> None:
        tolerance = self.settings.decrease_tolerance
        if before - self.value <= tolerance * max(abs(before), abs(self.value), 1):
            if self._met_infinity:
                self.ended = "the function is not finite at longer steps, and shorter ones hardly reduce it"
                return
            self.converged = True
            limit = f"decrease_tolerance={tolerance:g} times max(|value|, 1)"
            self.ended = f"the last iteration reduced the value by at most {limit}"


def _dot(a: Array, b: Array) -> float:
    """Return aᵀb, summed in float64 in a fixed order. (The order of BLAS depends on the number of threads.)"""
    return float(np.add.reduce(np.multiply(a, b, dtype=np.float64)))


@dataclass(frozen=True)
class Minimum:
    """The result of :func:`minimize`.

    ``x`` (n) is the last point, ``value`` and ``gradient`` (n) are those of the function there. ``iterations`` and
    ``evaluations`` count the iterations and the evaluations of the function. ``reason`` says why the minimization ended, and
    ``converged`` whether it was because of a tolerance.
    """

    x: Array
    value: float
    gradient: Array
    iterations: int
    evaluations: int
    converged: bool
    reason: str


def minimize(f: Function, start: Any, settings: LBFGS | None = None, *, max_iterations: int = 1000) -> Minimum:
    """Return a local minimum of a smooth function of a vector, found by L-BFGS in float64.

    ``f(x)`` returns the value and the gradient (n) at a vector x (n); ``start`` (n) is the first x. ``settings`` are those of
    :class:`LBFGS`. Where the value or the gradient is not finite, the line search takes a shorter step.

    Raises ShapeError where start or gradient is not a vector of n numbers, DivergedError where the function is not finite at
    the start.
    """
    chosen: LBFGS = validate(settings, LBFGS | None, "minimize", "settings") or LBFGS()
    limit: int = validate(max_iterations, Count, "minimize", "max_iterations")
    if not callable(f):
        raise ConfigError(f"minimize(f, start): f must be a function, got {type(f).__name__}")
    try:
        x = np.array(start, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"minimize: start must be a vector of numbers: {error}") from None
    if x.ndim != 1:
        raise ShapeError(f"minimize: start must be a vector (n), got the shape {x.shape}; give its ravel()")

    def checked(point: Array) -> tuple[float, Array]:
        returned = f(point.copy())  # the function may keep or change its argument
        if not isinstance(returned, (tuple, list)) or len(returned) != 2:
            raise ShapeError(f"minimize: f must return a number and its gradient, a pair, got {type(returned).__name__}")
        value, gradient = returned
        if np.shape(gradient) != x.shape or np.ndim(value) != 0:
            raise ShapeError(
                f"minimize: f must return a number and a gradient of the shape {x.shape}, got the shapes {np.shape(value)} and "
                f"{np.shape(gradient)}"
            )
        return float(value), gradient

    pairs = CurvaturePairs([np.zeros_like(x) for _ in range(2 * chosen.memory)])
    run, iterations = Minimization(checked, x, pairs, chosen), 0
    while run.ended is None and iterations < limit:
        run.iterate()
        iterations += 1
    reason = run.ended or f"max_iterations={limit} is reached"
    return Minimum(x, run.value, run.gradient, iterations, run.evaluations, run.converged, reason)
