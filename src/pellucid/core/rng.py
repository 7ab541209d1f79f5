"""Chance, named.

Every random number comes from a stream with a name: the run's seed, the purpose and the path of whatever draws, and
where it matters the step and the position in the whole batch. Nothing reads global random state, so a run repeats,
a resumed run draws what the uninterrupted one would have drawn, and how a batch is cut into shards changes nothing.

Two mechanisms:

- :func:`generator`: NumPy's Philox, a counter-based generator (Salmon et al., 2011), for initialization and shuffling;
- :func:`stream_key` with the hash in ``kernels/*/noise.py``, for noise element by element (dropout).
"""

from __future__ import annotations

import hashlib

import numpy as np


def _digest(seed: int, names: tuple[object, ...], size: int) -> int:
    text = "\x1f".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "little")


def generator(seed: int, *names: object) -> np.random.Generator:
    """The generator of the stream called ``names``, for example ``generator(0, "init", "dense1.W")``."""
    return np.random.Generator(np.random.Philox(key=_digest(seed, names, 16)))


def stream_key(seed: int, *names: object) -> int:
    """64 bits that name a stream of per-element noise."""
    return _digest(seed, names, 8)


def at_step(key: int, step: int) -> int:
    """The 64-bit key of one step of a stream: SplitMix64's mixing (Steele, Lea and Flood, 2014) of key and step."""
    mask = 0xFFFF_FFFF_FFFF_FFFF
    z = (key + step * 0x9E37_79B9_7F4A_7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & mask
    return z ^ (z >> 31)
