"""The kernels of the activation functions, each one pass over the array.

Most gradients are computed in place, after a copy (see ``in_place``). ReLU, sigmoid and tanh, which are called most, have a
second loop instead of the copy.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.channelwise import (
    BLOCK_ROWS,
    add_groups,
    empty_group_sums,
    fold,
    group_blocks,
    move_sums,
    repeat_channels,
    split_wide_rows,
    wide_row_size,
    wide_rows,
)
from pellucid.kernels.compiled.in_place import copied
from pellucid.kernels.compiled.jit import inner_jit, jit, u64
from pellucid.kernels.compiled.ordered import add
from pellucid.kernels.compiled.simd import address_of
from pellucid.kernels.compiled.thread_pool import CHUNK, chunk, num_chunks, parallel_for
from pellucid.kernels.compiled.vector_math import compile_formula, exponential, exponential_minus_one


@inner_jit
def _relu_task(x, out, task):
    zero = x.dtype.type(0)
    for i in chunk(x, task):
        out[i] = zero if x[i] < zero else x[i]


@jit
def _relu(x, out):
    parallel_for(_relu_task, (x, out), num_chunks(out))


def relu(x: Array, out: Array) -> Array:
    _relu(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _relu_gradient_task(y, dy, out, task):
    zero = y.dtype.type(0)
    if address_of(dy, 0) == address_of(out, 0):  # under one name, so that the loop is vectorized
        for i in chunk(y, task):
            out[i] = zero if y[i] <= zero else out[i]
    else:
        for i in chunk(y, task):
            out[i] = zero if y[i] <= zero else dy[i]


@jit
def _relu_gradient(y, dy, out):
    parallel_for(_relu_gradient_task, (y, dy, out), num_chunks(out))


def relu_gradient(y: Array, dy: Array, out: Array) -> Array:
    _relu_gradient(y.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _relu6_task(x, out, task):
    zero, six = x.dtype.type(0), x.dtype.type(6)
    for i in chunk(x, task):
        out[i] = zero if x[i] < zero else six if x[i] > six else x[i]


@jit
def _relu6(x, out):
    parallel_for(_relu6_task, (x, out), num_chunks(out))


def relu6(x: Array, out: Array) -> Array:
    _relu6(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _relu6_gradient_task(y, d, task):
    zero, six = y.dtype.type(0), y.dtype.type(6)
    for i in chunk(y, task):
        d[i] = zero if y[i] <= zero or y[i] >= six else d[i]


@jit
def _relu6_gradient(y, d):
    parallel_for(_relu6_gradient_task, (y, d), num_chunks(d))


def relu6_gradient(y: Array, dy: Array, out: Array) -> Array:
    _relu6_gradient(y.reshape(-1), copied(dy, out))
    return out


@inner_jit
def _add_relu_task(x, other, out, task):
    zero = x.dtype.type(0)
    for i in chunk(x, task):
        v = x[i] + other[i]
        out[i] = zero if v < zero else v


@jit
def _add_relu(x, other, out):
    parallel_for(_add_relu_task, (x, other, out), num_chunks(out))


def add_relu(x: Array, other: Array, out: Array) -> Array:
    _add_relu(x.reshape(-1), other.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _leaky_relu_task(x, slope, out, task):
    zero = x.dtype.type(0)
    for i in chunk(x, task):
        out[i] = x[i] if x[i] > zero else slope * x[i]


@jit
def _leaky_relu(x, slope, out):
    parallel_for(_leaky_relu_task, (x, slope, out), num_chunks(out))


def leaky_relu(x: Array, slope: float, out: Array) -> Array:
    _leaky_relu(x.reshape(-1), x.dtype.type(slope), out.reshape(-1))
    return out


@inner_jit
def _leaky_relu_gradient_task(y, slope, d, task):
    zero = y.dtype.type(0)
    for i in chunk(y, task):
        d[i] = slope * d[i] if y[i] <= zero else d[i]


@jit
def _leaky_relu_gradient(y, slope, d):
    parallel_for(_leaky_relu_gradient_task, (y, slope, d), num_chunks(d))


def leaky_relu_gradient(y: Array, slope: float, dy: Array, out: Array) -> Array:
    _leaky_relu_gradient(y.reshape(-1), y.dtype.type(slope), copied(dy, out))
    return out


@inner_jit
def _prelu_task(x, s, out, per_task, task):
    w, zero = u64(s.size), x.dtype.type(0)
    for start in wide_rows(x, w, per_task, task):
        for j in range(min(w, u64(x.size) - start)):
            out[start + j] = x[start + j] if x[start + j] > zero else s[j] * x[start + j]


@jit
def _prelu(x, slope, out):
    s = repeat_channels(slope, wide_row_size(x.size, slope.size), x)
    per_task, tasks = split_wide_rows(x.size, s.size)
    parallel_for(_prelu_task, (x, s, out, per_task), tasks)


def prelu(x: Array, slope: Array, out: Array) -> Array:
    _prelu(x.reshape(-1), slope, out.reshape(-1))
    return out


@inner_jit
def _prelu_backward_task(x, s, d, sums, task):
    """Compute one group's Σ dy x where x is not positive, and dx in place of dy."""
    w, zero = u64(s.size), x.dtype.type(0)
    part, total = np.zeros(w, x.dtype), np.zeros(w)
    blocks, last = group_blocks(x, w, len(sums), task)
    for block in blocks:
        for start in range(block, min(block + w * BLOCK_ROWS, last), w):
            for j in range(min(w, last - start)):
                positive = x[start + j] > zero
                part[j] += zero if positive else x[start + j] * d[start + j]
                d[start + j] = d[start + j] if positive else s[j] * d[start + j]
        move_sums(part, total)
    fold(total, sums[task, 0])


