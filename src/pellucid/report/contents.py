"""What a report says: kept results brought into chapters and sections, before it takes the form of a page."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pellucid.errors import DataError
from pellucid.lab import CHAPTERS, Experiment, Kept, Results, Size, Table, Verdict, code_of, in_order
from pellucid.plots import style
from pellucid.report.prefaces import PREFACES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """One experiment with its answer. ``svg`` is the figure."""

    name: str
    experiment: Experiment
    kept: Kept
    verdict: Verdict
    table: Table
    svg: str

    @property
    def command(self) -> str:
        """What to type for the same numbers."""
        flag = {Size.QUICK: " --quick"}.get(self.kept.size, "")
        own = len(self.kept.results) if flag or len(self.kept.results) != self.experiment.seeds else None
        return f"pellucid lab run {self.name}{flag}" + ("" if own is None else f" --seeds {own}")

    @property
    def took(self) -> str:
        """Seeds and time: ``5 seeds, 1 min 12 s``."""
        n, minutes, seconds = len(self.kept.results), *divmod(round(self.kept.seconds), 60)
        return f"{n} seed{'s' * (n != 1)}, {f'{minutes} min ' if minutes else ''}{seconds} s"


@dataclass(frozen=True)
class Chapter:
    """A chapter: paragraphs in front, and its sections."""

    title: str
    preface: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class Contents:
    """A whole report. ``missing`` names the experiments without results."""

    chapters: tuple[Chapter, ...]
    missing: tuple[str, ...]

    @property
    def sections(self) -> list[Section]:
        return [section for chapter in self.chapters for section in chapter.sections]

    @property
    def verdicts(self) -> Counter[str]:
        """How many claims hold, do not hold, depend."""
        return Counter(section.verdict.says for section in self.sections)

    @property
    def circumstances(self) -> list[tuple[str, str]]:
        """(what, texts) of the header: dates, machines, versions, time and energy, as the results say them."""
        about = [one for section in self.sections for one in section.kept.about.values()]
        days = sorted({one["date"][:10] for one in about})
        joules = [sum(float(one["energy"][part]) for one in about) / 1000 for part in ("joules", "low", "high")]
        ways = sorted({one["energy"]["how"] for one in about})
        minutes = sum(section.kept.seconds for section in self.sections) / 60
        quick = any(section.kept.size is not Size.FULL for section in self.sections)
        size = (
            [("Size", "quick runs, on less data and fewer epochs: for looking; verdicts are those of full runs")]
            if quick
            else []
        )
        energy = f"{joules[0]:.1f} kJ ({joules[1]:.1f} to {joules[2]:.1f}), {' and '.join(ways)}"
        if "estimated" in ways:
            energy += ": core seconds at 4 to 15 W, for the processor's own count could not be read"
        return [
            *size,
            ("Measured", days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"),
            ("Machine", _each(one["machine"] for one in about)),
            ("Versions", _each(", ".join(f"{name} {v}" for name, v in one["versions"].items()) for one in about)),
            ("Kernels", _each(one["kernels"] for one in about)),
            ("Repetitions", f"{len(about)} runs; seeds count from 0; tables give the median over seeds and the range"),
            ("Time", f"{minutes:.1f} minutes of runs; several at once take less"),
            ("Energy", energy),
        ]


def _each(values: Any) -> str:
    return "; ".join(sorted(set(values)))


def contents(results: Results, size: Size = Size.FULL) -> Contents:
    """All that is kept in that size. Raises DataError where that is nothing."""
    found: dict[str, list[Section]] = {}
    missing = []
    for name, one in in_order():
        kept = results.read(name, size, code_of(name))
        if kept is None or not kept.results:
            missing.append(name)
            continue
        numbers = kept.in_order()
        section = Section(name, one, kept, one.verdict(numbers), one.table(numbers), svg(one.figure(numbers), name))
        found.setdefault(one.chapter, []).append(section)
    if not found:
        flag = " --quick" if size is Size.QUICK else ""
        raise DataError(f"there are no results in {results.folder}: pellucid lab run{flag} measures them")
    chapters = [
        Chapter(title, paragraphs(PREFACES.get(title, "")), tuple(found[title])) for title in CHAPTERS if title in found
    ]
    return Contents(tuple(chapters), tuple(missing))


def paragraphs(text: str) -> tuple[str, ...]:
    """Texts between empty lines; one whose lines are indented is a formula and stays as it is."""
    return tuple(part.strip("\n") for part in text.split("\n\n") if part.strip())


def is_formula(paragraph: str) -> bool:
    return all(line.startswith("    ") for line in paragraph.splitlines())


def svg(made: Figure, salt: str) -> str:
    """A figure as SVG, the same bytes for the same figure: no date in it, and names that follow from ``salt``."""
    import matplotlib

    from pellucid.plots.style import SETTINGS

    text = io.StringIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": salt}):
        made.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def unfinished(found: Contents) -> Sequence[str]:
    """Lines that say what a report lacks."""
    few = [one.name for one in found.sections if len(one.kept.results) < one.experiment.seeds and one.kept.size is Size.FULL]
    lines = []
    if found.missing:
        lines.append(f"without results: {style.listed(found.missing)}")
    if few:
        lines.append(f"with fewer seeds than they ask for: {style.listed(few)}")
    return lines
