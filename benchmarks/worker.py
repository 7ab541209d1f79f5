"""The process of a contender: it answers JSON requests, one per line, until its input ends.

``python -m benchmarks.worker MODULE`` imports the contender. If its library is not installed, that is the answer, not an
error. The requests are: ``prepare`` creates a job and warms it up, ``measure`` times a burst of it, ``call`` calls a
function of the contender and returns its result, and ``describe`` returns versions, kernels and threads. Between requests
the process waits in a read and uses no processor. An exception ends the process, with the traceback on standard error.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
import time
from collections import deque
from typing import Any

from benchmarks.installed import version
from benchmarks.jobs import Job, mean_seconds, runs_per_burst

#: The recorded facts of each thread pool. Its path is left out, since it depends on the machine.
POOL_FACTS = ("user_api", "internal_api", "prefix", "version", "architecture", "threading_layer", "num_threads")


class Worker:
    """A contender and its current job."""

    def __init__(self, module: str) -> None:
        self.contender = importlib.import_module(module)
        self.job: Job | None = None
        self.burst = 1

    def prepare(self, job: str, arguments: dict[str, Any], warm_up: float, burst: float) -> dict[str, Any]:
        """Create a job, warm it up for at least ``warm_up`` seconds, and find the number of runs in ``burst`` seconds."""
        self.job = None  # frees the memory of the previous row first
        self.job = ready = getattr(self.contender, job)(**arguments)
        assert isinstance(ready, Job)
        first: list[Any] = []
        last: deque[Any] = deque(maxlen=ready.period)
        start = time.perf_counter()
        for run in itertools.count():
            last.append(ready.run())
            if len(first) < ready.period:
                first.append(last[-1])
            if run + 1 >= 2 * ready.period and time.perf_counter() - start >= warm_up:
                break
        ready.wait(last[-1])
        checked = ready.check(first, list(last))
        self.burst = runs_per_burst(ready, burst)
        return {"variant": ready.variant, "check": checked, "runs": self.burst}

    def measure(self) -> dict[str, Any]:
        """Return the mean seconds of a run in a burst. A tenth of a burst precedes it, to wake up caches and threads."""
        assert self.job is not None
        if self.burst > 1:  # a run that is as long as a burst wakes them up in a small part of its time
            mean_seconds(self.job, max(1, self.burst // 10))
        return {"seconds": mean_seconds(self.job, self.burst)}

    def call(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a function of the contender that makes its own measurements."""
        return {"value": getattr(self.contender, function)(**arguments)}

    def describe(self) -> dict[str, Any]:
        """Return the versions of the contender's packages, its thread pools, and the facts of its own ``describe``."""
        packages = ("numpy", *getattr(self.contender, "PACKAGES", ()))
        facts: dict[str, Any] = {"versions": {name: version(name) for name in packages}, "pools": _pools()}
        facts.update(getattr(self.contender, "describe", dict)())
        return facts


def _pools() -> list[dict[str, Any]]:
    try:
        pools = importlib.import_module("threadpoolctl").threadpool_info()
    except ModuleNotFoundError:
        return []
    return [{name: pool[name] for name in POOL_FACTS if name in pool} for pool in pools]


def main(module: str) -> None:
    """Answer requests until the input ends."""
    # What libraries print goes to standard error, so that it does not mix with the answers.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # before the traceback of an error, not after it

        def answer(facts: dict[str, Any]) -> None:
            answers.write(json.dumps(facts) + "\n")
            answers.flush()

        try:
            worker = Worker(module)
        except ModuleNotFoundError as error:
            if error.name is None or "." in error.name:  # the library is installed but incomplete: an error
                raise
            answer({"missing": error.name})
            return
        answer({"ready": True})
        for line in sys.stdin:
            request = json.loads(line)
            answer(getattr(worker, request.pop("command"))(**request))


if __name__ == "__main__":
    main(sys.argv[1])