@jit
def _prelu_backward(x, slope, d, dslope):
    s, sums = repeat_channels(slope, wide_row_size(x.size, slope.size), x), empty_group_sums(x.size, slope.size)
    parallel_for(_prelu_backward_task, (x, s, d, sums), len(sums))
    dslope[:] = add_groups(sums)[0]


def prelu_backward(x: Array, slope: Array, dy: Array, dslope: Array, out: Array) -> Array:
    _prelu_backward(x.reshape(-1), slope, copied(dy, out), dslope)
    return out


_exponential_row = compile_formula(lambda x: (exponential(x.replace(">", 0.0, 0.0)),), 1, 1)
_minus_one_row = compile_formula(lambda x: (exponential_minus_one(x.replace(">", 0.0, 0.0)),), 1, 1)


@inner_jit
def _negative_exponentials(x, task):
    """Return e^min(x, 0) for one chunk of x."""
    first = u64(task) * u64(CHUNK)
    out = np.empty(min(u64(CHUNK), u64(x.size) - first), x.dtype)
    _exponential_row((address_of(x, first), address_of(out, 0)), out.size, x.dtype.type(0))
    return out


@inner_jit
def _negative_minus_one(x, task):
    """Return e^min(x, 0) − 1 for one chunk of x."""
    first = u64(task) * u64(CHUNK)
    out = np.empty(min(u64(CHUNK), u64(x.size) - first), x.dtype)
    _minus_one_row((address_of(x, first), address_of(out, 0)), out.size, x.dtype.type(0))
    return out


@inner_jit
def _elu_task(x, alpha, out, task):
    first, e = u64(task) * u64(CHUNK), _negative_minus_one(x, task)
    for i in chunk(x, task):
        out[i] = x[i] if x[i] > 0 else alpha * e[i - first]


@jit
def _elu(x, alpha, out):
    parallel_for(_elu_task, (x, alpha, out), num_chunks(out))


def elu(x: Array, alpha: float, out: Array) -> Array:
    _elu(x.reshape(-1), x.dtype.type(alpha), out.reshape(-1))
    return out


@inner_jit
def _elu_gradient_task(x, alpha, d, task):
    zero, one, first, e = x.dtype.type(0), x.dtype.type(1), u64(task) * u64(CHUNK), _negative_exponentials(x, task)
    for i in chunk(x, task):
        d[i] *= one if x[i] > zero else alpha * e[i - first]


@jit
def _elu_gradient(x, alpha, d):
    parallel_for(_elu_gradient_task, (x, alpha, d), num_chunks(d))


def elu_gradient(x: Array, alpha: float, dy: Array, out: Array) -> Array:
    _elu_gradient(x.reshape(-1), x.dtype.type(alpha), copied(dy, out))
    return out


@inner_jit
def _selu_task(x, scale, product, out, task):
    zero, first, e = x.dtype.type(0), u64(task) * u64(CHUNK), _negative_minus_one(x, task)
    for i in chunk(x, task):
        out[i] = scale * x[i] if x[i] > zero else product * e[i - first]


@jit
def _selu(x, scale, product, out):
    parallel_for(_selu_task, (x, scale, product, out), num_chunks(out))


def selu(x: Array, alpha: float, scale: float, out: Array) -> Array:
    _selu(x.reshape(-1), x.dtype.type(scale), x.dtype.type(scale * alpha), out.reshape(-1))
    return out


