"""L-BFGS on functions, against SciPy's L-BFGS-B and against formulas: the minimum and the number of evaluations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize, rosen, rosen_der

from pellucid import L2, LBFGS, Chain, ConfigError, DivergedError, ElasticNet, ShapeError
from pellucid.optim import line_search, minimize, with_learning_rate
from pellucid.optim.lbfgs import CurvaturePairs, Minimization
from pellucid.optim.line_search import Point, strong_wolfe

RNG = np.random.default_rng(0)
ROSENBROCK = {2: np.array([-1.2, 1.0]), 20: np.tile([-1.2, 1.0], 10)}  # the usual starting points


def rosenbrock(x):
    return rosen(x), rosen_der(x)


def quadratic(condition, n=40):
    """Return ½ xᵀA x − bᵀx for a matrix of that condition number, and its minimum."""
    random = np.random.default_rng(1)
    axes = np.linalg.qr(random.normal(size=(n, n)))[0]
    A, b = (axes * np.geomspace(1, condition, n)) @ axes.T, random.normal(size=n)
    return lambda x: (0.5 * x @ A @ x - b @ x, A @ x - b), np.linalg.solve(A, b)


def barrier(x):
    """Return −Σ log x − Σ log(1 − x), which is NaN outside of 0 < x < 1 and smallest at ½."""
    with np.errstate(all="ignore"):
        return -np.log(x).sum() - np.log(1 - x).sum(), 1 / (1 - x) - 1 / x


def counted(f):
    """Return f, and the list of the values that it has returned."""
    values = []

    def call(x):
        value, gradient = f(x)
        values.append(value)
        return value, gradient

    return call, values


# -- the minimum -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", ROSENBROCK)
def test_rosenbrocks_function_takes_no_more_evaluations_than_scipy(n):
    f, values = counted(rosenbrock)
    found = minimize(f, ROSENBROCK[n])
    theirs = scipy_minimize(rosenbrock, ROSENBROCK[n], jac=True, method="L-BFGS-B")
    assert abs(found.value - theirs.fun) < 1e-6
    np.testing.assert_allclose(found.x, 1, atol=1e-3)
    assert found.evaluations == len(values) <= 1.2 * theirs.nfev
    assert found.value == values[-1] == rosen(found.x)
    np.testing.assert_array_equal(found.gradient, rosen_der(found.x))
    assert found.converged


@pytest.mark.parametrize("condition", [1e2, 1e4])
def test_ill_conditioned_quadratics(condition):
    f, minimum = quadratic(condition)
    found = minimize(f, np.zeros(40))
    theirs = scipy_minimize(f, np.zeros(40), jac=True, method="L-BFGS-B")
    assert abs(found.value - f(minimum)[0]) < 1e-6
    assert found.evaluations <= 1.2 * theirs.nfev


def test_the_settings_end_the_minimization():
    f, minimum = quadratic(100.0)
    exact = minimize(f, np.zeros(40), LBFGS(gradient_tolerance=1e-6, decrease_tolerance=0))
    assert abs(exact.gradient).max() <= 1e-6
    assert exact.reason == "no component of the gradient exceeds gradient_tolerance=1e-06"
    np.testing.assert_allclose(exact.x, minimum, rtol=0, atol=1e-6)
    early = minimize(f, np.zeros(40), LBFGS(gradient_tolerance=0, decrease_tolerance=0.1))
    assert early.iterations < exact.iterations / 2
    assert "decrease_tolerance=0.1" in early.reason
    limited = minimize(f, np.zeros(40), max_iterations=3)
    assert (limited.iterations, limited.converged, limited.reason) == (3, False, "max_iterations=3 is reached")
    assert minimize(f, np.zeros(40), LBFGS(memory=40)).evaluations < minimize(f, np.zeros(40), LBFGS(memory=1)).evaluations
    at_minimum = minimize(rosenbrock, np.ones(3))
    assert (at_minimum.iterations, at_minimum.evaluations, at_minimum.converged) == (0, 1, True)


def test_steps_out_of_the_domain_are_shortened():
    f, values = counted(barrier)
    found = minimize(f, np.array([0.01, 0.5, 0.7]))
    assert not np.isfinite(values).all()  # the first trial has length 1
    assert found.converged
    np.testing.assert_allclose(found.x, 0.5, atol=1e-4)


def test_a_function_that_never_decreases_ends_at_the_start():
    wrong = lambda x: (float(x @ x), -2 * x)  # noqa: E731  # the gradient has the wrong sign
    found = minimize(wrong, np.ones(2))
    assert found.reason == "the line search found no further decrease at this precision"
    assert not found.converged
    assert found.x.tolist() == [1, 1]
    assert found.value == 2


def test_pairs_that_lead_nowhere_are_dropped():
    state = [np.zeros(2) for _ in range(4)]
    pairs = CurvaturePairs(state)
    pairs.add(np.full(2, 1e-20), np.full(2, 1e20), -1.0)  # a step of 1e-40 |g|: no value changes
    run = Minimization(rosenbrock, ROSENBROCK[2].copy(), pairs, LBFGS(memory=2))
    before = run.value
    assert run.iterate() > 0
    assert run.value < before
    assert run.ended is None
    assert len(pairs) == 1
    assert abs(state[0]).min() > 1e-10


def test_rounding_errors_of_the_value_do_not_hide_the_minimum():
    """The values are multiples of 1.2e-10, as those of float64 near 1e6; the gradients are exact."""
    found = minimize(lambda x: (1e6 + rosen(x), rosen_der(x)), np.array([-1.2, 1.0]), LBFGS(decrease_tolerance=0))
    np.testing.assert_allclose(found.x, 1, atol=1e-4)
    assert found.evaluations < 80


def test_arguments_and_gradients_may_be_reused_by_the_function():
    buffer = np.empty(2)

    def f(x):
        value, buffer[:] = rosen(x), rosen_der(x)
        x[:] = np.nan
        return value, buffer

    assert minimize(f, ROSENBROCK[2]).value == minimize(rosenbrock, ROSENBROCK[2]).value
    start = ROSENBROCK[2].copy()
    minimize(rosenbrock, start)
    assert start.tolist() == [-1.2, 1.0]
    assert minimize(rosenbrock, [-1, 1]).converged


def test_invalid_arguments():
    with pytest.raises(ShapeError, match=r"start must be a vector \(n\), got the shape \(2, 2\)"):
        minimize(rosenbrock, np.ones((2, 2)))
    with pytest.raises(ShapeError, match=r"a gradient of the shape \(3,\), got the shapes \(\) and \(2,\)"):
        minimize(lambda x: (1.0, x[:2]), np.ones(3))
    with pytest.raises(ShapeError, match=r"a number and"):
        minimize(lambda x: (x, x), np.ones(3))
    for value in (np.nan, np.inf):
        with pytest.raises(DivergedError, match=f"not finite at the start: its value is {value:g}"):
            minimize(lambda x, value=value: (value, x), np.ones(3))
    with pytest.raises(DivergedError, match="its gradient"):
        minimize(lambda x: (1.0, x * np.nan), np.ones(3))
    with pytest.raises(ConfigError, match="max_iterations must be at least 1"):
        minimize(rosenbrock, np.ones(2), max_iterations=0)
    with pytest.raises(ConfigError, match="settings"):
        minimize(rosenbrock, np.ones(2), 10)


# -- the direction -----------------------------------------------------------------------------------------------------


def filled_pairs(count, capacity=3, n=6, dtype=np.float64):
    """Return CurvaturePairs after ``count`` pairs with positive curvature, these pairs, and the vectors that hold them."""
    random = np.random.default_rng(2)
    state = [np.zeros(n, dtype) for _ in range(2 * capacity)]
    pairs, added = CurvaturePairs(state), []
    for _ in range(count):
        s = random.normal(size=n)
        y = s * random.uniform(0.5, 2, n)
        pairs.add(s, y, -1.0)
        added.append((s, y))
    return pairs, added, state


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_the_direction_is_that_of_the_matrix(count):
    """H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ with ρ = 1/sᵀy, from the multiple sᵀy/yᵀy of the identity."""
    pairs, added, _ = filled_pairs(count)
    g, H = np.arange(1.0, 7), np.eye(6)
    for i, (s, y) in enumerate(added[-3:]):
        if i == 0:
            newest_s, newest_y = added[-1]
            H *= newest_s @ newest_y / (newest_y @ newest_y)
        left = np.eye(6) - np.outer(s, y) / (s @ y)
        H = left @ H @ left.T + np.outer(s, s) / (s @ y)
    np.testing.assert_allclose(pairs.direction(g), -H @ g, rtol=1e-12)
    assert len(pairs) == min(count, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pairs_continue_from_their_vectors(dtype):
    pairs, _, state = filled_pairs(2, dtype=dtype)
    g = np.arange(1.0, 7)
    again = CurvaturePairs([vector.copy() for vector in state])
    np.testing.assert_array_equal(again.direction(g), pairs.direction(g))
    assert len(again) == 2
    pairs.clear()
    np.testing.assert_array_equal(pairs.direction(g), -g)
    assert not np.any(state)


def test_pairs_without_positive_curvature_are_ignored():
    pairs, _, state = filled_pairs(1)
    before = [vector.copy() for vector in state]
    s = np.ones(6)
    for y in (-s, 0 * s, 1e-18 * s, np.nan * s):
        pairs.add(s, y, -1.0)
    np.testing.assert_array_equal(state, before)
    assert len(pairs) == 1


# -- the line search ---------------------------------------------------------------------------------------------------


def sine(a, beta=0.01, waves=39):
    """Return value and slope of |a − 1|, rounded off at the kink, plus a sine."""
    if a <= 1 - beta:
        value, slope = 1 - a, -1.0
    elif a >= 1 + beta:
        value, slope = a - 1, 1.0
    else:
        value, slope = (a - 1) ** 2 / (2 * beta) + beta / 2, (a - 1) / beta
    k = waves * math.pi / 2
    return value + (1 - beta) / k * math.sin(k * a), slope + (1 - beta) * math.cos(k * a)


def yanai(beta1, beta2):
    """Return the function with the value and slope of a curve whose ends are steep or flat (Yanai, Ozawa and Kaneko, 1981)."""
    c1, c2 = (math.sqrt(1 + beta**2) - beta for beta in (beta1, beta2))

    def curve(a):
        r1, r2 = math.sqrt((1 - a) ** 2 + beta2**2), math.sqrt(a**2 + beta1**2)
        return c1 * r1 + c2 * r2, c2 * a / r2 - c1 * (1 - a) / r1

    return curve


def pole(a):
    return (-math.log(1 + a) - 0.1 * math.log(2 - a), 0.1 / (2 - a) - 1 / (1 + a)) if a < 2 else (math.nan, math.nan)


CURVES = {  # 5.1 to 5.6 are the six functions in section 5 of Moré and Thuente (1994)
    "5.1": lambda a: (-a / (a * a + 2), (a * a - 2) / (a * a + 2) ** 2),
    "5.2": lambda a: ((a + 0.004) ** 5 - 2 * (a + 0.004) ** 4, 5 * (a + 0.004) ** 4 - 8 * (a + 0.004) ** 3),
    "5.3": sine,
    "5.4": yanai(0.001, 0.001),
    "5.5": yanai(0.01, 0.001),
    "5.6": yanai(0.001, 0.01),
    "pole": pole,
}


def searched(curve, first):
    """Return the point that the search finds, its start, and the step lengths tried."""
    tried = []

    def phi(step):
        tried.append(step)
        return Point(step, *curve(step))

    start = Point(0.0, *curve(0.0))
    return strong_wolfe(phi, start, first), start, tried


@pytest.mark.parametrize("constants", [(1e-3, 0.9), (0.1, 0.1), (1e-3, 1e-3)], ids=str)
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("name", CURVES)
def test_steps_satisfy_the_strong_wolfe_conditions(name, first, constants, monkeypatch):
    decrease, curvature = constants
    monkeypatch.setattr(line_search, "SUFFICIENT_DECREASE", decrease)
    monkeypatch.setattr(line_search, "CURVATURE", curvature)
    monkeypatch.setattr(line_search, "RELATIVE_WIDTH", 0.0)  # narrow intervals are searched as well
    found, start, tried = searched(CURVES[name], first)
    assert found == Point(tried[-1], *CURVES[name](tried[-1]))
    assert found.value <= start.value + decrease * found.step * start.slope
    assert abs(found.slope) <= curvature * abs(start.slope)
    assert len(tried) <= 15


@pytest.mark.parametrize("first", [1e-3, 0.1, 0.3, 1.0, 10.0, 1e3])
def test_the_lowest_point_is_taken_where_the_slope_jumps(first):
    """|a − 1| has no slope near zero: the interval shrinks to the kink."""
    found, _, tried = searched(lambda a: (abs(a - 1), math.copysign(1.0, a - 1)), first)
    assert found.step == tried[-1]
    assert abs(found.step - 1) < 0.2
    assert found.value == min(abs(step - 1) for step in tried)


def test_a_value_within_the_noise_needs_a_flat_slope_only():
    start = Point(0.0, 1.0, -1.0)
    higher = lambda step: Point(step, 1.0 + 1e-9, -0.5)  # noqa: E731
    assert strong_wolfe(higher, start, 1.0) is None
    assert strong_wolfe(higher, start, 1.0, noise=1e-8) == Point(1.0, 1.0 + 1e-9, -0.5)


# -- chains ------------------------------------------------------------------------------------------------------------


def test_only_smooth_penalties_go_into_the_chain():
    from pellucid import L1, Adam, ClipNorm, ClipValue, Decay, MaxNorm

    for components in ((L2(0.1), LBFGS()), (ElasticNet(0.0, 0.1), L2(0.1), LBFGS())):
        assert Chain(*components).rule == LBFGS()
    for component in (ClipNorm(1.0), ClipValue(1.0), L1(0.1), ElasticNet(0.1, 0.1), Decay(0.1)):
        with pytest.raises(ConfigError, match=rf"{type(component).__name__}\(.*\) does not go with LBFGS\(\)"):
            Chain(component, LBFGS())
        Chain(component, Adam())
    with pytest.raises(ConfigError, match=r"MaxNorm\(.*\) does not go with LBFGS\(\)"):
        Chain(LBFGS(), MaxNorm(1.0))
    with pytest.raises(ConfigError, match=r"LBFGS\(\) has no learning rate, so Chain\(rates=…\)"):
        Chain(LBFGS(), rates={"*.b": 2.0})
    with pytest.raises(ConfigError, match=r"LBFGS\(\) has no learning rate"):
        with_learning_rate(Chain(L2(0.1), LBFGS()), 0.1)


@pytest.mark.parametrize("penalty", [L2(0.3), ElasticNet(0.0, 0.3)])
def test_penalties_have_the_value_of_their_gradient(penalty):
    W = RNG.normal(size=5)
    assert penalty.is_penalty
    assert math.isclose(penalty.penalty(W), 0.15 * (W**2).sum())
    assert math.isclose(penalty.penalty(W.astype(np.float32)), 0.15 * (W**2).sum(), rel_tol=1e-6)


@pytest.mark.parametrize("name", ["memory", "max_evaluations"])
def test_settings_are_checked(name):
    with pytest.raises(ConfigError, match=f"{name} must be at least 1"):
        LBFGS(**{name: 0})
    with pytest.raises(ConfigError, match="gradient_tolerance must be at least 0"):
        LBFGS(gradient_tolerance=-1.0)


def test_minimize_says_what_is_wrong_with_its_arguments():
    for f, start, message in (
        ([1.0, 2.0], [1.0], "f must be a function, got list"),
        (lambda x: x @ x, [1.0], "f must return a number and its gradient, a pair, got float64"),
        (lambda x: None, [1.0], "a pair, got NoneType"),
        (lambda x: (x @ x, 2 * x), ["a"], "start must be a vector of numbers"),
    ):
        with pytest.raises((ConfigError, ShapeError), match=message):
            minimize(f, start)


@pytest.mark.parametrize("beyond", [np.nan, np.inf])
def test_a_function_that_ends_before_its_minimum_does_not_converge(beyond):
    def f(x):
        return ((x[0] - 3) ** 2 if x[0] < 2 else beyond), np.array([2 * (x[0] - 3)])

    found = minimize(f, [0.0])
    assert not found.converged
    assert "not finite at longer steps" in found.reason
    assert found.x[0] == pytest.approx(2)
