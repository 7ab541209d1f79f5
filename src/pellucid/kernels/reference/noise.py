"""The kernels of random noise: each element is the hash of a counter, with the same bits in both kernel sets.

Element j of row i of the whole batch, under a 64-bit key = (high, low), is

    h(a + j m)   with   a = h(i xor low),   m = h(i + high) or 1

modulo 2³², where h is the 32-bit mixing function "lowbias32" (Wellons, "Prospecting for hash functions", 2018). Each row
has its own odd stride m, so rows do not repeat each other. Nothing is stored: the backward pass computes the same bits again.
"""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array


def mix(x: Array) -> Array:
    """Return the hash lowbias32 of arrays of uint32."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def bits(key: int, row_ids: Array, columns: int) -> Array:
    """Return the first elements (n, columns) of the rows with these ``row_ids`` (n), as uint32."""
    i = row_ids.astype(np.uint32)
    low, high = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    a, m = mix(i ^ low), mix(i + high) | np.uint32(1)
    return mix(a[:, None] + np.arange(columns, dtype=np.uint32) * m[:, None])


def dropout(x: Array, key: int, offset: int, rate: float, out: Array) -> Array:
    """out = x / (1 − rate) where the element is kept (bits ≥ rate·2³²), else 0. Used forward and backward."""
    flat = x.reshape(len(x), math.prod(x.shape[1:]))  # not −1: x may be empty
    kept = bits(key, np.arange(offset, offset + len(x), dtype=np.uint64), flat.shape[1]) >= np.uint32(rate * 2**32)
    np.multiply(flat, kept * x.dtype.type(1 / (1 - rate)), out=out.reshape(flat.shape))
    return out


def uniform(key: int, row_ids: Array, columns: int) -> Array:
    """Return uniform random values (n, columns) of float32 in [0, 1): the first elements of the rows with these ``row_ids``."""
    return (bits(key, row_ids, columns) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def add_normal(x: Array, key: int, offset: int, sigma: float, out: Array) -> Array:
    """out = x + σ z with z from the standard normal distribution, computed in float64.

    Element j of a row is z = √(−2 log u) cos 2πv (Box and Muller, 1958), with uniform u in (0, 1] and v in [0, 1) from the
    elements 2j and 2j + 1 of the hash.
    """
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    row_ids = np.arange(offset, offset + len(x), dtype=np.uint64)
    pairs = bits(key, row_ids, 2 * flat.shape[1]).reshape(*flat.shape, 2).astype(np.float64) / 2**32
    z = np.sqrt(-2 * np.log(pairs[..., 0] + 2**-32)) * np.cos(2 * math.pi * pairs[..., 1])
    np.add(flat, (sigma * z).astype(x.dtype), out=out.reshape(flat.shape))
    return out
