"""The contender's end of the line: a child process that answers JSON requests, one a line, until its input ends.

``python -m benchmarks.worker MODULE`` imports the contender (a library that is missing is answered, not an error) and
then serves: ``prepare`` makes a job and warms it up, ``measure`` times a burst of it, ``once`` calls a function of the
contender and passes its answer on, ``describe`` tells versions, kernels and threads. Between requests it waits in a
read, and uses no processor. An exception ends the process; its traceback is on standard error.
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
from benchmarks.jobs import Job, runs_for, seconds

#: What is told of each thread pool. Its path is not: that is a matter of the machine.
POOL_FACTS = ("user_api", "internal_api", "prefix", "version", "architecture", "threading_layer", "num_threads")


class Worker:
    """One contender, and the job that it has made ready."""

    def __init__(self, module: str) -> None:
        self.contender = importlib.import_module(module)
        self.job: Job | None = None
        self.burst = 1

    def prepare(self, job: str, arguments: dict[str, Any], warm_up: float, burst: float) -> dict[str, Any]:
        """Make a job, warm it up for at least ``warm_up`` seconds, and find how many runs last ``burst`` seconds."""
        self.job = None  # an earlier row's memory is free before the next one takes its own
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
        proof = ready.proof(first, list(last))
        self.burst = runs_for(ready, burst)
        return {"form": ready.form, "proof": proof, "runs": self.burst}

    def measure(self) -> dict[str, Any]:
        """Seconds for one run, the mean of a burst. A tenth of a burst goes before it: caches and threads wake up."""
        assert self.job is not None
        if self.burst > 1:  # a run that fills the burst by itself wakes them up in a small part of its time
            seconds(self.job, max(1, self.burst // 10))
        return {"seconds": seconds(self.job, self.burst)}

    def once(self, job: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The answer of a contender's function that measures by itself."""
        return {"value": getattr(self.contender, job)(**arguments)}

    def describe(self) -> dict[str, Any]:
        """Versions of the contender's packages, the thread pools and kernels that it loaded, and what it adds itself."""
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
    """Serve until the input ends."""
    # Libraries like to print. What they print goes with their errors; the answers have a line of their own.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)

        def answer(facts: dict[str, Any]) -> None:
            answers.write(json.dumps(facts) + "\n")
            answers.flush()

        try:
            worker = Worker(module)
        except ModuleNotFoundError as error:
            if error.name is None or "." in error.name:  # a part of a library that is there: broken, not missing
                raise
            answer({"missing": error.name})
            return
        answer({"ready": True})
        for line in sys.stdin:
            request = json.loads(line)
            answer(getattr(worker, request.pop("do"))(**request))


if __name__ == "__main__":
    main(sys.argv[1])
