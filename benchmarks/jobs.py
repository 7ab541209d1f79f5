"""Jobs: work that a contender has prepared, to be repeated and timed. Imported by the processes of contenders only.

A contender is a module whose functions create jobs: ``step(batch=32) -> Job``. Such a function may take as long as it needs (to
build the network, compile it, convert the data to the library's own tensors); only ``Job.run`` is timed.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

#: A function of the results of the first and of the last runs of the warm-up. It returns what it found, and raises if the job
#: does not do its work.
Check = Callable[[Sequence[Any], Sequence[Any]], str]


def _nothing(_: Any) -> None:
    pass


@dataclass(frozen=True)
class Job:
    """Work to be timed.

    ``run`` does the work once. If it may return before the work is done, ``wait`` waits for it, given the last result.
    ``period`` is the number of runs after which the data repeat. ``variant`` says which of the library's ways to do the
    work is used.
    """

    run: Callable[[], Any]
    check: Check
    wait: Callable[[Any], object] = _nothing
    period: int = 1
    variant: str = ""


def mean_seconds(job: Job, runs: int) -> float:
    """Return the wall-clock seconds of one run, as the mean of ``runs`` consecutive runs."""
    result: Any = None
    start = time.perf_counter()
    for _ in range(runs):
        result = job.run()
    job.wait(result)
    return (time.perf_counter() - start) / runs


def runs_per_burst(job: Job, burst: float) -> int:
    """Return the number of consecutive runs that take about ``burst`` seconds.

    The fastest of three tries counts, since disturbances only make runs slower. A run that takes more than four bursts
    counts as a burst even if it was disturbed, and is not repeated.
    """
    if mean_seconds(job, 1) > 4 * burst:
        return 1
    runs = 1
    while (each := min(mean_seconds(job, runs) for _ in range(3))) * runs < burst / 4:
        runs *= 4
    return max(1, round(burst / each))


def loss_falls(value: Callable[[Any], float] = float) -> Check:
    """Return a check that a job trains: the mean loss over the data is lower at the end of the warm-up than at its start.

    ``value`` converts the result of ``run`` to the loss.
    """

    def check(first: Sequence[Any], last: Sequence[Any]) -> str:
        before = math.fsum(map(value, first)) / len(first)
        after = math.fsum(map(value, last)) / len(last)
        if not after < before:
            raise RuntimeError(f"this does not train: its loss was {before:.4f} at first and {after:.4f} after the warm-up")
        return f"loss {before:.3f} to {after:.3f} in the warm-up"

    return check


def are_probabilities(samples: int, value: Callable[[Any], Any] = lambda result: result) -> Check:
    """Return a check that a job predicts ten probabilities for each sample, with the sum 1.

    ``value`` converts the result of ``run`` to a NumPy array.
    """

    def check(first: Sequence[Any], last: Sequence[Any]) -> str:
        del first
        got = value(last[-1])
        if got.shape != (samples, 10) or not abs(got.sum(axis=1) - 1).max() < 1e-4:
            raise RuntimeError(f"expected {samples} rows of 10 probabilities with the sum 1, got the shape {got.shape}")
        return "probabilities with the sum 1"

    return check


def fastest(variants: Mapping[str, Callable[[], Job]], trial: float = 0.15) -> Job:
    """Return the fastest of several variants of a job. Each is created and timed for a moment.

    Variants that fail are left out, unless all of them fail. The check of the chosen job gets the results of its very first
    runs.
    """
    jobs: dict[str, Job] = {}
    for variant, make in variants.items():
        try:
            job = make()
            first = [job.run() for _ in range(job.period)]
            job.wait(first[-1])
        except Exception as error:
            print(f"{variant}: {type(error).__name__}: {error}", file=sys.stderr)
            if not jobs and variant == list(variants)[-1]:
                raise
        else:
            jobs[variant] = replace(job, variant=variant, check=_check_from(job.check, first))
    if len(jobs) == 1:
        return next(iter(jobs.values()))
    runs = {variant: runs_per_burst(job, trial) for variant, job in jobs.items()}
    times: dict[str, list[float]] = {variant: [] for variant in jobs}
    for _ in range(3):
        for variant, job in jobs.items():
            times[variant].append(mean_seconds(job, runs[variant]))
    return jobs[min(times, key=lambda variant: min(times[variant]))]


def fastest_combination(make: Callable[..., Job], **choices: Mapping[str, Any]) -> Job:
    """Return the fastest of the jobs ``make(**{choice: value})``, by settling one choice after the other.

    Each choice maps descriptions, which become part of the variant, to values. Until a choice is settled, its first value
    is used.
    """
    settled = {name: next(iter(values)) for name, values in choices.items()}
    best: Job | None = None

    def existing(job: Job) -> Callable[[], Job]:
        return lambda: job

    def candidate(combination: Mapping[str, str]) -> Callable[[], Job]:
        return lambda: make(**{name: choices[name][text] for name, text in combination.items()})

    for name, values in choices.items():
        if best is not None and len(values) == 1:
            continue
        combinations = [{**settled, name: text} for text in values]
        candidates = {_description(one.values()): candidate(one) for one in combinations}
        if best is not None:
            candidates[best.variant] = existing(best)
        best = fastest(candidates)
        settled = next(one for one in combinations if _description(one.values()) == best.variant)
    assert best is not None, "there is nothing to choose"
    return best


def _description(texts: Iterable[str]) -> str:
    return ", ".join(filter(None, texts))


def _check_from(check: Check, first: Sequence[Any]) -> Check:
    return lambda _, last: check(first, last)
