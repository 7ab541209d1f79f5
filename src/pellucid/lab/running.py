"""Running experiments: several seeds at once, each stored as soon as it is measured, so that a stopped run can be resumed."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import kernels as kernel_sets
from pellucid.core.json_text import jsonable
from pellucid.core.version import __version__
from pellucid.errors import ConfigError
from pellucid.lab.experiment import Experiment, Result, Size, Trial
from pellucid.lab.registry import fingerprint, load
from pellucid.lab.results import Results, StoredResults
from pellucid.runs import processes
from pellucid.runs.energy import Meter
from pellucid.training.threads import available_cores, limit_threads

Notify = Callable[[str], None]
Task = tuple[str, Trial]  # the name of an experiment and one of its seeds
MAX_SEEDS = 10_000  # of one experiment, each of which takes seconds to minutes
Measurement = tuple[str, int, Result, dict[str, Any]]  # name, seed, measured values, how they were measured


def run(
    name: str,
    results: Results,
    size: Size = Size.FULL,
    seeds: int | None = None,
    *,
    jobs: int = 1,
    data_dir: Path | None = None,
    remeasure: bool = False,
    notify: Notify = lambda text: None,
) -> StoredResults:
    """Run one experiment as :func:`run_all` does, and return its stored results."""
    (stored,) = run_all([name], results, size, seeds, jobs=jobs, data_dir=data_dir, remeasure=remeasure, notify=notify)
    return stored


def run_all(
    wanted: Sequence[str],
    results: Results,
    size: Size = Size.FULL,
    seeds: int | None = None,
    *,
    jobs: int | None = None,
    data_dir: Path | None = None,
    remeasure: bool = False,
    notify: Notify = lambda text: None,
) -> Generator[StoredResults, None, None]:
    """Measure the seeds that have no stored results (with ``remeasure``: all seeds), and yield each experiment when it is done.

    ``jobs`` seeds (None: one per core) are measured at once, each in a process with an equal part of the cores. Experiments
    that measure times run alone. With the compiled kernels the measured values do not depend on ``jobs``. An interruption
    (Ctrl-C) loses only the seeds in progress. Close the generator (``contextlib.closing``) if it is not used to the end.
    ``notify`` receives lines of text: one for each measured seed, and one if stored results are out of date.

    Raises ConfigError for an unknown name, DataError if data is missing, FileError if results cannot be written.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {jobs}")
    wanted, folder = list(dict.fromkeys(wanted)), None if data_dir is None else data_dir.resolve()
    stored = {name: _read_current(name, results, size, remeasure, notify) for name in wanted}
    missing = {name: [seed for seed in _seeds(load(name), size, seeds) if seed not in stored[name].results] for name in wanted}
    for name in wanted:
        if not missing[name]:
            yield stored[name]
    tasks = [(name, Trial(seed, size, folder)) for name in wanted for seed in missing[name]]
    parallel = [task for task in tasks if not load(task[0]).alone]
    processes_used = min(processes.default_jobs() if jobs is None else jobs, len(parallel))
    if processes_used < 2:
        parallel = []
    else:
        processes.require_joblib()
    sequential = [task for task in tasks if task not in parallel]
    with closing(_measure_all(sequential, parallel, processes_used)) as measurements:
        for name, seed, result, about in measurements:
            stored[name].results[seed], stored[name].about[seed] = result, about
            results.write(stored[name])
            notify(f"{name}, seed {seed}: {about['seconds']:.1f} s")
            missing[name].remove(seed)
            if not missing[name]:
                yield stored[name]


def _measure_all(
    sequential: Sequence[Task], parallel: Sequence[Task], processes_used: int
) -> Generator[Measurement, None, None]:
    """Yield the measurements of the sequential tasks, then those of the parallel tasks in the order in which they finish."""
    for task in sequential:
        yield measure_seed(*task)
    if parallel:
        cores = max(1, available_cores() // processes_used)
        yield from processes.map_unordered(measure_seed, ((*task, cores) for task in parallel), processes_used)


def _read_current(name: str, results: Results, size: Size, remeasure: bool, notify: Notify) -> StoredResults:
    """Return the stored results of the current code, or empty ones."""
    code = fingerprint(name)
    stored = None if remeasure else results.read(name, size, code)
    if stored is None and not remeasure and os.path.exists(results.path(name, size)):
        notify(f"{name}: its code has changed since it was measured; it is measured again")
    return stored or StoredResults(name, size, code)


def _seeds(experiment: Experiment, size: Size, seeds: int | None) -> range:
    """Return the first ``seeds`` seeds (None: as many as the size needs). Raises ConfigError unless ``seeds`` is positive."""
    if seeds is None:
        return range({Size.FULL: experiment.seeds, Size.QUICK: min(experiment.seeds, 2), Size.TINY: 1}[size])
    if seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, got {seeds}")
    if seeds > MAX_SEEDS:
        raise ConfigError(f"--seeds must be at most {MAX_SEEDS:,}, got {seeds:,}")
    return range(seeds)


def measure_seed(name: str, trial: Trial, cores: int | None = None) -> Measurement:
    """Measure one seed. ``cores`` is given if several processes share the machine: the number of cores for this one."""
    if cores is not None:
        limit_threads(cores)
    try:
        start, meter = time.perf_counter(), Meter(alone=cores is None)
        try:
            values = load(name).measure(trial)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "sklearn":
                raise
            raise ConfigError(f"the experiment {name} needs scikit-learn: pip install 'pellucid[lab]'") from None
        about = {**_environment(), "seconds": time.perf_counter() - start, "energy": vars(meter.read())}
    finally:
        if cores is not None:  # the process may be reused
            limit_threads(None)
    return name, trial.seed, json.loads(json.dumps(jsonable(values))), about  # the same values as when read from a file


def _environment() -> dict[str, Any]:
    """Return the date, the machine, the kernels and the versions of a measurement."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}",
        "kernels": kernel_sets.name_of(kernel_sets.load()),
        "versions": {"pellucid": __version__, "numpy": np.__version__, "python": platform.python_version()},
    }
