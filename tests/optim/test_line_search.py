"""The line search piece by piece: the next trial in each of the four cases, the next interval, and where the search ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pellucid.errors import DivergedError
from pellucid.optim import LBFGS, PiecewiseConstant, minimize
from pellucid.optim.lbfgs import CurvaturePairs, Minimization
from pellucid.optim.line_search import MAX_STEP, Point, _cubic_minimum, _next_interval, _next_step, strong_wolfe
from pellucid.optim.schedules import Clock

RANDOM = np.random.default_rng(0)


def cubic_minimum(a, b):
    """Return the minimum of the cubic through two points with slopes, from its coefficients; NaN if it has none."""
    length = b.step - a.step
    # c(s) = p + q s + r s² + u s³ with s = (α − a)/length
    p, q = a.value, a.slope * length
    r, u = np.linalg.solve([[1, 1], [2, 3]], [b.value - p - q, b.slope * length - q])
    if r * r - 3 * u * q < 0:
        return math.nan
    roots = np.roots([3 * u, 2 * r, q]).real
    return a.step + length * next(float(s) for s in roots if 2 * r + 6 * u * s >= 0)


def next_step(low, high, trial):
    """The four cases in the words of Moré and Thuente: c, q and s are minima of polynomials, c* that of another cubic."""
    cubic, length = cubic_minimum(low, trial), trial.step - low.step
    if trial.value > low.value:
        bend = (trial.value - low.value - low.slope * length) / length**2
        quadratic = low.step - low.slope / (2 * bend)
        return cubic if abs(cubic - low.step) < abs(quadratic - low.step) else (cubic + quadratic) / 2
    secant = trial.step - trial.slope / ((trial.slope - low.slope) / length)
    if np.sign(trial.slope) != np.sign(low.slope):
        return cubic if abs(cubic - trial.step) > abs(secant - trial.step) else secant
    if abs(trial.slope) > abs(low.slope):
        return trial.step + 4 * length if high is None else cubic_minimum(trial, high)
    ahead = not math.isnan(cubic) and np.sign(cubic - trial.step) == np.sign(length)
    far = cubic if ahead else math.copysign(math.inf, length)
    if high is None:
        step = max((far, secant), key=lambda s: abs(s - trial.step))
        return min(max(step, trial.step + 1.1 * length), trial.step + 4 * length)
    step = min((far, secant), key=lambda s: abs(s - trial.step))
    limit = trial.step + 0.66 * (high.step - trial.step)
    return min(step, limit) if length > 0 else max(step, limit)


def test_the_minimum_of_a_cubic():
    for a, b in RANDOM.normal(size=(300, 2, 3)):
        a, b = Point(*a), Point(*b)
        np.testing.assert_allclose(_cubic_minimum(a, b), cubic_minimum(a, b), rtol=1e-6, atol=1e-9)
    a, b = Point(0.0, 1.0, -1.0), Point(2.0, 0.0, 1.0)
    for size in (1e-200, 1e200):  # no square overflows or vanishes
        large = [Point(p.step, p.value * size, p.slope * size) for p in (a, b)]
        assert _cubic_minimum(*large) == pytest.approx(_cubic_minimum(a, b), rel=1e-12)
    assert _cubic_minimum(Point(0.0, 0.0, -1e-200), Point(1.0, 0.0, 1e200)) == pytest.approx(2 / 3, rel=1e-12)
    assert _cubic_minimum(Point(0.0, 0.0, 0.0), Point(1.0, -1.0, -3.0)) == 0  # −s³ is level there
    assert math.isnan(_cubic_minimum(Point(0.0, 1.0, 0.0), Point(1.0, 1.0, 0.0)))
    assert math.isnan(_cubic_minimum(Point(0.0, 1.0, -math.inf), Point(1.0, 1.0, 0.0)))


def test_the_next_trial_in_the_four_cases():
    seen = set()
    for values in RANDOM.normal(size=(4000, 6)):
        for side in (1, -1):  # the trial after ``low``, and before it
            low = Point(2.0, values[0], -side * (abs(values[1]) + 0.01))
            trial = Point(2.0 + side * (abs(values[2]) + 0.1), values[3], 2 * values[4])
            beyond = Point(trial.step + side * (abs(values[5]) + 0.1), trial.value + abs(values[0]), side * abs(values[2]))
            for high in (None, beyond) if side > 0 else (beyond,):
                wanted = next_step(low, high, trial)
                if math.isfinite(wanted):
                    np.testing.assert_allclose(_next_step(low, high, trial), wanted, rtol=1e-6, atol=1e-8)
                case = "high" if trial.value > low.value else "turn" if trial.slope * side > 0 else "steeper"
                seen.add((case if abs(trial.slope) > abs(low.slope) or case != "steeper" else "flatter", side, high is None))
    assert len(seen) == 4 * 3


def test_trials_without_a_polynomial():
    low, infinite = Point(1.0, 3.0, -1.0), Point(5.0, math.inf, math.nan)
    assert _next_step(low, None, infinite) == 1.4
    assert _next_step(Point(5.0, 3.0, 1.0), None, Point(1.0, math.nan, 0.0)) == 4.6
    falling = Point(2.0, 1.0, -2.0)
    assert _next_step(low, Point(6.0, math.inf, math.nan), falling) == 4.0  # half of the way to the upper end
    assert _next_step(low, None, Point(1.0 + MAX_STEP / 3, -1.0, -2.0)) == MAX_STEP
    assert _next_step(low, None, Point(1.0 + MAX_STEP / 3, -MAX_STEP / 3, -1.0)) == MAX_STEP  # the slope has not changed
    assert _next_step(low, None, Point(2.0, 2.0, -1.0)) == 6.0
    assert _next_step(low, Point(6.0, 5.0, 1.0), Point(2.0, 2.5, -1.0)) == pytest.approx(4.64)  # 0.66 of the way


def test_the_next_interval():
    low, high = Point(1.0, 2.0, -1.0), Point(5.0, 3.0, 1.0)
    higher, equal, lower, rising = Point(3.0, 2.5, -1.0), Point(3.0, 2.0, -1.0), Point(3.0, 1.0, -1.0), Point(3.0, 1.0, 1.0)
    assert _next_interval(low, high, higher, 0.0) == (low, higher)
    assert _next_interval(low, high, equal, 0.0) == (equal, high)
    assert _next_interval(low, high, lower, 0.0) == (lower, high)
    assert _next_interval(low, None, lower, 0.0) == (lower, None)
    assert _next_interval(low, high, rising, 0.0) == (rising, low)
    infinite = Point(3.0, math.inf, 0.0)
    assert _next_interval(low, high, infinite, 0.0) == (low, infinite)
    assert _next_interval(low, high, lower, -1.0) == (low, lower)  # 1 + 3 against 2 + 1
    assert _next_interval(low, high, lower, -0.5) == (lower, high)


def test_a_tilted_point():
    assert Point(2.0, 5.0, 3.0).tilted(0.5) == Point(2.0, 4.0, 2.5)


def test_a_narrow_interval_ends_the_search():
    tried = []

    def kink(step):
        tried.append(step)
        return Point(step, abs(step - 1), math.copysign(1.0, step - 1))

    strong_wolfe(kink, Point(0.0, 1.0, -1.0), 3.0, max_evaluations=50)
    assert 2 < len(tried) < 10


# -- the minimization around it -----------------------------------------------------------------------------------------


def test_a_gradient_with_one_nan_is_refused_at_the_start():
    with pytest.raises(DivergedError, match="its gradient has NaN or infinity"):
        minimize(lambda x: (1.0, np.array([np.nan, 1.0])), [0.0, 0.0])


def test_the_first_step_has_the_length_1():
    points = []

    def f(x):
        points.append(x)
        return x @ x / 2, x

    minimize(f, [30.0, 40.0])
    np.testing.assert_allclose(points[1], [29.4, 39.2], rtol=1e-12)


def test_tolerances_include_equality():
    found = minimize(lambda x: (x[0] / 2, np.array([0.5])), [0.0], LBFGS(gradient_tolerance=0.5))
    assert found.converged
    assert found.evaluations == 1
    f = lambda x: (1 - x[0] + x[0] ** 2 / 4 + x[0] ** 3 / 4, np.array([-1 + x[0] / 2 + 3 * x[0] ** 2 / 4]))  # noqa: E731
    found = minimize(f, [0.0], LBFGS(decrease_tolerance=0.5))  # the first step, of length 1, reduces 1 to ½
    assert found.converged
    assert found.evaluations == 2
    assert "decrease_tolerance=0.5" in found.reason


def test_a_decrease_above_the_tolerance_goes_on():
    f = lambda x: (1 - x[0] + x[0] ** 2 / 8 + x[0] ** 3 / 8, np.array([-1 + x[0] / 4 + 3 * x[0] ** 2 / 8]))  # noqa: E731
    found = minimize(f, [0.0], LBFGS(decrease_tolerance=0.5), max_iterations=1)  # 1 becomes ¼
    assert not found.converged
    assert found.value == 0.25


def test_nothing_is_evaluated_along_a_direction_that_rises():
    settings = LBFGS(gradient_tolerance=0.0)
    run = Minimization(lambda x: (x @ x / 2, x), np.array([0.5]), CurvaturePairs([np.zeros(1), np.zeros(1)]), settings)
    assert run._search(np.array([0.5])) == 0
    assert run._search(np.array([0.0])) == 0
    assert run.evaluations == 1


def test_the_progress_outside_of_a_fit_is_zero():
    assert (Clock(3).epoch, Clock(3).progress) == (0, 0)


def test_the_largest_rate_of_a_schedule_is_exactly_the_one_asked_for():
    for rate in (0.1, 0.7, 0.3):
        assert PiecewiseConstant((1.0,), (0.1, 0.3)).scaled_to(rate).rates[1] == rate
        assert PiecewiseConstant((1.0,), (0.1, 0.049)).scaled_to(rate).peak == rate
