"""The time of the import statement, and the disk space of the library."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace

from benchmarks.environment import child_environment
from benchmarks.harness import Case, Settings, report_crash, rotations
from benchmarks.installed import installed, version
from benchmarks.results import Cell, Result, Row
from benchmarks.session import LAST_LINES, Contender, Crashed

#: A program that prints the seconds of an import. The exit code 3 means that the library is not installed.
STOPWATCH = """
import importlib.util, sys, time
if importlib.util.find_spec({module!r}.partition(".")[0]) is None: sys.exit(3)
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Library:
    """The module that defines a library's networks, and the packages that must be installed for it."""

    module: str
    packages: tuple[str, ...]


LIBRARIES = {
    "numpy": Library("numpy", ("numpy",)),
    "pellucid": Library("pellucid.model.model", ("pellucid",)),  # `import pellucid` alone loads no other module
    "torch": Library("torch", ("torch",)),
    "jax": Library("jax", ("jax",)),
    "keras": Library("keras", ("keras", "tensorflow")),
    "sklearn": Library("sklearn.neural_network", ("scikit-learn",)),
}


def run(case: Case, settings: Settings) -> Result:
    """Return two rows: the milliseconds of the import, and the installed megabytes."""
    result = Result(case.name, case.title)
    names = [one.name for one in replace(settings, against=None).select(case.contenders)]
    baselines = tuple(one.name for one in case.contenders if one.baseline)
    times = Row("import", "ms", {name: Cell([]) for name in names}, baselines)
    # Round 0 does not count: it brings the files into memory and lets Python write its bytecode.
    for number, order in enumerate(rotations(names, 1 + settings.repeats)):
        for name in order:
            if name not in times.cells:
                continue
            time.sleep(settings.pause)
            milliseconds = _import_time(name, result, settings)
            if milliseconds is None:
                del times.cells[name]
            elif number:
                times.cells[name].values.append(milliseconds)
    sizes = Row("installed", "MB", {}, baselines)
    for name in times.cells:
        parts = installed(*LIBRARIES[name].packages)
        sizes.cells[name] = Cell([sum(parts.values()) / 1e6], ", ".join(parts))
        result.contenders[name] = {
            "versions": {package: version(package) for package in LIBRARIES[name].packages},
            "megabytes": {part: size / 1e6 for part, size in parts.items()},
        }
        settings.notify(f"  {name}: {times.cells[name].spread.median:.0f} ms, {sizes.cells[name].values[0]:.1f} MB")
    result.rows += [times, sizes]
    result.notes.append("Sizes include all requirements of the package, without bytecode and caches.")
    return result


def _import_time(name: str, result: Result, settings: Settings) -> float | None:
    """Return the milliseconds of one import in a fresh interpreter; None, with an entry in ``result``, if it fails."""
    done = subprocess.run(
        [sys.executable, "-c", STOPWATCH.format(module=LIBRARIES[name].module)],
        capture_output=True,
        text=True,
        env=child_environment(),
    )
    if done.returncode == 3:
        result.skipped[name] = f"{LIBRARIES[name].module.partition('.')[0]} is not installed"
        settings.notify(f"  {name}: skipped, it is not installed")
    elif done.returncode:
        crash = Crashed(f"its process ended with code {done.returncode}", done.stderr.splitlines()[-LAST_LINES:])
        report_crash(result, name, "import", crash, settings)
    else:
        return float(done.stdout.split()[-1]) * 1e3
    return None


CASE = Case(
    "import",
    "The import statement in a fresh interpreter, and the installed size.",
    tuple(Contender(name, library.module, baseline=name == "numpy") for name, library in LIBRARIES.items()),
    run,
)
