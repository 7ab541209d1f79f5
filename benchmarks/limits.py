"""The limits of the machine, and the least time that a work needs: ``python -m benchmarks.limits`` prints both.

The arithmetic limit is the rate of NumPy's fastest product of large float32 matrices. The transfer limits are the streaming
bandwidths of each cache level and of the memory, for arrays that are only read, only written, copied, and updated in place.
Both use all cores, and are measured once per run, before the first benchmark that needs them.

The time in which a cache line goes from one core to another limits what two threads can share of a small work. It is measured
again and again during a run, because the host of a virtual machine may move its cores.

The least time of a pass (see ``work``) is the longer of its arithmetic and its transfers; that of a step is the sum over its
passes (a roofline for each pass; Williams, Waterman and Patterson, 2009). Transfers from different levels overlap as well.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import harness, work
from benchmarks.contenders import contender
from benchmarks.environment import cache_capacities, cores, machine
from benchmarks.networks import NETWORKS, input_shape
from benchmarks.session import Crashed, NotInstalled, Session
from benchmarks.work import Pass

#: The number of products of each size, and of sweeps over each working set, of which the fastest counts.
PRODUCTS, SWEEPS = 7, 25
#: The tries whose median is the time from core to core, with thousands of round trips each: a tenth of a second together.
HANDOVERS = 15
#: The working set whose bandwidth is that of the memory, in multiples of the last cache, and its least bytes.
BEYOND_CACHES, LEAST_MEMORY = 4, 256 << 20
#: The share of a cache that a working set fills. In the last one, other programs and machines have a share, too.
FILLED = 0.5
KINDS = ("read", "write", "copy", "update")


@dataclass(frozen=True)
class Level:
    """A cache level, or the memory: the bytes that fit into it in all cores together, and its bandwidths in bytes per second.

    Copies and updates count the bytes that are read and those that are written.
    """

    name: str
    capacity: float
    read: float
    write: float
    copy: float
    update: float

    def seconds(self, read: float, written: float, updated: float) -> float:
        """Return the seconds to read, to write, and to read and write in place that many bytes.

        As much as is both read and written moves at the rate of a copy, if that is faster than one after the other.
        """
        both = min(read, written)
        apart = read / self.read + written / self.write
        together = 2 * both / self.copy + (read - both) / self.read + (written - both) / self.write
        return min(apart, together) + 2 * updated / self.update


@dataclass(frozen=True)
class Limits:
    """The limits of a machine: operations per second in products of matrices of this side, and the levels from the first cache
    to the memory."""

    flops: float
    side: int
    threads: int
    levels: tuple[Level, ...]

    @property
    def product_flop(self) -> float:
        """The operations of one product."""
        return 2.0 * self.side**3

    def level_of(self, distance: float) -> Level:
        """Return the first level that holds an array with that many bytes used since its last use; otherwise the memory."""
        return next((level for level in self.levels if distance <= level.capacity), self.levels[-1])


@dataclass(frozen=True)
class Least:
    """The least time of a work in milliseconds, its operations, its bytes, and the share of the time that is arithmetic."""

    ms: float
    flop: float
    moved: float
    arithmetic: float

    def times(self, count: int) -> Least:
        """Return the least time of this work repeated."""
        return Least(self.ms * count, self.flop * count, self.moved * count, self.arithmetic)


def least(passes: Sequence[Pass], limits: Limits, *, fewest: bool = False) -> Least:
    """Return the least time of the passes. With ``fewest``, convolutions are Winograd's where this is possible."""
    seconds = arithmetic = 0.0
    for one, found in zip(passes, work.distances(passes), strict=True):
        computing = (one.fewest if fewest else one.flop) / limits.flops
        taken = max(computing, transfer_seconds(one, found, limits))
        seconds += taken
        arithmetic += taken if computing == taken else 0.0
    flop = sum(one.fewest if fewest else one.flop for one in passes)
    return Least(1e3 * seconds, flop, sum(one.moved for one in passes), arithmetic / seconds if seconds else 0.0)


def transfer_seconds(one: Pass, found: Sequence[float], limits: Limits) -> float:
    """Return the seconds of the transfers of a pass, given the distances of its accesses: those of the slowest level."""
    moved: dict[Level, dict[str, float]] = {}
    for access, distance in zip(one.accesses, found, strict=True):
        kinds = moved.setdefault(limits.level_of(distance), {"read": 0.0, "write": 0.0, "update": 0.0})
        kinds[access.kind] += access.size
    return max((level.seconds(kinds["read"], kinds["write"], kinds["update"]) for level, kinds in moved.items()), default=0.0)


def step_work(network: str, batch: int) -> list[Pass]:
    """Return the work of a training step of the network of that name."""
    return work.step(NETWORKS[network], input_shape(network), batch)


def prediction_work(network: str, samples: int) -> list[Pass]:
    """Return the work of a prediction by the network of that name."""
    return work.prediction(NETWORKS[network], input_shape(network), samples)


@functools.cache
def measured() -> Limits | None:
    """Return the limits of this machine, measured in processes that end afterwards; None without NumPy and Numba."""
    capacities, threads = cache_capacities(), cores()
    biggest = max(capacities.values())
    sets = {name: round(FILLED * size) for name, size in capacities.items()}
    sets["memory"] = max(BEYOND_CACHES * biggest, LEAST_MEMORY)
    try:
        flops, side = _call("numpy", "sgemm", tries=PRODUCTS)
        rates = _call("bandwidth", "bandwidth", working_sets=sets, threads=threads, tries=SWEEPS)
    except (NotInstalled, Crashed) as error:
        print(f"  the limits of the machine could not be measured: {error}", file=sys.stderr)
        return None
    levels = (Level(name, capacities.get(name, math.inf), **{kind: rates[name][kind] for kind in KINDS}) for name in sets)
    return Limits(flops, side, threads, tuple(levels))


