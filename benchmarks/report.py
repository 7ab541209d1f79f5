"""Reports: all results of a run as JSON, and as tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import OTHER
from benchmarks.limits import lines_of
from benchmarks.results import OURS, Result, Row


def write(folder: Path, run: dict[str, Any], results: Sequence[Result]) -> None:
    """Write ``results.json`` and ``results.md`` into ``folder``. It is called after each benchmark, to lose nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = {**run, "benchmarks": [result.as_json() for result in results]}
    (folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(run, results), encoding="utf-8")


def markdown(run: dict[str, Any], results: Sequence[Result]) -> str:
    """Return the results of a run as one page."""
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
        lines += ["", "**A quick run with few and short repetitions: do not compare these results.**"]
    load = machine.get("load")
    if load and load[0] > machine["cores"] / 4:
        lines += ["", f"**The machine was busy when the run began (load {load[0]}): do not trust these results.**"]
    if found := lines_of(run):
        lines += ["", *found]
    for result in results:
        lines += ["", *section(result)]
    return "\n".join(lines) + "\n"


def section(result: Result) -> list[str]:
    """Return the section of one benchmark: its table, the mean of the ratios, what failed, and the details."""
    lines = [f"## {result.name}", "", result.title]
    if result.rows:
        lines += ["", *table(result.rows)]
    mean = result.mean_ratio()
    if any(row.bound is not None for row in result.rows):
        lines += ["", "The least time that the work could take on this machine, and the share of this limit that each reaches:"]
        lines += ["", *limit_shares(result.rows)]
    if mean is not None:
        lines += ["", f"Best peer / {OURS}, geometric mean over the rows: **{mean:.2f}**"]
    lines += [line for note in result.notes for line in ("", note)]
    for name, reason in result.skipped.items():
        lines += ["", f"Skipped: {name}: {reason}."]
    for failure in result.failures:
        lines += ["", f"Failed: {failure.contender} at {failure.row}: {failure.reason}.", "", "```"]
        lines += [*failure.stderr, "```"]
    if result.rows:
        lines += ["", "<details><summary>Spread, variants and versions</summary>", ""]
        lines += [*spreads(result.rows), ""]
        lines += [versions(name, facts) for name, facts in result.contenders.items()]
        lines += ["", "</details>"]
    return lines


def table(rows: Sequence[Row]) -> list[str]:
    """Return the medians as a table of rows by contenders, with the best peer in bold and its ratio to pellucid.

    If another version of Pellucid was measured, its ratio to this one is in the last column.
    """
    names = columns(rows)
    ratios: dict[str, Callable[[Row], float | None]] = {f"best peer / {OURS}": lambda row: row.ratio()}
    if OTHER in names:
        ratios[f"{OTHER} / {OURS}"] = lambda row: row.ratio_of(OTHER)
    lines = [f"| | {' | '.join((*names, *ratios))} |", "|---" + "|---:" * (len(names) + len(ratios)) + "|"]
    for row in rows:
        best = row.best_peer()
        cells = []
        for name in names:
            text = format_value(row.cells[name].spread.median) if name in row.cells else "–"
            cells.append(f"**{text}**" if name == best else text)
        cells += ["–" if (ratio := of(row)) is None else f"{ratio:.2f}" for of in ratios.values()]
        label = row.label if row.unit in row.label.split() else f"{row.label}, {row.unit}"
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def limit_shares(rows: Sequence[Row]) -> list[str]:
    """Return the least time of each row, how much of it is arithmetic, and the percentage that each contender reached.

    The last columns count the fewest products, if any row has fewer than those of direct convolution.
    """
    names, bounds = columns(rows), [row.bound for row in rows]
    fewer = OURS in names and any(one is not None and one.fewest < one.least for one in bounds)
    last = ["least with Winograd, ms", f"{OURS}, % of it"] if fewer else []
    heads = ["least, ms", "arithmetic", *(f"{name}, %" for name in names), *last]
    lines = [f"| | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|"]
    for row, one in zip(rows, bounds, strict=True):
        if one is None:
            continue
        shares = [_percent(row.share(name)) for name in names]
        least = [format_value(one.fewest), _percent(row.share(OURS, fewest=True))] if fewer else []
        cells = [format_value(one.least), f"{100 * one.arithmetic:.0f} %", *shares, *least]
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return lines


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.2g}"


def spreads(rows: Sequence[Row]) -> list[str]:
    """Return a table of all cells with their quartiles, extremes and variants."""
    lines = ["| | contender | median | quartiles | range | n | variant |", "|---|---|---:|---:|---:|---:|---|"]
    for row in rows:
        for name, cell in row.cells.items():
            spread = cell.spread
            lines.append(
                f"| {row.label}, {row.unit} | {name} | {format_value(spread.median)} "
                f"| {format_value(spread.lower_quartile)} – {format_value(spread.upper_quartile)} "
                f"| {format_value(spread.low)} – {format_value(spread.high)} | {len(cell.values)} | {cell.variant} |"
            )
    return lines


def versions(name: str, facts: dict[str, Any]) -> str:
    """Return a line with the versions, thread pools and other facts of a contender."""
    packages = ", ".join(f"{package} {version}" for package, version in facts.get("versions", {}).items())
    pools = ", ".join(
        " ".join(str(pool[key]) for key in ("internal_api", "version", "architecture") if pool.get(key))
        + f" with {pool.get('num_threads')} threads"
        for pool in facts.get("pools", ())
    )
    others = ", ".join(f"{key} {value}" for key, value in facts.items() if isinstance(value, str | int | float))
    return f"- {name}: {'; '.join(filter(None, (packages, others, pools)))}"


def columns(rows: Sequence[Row]) -> list[str]:
    """Return the contenders of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def format_value(value: float) -> str:
    """Return the value with three significant digits, without an exponent: 0.0123, 1.23, 123, 12345."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.2g}"
