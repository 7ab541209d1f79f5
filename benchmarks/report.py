"""What comes out of a run: every number as JSON, and tables that people read, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import OURS, Result, Row


def write(folder: Path, run: dict[str, Any], results: Sequence[Result]) -> None:
    """``results.json`` and ``results.md`` in ``folder``: called after each benchmark, so that a long run loses nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = {**run, "benchmarks": [result.as_json() for result in results]}
    (folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(run, results), encoding="utf-8")


def markdown(run: dict[str, Any], results: Sequence[Result]) -> str:
    """The whole run as one page."""
    machine, settings = run["machine"], run["settings"]
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    lines = [
        "# Benchmarks",
        "",
        f"{run['date']} · {machine['cpu']}, {machine['cores']} cores ({caches or 'caches unknown'}), "
        f"{machine['memory_gib']} GiB · {machine['system']} · {machine['python']} · load {machine.get('load', 'unknown')}",
        "",
        f"Medians of {settings['repeats']} interleaved repetitions; smaller is better; the best peer is in bold.",
    ]
    if settings["quick"]:
        lines += ["", "**A quick look: few and short repetitions. These figures compare nothing.**"]
    load = machine.get("load")
    if load and load[0] > machine["cores"] / 4:
        lines += ["", f"**The machine was busy when the run began (load {load[0]}): do not trust these figures.**"]
    for result in results:
        lines += ["", *section(result)]
    return "\n".join(lines) + "\n"


def section(result: Result) -> list[str]:
    """One benchmark: its table, the mean of the ratios, what went wrong, how it was done."""
    lines = [f"## {result.name}", "", result.title]
    if result.rows:
        lines += ["", *table(result.rows)]
    mean = result.mean_ratio()
    if any(cell.share is not None for row in result.rows for cell in row.cells.values()):
        lines += ["", "Share of the machine's peak arithmetic rate, %:", "", *shares(result.rows)]
    if mean is not None:
        lines += ["", f"Best peer / {OURS}, geometric mean over the rows: **{mean:.2f}**"]
    lines += [line for note in result.notes for line in ("", note)]
    for name, reason in result.skipped.items():
        lines += ["", f"Skipped: {name}: {reason}."]
    for failure in result.failures:
        lines += ["", f"Failed: {failure.contender} at {failure.row}: {failure.reason}.", "", "```"]
        lines += [*failure.stderr, "```"]
    if result.rows:
        lines += ["", "<details><summary>Spread, forms and versions</summary>", ""]
        lines += [*spreads(result.rows), ""]
        lines += [versions(name, facts) for name, facts in result.contenders.items()]
        lines += ["", "</details>"]
    return lines


def table(rows: Sequence[Row]) -> list[str]:
    """Rows by contenders: medians, the best peer in bold, and how many times as long it takes as pellucid."""
    names = columns(rows)
    lines = [f"| | {' | '.join(names)} | best peer / {OURS} |", "|---" + "|---:" * (len(names) + 1) + "|"]
    for row in rows:
        best, ratio = row.best_peer(), row.ratio()
        cells = []
        for name in names:
            text = figure(row.cells[name].spread.median) if name in row.cells else "–"
            cells.append(f"**{text}**" if name == best else text)
        label = row.label if row.unit in row.label else f"{row.label}, {row.unit}"
        lines.append(f"| {label} | {' | '.join(cells)} | {'–' if ratio is None else f'{ratio:.2f}'} |")
    return lines


def shares(rows: Sequence[Row]) -> list[str]:
    """Rows by contenders: what percentage of the peak rate each of them reached."""
    names = columns(rows)
    lines = [f"| | {' | '.join(names)} |", "|---" + "|---:" * len(names) + "|"]
    for row in rows:
        found = [row.cells[name].share if name in row.cells else None for name in names]
        lines.append(f"| {row.label} | {' | '.join('–' if one is None else f'{100 * one:.1f}' for one in found)} |")
    return lines


def spreads(rows: Sequence[Row]) -> list[str]:
    """Every cell with its quartiles and extremes, and the form that the work took."""
    lines = ["| | contender | median | quartiles | range | n | form |", "|---|---|---:|---:|---:|---:|---|"]
    for row in rows:
        for name, cell in row.cells.items():
            spread = cell.spread
            lines.append(
                f"| {row.label}, {row.unit} | {name} | {figure(spread.median)} "
                f"| {figure(spread.quarter)} – {figure(spread.three_quarters)} "
                f"| {figure(spread.low)} – {figure(spread.high)} | {len(cell.values)} | {cell.form} |"
            )
    return lines


def versions(name: str, facts: dict[str, Any]) -> str:
    """One line on what a contender was made of, which kernels and threads it picked, and what else it told in a word."""
    made_of = ", ".join(f"{package} {version}" for package, version in facts.get("versions", {}).items())
    pools = ", ".join(
        " ".join(str(pool[key]) for key in ("internal_api", "version", "architecture") if pool.get(key))
        + f" with {pool.get('num_threads')} threads"
        for pool in facts.get("pools", ())
    )
    told = ", ".join(f"{key} {value}" for key, value in facts.items() if isinstance(value, str | int | float))
    return f"- {name}: {'; '.join(filter(None, (made_of, told, pools)))}"


def columns(rows: Sequence[Row]) -> list[str]:
    """The contenders of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def figure(value: float) -> str:
    """Three significant digits, without exponents: 0.0123, 1.23, 123, 12345."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.2g}"
