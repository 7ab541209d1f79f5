"""The harness: contenders in processes of their own, asked in turn, so that whatever else happens on the machine while
a benchmark runs happens to all of them.

Round 1 asks A, B, C for a burst of work, round 2 asks B, C, A, and so on; whoever is not asked waits in a read. Before
each burst the harness pauses: the threads of the one before may spin for a while in the hope of more work.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.results import Cell, Failure, Result, Row
from benchmarks.session import Contender, Crashed, Missing, Session

#: Seconds without work before each burst. Threads of OpenBLAS spin for 2^28 ticks of the processor's clock after their
#: last work, a tenth of a second, and would take a core away from the contender that is asked next.
PAUSE = 0.2


@dataclass(frozen=True)
class Settings:
    """How much to measure. ``burst`` and ``warm_up`` are seconds at least, ``pause`` and ``patience`` seconds."""

    repeats: int = 15
    burst: float = 0.25
    warm_up: float = 1.0
    pause: float = PAUSE
    patience: float = 900.0  # compiling six networks on a slow machine takes minutes
    quick: bool = False
    only: tuple[str, ...] = ()
    data_dir: Path | None = None
    say: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr, flush=True), repr=False)

    @classmethod
    def for_a_look(cls, **changes: Any) -> Settings:
        """Few and short repetitions: whether everything works, not how fast it is."""
        return cls(**{"repeats": 3, "burst": 0.05, "warm_up": 0.2, "quick": True, **changes})

    def chosen(self, contenders: Iterable[Contender]) -> list[Contender]:
        """The contenders that ``only`` lets through (all, when it is empty), and the baselines."""
        return [one for one in contenders if not self.only or one.baseline or one.name in self.only]


@dataclass(frozen=True)
class Case:
    """A benchmark: its name on the command line, what it measures, who takes part, and how it is run."""

    name: str
    title: str
    contenders: tuple[Contender, ...]
    run: Callable[[Case, Settings], Result]


@dataclass(frozen=True)
class Work:
    """A row to be measured: the job's name among a contender's functions, and its arguments."""

    label: str
    job: str
    arguments: dict[str, Any]


def turns(names: Sequence[str], rounds: int) -> list[list[str]]:
    """Who is asked in which order: each round starts one further on, so that nobody always follows the same one."""
    return [[*names[shift:], *names[:shift]] for shift in (turn % max(1, len(names)) for turn in range(rounds))]


def begin(contender: Contender, result: Result, settings: Settings) -> Session | None:
    """A session that is ready to work, or None and an entry in ``result`` that says why not."""
    session = Session(contender, settings.patience)
    try:
        session.start()
    except Missing as missing:
        result.skipped[contender.name] = f"{missing} is not installed"
        settings.say(f"  {contender.name}: skipped, {missing} is not installed")
    except Crashed as crash:
        report_crash(result, contender.name, "start", crash, settings)
    else:
        return session
    session.close()
    return None


def report_crash(result: Result, contender: str, row: str, crash: Crashed, settings: Settings) -> None:
    """Write it down and say it: the others go on."""
    result.failures.append(Failure(contender, row, crash.reason, crash.stderr))
    settings.say(f"  {contender}: FAILED at {row}: {crash.reason}")
    for line in crash.stderr[-3:]:
        settings.say(f"    {line}")


def measure(case: Case, works: Sequence[Work], settings: Settings) -> Result:
    """Time each piece of work in all contenders of a case, interleaved: a row (milliseconds) for each."""
    result = Result(case.name, case.title)
    with ExitStack() as stack:
        alive: dict[str, Session] = {}
        for contender in settings.chosen(case.contenders):
            if session := begin(contender, result, settings):
                alive[contender.name] = stack.enter_context(session)

        def ask(name: str, row: str, do: str, **arguments: Any) -> dict[str, Any] | None:
            try:
                return alive[name].ask(do, **arguments)
            except Crashed as crash:
                report_crash(result, name, row, crash, settings)
                del alive[name]
                return None

        for work in works:
            row = Row(work.label, "ms")
            result.rows.append(row)
            forms: dict[str, str] = {}
            for name in list(alive):
                request = {"job": work.job, "arguments": work.arguments, "warm_up": settings.warm_up, "burst": settings.burst}
                if ready := ask(name, work.label, "prepare", **request):
                    forms[name] = ready["form"]
                    settings.say(f"  {work.label}: {name} is ready ({ready['proof']}; {ready['runs']} runs a burst)")
            for order in turns(list(forms), settings.repeats):
                for name in order:
                    if name not in alive:
                        continue
                    time.sleep(settings.pause)
                    if timed := ask(name, work.label, "measure"):
                        row.cells.setdefault(name, Cell([], forms[name])).values.append(timed["seconds"] * 1e3)
            # Columns keep the contenders' order; one that broke down in the middle has no cell.
            row.cells = {name: row.cells[name] for name in forms if name in alive and name in row.cells}
            medians = ", ".join(f"{name} {cell.spread.median:.3g}" for name, cell in row.cells.items())
            settings.say(f"  {work.label}: {medians} ms")
        for name in list(alive):
            if facts := ask(name, "describe", "describe"):
                result.contenders[name] = facts
    return result
