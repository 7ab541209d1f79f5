"""How many threads replay a tape, found by their times.

Threads that share some microseconds of work fetch each other's results: a cache line takes some fifty nanoseconds from one core
to another that shares a cache with it, and four times as much where the cores are on different dies, or where the host of a
virtual machine has moved them apart. Then one thread takes less time than two. No property of the machine says which is so, and
it may change from minute to minute. So replays are timed now and then: some with the number of threads in use, and some with
half or twice as many. The quicker number is used from there on. The bits of the results are the same for each.

The number that is found is quicker than half and than twice as many. It need not be the quickest of all: where eight threads
are quicker than four, one thread is not tried, because a trial of it may take eight times as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pellucid.kernels.compiled import thread_pool

FIRST = 30  # replays before the first trial, and from one that has changed the number to the next one
REST = 100  # times as many replays as in a trial follow it: a slower number costs some thousandths of the time
BLOCK_REPLAYS, BLOCK_SECONDS = 8, 3e-4  # of a number in a trial, at least: a worker that sleeps wakes up in the first half
LONGEST = 3e-4  # seconds of a replay: where it takes longer, all threads are used
GAIN = 0.97  # of the time in use, which another number must remain below

_Result = TypeVar("_Result")


class ThreadTuner:
    """The number of threads for replays that do the same work each time: ``limit``, at most.

    ``left`` is the number of replays before the next trial.
    """

    def __init__(self) -> None:
        self.limit, self.left = thread_pool.MAX_THREADS, FIRST
        self._upwards = False
        self._other = 0  # the other number of threads in the current trial; 0 where there is none
        self._times: list[float] = []  # of the replays with the number that is timed now
        self._in_use: tuple[int, float, int] | None = None  # the number before the trial, its time, and its replays

    def count(self) -> bool:
        """Count a replay. Returns whether :meth:`run` has to make it: it is part of a trial, or does not use all threads."""
        self.left -= 1
        return self.left < 0 or self.limit < thread_pool.MAX_THREADS

    def run(self, replay: Callable[[], _Result]) -> _Result:
        """Make a replay that has been counted."""
        return thread_pool.limited(self.limit, replay) if self.left >= 0 else self._timed(replay)

    def _timed(self, replay: Callable[[], _Result]) -> _Result:
        """Make a replay that is part of a trial. The last one of a trial sets ``limit`` and ``left``."""
        if not self._other:
            threads = thread_pool.num_threads()
            if threads == 1:  # there is no other number
                self.limit, self.left = thread_pool.MAX_THREADS, FIRST
                return replay()
            self.limit = min(self.limit, threads)
            self._upwards = self.limit == 1 or (self._upwards and self.limit < threads)
            self._other = min(2 * self.limit, threads) if self._upwards else self.limit // 2
        begin = time.perf_counter()
        result = thread_pool.limited(self.limit, replay)
        self._times.append(time.perf_counter() - begin)
        if len(self._times) >= BLOCK_REPLAYS and sum(self._times) >= BLOCK_SECONDS:
            self._end_block()
        return result

    def _end_block(self) -> None:
        """Go on with the other number, or end the trial."""
        replays, times = len(self._times), sorted(self._times[len(self._times) // 2 :])
        seconds, self._times = times[len(times) // 2], []
        if self._in_use is None and seconds <= LONGEST:
            self._in_use, self.limit = (self.limit, seconds, replays), self._other
            return
        if self._in_use is None:
            self.limit, self.left = thread_pool.MAX_THREADS, REST * replays
        elif seconds < GAIN * self._in_use[1]:
            self.left = FIRST
        else:
            self.limit, self.left = self._in_use[0], REST * (self._in_use[2] + replays)
            self._upwards = not self._upwards
        self._other, self._in_use = 0, None
        if self.limit >= thread_pool.num_threads():
            self.limit = thread_pool.MAX_THREADS
