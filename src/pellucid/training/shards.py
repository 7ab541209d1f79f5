"""How a step uses the machine's cores, and shards of the batch.

The compiled kernels share their work between threads themselves (see ``kernels/compiled/team.py``), with the same bits for
any number of threads. The reference kernels leave their products to BLAS, or the step's batch is cut into shards: each runs
forward and backward in a thread of its own, with its own contexts and its own row of gradients, and BLAS on one thread. What
shards have to say to each other is sums, taken by a balanced binary tree: (0 + 1) + (2 + 3). The tree's shape depends on the
number of shards alone, so the bits do too.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pellucid.core.memory import Array
from pellucid.kernels import Kernels, name_of

DETERMINISTIC_SHARDS = 4
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of processor time in each period of so many

# For the reference kernels: how often a step uses each weight (samples times positions). Every shard writes a whole
# gradient, and the gradients are summed: that pays where each number of it is the sum of many products, as in convolutions.
USES_WORTH_SHARDS = 400
# Below this many multiply-adds in the forward pass a product is over before BLAS has woken a second thread.
BLAS_THREADS_WORTH = 4_000_000
# For the compiled ones: below so many multiply-adds and parameters, a step is too short for a second thread.
TEAM_WORTH = 200_000


@dataclass(frozen=True)
class Sharding:
    """How one step runs: the number of shards, each in its thread; of BLAS threads; and of threads that share the work
    inside a compiled kernel."""

    shards: int
    blas_threads: int
    team: int = 1

    def __str__(self) -> str:
        counts = {"shard": self.shards, "BLAS thread": self.blas_threads, "thread": self.team}
        said = {kind: n for kind, n in counts.items() if n > 1} or {"thread": 1}
        return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in said.items())


@functools.cache
def _granted() -> int | None:
    """The processors whose time the container of this process grants it (Linux, control groups version 2), if it says."""
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return None


_most: int | None = None


def limit(threads: int | None) -> None:
    """From now on this process uses so many cores at most: for processes that share a machine. None: no limit."""
    global _most
    _most = threads


def cores() -> int:
    """The processors this process may use: those it is bound to, or fewer where its container or :func:`limit` says so."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(bound, _granted() or bound, _most or bound)


def choose(multiply_adds: int, parameters: int, batch: int, kernels: Kernels, *, deterministic: bool = False) -> Sharding:
    """The rule: for a network with so many multiply-adds a sample and so many parameters, at that batch size."""
    work = multiply_adds * batch
    if name_of(kernels) == "compiled":
        return Sharding(1, 1, cores() if work + parameters >= TEAM_WORTH else 1)
    if deterministic:
        return Sharding(DETERMINISTIC_SHARDS, 1)
    if work < BLAS_THREADS_WORTH:
        return Sharding(1, 1)
    if work >= USES_WORTH_SHARDS * parameters:
        return Sharding(max(1, min(cores(), batch)), 1)
    return Sharding(1, cores())


def tree_sum(rows: list[Array], add: Callable[[Array, Array], None]) -> Array:
    """The sum of the rows, in the first of them: neighbours first, then neighbours of neighbours."""
    stride = 1
    while stride < len(rows):
        for k in range(0, len(rows) - stride, 2 * stride):
            add(rows[k], rows[k + stride])
        stride *= 2
    return rows[0]


def _add(total: Array, other: Array) -> None:
    total += other


def _nothing(k: int) -> None:
    """What workers hold between two pieces of work."""


class _Workers:
    """The threads of a crew beside its caller. They wait on locks: a handover takes some ten microseconds, where an
    executor's queue takes eighty."""

    def __init__(self, count: int):
        self.process = os.getpid()
        self.work: Callable[[int], None] | None = None
        self.errors: list[BaseException | None] = [None] * count
        self.go = [threading.Lock() for _ in range(count)]
        self.done = [threading.Lock() for _ in range(count)]
        for k in range(count):
            self.go[k].acquire()
            self.done[k].acquire()
            threading.Thread(target=self._serve, args=(k,), name=f"shard {k + 1}", daemon=True).start()

    def _serve(self, k: int) -> None:
        while True:
            self.go[k].acquire()
            if self.work is None:
                return
            try:
                self.work(k + 1)
            except BaseException as error:
                self.errors[k] = error
            self.done[k].release()

    def dismiss(self) -> None:
        self.work = None
        for lock in self.go:
            lock.release()


class Crew:
    """As many threads as shards (the caller is the first), so that shards can wait for each other."""

    def __init__(self, shards: int):
        self.shards = shards
        self._workers: _Workers | None = None
        self._barrier = threading.Barrier(shards)
        self._parts: list[Array] = []

    def _hired(self) -> _Workers:
        """The workers, made at the first use; a forked process has none of its parent's threads and makes its own."""
        if self._workers is None or self._workers.process != os.getpid():
            self._workers = _Workers(self.shards - 1)
            weakref.finalize(self, self._workers.dismiss)
        return self._workers

    def run(self, work: Callable[[int], None]) -> None:
        """``work(k)`` for each shard k, all at once. An error in one breaks the wait of all, and is raised here."""
        if self.shards == 1:
            work(0)
            return
        workers = self._hired()
        self._barrier.reset()
        self._parts = [None] * self.shards  # type: ignore[list-item]

        def guarded(k: int) -> None:
            try:
                work(k)
            except BaseException:
                self._barrier.abort()
                raise

        workers.work = guarded
        workers.errors = [None] * (self.shards - 1)
        for lock in workers.go:
            lock.release()
        errors: list[BaseException | None] = []
        try:
            guarded(0)
        except BaseException as error:
            errors.append(error)
        try:
            for lock in workers.done:
                lock.acquire()
        except BaseException:  # a second Ctrl-C: these workers are in the middle of something
            self._workers = None
            raise
        workers.work = _nothing  # what was done holds the caller's arrays, and this crew: let go of it
        causes = [error for error in (*errors, *workers.errors) if error is not None]
        causes.sort(key=lambda error: isinstance(error, threading.BrokenBarrierError))  # the cause before its echoes
        if causes:
            raise causes[0]

    def all_sum(self, shard: int, a: Array) -> Array:
        """The sum of every shard's ``a``; each shard gets its own array with the same bits."""
        self._parts[shard] = a
        self._barrier.wait()
        copies = [part.copy() for part in self._parts]
        self._barrier.wait()  # nobody overwrites its part before all have read it
        return tree_sum(copies, _add)