@dataclass
class CoreToCore:
    """The seconds in which a cache line went from one core to another, one value for each measurement of a run, and the numbers
    of the two cores: None where threads cannot choose their cores."""

    seconds: list[float] = field(default_factory=list)
    cores: tuple[int, int] | None = None

    def measure(self) -> None:
        """Measure once more, in a process of its own. Nothing is added with one core, or without Numba."""
        try:
            found = _call("core-to-core", "core_to_core", tries=HANDOVERS)
        except (NotInstalled, Crashed) as error:
            print(f"  the time from core to core could not be measured: {error}", file=sys.stderr)
            return
        if found is not None:
            self.seconds.append(found["seconds"])
            self.cores = None if found["cores"] is None else tuple(found["cores"])

    def as_json(self) -> dict[str, Any]:
        """Return the lowest and the highest value, and all of them, as JSON data."""
        return {"lowest": min(self.seconds), "highest": max(self.seconds), "seconds": self.seconds, "cores": self.cores}


def core_to_core_line(plain: dict[str, Any]) -> str:
    """Return the times from core to core, given as JSON data, as a sentence."""
    low, high, count = 1e9 * plain["lowest"], 1e9 * plain["highest"], len(plain["seconds"])
    span = f"in {low:.0f} ns" if count == 1 else f"in {low:.0f} to {high:.0f} ns ({count} measurements during the run)"
    where = (
        "between threads that the system may move"
        if plain["cores"] is None
        else "from core {} to core {}".format(*plain["cores"])
    )
    return f"A cache line goes {where} {span}."


def _call(name: str, function: str, **arguments: Any) -> Any:
    with Session(contender(name)) as session:
        session.start()
        time.sleep(harness.PAUSE)
        return session.request("call", function=function, arguments=arguments)["value"]


def as_json(limits: Limits) -> dict[str, Any]:
    """Return the limits as JSON data; the memory has no capacity."""
    plain = asdict(limits)
    for level in plain["levels"]:
        level["capacity"] = level["capacity"] if math.isfinite(level["capacity"]) else None
    return plain


def table(plain: dict[str, Any]) -> list[str]:
    """Return the limits, given as JSON data, as a sentence and a table in Markdown."""
    lines = [
        f"Limits of the machine with {plain['threads']} threads: {plain['flops'] / 1e9:.0f} GFLOP/s in NumPy's products of "
        f"float32 matrices of {plain['side']}×{plain['side']}, and these bandwidths in GB/s:",
        "",
        "| | size | read | write | copy | update in place |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for level in plain["levels"]:
        size = "" if level["capacity"] is None else f"{level['capacity'] / 2**20:.3g} MiB"
        lines.append(f"| {level['name']} | {size} | {' | '.join(f'{level[kind] / 1e9:.3g}' for kind in KINDS)} |")
    return lines


def lines_of(run: dict[str, Any]) -> list[str]:
    """Return all limits that a run has measured, in Markdown; none where it has measured none."""
    lines = ["", *table(run["limits"])] if "limits" in run else []
    if "core_to_core" in run:
        lines += ["", core_to_core_line(run["core_to_core"])]
    return lines[1:]


def cells(only: Sequence[str] = ()) -> Iterable[tuple[str, Callable[[], list[Pass]]]]:
    """Return the label and the work of a step of each network at two batch sizes, and of predictions."""
    for name in NETWORKS:
        for batch in (1, 4, 32, 100, 128, 512):
            label = f"{name}, step at batch {batch}"
            if not only or any(text in label for text in only):
                yield label, functools.partial(step_work, name, batch)
        for samples in (1, 128, 10_000):
            label = f"{name}, prediction of {samples}"
            if not only or any(text in label for text in only):
                yield label, functools.partial(prediction_work, name, samples)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the limits, and print the least time of steps and predictions of all networks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--rows", metavar="TEXT", action="append", default=[], help="only rows whose label contains this text; may be repeated"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the limits into this JSON file")
    given = parser.parse_args(arguments)
    distance = CoreToCore()
    distance.measure()
    limits = measured()
    if limits is None:
        sys.exit("the limits cannot be measured: NumPy or Numba is missing, or a process failed")
    distance.measure()
    found = {"limits": as_json(limits), **({"core_to_core": distance.as_json()} if distance.seconds else {})}
    if given.out is not None:
        given.out.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines_of(found)))
    heads = ("MFLOP", "MB", "least, ms", "arithmetic, %", "MFLOP with Winograd", "least with Winograd, ms")
    print(f"\n| | {' | '.join(heads)} |\n|---{'|---:' * len(heads)}|")
    for label, make in cells(given.rows):
        passes = make()
        direct, fewest = least(passes, limits), least(passes, limits, fewest=True)
        values = (direct.flop / 1e6, direct.moved / 1e6, direct.ms, 100 * direct.arithmetic, fewest.flop / 1e6, fewest.ms)
        print(f"| {label} | " + " | ".join(f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in values) + " |")


if __name__ == "__main__":
    main()
