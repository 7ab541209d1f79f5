"""What the contenders train on, as NumPy arrays; each brings them into its library's own form before it is timed."""

from __future__ import annotations

import gzip
import itertools
import struct
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

#: The network of all benchmarks: inputs, two hidden layers, classes.
SIZES = (784, 256, 256, 10)
LEARNING_RATE = 1e-3
#: Batches with data of their own in a ring; the ring has twice as many.
DISTINCT = 8
#: Bytes that are read at a time, so that reading needs no second copy of the data: peak memory is measured, too.
CHUNK = 1 << 20


def ring(batch: int) -> list[tuple[Floats, Labels]]:
    """Batches to be trained on round and round: each class is a picture with noise.

    The second half of the ring shows the images of the first half with a quarter of the labels changed. No network can
    drive its loss on that to zero, so that gradients never shrink to numbers below float32's normal range, on which
    processors are many times slower: that would be measured, and means nothing.
    """
    random = np.random.default_rng(0)
    pictures = random.random((SIZES[-1], SIZES[0]), np.float32)
    first, second = [], []
    for _ in range(DISTINCT):
        y = random.integers(0, SIZES[-1], batch)
        x = 0.5 * pictures[y] + 0.5 * random.random((batch, SIZES[0]), np.float32)
        other = np.where(random.random(batch) < 0.25, random.integers(0, SIZES[-1], batch), y)
        first.append((x, y))
        second.append((x, other))
    return first + second


def inputs(samples: int) -> Floats:
    """Images to predict."""
    return np.random.default_rng(0).random((samples, SIZES[0]), np.float32)


def weights() -> list[tuple[Floats, Floats]]:
    """He's initialization (normal, variance 2/inputs) with biases of zero, for libraries that have no such name for it."""
    random = np.random.default_rng(0)
    return [
        ((random.standard_normal((n, m)) * np.sqrt(2 / n)).astype(np.float32), np.zeros(m, np.float32))
        for n, m in itertools.pairwise(SIZES)
    ]


def images(data_dir: str | None, samples: int) -> tuple[Bytes, Labels]:
    """The first MNIST training images, (samples, 28, 28), and their labels; without a folder, random ones of that shape."""
    if data_dir is None:
        random = np.random.default_rng(0)
        return random.integers(0, 256, (samples, 28, 28), np.uint8), random.integers(0, 10, samples)
    x = idx(data_dir, "train-images-idx3-ubyte", samples)
    y = idx(data_dir, "train-labels-idx1-ubyte", samples)
    return x, y.astype(np.int64)


def idx(data_dir: str, name: str, samples: int = sys.maxsize) -> Bytes:
    """The first items of a file in MNIST's format: two zeros, a type, a rank, big-endian sizes, then the bytes."""
    path = Path(data_dir) / name
    with gzip.open(f"{path}.gz") if not path.exists() else path.open("rb") as file:
        rank = struct.unpack(">HBB", file.read(4))[2]
        total, *shape = struct.unpack(f">{rank}I", file.read(4 * rank))
        items = np.empty((min(samples, total), *shape), np.uint8)
        whole = items.reshape(-1).data
        for start in range(0, len(whole), CHUNK):
            file.readinto(whole[start : start + CHUNK])
    return items


def peak_mib() -> float:
    """The most memory that this process has had resident, in MiB (the system counts KiB; macOS counts bytes)."""
    import resource  # which Windows does not have

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
