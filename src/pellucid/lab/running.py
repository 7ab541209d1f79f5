"""Running experiments: seed after seed, each kept at once, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import __version__
from pellucid import kernels as kernel_sets
from pellucid.energy import Meter
from pellucid.errors import ConfigError, did_you_mean
from pellucid.lab import experiments
from pellucid.lab.experiment import CHAPTERS, Experiment, Size, Trial
from pellucid.lab.keeping import Kept, Results
from pellucid.runs import plain

Tell = Callable[[str], None]


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
    """All experiments in the order of the report: by chapter, then by name."""
    return sorted(((name, load(name)) for name in names()), key=lambda one: (CHAPTERS.index(one[1].chapter), one[0]))


def code_of(name: str) -> str:
    """The fingerprint of an experiment's file: results of another one are not its own."""
    file = Path(experiments.__path__[0]) / f"{name.replace('-', '_')}.py"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def run(
    name: str,
    results: Results,
    size: Size = Size.FULL,
    seeds: int | None = None,
    *,
    data_dir: Path | None = None,
    again: bool = False,
    tell: Tell = lambda text: None,
) -> Kept:
    """Measures the seeds that are not kept yet (all of them ``again``), and returns what is kept then.

    Ctrl-C loses the seed at hand, and none before it. Raises ConfigError for an unknown name, DataError where data is
    missing, FileError where results cannot be written."""
    one, code = load(name), code_of(name)
    wanted = range(one.seeds if seeds is None else _at_least_one(seeds))
    if size is not Size.FULL and seeds is None:
        wanted = range(min(one.seeds, 2 if size is Size.QUICK else 1))
    kept = None if again else results.read(name, size, code)
    if kept is None:
        if not again and results.path(name, size).exists():
            tell("its file has changed since it was measured: it is measured anew")
        kept = Kept(name, size, code)
    for seed in wanted:
        if seed in kept.results:
            continue
        began, meter = time.perf_counter(), Meter()
        found = one.measure(Trial(seed, size, data_dir))
        kept.results[seed] = json.loads(json.dumps(plain(found)))  # what is in memory is what a file would give
        kept.about[seed] = {**_circumstances(), "seconds": time.perf_counter() - began, "energy": vars(meter.read())}
        results.write(kept)
        tell(f"seed {seed}: {kept.about[seed]['seconds']:.1f} s")
    return kept


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
