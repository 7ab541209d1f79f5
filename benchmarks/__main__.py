"""``python -m benchmarks``: parse, run the chosen benchmarks one after the other, print and write the tables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.cases.epoch import data_name
from benchmarks.environment import DATA_VARIABLE, machine
from benchmarks.harness import Settings
from benchmarks.report import markdown, write
from benchmarks.results import Result

EXAMPLES = """\
examples:
  python -m benchmarks                                 everything: hours, on a machine that does nothing else
  python -m benchmarks step --quick                    whether it works
  python -m benchmarks step predict --only pellucid,torch --repeats 31
"""
#: The file by which a folder is known to hold MNIST.
TRAINING_IMAGES = "train-images-idx3-ubyte"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure pellucid beside other libraries, each in a process of its own, taking turns.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks to run: {', '.join(CASES)} (default: all)")
    p.add_argument("--repeats", type=int, metavar="N", help="repetitions of each measurement (default: 15; 3 with --quick)")
    p.add_argument("--quick", action="store_true", help="few, short repetitions and less data: a look at whether all works")
    p.add_argument("--only", metavar="A,B", default="", help="contenders to measure, by name (default: all)")
    p.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        default=Path("runs/benchmarks"),
        help="where results.json and results.md go (default: %(default)s)",
    )
    p.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help=f"folder with the MNIST files (default: ${DATA_VARIABLE}; random data, if there is none)",
    )
    p.add_argument("--list", action="store_true", help="list the benchmarks and their contenders, and stop")
    return p


def listing() -> str:
    """The benchmarks, what each measures, and who takes part."""
    lines = []
    for case in CASES.values():
        lines += [f"{case.name:<13}{case.title}", f"{'':<13}{', '.join(one.name for one in case.contenders)}"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 if every contender that is installed did its work, 1 if one of them broke."""
    p = parser()
    given = p.parse_args(arguments)
    if given.list:
        print(listing())
        return 0
    only = tuple(name.strip() for name in given.only.split(",") if name.strip())
    _known(p, "benchmark", given.names, CASES)
    _known(p, "contender", only, dict.fromkeys(one.name for case in CASES.values() for one in case.contenders))
    if given.repeats is not None and given.repeats < 1:
        p.error("--repeats must be at least 1")
    data_dir = given.data_dir or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if data_dir is not None and not any((data_dir / (TRAINING_IMAGES + end)).exists() for end in ("", ".gz")):
        if given.data_dir is not None:
            p.error(f"--data-dir: there is no {TRAINING_IMAGES} or {TRAINING_IMAGES}.gz in {data_dir}")
        data_dir = None  # pellucid may keep other data there

    chosen: dict[str, Any] = {"only": only, "data_dir": data_dir.resolve() if data_dir else None}
    if given.repeats is not None:
        chosen["repeats"] = given.repeats
    settings = Settings.for_a_look(**chosen) if given.quick else Settings(**chosen)
    run = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {name: getattr(settings, name) for name in ("repeats", "burst", "warm_up", "pause", "quick", "only")},
        "data": data_name(settings),
    }
    results: list[Result] = []
    for name in dict.fromkeys(given.names or CASES):
        settings.say(name)
        results.append(CASES[name].run(CASES[name], settings))
        write(given.out, run, results)
    print(markdown(run, results))
    settings.say(f"written: {given.out / 'results.json'}, {given.out / 'results.md'}")
    return 1 if any(result.failures for result in results) else 0


def _known(p: argparse.ArgumentParser, kind: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Refuse names that do not exist, and say which do."""
    there = list(known)
    for name in names:
        if name not in there:
            p.error(f"there is no {kind} {name!r}; there are: {', '.join(there)}")


if __name__ == "__main__":
    sys.exit(main())
