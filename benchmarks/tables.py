"""Pellucid's estimators, boosted trees and other networks on ten public tables: ``python -m benchmarks.tables``.

All contenders have their default settings; how the columns are prepared for each is in the results. A table is split five times
into three quarters for training and a quarter for the score, with the seeds 0 to 4, stratified for classes; the seed of a split
is also the random state of the estimators. All contenders have the same splits. The score is the accuracy or R²; the log-loss
or the root of the mean squared error is recorded beside it. ``benchmarks.public_tables`` describes the tables and the rule for
choices, ``benchmarks.table_scores`` the intervals, ranks and normalized scores.

Each contender has a process of its own for each table, without variables that select threads. The contenders take turns. In a
new process a fit on 200 rows comes first, which does not count, so that libraries load what they load on first use. The time to
fit includes the preparation of the columns.

Results are written to the folder ``--out`` after each fit. If the command is given again, it goes on where it ended, and
measures again what was measured with other versions (for Pellucid, another source) or on another machine.

``--check rising``, ``--check sparse`` and ``--check coverage`` run the checks in ``benchmarks.table_checks`` instead.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import table_checks
from benchmarks.contenders.tables import PACKAGES, contender
from benchmarks.environment import machine
from benchmarks.harness import Settings, open_session, report_crash, rotations
from benchmarks.installed import version
from benchmarks.public_tables import ROLES, TABLES
from benchmarks.results import OURS, Result
from benchmarks.session import Contender, Crashed, Session
from benchmarks.table_report import markdown

SPLITS = 5
LIMIT = 900.0  # seconds
#: The number of the way in which runs are measured. Raise it when results from before a change are not comparable.
PROTOCOL = 1
RESULTS, REPORT = "results.json", "results.md"


@dataclass(frozen=True)
class Run:
    """The scores and seconds of a contender on one split of a table. ``identity`` says with which versions and machine."""

    table: str
    contender: str
    seed: int
    score: float
    loss: float
    fit: float
    predict: float
    test_rows: int
    identity: str


@dataclass
class Store:
    """The finished runs in a folder, and the facts of tables and contenders."""

    folder: Path
    runs: list[Run] = field(default_factory=list)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    contenders: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Store:
        """Return the runs in the folder; none if it has no results yet."""
        path = folder / RESULTS
        if not path.exists():
            return cls(folder)
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(folder, [Run(**run) for run in found["runs"]], found["tables"], found["contenders"])

    def drop_outdated(self, contender: str, identity: str) -> int:
        """Remove the runs of a contender with another identity, and return their number."""
        kept = [run for run in self.runs if run.contender != contender or run.identity == identity]
        dropped = len(self.runs) - len(kept)
        self.runs = kept
        return dropped

    def has(self, table: str, contender: str, seed: int) -> bool:
        """Return whether this run is finished."""
        return any((run.table, run.contender, run.seed) == (table, contender, seed) for run in self.runs)

    def values(self, quantity: str, tables: Sequence[str]) -> dict[str, dict[str, dict[int, float]]]:
        """Return a quantity of the runs by table, contender and seed. The tables and contenders have a fixed order."""
        found: dict[str, dict[str, dict[int, float]]] = {table: {} for table in tables}
        for name in PACKAGES:
            for run in self.runs:
                if run.contender == name and run.table in found:
                    found[run.table].setdefault(name, {})[run.seed] = getattr(run, quantity)
        return {table: of_table for table, of_table in found.items() if of_table}

    def write(self, facts: dict[str, Any], *, report: bool = False) -> str:
        """Write the results, and with ``report`` also the tables in Markdown; return these."""
        self.folder.mkdir(parents=True, exist_ok=True)
        everything = {**facts, "tables": self.tables, "contenders": self.contenders, "runs": [asdict(run) for run in self.runs]}
        path = self.folder / RESULTS
        new = path.with_suffix(".new")  # an interruption while writing leaves the results of before
        new.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
        os.replace(new, path)
        if not report:
            return ""
        text = markdown(everything, lambda quantity: self.values(quantity, facts["settings"]["tables"]))
        (self.folder / REPORT).write_text(text, encoding="utf-8")
        return text


def identity(name: str) -> str:
    """Return the versions of a contender's packages, for Pellucid with a digest of its source, and the machine."""
    versions = [f"{package} {version(package)}" for package in ("numpy", *PACKAGES[name])]
    if name == OURS:
        versions.append(f"source {source_digest()}")
    facts = machine()
    return f"protocol {PROTOCOL}; {', '.join(versions)}; {facts['cpu']}, {facts['cores']} cores"


