"""The line search of L-BFGS: a step length that satisfies the strong Wolfe conditions (Moré and Thuente, 1994).

Along a direction of descent d, φ(α) = f(θ + α d) with φ'(0) < 0. A step length α is accepted if

    φ(α) ≤ φ(0) + μ α φ'(0)        (sufficient decrease)
    |φ'(α)| ≤ η |φ'(0)|            (curvature: the slope has become flatter)

The search keeps an interval. One end, ``low``, has the lowest value so far; the other, ``high``, once it is known, makes sure
that acceptable step lengths lie between them. The next trial is the minimum of a polynomial through the values and slopes at
the ends and at the last trial, kept away from the ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

SUFFICIENT_DECREASE = 1e-3  # μ and η as in L-BFGS-B (Zhu, Byrd, Lu and Nocedal, 1997)
CURVATURE = 0.9
RELATIVE_WIDTH = 0.1  # an interval this narrow, relative to its upper end, is not searched further, as in L-BFGS-B
EXPANSION = (1.1, 4.0)  # while there is no upper end, the distance from ``low`` grows by 1 + a factor in this range
SHRINKAGE = 0.66  # two trials must shrink the interval by this factor, or it is halved
MAX_STEP = 1e10
RETREAT = 0.1  # where the function is not finite, this part of the way is tried next


@dataclass(frozen=True)
class Point:
    """The value and the slope of φ at one step length."""

    step: float
    value: float
    slope: float

    @property
    def finite(self) -> bool:
        """Whether value and slope are finite."""
        return math.isfinite(self.value) and math.isfinite(self.slope)

    def tilted(self, slope: float) -> Point:
        """Return the point of φ(α) − slope · α at the same step length."""
        return replace(self, value=self.value - slope * self.step, slope=self.slope - slope)


def strong_wolfe(
    phi: Callable[[float], Point], start: Point, first: float, *, noise: float = 0.0, max_evaluations: int = 20
) -> Point | None:
    """Return a step length that satisfies the strong Wolfe conditions; ``phi`` was evaluated there last.

    ``start`` is φ at 0, ``first`` the first trial. Differences of values up to ``noise`` may be rounding errors: where φ(α)
    differs from φ(0) by no more than this, the curvature condition alone decides (as in the approximate Wolfe conditions of
    Hager and Zhang, 2005). Values that are not finite count as higher than all others.

    If the interval has become too narrow, or after ``max_evaluations`` trials, the lowest point found is returned, which may
    cost one more evaluation; if no point is lower than the start, None.
    """
    descent = SUFFICIENT_DECREASE * start.slope
    low, high = start, None  # the slope at ``low`` points towards ``high``
    stage_one = True  # until a trial has a sufficient decrease and a slope that is not negative
    widths = (math.inf, math.inf)  # of the interval after the last two trials
    step, last = min(first, MAX_STEP), start
    for _ in range(max_evaluations):
        last = trial = phi(step)
        sufficient = trial.finite and trial.value <= start.value + step * descent
        level = trial.finite and abs(trial.slope) <= -CURVATURE * start.slope
        if level and (sufficient or abs(trial.value - start.value) <= noise):
            return trial
        if sufficient and step == MAX_STEP and trial.slope <= descent:  # it still falls, if it falls at all
            low = trial
            break
        stage_one = stage_one and not (sufficient and trial.slope >= 0)
        # A trial that is lower than ``low`` without a sufficient decrease may hide the points that have one: then the search
        # works on φ(α) − μ φ'(0) α, whose minimum has it.
        tilt = descent if stage_one and trial.finite and trial.value <= low.value and not sufficient else 0.0
        step = _next_step(low.tilted(tilt), None if high is None else high.tilted(tilt), trial.tilted(tilt))
        low, high = _next_interval(low, high, trial, tilt)
        if high is None:
            continue
        width = abs(high.step - low.step)
        if width >= SHRINKAGE * widths[0]:
            step = low.step + 0.5 * (high.step - low.step)
        widths = (widths[1], width)
        ends = min(low.step, high.step), max(low.step, high.step)
        if not ends[0] < step < ends[1] or width <= RELATIVE_WIDTH * ends[1]:
            break
    if not low.value < start.value:
        return None
    return low if last is low else phi(low.step)


def _next_interval(low: Point, high: Point | None, trial: Point, tilt: float) -> tuple[Point, Point | None]:
    """Return the ends of the interval after a trial. The values are compared after subtracting ``tilt`` · α."""
    l, t = low.tilted(tilt), trial.tilted(tilt)
    if not trial.finite or t.value > l.value:
        return low, trial
    return trial, low if t.slope * (l.step - t.step) < 0 else high


def _next_step(low: Point, high: Point | None, trial: Point) -> float:
    """Return the step length to try after ``trial``, by the four cases of Moré and Thuente (section 4)."""
    l, t = low, trial
    length = t.step - l.step
    if not t.finite:
        return l.step + RETREAT * length
    cubic = _cubic_minimum(l, t)
    if t.value > l.value:  # the minimum is between: that of the cubic, unless the one of the quadratic is closer to ``low``
        quadratic = l.step + 0.5 * length * l.slope / ((l.value - t.value) / length + l.slope)
        return cubic if abs(cubic - l.step) < abs(quadratic - l.step) else cubic + 0.5 * (quadratic - cubic)
    secant = t.step - t.slope * length / (t.slope - l.slope) if t.slope != l.slope else math.inf
    if t.slope * l.slope < 0:  # lower, and rising again: the minimum is between; the one that is farther from the trial
        return cubic if abs(cubic - t.step) > abs(secant - t.step) else secant
    shortest, longest = (t.step + factor * length for factor in EXPANSION)
    if abs(t.slope) > abs(l.slope):  # lower, and falling more steeply
        if high is None:
            return min(longest, MAX_STEP)
        step = _cubic_minimum(t, high) if high.finite else math.nan
        return step if math.isfinite(step) else 0.5 * (t.step + high.step)
    # Lower, and falling less steeply: the minimum is beyond the trial. A cubic that has none there stands for a distant one.
    beyond = cubic if (cubic - t.step) * length > 0 else math.copysign(math.inf, length)
    if high is None:
        step = beyond if abs(beyond - t.step) > abs(secant - t.step) else secant
        return min(max(step, shortest), longest, MAX_STEP)
    step = beyond if abs(beyond - t.step) < abs(secant - t.step) else secant
    limit = t.step + SHRINKAGE * (high.step - t.step)
    return min(step, limit) if length > 0 else max(step, limit)


def _cubic_minimum(a: Point, b: Point) -> float:
    """Return the step length at the minimum of the cubic with the values and slopes of ``a`` and ``b``; NaN if it has none."""
    mean = 3 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope
    scale = max(abs(mean), abs(a.slope), abs(b.slope))
    if not 0 < scale < math.inf:
        return math.nan
    radicand = (mean / scale) ** 2 - a.slope / scale * (b.slope / scale)
    if radicand < 0:
        return math.nan
    root = math.copysign(scale * math.sqrt(radicand), b.step - a.step)
    denominator = b.slope - a.slope + 2 * root
    return b.step - (b.step - a.step) * (b.slope + root - mean) / denominator if denominator else math.nan
