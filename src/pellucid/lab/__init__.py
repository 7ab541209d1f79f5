"""The lab: claims of textbooks and lectures, each tested by an experiment that anyone can run.

``pellucid lab list`` prints the questions, and ``pellucid lab run NAME`` answers one: it measures over several seeds, applies
a criterion that was fixed beforehand, and produces a table and a figure. A new experiment is a new file in
``lab/experiments``; it need not be registered.
"""

from pellucid.lab.experiment import Experiment, Result, Size, Table, Trial, Verdict, median, percent, spread
from pellucid.lab.experiments import CHAPTERS
from pellucid.lab.registry import fingerprint, load, load_all, names, select
from pellucid.lab.results import Results, StoredResults
from pellucid.lab.running import run, run_all

__all__ = [
    "CHAPTERS",
    "Experiment",
    "Result",
    "Results",
    "Size",
    "StoredResults",
    "Table",
    "Trial",
    "Verdict",
    "fingerprint",
    "load",
    "load_all",
    "median",
    "names",
    "percent",
    "run",
    "run_all",
    "select",
    "spread",
]
