"""The data of the benchmarks as NumPy arrays. Each contender converts them to its library's own tensors before it is timed."""

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

#: The dense network of the benchmarks: inputs, two hidden layers, classes.
SIZES = (784, 256, 256, 10)
LEARNING_RATE = 1e-3
#: The number of batches with different images; there are twice as many batches.
DISTINCT = 8
#: Bytes that are read at a time, so that reading needs no second copy of the data, since peak memory is measured.
CHUNK = 1 << 20


def cyclic_batches(batch: int) -> list[tuple[Floats, Labels]]:
    """Return batches that are used cyclically for training. The images of a class are one random image with noise.

    The second half of the batches has the images of the first half, with a quarter of the labels changed. So no network can
    reach a loss of zero, and gradients do not become denormal numbers, on which processors are many times slower; that would
    be measured, and is of no interest.
    """
    random = np.random.default_rng(0)
    prototypes = random.random((SIZES[-1], SIZES[0]), np.float32)
    first, second = [], []
    for _ in range(DISTINCT):
        y = random.integers(0, SIZES[-1], batch)
        x = 0.5 * prototypes[y] + 0.5 * random.random((batch, SIZES[0]), np.float32)
        other = np.where(random.random(batch) < 0.25, random.integers(0, SIZES[-1], batch), y)
        first.append((x, y))
        second.append((x, other))
    return first + second


def cyclic_positions(batch: int, positions: tuple[int, ...], channels: int, classes: int) -> list[tuple[Floats, Labels]]:
    """Return batches (batch, *positions, channels) with a label for each position, (batch, *positions).

    At each position is the vector of its class, with noise. A quarter of the labels of the second half of the batches are
    changed, for the reason above.
    """
    random = np.random.default_rng(0)
    prototypes = random.random((classes, channels), np.float32)
    first, second = [], []
    for _ in range(DISTINCT):
        y = random.integers(0, classes, (batch, *positions))
        x = 0.5 * prototypes[y] + 0.5 * random.random((batch, *positions, channels), np.float32)
        other = np.where(random.random(y.shape) < 0.25, random.integers(0, classes, y.shape), y)
        first.append((x, y))
        second.append((x, other))
    return first + second


def inputs(samples: int) -> Floats:
    """Return images to predict."""
    return np.random.default_rng(0).random((samples, SIZES[0]), np.float32)


def weights() -> list[tuple[Floats, Floats]]:
    """Return weights with He's initialization (normal, variance 2/inputs) and zero biases, for each layer."""
    random = np.random.default_rng(0)
    return [
        ((random.standard_normal((n, m)) * np.sqrt(2 / n)).astype(np.float32), np.zeros(m, np.float32))
        for n, m in itertools.pairwise(SIZES)
    ]


def images(data_dir: str | None, samples: int) -> tuple[Bytes, Labels]:
    """Return the first MNIST training images, (samples, 28, 28), and their labels; random ones if ``data_dir`` is None."""
    if data_dir is None:
        random = np.random.default_rng(0)
        return random.integers(0, 256, (samples, 28, 28), np.uint8), random.integers(0, 10, samples)
    x = read_idx(data_dir, "train-images-idx3-ubyte", samples)
    y = read_idx(data_dir, "train-labels-idx1-ubyte", samples)
    return x, y.astype(np.int64)


def read_idx(data_dir: str, name: str, samples: int = sys.maxsize) -> Bytes:
    """Return the first items of an IDX file, MNIST's format: two zeros, a type, a rank, big-endian sizes, then the bytes."""
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
    """Return the peak resident memory of this process in MiB. (The system counts KiB; macOS counts bytes.)"""
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
