"""How many threads a step uses.

The compiled kernels split their work between the threads of one pool (:mod:`pellucid.kernels.compiled.thread_pool`), with the
same bits for any number of threads. The reference kernels run in one thread and leave matrix products to BLAS, which has a
pool of its own. Only one of the two pools is used at a time: together they would compete for the same cores.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pellucid.kernels import Kernels, name_of
from pellucid.training import blas

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "quota period": microseconds of processor time in each period

# Below this many multiply-adds, the products of a step are finished before BLAS has woken a second thread.
MIN_WORK_BLAS = 4_000_000
# Below this many multiply-adds and parameters, a step is too short for a second thread of the kernels' pool.
MIN_WORK_POOL = 200_000
MASK_SECONDS = 0.1  # after which the affinity mask is read again: that takes a microsecond, a tenth of a single prediction


@dataclass(frozen=True)
class Threads:
    """The number of threads of the kernels' pool and of BLAS; None where nothing calls BLAS, so that it needs no limit."""

    pool: int = 1
    blas: int | None = 1

    def __str__(self) -> str:
        if self.blas is not None and self.blas > 1:
            return f"{self.blas} BLAS threads"
        return f"{self.pool} thread{'s' * (self.pool > 1)}"

    def applied(self, kernels: Kernels) -> AbstractContextManager[None]:
        """Set these numbers of threads, and return the context of a ``with`` block that needs them.

        The limit of BLAS is that of the block. The pool keeps its number until it is set again.
        """
        kernels.set_num_threads(self.pool)
        return nullcontext() if self.blas is None else blas.limited(self.blas)


class _Allowed(NamedTuple):
    """The number of cores by the affinity mask and the quota, and the time until which it is not read again."""

    cores: int
    until: float


_limit: int | None = None
_allowed = _Allowed(1, -math.inf)


def limit_threads(count: int | None) -> None:
    """Limit this process to ``count`` cores, for processes that share a machine. None removes the limit."""
    global _limit
    _limit = count


@contextmanager
def limited(count: int | None) -> Iterator[None]:
    """Limit this process to ``count`` cores for a ``with`` block (:func:`limit_threads`). None changes nothing."""
    before = _limit
    if count is not None:
        limit_threads(count if before is None else min(count, before))
    try:
        yield
    finally:
        limit_threads(before)


def affinity() -> frozenset[int]:
    """Return the numbers of the cores that this process may run on."""
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def share_of_cores(own: frozenset[int], masks: Sequence[frozenset[int]]) -> int:
    """Return the number of cores for a process on the cores ``own``, where processes on these ``masks`` share a machine.

    The process itself is one of them. Cores are divided by the processes that may run on them, a quota by all of them.
    """
    sharing = sum(bool(own & mask) for mask in masks)
    return max(1, min(len(own) // sharing, (_cpu_quota() or len(own) * len(masks)) // len(masks)))


def available_cores() -> int:
    """Return the number of cores this process may use: its affinity mask, its container's quota and :func:`limit_threads`."""
    global _allowed
    now = time.monotonic()
    if now >= _allowed.until:
        allowed = len(affinity())
        _allowed = _Allowed(min(allowed, _cpu_quota() or allowed), now + MASK_SECONDS)
    return _allowed.cores if _limit is None else min(_allowed.cores, _limit)


@functools.cache
def _cpu_quota() -> int | None:
    """Return the number of processors that the container's control group (Linux, version 2) grants, or None."""
    try:
        quota, period = CPU_QUOTA.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # the file does not exist, or it says "max"
        return None


def choose_threads(
    multiply_adds: int,
    parameters: int,
    batch: int,
    kernels: Kernels,
    *,
    deterministic: bool = False,
    calls_blas: bool = True,
) -> Threads:
    """Return the threads for a step over ``batch`` samples of a network.

    ``multiply_adds`` is the number of multiply-adds in the forward pass of one sample, ``parameters`` the number of parameters
    to update (0 for a forward pass alone). ``deterministic`` limits BLAS to one thread, because its sums depend on the number
    of threads. ``calls_blas`` is false where all that runs beside the kernels is known not to call BLAS.
    """
    work = multiply_adds * batch
    if name_of(kernels) == "compiled":
        pool = available_cores() if work + parameters >= MIN_WORK_POOL else 1
        return _threads(pool, 1 if calls_blas else None)
    return _threads(1, 1 if deterministic or work < MIN_WORK_BLAS else available_cores())


@functools.cache
def _threads(pool: int, blas: int | None) -> Threads:
    return Threads(pool, blas)
