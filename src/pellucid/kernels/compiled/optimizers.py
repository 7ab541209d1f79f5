"""The kernels of the optimizers' rules. Each is one pass over the flat parameter vector, in place, with its moments."""

from __future__ import annotations

import math

from pellucid.kernels.compiled.jit import inner_jit, jit
from pellucid.kernels.compiled.thread_pool import chunk, num_chunks, parallel_for

MIN_AVERAGE, MIN_SQUARE = 1e-30, 1e-37  # smaller moments are set to zero, as in the reference


@inner_jit
def _flush(x):
    """Return an average or a sum of gradients, or zero where |x| is below MIN_AVERAGE."""
    return type(x)(0) if abs(x) < type(x)(MIN_AVERAGE) else x


@inner_jit
def _flush_square(x):
    """Return an average or a sum of squares, or zero where x is below MIN_SQUARE."""
    return type(x)(0) if x < type(x)(MIN_SQUARE) else x


@inner_jit
def _sgd_task(theta, g, rate, task):
    for i in chunk(theta, task):
        theta[i] -= rate * g[i]


@jit
def sgd(theta, g, rate):
    parallel_for(_sgd_task, (theta, g, theta.dtype.type(rate)), num_chunks(theta))


@inner_jit
def _sgd_momentum_task(theta, g, v, rate, mu, nesterov, task):
    for i in chunk(theta, task):
        w = _flush(mu * v[i] + g[i])
        v[i] = w
        theta[i] -= rate * (g[i] + mu * w if nesterov else w)


@jit
def sgd_momentum(theta, g, v, rate, momentum, nesterov):
    kind = theta.dtype.type
    parallel_for(_sgd_momentum_task, (theta, g, v, kind(rate), kind(momentum), nesterov), num_chunks(theta))


@inner_jit
def _adam_task(theta, g, m, v, peak, rates, betas, eps, amsgrad, task):
    """The step of Adam, AMSGrad and NAdam: θ ← θ − (η_g g + η_m m)/(√v · root + ε), with ``rates`` (η_g, η_m, root).

    Adam and AMSGrad have η_g = 0; AMSGrad takes the largest v so far, ``peak``. ``betas`` are (β₁, 1 − β₁, β₂, 1 − β₂).
    """
    gradient_rate, momentum_rate, root = rates
    b1, r1, b2, r2 = betas
    for i in chunk(theta, task):
        a = b1 * m[i] + r1 * g[i]  # the order of these four statements decides how LLVM contracts and so rounds them
        b = b2 * v[i] + r2 * g[i] * g[i]
        a = _flush(a)
        b = _flush_square(b)
        m[i] = a
        v[i] = b
        if amsgrad:
            b = max(b, peak[i])
            peak[i] = b
        theta[i] -= (gradient_rate * g[i] + momentum_rate * a) / (math.sqrt(b) * root + eps)


@inner_jit
def _adam(theta, g, m, v, peak, rates, beta1, beta2, epsilon, step, amsgrad):
    kind = theta.dtype.type
    rates = (kind(rates[0]), kind(rates[1]), kind(1 / math.sqrt(1 - beta2**step)))
    betas = (kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2))
    parallel_for(_adam_task, (theta, g, m, v, peak, rates, betas, kind(epsilon), amsgrad), num_chunks(theta))


@jit
def adam(theta, g, m, v, rate, beta1, beta2, epsilon, step):
    _adam(theta, g, m, v, v, (0.0, rate / (1 - beta1**step)), beta1, beta2, epsilon, step, False)


@jit
def amsgrad(theta, g, m, v, peak, rate, beta1, beta2, epsilon, step):
    _adam(theta, g, m, v, peak, (0.0, rate / (1 - beta1**step)), beta1, beta2, epsilon, step, True)


@jit
def nadam(theta, g, m, v, gradient_rate, momentum_rate, beta1, beta2, epsilon, step):
    _adam(theta, g, m, v, v, (gradient_rate, momentum_rate), beta1, beta2, epsilon, step, False)


@jit
def radam(theta, g, m, v, rate, root, beta1, beta2, epsilon):
    kind = theta.dtype.type
    rates = (kind(0), kind(rate), kind(root))
    betas = (kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2))
    parallel_for(_adam_task, (theta, g, m, v, v, rates, betas, kind(epsilon), False), num_chunks(theta))


