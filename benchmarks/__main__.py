"""``python -m benchmarks``: run benchmarks one after the other, and print and write their tables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import limits
from benchmarks.cases import CASES
from benchmarks.cases.epoch import data_name
from benchmarks.environment import DATA_VARIABLE, machine
from benchmarks.harness import Settings
from benchmarks.report import markdown, write
from benchmarks.results import Result

EXAMPLES = """\
examples:
  python -m benchmarks                                 all of them: takes hours, on a machine without other work
  python -m benchmarks step --quick                    a test of whether everything works
  python -m benchmarks step predict --only pellucid,torch --repeats 31
  python -m benchmarks step --rows "batch 512" --only pellucid,jax --repeats 5     one cell, in less than a minute
  python -m benchmarks conv-step --only pellucid --against ../before/src           this version and another one, in turns
"""
#: Benchmarks whose rows are measured together, and not one by one.
WHOLE = ("import", "memory", "conv-memory")
#: The file that shows that a folder contains MNIST.
TRAINING_IMAGES = "train-images-idx3-ubyte"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Pellucid and other libraries side by side, each in its own process, in turn.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks to run: {', '.join(CASES)} (default: all)")
    p.add_argument("--repeats", type=int, metavar="N", help="repetitions of each measurement (default: 15; 3 with --quick)")
    p.add_argument(
        "--quick", action="store_true", help="few and short repetitions and less data, to test whether everything works"
    )
    p.add_argument("--only", metavar="A,B", default="", help="contenders to measure, by name (default: all)")
    p.add_argument(
        "--rows", metavar="TEXT", action="append", default=[], help="only rows whose label contains this text; may be repeated"
    )
    p.add_argument(
        "--against",
        type=Path,
        metavar="SRC",
        help="the folder src of another checkout, whose version of Pellucid takes turns with this one (column 'before')",
    )
    p.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        default=Path("runs/benchmarks"),
        help="the folder for results.json and results.md (default: %(default)s)",
    )
    p.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help=f"the folder with the MNIST files (default: ${DATA_VARIABLE}; random data if it is not set)",
    )
    p.add_argument("--list", action="store_true", help="list the benchmarks and their contenders, and exit")
    return p


def listing() -> str:
    """Return the list of benchmarks with their titles and contenders."""
    lines = []
    for case in CASES.values():
        lines += [f"{case.name:<17}{case.title}", f"{'':<17}{', '.join(one.name for one in case.contenders)}"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks. Return 0, or 1 if an installed contender failed."""
    p = parser()
    given = p.parse_args(arguments)
    if given.list:
        print(listing())
        return 0
    only, rows = tuple(name.strip() for name in given.only.split(",") if name.strip()), tuple(given.rows)
    _check_names(p, "benchmark", given.names, CASES)
    _check_names(p, "contender", only, dict.fromkeys(one.name for case in CASES.values() for one in case.contenders))
    if given.repeats is not None and given.repeats < 1:
        p.error("--repeats must be at least 1")
    if given.against is not None and not (given.against / "pellucid" / "__init__.py").exists():
        p.error(f"--against: {given.against} contains no package pellucid; give the folder src of a checkout")
    data_dir = given.data_dir or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if data_dir is not None and not any((data_dir / (TRAINING_IMAGES + end)).exists() for end in ("", ".gz")):
        if given.data_dir is not None:
            p.error(f"--data-dir: {data_dir} contains no {TRAINING_IMAGES} or {TRAINING_IMAGES}.gz")
        data_dir = None  # the variable may name a folder of other data

    chosen: dict[str, Any] = {
        "only": only,
        "rows": rows,
        "against": given.against,
        "data_dir": data_dir.resolve() if data_dir else None,
    }
    if given.repeats is not None:
        chosen["repeats"] = given.repeats
    settings = Settings.for_quick_run(**chosen) if given.quick else Settings(**chosen)
    run: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {
            name: getattr(settings, name) for name in ("repeats", "burst", "warm_up", "pause", "quick", "only", "rows")
        },
        "data": data_name(settings),
    }
    results: list[Result] = []
    distance = limits.CoreToCore()
    distance.measure()
    for name in dict.fromkeys(given.names or (name for name in CASES if not rows or name not in WHOLE)):
        settings.notify(name)
        result = CASES[name].run(CASES[name], settings)
        if rows and not result.rows:
            continue
        results.append(result)
        if any(row.bound is not None for row in result.rows) and (found := limits.measured()) is not None:
            run["limits"] = limits.as_json(found)
        distance.measure()
        if distance.seconds:
            run["core_to_core"] = distance.as_json()
        write(given.out, run, results)
    if not results:
        p.error(f"no row contains {' or '.join(map(repr, rows))}")
    print(markdown(run, results))
    settings.notify(f"written: {given.out / 'results.json'}, {given.out / 'results.md'}")
    return 1 if any(result.failures for result in results) else 0


def _check_names(p: argparse.ArgumentParser, kind: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Exit with an error message if one of the names is unknown."""
    choices = list(known)
    for name in names:
        if name not in choices:
            p.error(f"unknown {kind} {name!r}; choose from {', '.join(choices)}")


if __name__ == "__main__":
    sys.exit(main())
