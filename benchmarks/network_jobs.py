"""Jobs of convolutional and recurrent networks, with checks that no contender omits a part. Imported by the processes of
contenders only."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from benchmarks import data, networks, reference
from benchmarks.jobs import Check, Job, are_probabilities, loss_falls
from benchmarks.networks import NETWORKS

#: The relative tolerance for float32 values, which are sums of many terms in different orders.
TOLERANCE = 1e-3
#: The number of samples whose probabilities are compared with those of the reference.
COMPARED = 4
#: Training steps of a process whose peak memory is measured; after them, all buffers and optimizer vectors exist.
STEPS = 8
#: Samples in a chunk, where many are predicted: few enough for the caches, enough for all threads.
CHUNK = 250


@dataclass(frozen=True)
class Learner:
    """A network that is ready for training.

    ``train`` takes a batch as tensors of the library and returns the loss before the update. ``parameters`` is the number of
    trained parameters, ``read`` copies them, and ``write`` sets them to such a copy. ``running`` returns the running mean and
    variance of every normalization. ``wait`` is that of the job.
    """

    train: Callable[[Any, Any], Any]
    parameters: int
    read: Callable[[], Any]
    write: Callable[[Any], object]
    running: Callable[[], Sequence[Any]]
    wait: Callable[[Any], object] = lambda _: None


def cyclic_batches(batch: int, network: str = "") -> list[tuple[data.Floats, data.Labels]]:
    """Return the batches for a network: by default those of ``data.cyclic_batches``, as images with one channel.

    For a network with an answer at each position, they have a label for each. Where the output of images is larger than they
    are, the border has the label 0.
    """
    if network not in networks.AT_POSITIONS:
        return [(x.reshape(-1, *networks.INPUT), y) for x, y in data.cyclic_batches(batch)]
    (*positions, channels), (*outputs, classes) = networks.input_shape(network), networks.cost_of(network).shape
    border = [(0, 0), *(((out - size) // 2,) * 2 for out, size in zip(outputs, positions, strict=True))]
    return [(x, np.pad(y, border)) for x, y in data.cyclic_positions(batch, tuple(positions), channels, classes)]


@functools.cache
def first_loss(network: str, batch: int) -> float:
    """Return the loss of the reference for the first of the batches, from the initial weights."""
    return reference.loss(NETWORKS[network], *cyclic_batches(batch, network)[0])


def inputs(samples: int) -> data.Floats:
    """Return images to predict."""
    return data.inputs(samples).reshape(-1, *networks.INPUT)


def step_job(network: str, learner: Learner, batches: Sequence[tuple[Any, Any]], variant: str = "") -> Job:
    """Return a job of training steps over the batches, after a check of the learner."""
    check_learner(network, learner, batches[0])
    following = cycle(batches)
    check = _and_statistics_move(network, loss_falls(), learner)
    return Job(lambda: learner.train(*next(following)), check, learner.wait, len(batches), variant)


def check_learner(network: str, learner: Learner, batch: tuple[Any, Any]) -> None:
    """Raise RuntimeError unless the learner trains the network of that name.

    It must have the right number of parameters. Two steps from the same parameters on the same batch must have different
    losses if there is dropout, and otherwise the same loss, which must be that of the reference. Afterwards the parameters
    are restored.
    """
    layers = NETWORKS[network]
    expected = networks.cost_of(network).parameter_count
    if learner.parameters != expected:
        raise RuntimeError(f"this is not {network}: it has {learner.parameters} parameters instead of {expected}")
    before = learner.read()
    losses = []
    for _ in range(2):
        losses.append(float(learner.train(*batch)))
        learner.write(before)
    first, second = losses
    same = abs(first - second) <= TOLERANCE * abs(first)
    if networks.count(layers, networks.Drop):
        if same:
            raise RuntimeError(f"this has no dropout: the loss of two steps is {first:.6f}")
        return
    if not same:
        raise RuntimeError(f"the same step has a loss of {first:.6f} and then of {second:.6f}")
    right = first_loss(network, len(batch[0]))
    if not abs(first - right) <= TOLERANCE * right:
        raise RuntimeError(f"this is not {network}: its first loss is {first:.6f}, that of the reference {right:.6f}")


def _and_statistics_move(network: str, check: Check, learner: Learner) -> Check:
    """Return a check that also requires the running statistics of every normalization to change."""
    expected = 2 * networks.count(NETWORKS[network], networks.Norm)

    def both(first: Sequence[Any], last: Sequence[Any]) -> str:
        found = check(first, last)
        running = [np.asarray(statistics) for statistics in learner.running()]
        moved = sum(np.isfinite(statistics).all() and np.unique(statistics).size > 1 for statistics in running)
        if not len(running) == moved == expected:
            raise RuntimeError(f"{expected} running means and variances must change, {moved} of {len(running)} did")
        return f"{found}, running statistics change" if expected else found

    return both


def matches_reference(network: str, samples: int, value: Callable[[Any], Any] = lambda result: result) -> Check:
    """Return a check that a job predicts with this network: the first probabilities are those of the reference."""
    shape_and_sums = are_probabilities(samples, value)
    compared = min(samples, COMPARED)
    right = reference.softmax(reference.logits(NETWORKS[network], inputs(samples)[:compared]))

    def check(first: Sequence[Any], last: Sequence[Any]) -> str:
        found = shape_and_sums(first, last)
        difference = float(np.abs(value(last[-1])[:compared] - right).max())
        if not difference <= TOLERANCE:
            raise RuntimeError(f"this is not {network}: its probabilities differ by {difference:.6f}")
        return f"{found}, equal to the reference"

    return check


def predict_job(
    predict: Callable[[Any], Any], chunks: Sequence[Any], check: Check, wait: Callable[[Any], object] | None = None
) -> Job:
    """Return a job that predicts all chunks, one call each. Its result is the list of the results of the calls.

    With ``wait``, a run includes waiting for this list.
    """

    def run() -> list[Any]:
        results = [predict(chunk) for chunk in chunks]
        if wait is not None:
            wait(results)
        return results

    return Job(run, check)


def concatenated(value: Callable[[Any], Any] = lambda result: result) -> Callable[[Any], Any]:
    """Return a function that converts the result of a ``predict_job`` to one array; ``value`` converts each item."""
    return lambda results: np.concatenate([np.asarray(value(result)) for result in results])


def chunk_sizes(samples: int) -> dict[str, int]:
    """Return the chunk sizes to try, by description: all samples at once and, if there are many, a few at a time."""
    several = samples > CHUNK and samples % CHUNK == 0  # compiled functions have one shape
    return {"": samples, f"chunks of {CHUNK}": CHUNK} if several else {"": samples}


def in_chunks(x: Any, size: int) -> list[Any]:
    """Return the array as a list of chunks."""
    return [x[start : start + size] for start in range(0, len(x), size)]


def peak_memory(make: Callable[[], tuple[Learner, Sequence[tuple[Any, Any]]]]) -> list[float]:
    """Return the peak memory of this process in MiB, before a network is created and after it was trained for some steps."""
    before = data.peak_mib()
    learner, batches = make()
    result: Any = None
    for _, batch in zip(range(STEPS), batches, strict=False):
        result = learner.train(*batch)
    learner.wait(result)
    return [before, data.peak_mib()]
