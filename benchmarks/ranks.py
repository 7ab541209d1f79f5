"""Training on several ranks: what a step costs and what its messages cost: ``python -m benchmarks.ranks``.

Prints three tables in Markdown, as they are in docs/ranks.md, in less than four minutes on two cores. Needs the extra ``mpi``.

1. Two ranks with one thread each against one process with two threads, in turn: the median step of several hundred, of the best
   round of each.
2. The messages of two ranks on this machine: sums of vectors of several lengths.
3. The speed of 1 to 256 ranks, calculated from the measured steps of one core and the formula below, for networks of 10 and 100
   Gbit/s.

A step of a batch of B samples on R ranks takes

    T(R) = t(B/R) + (4 + 3 n) log₂ R · α + (2 (R − 1)/R · 4 P + 4 B k)/β        R = 1: t(B)

with the measured step t(b) of one core for b samples (the update of all P parameters included), the latency α of a message, the
bandwidth β of each rank, n layers of batch normalization and k outputs. The gradient takes 2 log₂ R messages of together
2 (R − 1)/R · 4 P bytes (recursive halving and doubling), the outputs and the decision to go on log₂ R messages each, and each
batch normalization three sums of a few hundred bytes. Assumed are α = 30 µs for 10 Gbit/s (TCP) and 3 µs for 100 Gbit/s (RDMA),
one rank on each link, and no overlap of messages with computation, because there is none.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import BatchNorm, CrossEntropy, FitOptions, Model, StepEvent
from pellucid.networks import primitives
from pellucid.runs.presets import preset
from pellucid.training import ranks, threads
from pellucid.training.loop import Control

PRESETS = ("mlp", "cnn")
BATCH, LARGE_BATCH = 128, 1024
SUMS = (2, 256, 16_384, 262_144, 1_048_576)  # floats
NETWORKS = {"10 Gbit/s": (30e-6, 1.25e9), "100 Gbit/s": (3e-6, 12.5e9)}  # latency in seconds, bytes per second
RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CLASSES = 10
IMAGES = 2_048
WARM_UP, MIN_STEPS = 10, 20


def model_of(name: str) -> Model:
    """Return the model of a preset for images of digits."""
    recipe = preset(name)
    return recipe.network(CLASSES).compile((28, 28, 1), CrossEntropy(), recipe.optimizer, classes=None)


def step_seconds(name: str, batch: int, seconds: float) -> float:
    """Return the median time of a step, in a training of about this many ``seconds``. All ranks call it."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (max(IMAGES, batch), 28, 28, 1), np.uint8)
    y = random.integers(0, CLASSES, len(x))
    control, times = Control(), []
    before = begun = time.perf_counter()
    for event in model_of(name).fit_events(x, y, FitOptions(epochs=10_000, batch_size=batch), control=control):
        now = time.perf_counter()
        if isinstance(event, StepEvent) and event.batch < event.batches:  # the last batch of an epoch may be smaller
            times.append(now - before)
        control.stop = now - begun > seconds and len(times) >= WARM_UP + MIN_STEPS
        before = time.perf_counter()
    return statistics.median(times[WARM_UP:])


def sum_seconds(floats: int) -> float:
    """Return the median time of a sum over the ranks."""
    group, vector, times = ranks.current(), np.ones(floats, np.float32), []
    for _ in range(200 if floats < 100_000 else 40):
        group.gather(None)  # all ranks begin together
        start = time.perf_counter()
        group.all_sum(vector)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(what: str, seconds: float) -> dict[str, float]:
    """Return the measurements of one process or rank by name: ``step`` of the presets, ``sums``, or ``small`` batches."""
    if what == "step":
        return {name: step_seconds(name, BATCH, seconds) for name in PRESETS}
    if what == "sums":
        return {str(floats): sum_seconds(floats) for floats in SUMS}
    with threads.limited(1):
        return {f"{name} {batch}": step_seconds(name, batch, seconds) for name in PRESETS for batch in batches()}


def batches() -> list[int]:
    """Return the sizes of parts whose step is measured, the largest first."""
    sizes = {batch // count for batch in (BATCH, LARGE_BATCH) for count in RANKS if batch // count}
    return sorted(sizes, reverse=True)


def started(what: str, count: int, seconds: float) -> dict[str, float]:
    """Measure in a new process, or on ``count`` new ranks, and return the results of the first."""
    command = [sys.executable, "-m", "benchmarks.ranks", "--measure", what, "--seconds", str(seconds)]
    if count > 1:
        command = [str(Path(sys.executable).parent / "mpiexec"), "-n", str(count), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def messages(model: Model, count: int, batch: int, latency: float, bandwidth: float) -> float:
    """Return the seconds of the messages of one step, by the formula at the top."""
    if count == 1:
        return 0.0
    normalized = sum(isinstance(layer, BatchNorm) for _, layer in primitives(model.network))
    size = 2 * (count - 1) / count * 4 * model.parameter_count + 4 * batch * CLASSES
    return (4 + 3 * normalized) * math.log2(count) * latency + size / bandwidth


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown; the first column is text."""
    yield f"| {' | '.join(header)} |"
    yield f"|---|{'---:|' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def calculated(small: dict[str, float]) -> Iterator[str]:
    """Yield the table of the speed of R ranks against one, and of the share of messages in a step."""
    rows = []
    for name in PRESETS:
        model = model_of(name)
        for batch in (BATCH, LARGE_BATCH):
            alone = small[f"{name} {batch}"]
            for network, (latency, bandwidth) in NETWORKS.items():
                cells = []
                for count in RANKS[1:]:
                    if batch // count == 0:
                        cells.append("–")
                        continue
                    sent = messages(model, count, batch, latency, bandwidth)
                    step = small[f"{name} {batch // count}"] + sent
                    cells.append(f"{alone / step:.1f} ({100 * sent / step:.0f} %)")
                rows.append([f"{name}, batch {batch}, {network}", f"{1e3 * alone:.2f}", *cells])
    return table(("", "t(B) in ms", *(f"{count} ranks" for count in RANKS[1:])), rows)


def main() -> None:
    """Measure and print the tables, or measure one thing and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison of ranks with threads")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each measurement of the comparison")
    parser.add_argument("--measure", choices=("step", "sums", "small"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        with ranks.together() as group:
            result = measure(arguments.measure, arguments.seconds)
            if group.rank == 0:
                print(json.dumps(result))
        return
    one: list[dict[str, float]] = []
    two: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        one.append(started("step", 1, arguments.seconds))
        two.append(started("step", 2, arguments.seconds))
    sums = started("sums", 2, 0)
    small = started("small", 1, arguments.seconds / 8)
    print(f"\nOne process with {threads.available_cores()} threads and two ranks, batch {BATCH}: the step in milliseconds\n")
    rows = []
    for name in PRESETS:
        alone, shared = (min(result[name] for result in results) for results in (one, two))
        rows.append([name, f"{1e3 * alone:.2f}", f"{1e3 * shared:.2f}", f"{alone / shared:.2f}"])
    print("\n".join(table(("preset", "one process", "two ranks", "speed of the ranks"), rows)))
    print("\nThe sum of a vector over two ranks of this machine\n")
    rows = [[f"{int(floats):,} floats", f"{1e6 * seconds:.0f}"] for floats, seconds in sums.items()]
    print("\n".join(table(("", "microseconds"), rows)))
    print("\nCalculated: the speed of R ranks of one core against one core, and the share of the messages in a step\n")
    print("\n".join(calculated(small)))


if __name__ == "__main__":
    main()
