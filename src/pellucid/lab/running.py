"""Running experiments, several seeds at once; each is kept as soon as it is measured: a run that was stopped goes on."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import pkgutil
import platform
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import kernels as kernel_sets
from pellucid.core.version import __version__
from pellucid.errors import ConfigError, did_you_mean
from pellucid.lab import experiments
from pellucid.lab.chapters import CHAPTERS
from pellucid.lab.experiment import Experiment, Result, Size, Trial
from pellucid.lab.keeping import Kept, Results
from pellucid.runs import processes
from pellucid.runs.energy import Meter
from pellucid.runs.folder import plain
from pellucid.training import shards

Tell = Callable[[str], None]
Task = tuple[str, Trial]  # an experiment's name and one seed of it
Measured = tuple[str, int, Result, dict[str, Any]]  # name, seed, its numbers, how they were measured


def names() -> list[str]:
    """The experiments' names, as their files are called, with hyphens; in alphabetical order."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(experiments.__path__))


def load(name: str) -> Experiment:
    """The experiment of that name. Raises ConfigError where there is none."""
    if name not in names():
        raise ConfigError(f"there is no experiment {name!r}: {did_you_mean(name, names())}; see pellucid lab list")
    found: Experiment = importlib.import_module(f"{experiments.__name__}.{name.replace('-', '_')}").EXPERIMENT
    return found


def in_order() -> list[tuple[str, Experiment]]:
    """All experiments in the order of the report."""
    chapters, places = list(CHAPTERS), [name for held in CHAPTERS.values() for name in held]

    def place(one: tuple[str, Experiment]) -> tuple[int, int, str]:
        name, experiment = one
        return chapters.index(experiment.chapter), places.index(name) if name in places else len(places), name

    return sorted(((name, load(name)) for name in names()), key=place)


def code_of(name: str) -> str:
    """The fingerprint of the code that measures an experiment: results of other code are not its own. What it says of them, its
    texts, verdict, table and figure, may change. (Written by ``ast.unparse``, which is not the same in every Python.)"""
    file = Path(experiments.__path__[0]) / f"{name.replace('-', '_')}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kept = [node for node in tree.body[1:] if not _tells(node)]  # the first is the question
    return hashlib.sha256(ast.unparse(ast.Module(kept, [])).encode()).hexdigest()[:16]


def _tells(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in ("verdict", "table", "figure")
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXPERIMENT"


def run(
    name: str,
    results: Results,
    size: Size = Size.FULL,
    seeds: int | None = None,
    *,
    jobs: int = 1,
    data_dir: Path | None = None,
    again: bool = False,
    tell: Tell = lambda text: None,
) -> Kept:
    """One experiment, as :func:`run_all` does several; returns what is kept then."""
    (kept,) = run_all([name], results, size, seeds, jobs=jobs, data_dir=data_dir, again=again, tell=tell)
    return kept


def run_all(
    wanted: Sequence[str],
    results: Results,
    size: Size = Size.FULL,
    seeds: int | None = None,
    *,
    jobs: int | None = None,
    data_dir: Path | None = None,
    again: bool = False,
    tell: Tell = lambda text: None,
) -> Generator[Kept, None, None]:
    """Measures the seeds that are not kept yet (all of them ``again``), and yields each experiment when it is done.

    So many seeds as ``jobs`` says (None: as there are cores) are measured at once, each in a process with its share of the
    cores; those of experiments that measure times have the machine to themselves. With the compiled kernels the numbers do
    not depend on it. Ctrl-C loses the seeds at hand, and none before: close the generator (``contextlib.closing``) if you
    leave it. Raises ConfigError for an unknown name, DataError where data is missing, FileError where results cannot be
    written."""
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {jobs}")
    wanted, folder = list(dict.fromkeys(wanted)), None if data_dir is None else data_dir.resolve()
    begun = {name: _begun(name, results, size, again, tell) for name in wanted}
    missing = {name: [seed for seed in _seeds(load(name), size, seeds) if seed not in begun[name].results] for name in wanted}
    for name in wanted:
        if not missing[name]:
            yield begun[name]
    trials = [(name, Trial(seed, size, folder)) for name in wanted for seed in missing[name]]
    beside = [one for one in trials if not load(one[0]).alone]
    at_once = min(processes.worthwhile() if jobs is None else jobs, len(beside))
    if at_once < 2:
        beside = []
    else:
        processes.required()
    with closing(_measured([one for one in trials if one not in beside], beside, at_once)) as done:
        for name, seed, result, about in done:
            kept = begun[name]
            kept.results[seed], kept.about[seed] = result, about
            results.write(kept)
            tell(f"{name}, seed {seed}: {about['seconds']:.1f} s")
            missing[name].remove(seed)
            if not missing[name]:
                yield kept


def _measured(by_itself: Sequence[Task], beside: Sequence[Task], at_once: int) -> Generator[Measured, None, None]:
    """One after the other, then so many at once, in the order in which they end."""
    for one in by_itself:
        yield measured(*one)
    if beside:
        share = max(1, shards.cores() // at_once)
        yield from processes.unordered(measured, ((*one, share) for one in beside), at_once)


def _begun(name: str, results: Results, size: Size, again: bool, tell: Tell) -> Kept:
    """What is kept of an experiment and still counts."""
    code = code_of(name)
    kept = None if again else results.read(name, size, code)
    if kept is None and not again and results.path(name, size).exists():
        tell(f"{name}: its code has changed since it was measured: it is measured anew")
    return kept or Kept(name, size, code)


def _seeds(one: Experiment, size: Size, seeds: int | None) -> range:
    if seeds is not None:
        return range(_at_least_one(seeds))
    return range({Size.FULL: one.seeds, Size.QUICK: min(one.seeds, 2), Size.TINY: 1}[size])


def measured(name: str, trial: Trial, threads: int | None = None) -> Measured:
    """One seed; with ``threads`` as one of several at once, each with so many cores."""
    if threads is not None:
        shards.limit(threads)
    try:
        began, meter = time.perf_counter(), Meter(alone=threads is None)
        found = load(name).measure(trial)
        about = {**_circumstances(), "seconds": time.perf_counter() - began, "energy": vars(meter.read())}
    finally:
        if threads is not None:  # the process may be asked for something else
            shards.limit(None)
    return name, trial.seed, json.loads(json.dumps(plain(found))), about  # what is in memory is what a file would give


def _at_least_one(seeds: int) -> int:
    if seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, got {seeds}")
    return seeds


def _circumstances() -> dict[str, Any]:
    """When and where a seed was measured."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}",
        "kernels": kernel_sets.name_of(kernel_sets.load()),
        "versions": {"pellucid": __version__, "numpy": np.__version__, "python": platform.python_version()},
    }


def chosen(wanted: Sequence[str]) -> list[str]:
    """The names, checked; all, in the order of the report, where none is given."""
    if not wanted:
        return [name for name, _ in in_order()]
    for name in wanted:
        load(name)
    return list(dict.fromkeys(wanted))