@inner_jit
def _selu_gradient_task(x, scale, product, d, task):
    zero, first, e = x.dtype.type(0), u64(task) * u64(CHUNK), _negative_exponentials(x, task)
    for i in chunk(x, task):
        d[i] *= scale if x[i] > zero else product * e[i - first]


@jit
def _selu_gradient(x, scale, product, d):
    parallel_for(_selu_gradient_task, (x, scale, product, d), num_chunks(d))


def selu_gradient(x: Array, alpha: float, scale: float, dy: Array, out: Array) -> Array:
    _selu_gradient(x.reshape(-1), x.dtype.type(scale), x.dtype.type(scale * alpha), copied(dy, out))
    return out


@inner_jit
def _sigmoid_task(x, out, task):
    one = x.dtype.type(1)
    for i in chunk(x, task):
        e = math.exp(-abs(x[i]))
        out[i] = (one if x[i] >= 0 else e) / (one + e)


@jit
def _sigmoid(x, out):
    parallel_for(_sigmoid_task, (x, out), num_chunks(out))


def sigmoid(x: Array, out: Array) -> Array:
    _sigmoid(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _sigmoid_gradient_task(y, dy, out, task):
    one = y.dtype.type(1)
    if address_of(dy, 0) == address_of(out, 0):
        for i in chunk(y, task):
            out[i] = out[i] * y[i] * (one - y[i])
    else:
        for i in chunk(y, task):
            out[i] = dy[i] * y[i] * (one - y[i])


@jit
def _sigmoid_gradient(y, dy, out):
    parallel_for(_sigmoid_gradient_task, (y, dy, out), num_chunks(out))


def sigmoid_gradient(y: Array, dy: Array, out: Array) -> Array:
    _sigmoid_gradient(y.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _hard_sigmoid_task(x, out, task):
    zero, one, three, six = x.dtype.type(0), x.dtype.type(1), x.dtype.type(3), x.dtype.type(6)
    for i in chunk(x, task):
        v = add(x[i], three) / six  # not x/6 + 1/2, which loses digits where x + 3 is near 0
        out[i] = zero if v < zero else one if v > one else v


@jit
def _hard_sigmoid(x, out):
    parallel_for(_hard_sigmoid_task, (x, out), num_chunks(out))


def hard_sigmoid(x: Array, out: Array) -> Array:
    _hard_sigmoid(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _hard_sigmoid_gradient_task(y, d, task):
    zero, one, six = y.dtype.type(0), y.dtype.type(1), y.dtype.type(6)
    for i in chunk(y, task):
        d[i] = zero if y[i] <= zero or y[i] >= one else d[i] / six


@jit
def _hard_sigmoid_gradient(y, d):
    parallel_for(_hard_sigmoid_gradient_task, (y, d), num_chunks(d))


def hard_sigmoid_gradient(y: Array, dy: Array, out: Array) -> Array:
    _hard_sigmoid_gradient(y.reshape(-1), copied(dy, out))
    return out


@inner_jit
def _tanh_task(x, out, task):
    for i in chunk(x, task):
        out[i] = math.tanh(x[i])


@jit
def _tanh(x, out):
    parallel_for(_tanh_task, (x, out), num_chunks(out))


def tanh(x: Array, out: Array) -> Array:
    _tanh(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _tanh_gradient_task(y, dy, out, task):
    one = y.dtype.type(1)
    if address_of(dy, 0) == address_of(out, 0):
        for i in chunk(y, task):
            out[i] = out[i] * (one - y[i] * y[i])
    else:
        for i in chunk(y, task):
            out[i] = dy[i] * (one - y[i] * y[i])


@jit
def _tanh_gradient(y, dy, out):
    parallel_for(_tanh_gradient_task, (y, dy, out), num_chunks(out))


def tanh_gradient(y: Array, dy: Array, out: Array) -> Array:
    _tanh_gradient(y.reshape(-1), dy.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _softplus_task(x, out, task):
    zero = x.dtype.type(0)
    for i in chunk(x, task):
        out[i] = (zero if x[i] < zero else x[i]) + math.log1p(math.exp(-abs(x[i])))


@jit
def _softplus(x, out):
    parallel_for(_softplus_task, (x, out), num_chunks(out))


def softplus(x: Array, out: Array) -> Array:
    _softplus(x.reshape(-1), out.reshape(-1))
    return out


@inner_jit
def _softplus_gradient_task(y, d, task):
    for i in chunk(y, task):
        d[i] *= -math.expm1(-y[i])


@jit
def _softplus_gradient(y, d):
    parallel_for(_softplus_gradient_task, (y, d), num_chunks(d))


def softplus_gradient(y: Array, dy: Array, out: Array) -> Array:
    _softplus_gradient(y.reshape(-1), copied(dy, out))
    return out
