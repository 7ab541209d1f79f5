"""The contents of a report: stored results arranged in chapters and sections, independent of the output format."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.errors import DataError
from pellucid.lab import CHAPTERS, Experiment, Results, Size, StoredResults, Table, Verdict, fingerprint, load_all
from pellucid.plots import style
from pellucid.report.prefaces import PREFACES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """One experiment with its results. ``svg`` is the figure."""

    name: str
    experiment: Experiment
    stored: StoredResults
    verdict: Verdict
    table: Table
    svg: str

    @property
    def command(self) -> str:
        """The command that measures the same values."""
        flag = {Size.QUICK: " --quick"}.get(self.stored.size, "")
        seeds = len(self.stored.results)
        default = not flag and seeds == self.experiment.seeds
        return f"pellucid lab run {self.name}{flag}" + ("" if default else f" --seeds {seeds}")

    @property
    def duration(self) -> str:
        """The number of seeds and their total time: ``5 seeds, 1 min 12 s``."""
        n, minutes, seconds = len(self.stored.results), *divmod(round(self.stored.seconds), 60)
        return f"{n} seed{'s' * (n != 1)}, {f'{minutes} min ' if minutes else ''}{seconds} s"


@dataclass(frozen=True)
class Chapter:
    """A chapter: a preface in paragraphs, and its sections."""

    title: str
    preface: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def anchor(self) -> str:
        """The title as it appears in links and file names."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class Contents:
    """A whole report. ``missing`` contains the names of the experiments without results."""

    chapters: tuple[Chapter, ...]
    missing: tuple[str, ...]

    @property
    def sections(self) -> list[Section]:
        """The sections of all chapters."""
        return [section for chapter in self.chapters for section in chapter.sections]

    @property
    def verdicts(self) -> Counter[str]:
        """The number of claims with each outcome."""
        return Counter(section.verdict.outcome for section in self.sections)

    @property
    def environment(self) -> list[tuple[str, str]]:
        """The rows (label, text) of the header: dates, machines, versions, time and energy of the measurements."""
        about = [one for section in self.sections for one in section.stored.about.values()]
        days = sorted({one["date"][:10] for one in about})
        joules = [sum(float(one["energy"][part]) for one in about) / 1000 for part in ("joules", "low", "high")]
        methods = sorted({one["energy"]["how"] for one in about})
        minutes = sum(section.stored.seconds for section in self.sections) / 60
        quick = any(section.stored.size is not Size.FULL for section in self.sections)
        size = [("Size", "quick runs with less data and fewer epochs; only verdicts of full runs count")] if quick else []
        energy = f"{joules[0]:.1f} kJ ({joules[1]:.1f} to {joules[2]:.1f}), {' and '.join(methods)}"
        if "estimated" in methods:
            energy += " from core seconds at 4 to 15 W, because the energy counter of the processor could not be read"
        return [
            *size,
            ("Measured", days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"),
            ("Machine", _distinct(one["machine"] for one in about)),
            ("Versions", _distinct(", ".join(f"{name} {v}" for name, v in one["versions"].items()) for one in about)),
            ("Kernels", _distinct(one["kernels"] for one in about)),
            ("Repetitions", f"{len(about)} runs; seeds start at 0; tables show the median over seeds and the range"),
            ("Time", f"{minutes:.1f} minutes in total; several runs at once take less"),
            ("Energy", energy),
        ]


def _distinct(values: Iterable[str]) -> str:
    """Return the different values in alphabetical order, separated by semicolons."""
    return "; ".join(sorted(set(values)))


def contents(results: Results, size: Size = Size.FULL) -> Contents:
    """Return the contents of a report of all stored results of this size. Raises DataError if there are none."""
    found: dict[str, list[Section]] = {}
    missing = []
    for name, experiment in load_all():
        stored = results.read(name, size, fingerprint(name))
        if stored is None or not stored.results:
            missing.append(name)
            continue
        values = stored.by_seed()
        verdict, table, figure = experiment.verdict(values), experiment.table(values), experiment.figure(values)
        found.setdefault(experiment.chapter, []).append(Section(name, experiment, stored, verdict, table, svg(figure, name)))
    if not found:
        flag = " --quick" if size is Size.QUICK else ""
        raise DataError(f"there are no results in {results.folder}; measure them with pellucid lab run{flag}")
    chapters = [
        Chapter(title, paragraphs(PREFACES.get(title, "")), tuple(found[title])) for title in CHAPTERS if title in found
    ]
    return Contents(tuple(chapters), tuple(missing))


def paragraphs(text: str) -> tuple[str, ...]:
    """Return the paragraphs of a text: the parts between empty lines. A formula keeps its indentation."""
    return tuple(part.strip("\n") for part in text.split("\n\n") if part.strip())


def is_formula(paragraph: str) -> bool:
    """Return whether a paragraph is a formula: all of its lines are indented."""
    return all(line.startswith("    ") for line in paragraph.splitlines())


def svg(figure: Figure, salt: str) -> str:
    """Return a figure as SVG. The same figure gives the same bytes: it contains no date, and ids are derived from ``salt``."""
    import matplotlib

    from pellucid.plots.style import SETTINGS

    text = io.StringIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": salt}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def unfinished(found: Contents) -> Sequence[str]:
    """Return lines that name the experiments without results or with too few seeds."""
    few = [
        one.name for one in found.sections if len(one.stored.results) < one.experiment.seeds and one.stored.size is Size.FULL
    ]
    lines = []
    if found.missing:
        lines.append(f"without results: {style.join_names(found.missing)}")
    if few:
        lines.append(f"with too few seeds: {style.join_names(few)}")
    return lines
