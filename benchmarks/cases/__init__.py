"""One benchmark is one file with a ``CASE``; a new one is a new file and a word here, and its contenders gain a function."""

from __future__ import annotations

from benchmarks.cases import epoch, imports, memory, predict, step
from benchmarks.harness import Case

CASES: dict[str, Case] = {case.name: case for case in (step.CASE, epoch.CASE, predict.CASE, imports.CASE, memory.CASE)}
