"""Jobs of convolutional networks, and the proofs that nobody leaves anything out. Imported by child processes only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import numpy as np

from benchmarks import data, networks, reference
from benchmarks.jobs import Job, Proof, falls, probabilities
from benchmarks.networks import NETWORKS

#: Figures of float32 that come from sums of many terms in different orders agree within this, relative to the largest.
TOLERANCE = 1e-3
#: Samples whose probabilities are compared with the reference's.
COMPARED = 4
#: Steps of a process whose peak memory is measured: all buffers are there, and the optimizer's vectors.
STEPS = 8
#: Samples in a portion, where a library is asked for many: small enough for the caches, large enough for the threads.
PORTION = 250


@dataclass(frozen=True)
class Learner:
    """A network that a contender has ready to be trained.

    ``train`` takes a batch in the library's form and returns the loss before the update; ``parameters`` says how many
    numbers are trained, ``read`` copies them and ``write`` puts such a copy back; ``running`` gives every normalization's
    running mean and variance; ``wait`` is the job's.
    """

    train: Callable[[Any, Any], Any]
    parameters: int
    read: Callable[[], Any]
    write: Callable[[Any], object]
    running: Callable[[], Sequence[Any]]
    wait: Callable[[Any], object] = lambda _: None


def ring(batch: int) -> list[tuple[data.Floats, data.Labels]]:
    """The batches of ``data.ring`` as pictures with one channel."""
    return [(x.reshape(-1, *networks.INPUT), y) for x, y in data.ring(batch)]


def inputs(samples: int) -> data.Floats:
    """Pictures to predict."""
    return data.inputs(samples).reshape(-1, *networks.INPUT)


def step_job(network: str, learner: Learner, batches: Sequence[tuple[Any, Any]], form: str = "") -> Job:
    """Steps of ``learner`` round the ring; before that it has to show what it is."""
    check(network, learner, batches[0])
    following = cycle(batches)
    proof = _and_normalizes(network, falls(), learner)
    return Job(lambda: learner.train(*next(following)), proof, learner.wait, len(batches), form)


def check(network: str, learner: Learner, batch: tuple[Any, Any]) -> None:
    """RuntimeError unless the network has the parameters that it must have, and its loss depends on chance exactly where
    there is dropout; where there is none, the first loss must be the reference's.

    Two steps are taken, and the parameters put back: they start from the same place, on the same batch.
    """
    layers = NETWORKS[network]
    expected = networks.cost(layers).parameter_count
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
            raise RuntimeError(f"this has no dropout: its loss is {first:.6f} twice")
        return
    if not same:
        raise RuntimeError(f"the same step has a loss of {first:.6f} and then of {second:.6f}")
    images, labels = ring(len(batch[0]))[0]
    right = reference.loss(layers, images, labels)
    if not abs(first - right) <= TOLERANCE * right:
        raise RuntimeError(f"this is not {network}: its first loss is {first:.6f}, the reference's {right:.6f}")


def _and_normalizes(network: str, proof: Proof, learner: Learner) -> Proof:
    """The proof, and that the running figures of every normalization have moved from where they began."""
    wanted = 2 * networks.count(NETWORKS[network], networks.Norm)

    def both(first: Sequence[Any], last: Sequence[Any]) -> str:
        said = proof(first, last)
        running = [np.asarray(figures) for figures in learner.running()]
        moved = sum(np.isfinite(figures).all() and np.unique(figures).size > 1 for figures in running)
        if not len(running) == moved == wanted:
            raise RuntimeError(f"{wanted} running means and variances must move, {moved} of {len(running)} did")
        return f"{said}, running statistics move" if wanted else said

    return both


def agrees(network: str, samples: int, value: Callable[[Any], Any] = lambda result: result) -> Proof:
    """Proof that a job predicts with this network: probabilities, the first of which are the reference's."""
    shape_and_sums = probabilities(samples, value)
    some = min(samples, COMPARED)
    right = reference.softmax(reference.logits(NETWORKS[network], inputs(samples)[:some]))

    def proof(first: Sequence[Any], last: Sequence[Any]) -> str:
        said = shape_and_sums(first, last)
        off = float(np.abs(value(last[-1])[:some] - right).max())
        if not off <= TOLERANCE:
            raise RuntimeError(f"this is not {network}: its probabilities are off by {off:.6f}")
        return f"{said}, as the reference says"

    return proof


def predict_job(
    predict: Callable[[Any], Any], parts: Sequence[Any], proof: Proof, wait: Callable[[Any], object] | None = None
) -> Job:
    """Predictions of all parts of the data, one call each; the result is the list of what the calls return, and a run is
    over when ``wait`` has seen it."""

    def run() -> list[Any]:
        results = [predict(part) for part in parts]
        if wait is not None:
            wait(results)
        return results

    return Job(run, proof)


def joined(value: Callable[[Any], Any] = lambda result: result) -> Callable[[Any], Any]:
    """The list of a ``predict_job`` as one array, where ``value`` turns each of its items into one."""
    return lambda results: np.concatenate([np.asarray(value(result)) for result in results])


def portions(samples: int) -> dict[str, int]:
    """In what portions so many samples may be asked for: as one, and, if there are many, a few at a time."""
    several = samples > PORTION and samples % PORTION == 0  # compiled functions have one shape
    return {"": samples, f"portions of {PORTION}": PORTION} if several else {"": samples}


def cut(x: Any, portion: int) -> list[Any]:
    """An array in portions."""
    return [x[start : start + portion] for start in range(0, len(x), portion)]


def memory_of_steps(make: Callable[[], tuple[Learner, Sequence[tuple[Any, Any]]]]) -> list[float]:
    """The peak memory in MiB of this process before the network is made, and after it was trained for some steps."""
    before = data.peak_mib()
    learner, batches = make()
    result: Any = None
    for _, batch in zip(range(STEPS), batches, strict=False):
        result = learner.train(*batch)
    learner.wait(result)
    return [before, data.peak_mib()]


def named(job: Job, form: str) -> Job:
    """The job, and how it is done."""
    return replace(job, form=form)
