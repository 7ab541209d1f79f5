"""The lab: claims of textbooks and lectures, each with an experiment that anyone can run.

``pellucid lab list`` says the questions, ``pellucid lab run NAME`` answers one: it measures over several seeds, decides by a
criterion that was written down beforehand, and gives a table and a figure. A new experiment is a new file in
``lab/experiments``, registered nowhere.
"""

from pellucid.lab.chapters import CHAPTERS
from pellucid.lab.experiment import Experiment, Result, Size, Table, Trial, Verdict, median, percent, spread
from pellucid.lab.keeping import Kept, Results
from pellucid.lab.running import chosen, code_of, in_order, load, names, run, run_all

__all__ = [
    "CHAPTERS",
    "Experiment",
    "Kept",
    "Result",
    "Results",
    "Size",
    "Table",
    "Trial",
    "Verdict",
    "chosen",
    "code_of",
    "in_order",
    "load",
    "median",
    "names",
    "percent",
    "run",
    "run_all",
    "spread",
]
