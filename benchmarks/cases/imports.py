"""What comes before the first line of work: the time of the import statement, and the room that the library takes."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.environment import child_environment
from benchmarks.harness import Case, Settings, report_crash, turns
from benchmarks.installed import installed, version
from benchmarks.results import Cell, Result, Row
from benchmarks.session import LAST_LINES, Contender, Crashed

#: Run in a fresh interpreter: the seconds that one import takes. The exit code 3 says: not installed.
STOPWATCH = """
import importlib.util, sys, time
if importlib.util.find_spec({module!r}.partition(".")[0]) is None: sys.exit(3)
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Library:
    """What has to be imported before a network can be written down, and the packages that have to be there for it."""

    module: str
    packages: tuple[str, ...]


LIBRARIES = {
    "numpy": Library("numpy", ("numpy",)),
    "pellucid": Library("pellucid.model.model", ("pellucid",)),  # `import pellucid` alone loads nothing yet
    "torch": Library("torch", ("torch",)),
    "jax": Library("jax", ("jax",)),
    "keras": Library("keras", ("keras", "tensorflow")),
    "sklearn": Library("sklearn.neural_network", ("scikit-learn",)),
}


def run(case: Case, settings: Settings) -> Result:
    """Two rows: milliseconds of the import, megabytes installed."""
    result = Result(case.name, case.title)
    names = [one.name for one in settings.chosen(case.contenders)]
    baselines = tuple(one.name for one in case.contenders if one.baseline)
    times = Row("import", "ms", {name: Cell([]) for name in names}, baselines)
    # Round 0 is not counted: it brings the files into memory and lets Python write its bytecode.
    for number, order in enumerate(turns(names, 1 + settings.repeats)):
        for name in order:
            if name not in times.cells:
                continue
            time.sleep(settings.pause)
            milliseconds = _import(name, result, settings)
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
        settings.say(f"  {name}: {times.cells[name].spread.median:.0f} ms, {sizes.cells[name].values[0]:.1f} MB")
    result.rows += [times, sizes]
    result.notes.append("Sizes are those of the package and of all that it requires, without bytecode and caches.")
    return result


def _import(name: str, result: Result, settings: Settings) -> float | None:
    """Milliseconds of one import in a fresh interpreter; None, and an entry in ``result``, where there are none."""
    done = subprocess.run(
        [sys.executable, "-c", STOPWATCH.format(module=LIBRARIES[name].module)],
        capture_output=True,
        text=True,
        env=child_environment(),
    )
    if done.returncode == 3:
        result.skipped[name] = f"{LIBRARIES[name].module.partition('.')[0]} is not installed"
        settings.say(f"  {name}: skipped, it is not installed")
    elif done.returncode:
        crash = Crashed(f"its process ended with code {done.returncode}", done.stderr.splitlines()[-LAST_LINES:])
        report_crash(result, name, "import", crash, settings)
    else:
        return float(done.stdout.split()[-1]) * 1e3
    return None


CASE = Case(
    "import",
    "The import statement in a fresh interpreter, and the size of what has to be installed for it.",
    tuple(Contender(name, library.module, baseline=name == "numpy") for name, library in LIBRARIES.items()),
    run,
)
