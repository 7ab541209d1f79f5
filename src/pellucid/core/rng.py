"""Named streams of random numbers.

Every random number belongs to a stream that is identified by the seed, the purpose and the path of the layer or slot, and,
for noise, by the step and the position in the whole batch. No code uses global random state. So a run can be repeated, a
resumed run draws the same numbers as an uninterrupted one, and the numbers do not depend on how a batch is split into shards.

There are two kinds of streams:

- :func:`generator` returns NumPy's Philox, a counter-based generator (Salmon et al., 2011), for initialization and shuffling;
- :func:`stream_key` returns a key for the hash in ``kernels/*/noise.py``, for noise of single elements (dropout).
"""

from __future__ import annotations

import hashlib

import numpy as np


def _digest(seed: int, names: tuple[object, ...], size: int) -> int:
    text = "\x1f".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "little")


def generator(seed: int, *names: object) -> np.random.Generator:
    """Return the generator of the stream ``names``, for example ``generator(0, "init", "dense1.W")``."""
    return np.random.Generator(np.random.Philox(key=_digest(seed, names, 16)))


def stream_key(seed: int, *names: object) -> int:
    """Return the 64-bit key of the stream ``names``, for noise of single elements."""
    return _digest(seed, names, 8)


def at_step(key: int, step: int) -> int:
    """Return the 64-bit key of one step of a stream: key and step, mixed as in SplitMix64 (Steele, Lea and Flood, 2014)."""
    mask = 0xFFFF_FFFF_FFFF_FFFF
    z = (key + step * 0x9E37_79B9_7F4A_7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & mask
    return z ^ (z >> 31)