def source_digest() -> str:
    """Return a digest of Pellucid's Python files, without importing it."""
    spec = importlib.util.find_spec("pellucid")
    digest = hashlib.sha256()
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def measure(
    store: Store,
    facts: dict[str, Any],
    tables: Sequence[str],
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    settings: Settings,
    identity_of: Callable[[str], str] = identity,
) -> Result:
    """Make all runs that are not finished, and write the results after each. Return what was skipped and what failed."""
    result = Result("tables", "")
    identities = {one.name: identity_of(one.name) for one in contenders}
    for name, current in identities.items():
        if dropped := store.drop_outdated(name, current):
            settings.notify(f"{name}: {dropped} runs of other versions or of another machine are measured again")
    for table in tables:
        pending = [one for one in contenders if not all(store.has(table, one.name, seed) for seed in seeds)]
        if not pending:
            settings.notify(f"{table}: finished before")
            continue
        if missing := TABLES[table].missing_package():
            result.skipped[table] = f"{missing} is not installed"
            settings.notify(f"{table}: skipped, {missing} is not installed")
            continue
        with ExitStack() as stack:
            alive: dict[str, Session] = {}
            for one in pending:
                if one.name not in result.skipped and (session := open_session(one, result, settings)):
                    alive[one.name] = stack.enter_context(session)
            warm: set[str] = set()
            for seed, order in zip(seeds, rotations(list(alive), len(seeds)), strict=True):
                for name in order:
                    if name not in alive or store.has(table, name, seed):
                        continue
                    time.sleep(settings.pause)
                    arguments = {"table": table, "seed": seed, "warm_up": name not in warm}
                    try:
                        found = alive[name].request("call", function="run", arguments=arguments)["value"]
                        store.contenders[name] = alive[name].request("describe") | {"identity": identities[name]}
                    except Crashed as crash:
                        report_crash(result, name, f"{table}, seed {seed}", crash, settings)
                        del alive[name]
                        continue
                    warm.add(name)
                    store.tables[table] = found.pop("facts")
                    store.runs.append(Run(table, name, seed, **found, identity=identities[name]))
                    seconds = f"fit {found['fit']:.3g} s, predict {1e3 * found['predict']:.3g} ms"
                    settings.notify(f"{table}, {name}, seed {seed}: {found['score']:.4f}, {seconds}")
                    store.write(facts | result.problems())
        store.write(facts | result.problems(), report=True)
    return result


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__.split("\n\n")[0])
    p.add_argument("--only", metavar="A,B", default="", help=f"the contenders (default: {','.join(PACKAGES)})")
    p.add_argument(
        "--tables",
        metavar="A,B",
        default="",
        help=f"the tables, by name or role ({', '.join(ROLES)}; default: {','.join(TABLES)})",
    )
    p.add_argument("--splits", type=int, default=SPLITS, metavar="N", help="the number of splits (default: %(default)s)")
    p.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        default=Path("runs/benchmarks/tables"),
        help="the folder of the results, from which an interrupted benchmark goes on (default: %(default)s)",
    )
    p.add_argument(
        "--limit", type=float, default=LIMIT, metavar="SECONDS", help="stop a fit that takes longer (default: %(default)g)"
    )
    p.add_argument("--check", choices=tuple(table_checks.CHECKS), help="run this check instead, of Pellucid's default training")
    p.add_argument("--list", action="store_true", help="list the tables and the contenders, and exit")
    return p


def listing() -> str:
    """Return the list of tables, with what is predicted, and of contenders."""
    lines = [f"{table.name:<15}{table.role:<13}{table.task:<16}{table.about} ({table.package})" for table in TABLES.values()]
    return "\n".join([*lines, "", f"contenders: {', '.join(PACKAGES)}"])


def chosen_tables(given: str) -> list[str]:
    """Return the names of the tables chosen by names and roles; all if none are given. Raises ValueError if one is unknown."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in TABLES and name not in ROLES:
            raise ValueError(f"--tables: unknown name {name!r}; choose from {', '.join((*ROLES, *TABLES))}")
    return [table.name for table in TABLES.values() if not names or table.name in names or table.role in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print the results. Return 0, or 1 if an installed contender failed."""
    p = parser()
    given = p.parse_args(arguments)
    if given.list:
        print(listing())
        return 0
    only = [name.strip() for name in given.only.split(",") if name.strip()]
    if unknown := [name for name in only if name not in PACKAGES]:
        p.error(f"--only: unknown contender {', '.join(unknown)}; choose from {', '.join(PACKAGES)}")
    if given.splits < 1:
        p.error("--splits must be at least 1")
    try:
        tables = chosen_tables(given.tables)
    except ValueError as error:
        p.error(str(error))
    settings = Settings(timeout=given.limit)
    seeds = list(range(given.splits))
    facts: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {"tables": tables, "seeds": seeds, "limit": given.limit, "only": only},
    }
    if given.check:
        found = table_checks.CHECKS[given.check](facts | {"identity": identity(OURS)}, tables, given.out, settings)
        print(found.text)
        return 1 if found.failed else 0
    store = Store.read(given.out)
    contenders = [contender(name) for name in PACKAGES if not only or name in only]
    try:
        result = measure(store, facts, tables, contenders, seeds, settings)
    except KeyboardInterrupt:
        settings.notify(f"interrupted; the same command goes on with {len(store.runs)} finished runs in {given.out}")
        return 130
    if not store.runs:
        print("nothing was measured: " + "; ".join(f"{name}: {reason}" for name, reason in result.skipped.items()))
        return 1
    print(store.write(facts | result.problems(), report=True))
    settings.notify(f"written: {given.out / RESULTS}, {given.out / REPORT}")
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
