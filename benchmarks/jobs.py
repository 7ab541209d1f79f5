"""A job is a piece of work that a contender has made ready, to be repeated and timed. Imported by child processes only.

A contender is a module whose functions make jobs: ``step(batch=32) -> Job``. The function may take as long as it likes
(build the network, compile it, put the data into the library's own tensors); only ``Job.run`` is timed.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

#: Given the results of the first runs and of the last runs of the warm-up: what they prove, or an error.
Proof = Callable[[Sequence[Any], Sequence[Any]], str]


def _nothing(_: Any) -> None:
    pass


@dataclass(frozen=True)
class Job:
    """``run`` does the work once; where it may return before the work is done, ``wait`` waits, given the last result.

    ``period`` is the number of runs after which the same data come round again, ``form`` says in words which of the
    library's ways of doing this was taken.
    """

    run: Callable[[], Any]
    proof: Proof
    wait: Callable[[Any], object] = _nothing
    period: int = 1
    form: str = ""


def seconds(job: Job, runs: int) -> float:
    """Wall-clock seconds for one run, the mean of ``runs`` in a row."""
    result: Any = None
    start = time.perf_counter()
    for _ in range(runs):
        result = job.run()
    job.wait(result)
    return (time.perf_counter() - start) / runs


def runs_for(job: Job, burst: float) -> int:
    """How many runs in a row last about ``burst`` seconds. The quickest of three tries counts: what disturbs, delays.

    A run of four bursts is one even if it was disturbed, and is not tried again.
    """
    if seconds(job, 1) > 4 * burst:
        return 1
    runs = 1
    while (each := min(seconds(job, runs) for _ in range(3))) * runs < burst / 4:
        runs *= 4
    return max(1, round(burst / each))


def falls(value: Callable[[Any], float] = float) -> Proof:
    """Proof that a job trains: the mean loss over the data at the end of the warm-up is lower than at its start.

    ``value`` turns what ``run`` returns into the loss.
    """

    def proof(first: Sequence[Any], last: Sequence[Any]) -> str:
        before = math.fsum(map(value, first)) / len(first)
        after = math.fsum(map(value, last)) / len(last)
        if not after < before:
            raise RuntimeError(f"this does not train: its loss was {before:.4f} at first and {after:.4f} after the warm-up")
        return f"loss {before:.3f} to {after:.3f} in the warm-up"

    return proof


def probabilities(samples: int, value: Callable[[Any], Any] = lambda result: result) -> Proof:
    """Proof that a job predicts: ten probabilities for each sample, which sum to one. ``value`` gives NumPy's array."""

    def proof(first: Sequence[Any], last: Sequence[Any]) -> str:
        del first
        got = value(last[-1])
        if got.shape != (samples, 10) or not abs(got.sum(axis=1) - 1).max() < 1e-4:
            raise RuntimeError(f"these are not {samples} rows of 10 probabilities: shape {got.shape}")
        return "probabilities that sum to 1"

    return proof


def fastest(ways: Mapping[str, Callable[[], Job]], trial: float = 0.15) -> Job:
    """The quickest of several ways in which a library can do a job: each is made and tried for a moment.

    A way that fails is left out, unless all of them do. What the chosen job proves, it proves from its very first runs.
    """
    jobs: dict[str, Job] = {}
    for form, make in ways.items():
        try:
            job = make()
            beginning = [job.run() for _ in range(job.period)]
            job.wait(beginning[-1])
        except Exception as error:
            print(f"{form}: {type(error).__name__}: {error}", file=sys.stderr)
            if not jobs and form == list(ways)[-1]:
                raise
        else:
            jobs[form] = replace(job, form=form, proof=_from_beginning(job.proof, beginning))
    if len(jobs) == 1:
        return next(iter(jobs.values()))
    runs = {form: runs_for(job, trial) for form, job in jobs.items()}
    times: dict[str, list[float]] = {form: [] for form in jobs}
    for _ in range(3):
        for form, job in jobs.items():
            times[form].append(seconds(job, runs[form]))
    return jobs[min(times, key=lambda form: min(times[form]))]


def best_of(make: Callable[..., Job], **choices: Mapping[str, Any]) -> Job:
    """The quickest of ways that differ in several choices, ``make(**{choice: value})``, found by settling one choice after
    the other; the first of each holds until its turn. Each choice is a mapping from words for the form to a value."""
    taken = {name: next(iter(values)) for name, values in choices.items()}
    best: Job | None = None

    def known(job: Job) -> Callable[[], Job]:
        return lambda: job

    def way(options: Mapping[str, str]) -> Callable[[], Job]:
        return lambda: make(**{name: choices[name][word] for name, word in options.items()})

    for name, values in choices.items():
        if best is not None and len(values) == 1:
            continue
        options = {word: {**taken, name: word} for word in values}
        ways = {_form(one.values()): way(one) for one in options.values()}
        if best is not None:
            ways[best.form] = known(best)  # it is there already
        best = fastest(ways)
        taken = next(one for one in options.values() if _form(one.values()) == best.form)
    assert best is not None, "there is nothing to choose"
    return best


def _form(words: Iterable[str]) -> str:
    return ", ".join(filter(None, words))


def _from_beginning(proof: Proof, beginning: Sequence[Any]) -> Proof:
    return lambda _, last: proof(beginning, last)