@inner_jit
def _adamax_task(theta, g, m, u, eta, b1, r1, b2, eps, task):
    for i in chunk(theta, task):
        a = _flush(b1 * m[i] + r1 * g[i])
        m[i] = a
        b = max(b2 * u[i], abs(g[i]) + eps)
        u[i] = b
        theta[i] -= eta * a / b


@jit
def adamax(theta, g, m, u, rate, beta1, beta2, epsilon, step):
    kind = theta.dtype.type
    settings = (kind(rate / (1 - beta1**step)), kind(beta1), kind(1 - beta1), kind(beta2), kind(epsilon))
    parallel_for(_adamax_task, (theta, g, m, u, *settings), num_chunks(theta))


@inner_jit
def _rmsprop_task(theta, g, v, mean, u, rate, alpha, rest, eps, momentum, centered, task):
    zero = theta.dtype.type(0)
    for i in chunk(theta, task):
        b = _flush_square(alpha * v[i] + rest * g[i] * g[i])
        v[i] = b
        if centered:
            a = _flush(alpha * mean[i] + rest * g[i])
            mean[i] = a
            b = max(b - a * a, zero)  # it may be negative by rounding
        d = g[i] / (math.sqrt(b) + eps)
        if momentum != zero:
            d = _flush(d + momentum * u[i])
            u[i] = d
        theta[i] -= rate * d


@jit
def rmsprop(theta, g, v, mean, u, rate, alpha, epsilon, momentum, centered):
    kind = theta.dtype.type
    settings = (kind(rate), kind(alpha), kind(1 - alpha), kind(epsilon), kind(momentum))
    parallel_for(_rmsprop_task, (theta, g, v, mean, u, *settings, centered), num_chunks(theta))


@inner_jit
def _adagrad_task(theta, g, s, rate, initial, eps, task):
    for i in chunk(theta, task):
        b = _flush_square(s[i] + g[i] * g[i])
        s[i] = b
        theta[i] -= rate * g[i] / (math.sqrt(initial + b) + eps)


@jit
def adagrad(theta, g, s, rate, initial, epsilon):
    kind = theta.dtype.type
    parallel_for(_adagrad_task, (theta, g, s, kind(rate), kind(initial), kind(epsilon)), num_chunks(theta))


@inner_jit
def _adadelta_task(theta, g, v, u, rate, rho, rest, eps, task):
    for i in chunk(theta, task):
        b = _flush_square(rho * v[i] + rest * g[i] * g[i])
        v[i] = b
        d = g[i] * math.sqrt(u[i] + eps) / math.sqrt(b + eps)
        u[i] = _flush_square(rho * u[i] + rest * d * d)
        theta[i] -= rate * d


@jit
def adadelta(theta, g, v, u, rate, rho, epsilon):
    kind = theta.dtype.type
    parallel_for(_adadelta_task, (theta, g, v, u, kind(rate), kind(rho), kind(1 - rho), kind(epsilon)), num_chunks(theta))


@inner_jit
def _lion_task(theta, g, m, rate, b1, r1, b2, r2, task):
    zero = theta.dtype.type(0)
    for i in chunk(theta, task):
        c = b1 * m[i] + r1 * g[i]
        theta[i] -= rate if c > zero else (-rate if c < zero else zero)
        m[i] = _flush(b2 * m[i] + r2 * g[i])


@jit
def lion(theta, g, m, rate, beta1, beta2):
    kind = theta.dtype.type
    settings = (kind(rate), kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2))
    parallel_for(_lion_task, (theta, g, m, *settings), num_chunks(theta))


@inner_jit
def _rprop_task(theta, g, sign, factor, rate, decrease, increase, low, high, task):
    zero, one = theta.dtype.type(0), theta.dtype.type(1)
    for i in chunk(theta, task):
        s = one if g[i] > zero else (-one if g[i] < zero else zero)
        change = s * sign[i]  # the signs, not the gradients: the product of two small gradients underflows
        f = one if factor[i] == zero and s != zero else factor[i]
        f *= increase if change > zero else (decrease if change < zero else one)
        f = min(max(f, low), high) if f > zero else zero
        s = zero if change < zero else s
        sign[i] = s
        factor[i] = f
        theta[i] -= rate * f * s


@jit
def rprop(theta, g, sign, factor, rate, decrease, increase, low, high):
    kind = theta.dtype.type
    settings = (kind(rate), kind(decrease), kind(increase), kind(low), kind(high))
    parallel_for(_rprop_task, (theta, g, sign, factor, *settings), num_chunks(theta))
