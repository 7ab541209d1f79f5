"""The report of the benchmark of tables in Markdown: scores, ranks, losses against boosted trees, and times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.contenders.tables import TREES
from benchmarks.public_tables import ROLES, TABLES, PublicTable
from benchmarks.report import format_value, versions
from benchmarks.results import OURS, geometric_mean
from benchmarks.table_scores import (
    Comparison,
    Estimate,
    Scores,
    best_of,
    compare,
    complete,
    means_of,
    normalized,
    over_splits,
    over_tables,
    ranks,
)

#: Returns a quantity of the runs by table, contender and seed: ``score``, ``loss``, ``fit``, ``predict`` or ``test_rows``.
Values = Callable[[str], Scores]

REALMLP, MLP = "realmlp", "mlp"
BEST_TREES = "the best of them"


def markdown(run: Mapping[str, Any], values: Values) -> str:
    """Return the results of a run as one page."""
    machine, seeds = run["machine"], run["settings"]["seeds"]
    scores = values("score")
    lines = [
        "# Tables",
        "",
        f"{run['date']} · {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB · {machine['system']} · "
        f"{machine['python']} · load {machine.get('load', 'unknown')}",
        "",
        f"Splits with the seeds {', '.join(map(str, seeds))}: three quarters of the rows for training, a quarter for the score."
        " ± is half of the 95 % interval (Nadeau and Bengio, 2003); an interval over tables is in brackets (bootstrap).",
    ]
    load = machine.get("load")
    if load and load[0] > machine["cores"] / 4:
        lines += ["", f"**The machine was busy when the run began (load {load[0]}): do not trust its times.**"]
    for name, reason in run["skipped"].items():
        lines += ["", f"Skipped: {name}: {reason}."]
    for failure in run["failures"]:
        lines += ["", f"Failed: {failure['contender']} at {failure['row']}: {failure['reason']}.", "", "```"]
        lines += [*failure["stderr"][-5:], "```"]
    for table, of_table in scores.items():
        if missing := [name for name in of_table if name not in complete(of_table, seeds)]:
            lines += ["", f"Not all splits of {table} are finished for {', '.join(missing)}; there they do not count."]
    lines += ["", "## Summary", "", *summary(scores, values, seeds)]
    lines += ["", "## Aims", "", *aims(scores, values, seeds)]
    lines += ["", "## Scores: accuracy or R²", "", *estimates(scores, seeds, larger_is_better=True)]
    lines += ["", "## Losses: log-loss or root of the mean squared error", ""]
    lines += [*estimates(values("loss"), seeds, larger_is_better=False)]
    lines += ["", "## Against boosted trees", "", *against_trees(scores, seeds)]
    lines += ["", "## Seconds to fit, medians", "", *medians(values("fit"), seeds)]
    lines += ["", "## Milliseconds to predict 1,000 rows, medians", "", *medians(prediction_times(values), seeds)]
    lines += ["", "## The tables", "", *table_facts(run["tables"])]
    lines += ["", "## The contenders", ""]
    for name, facts in run["contenders"].items():
        source = facts["identity"].partition("source ")[2].partition(";")[0]
        shown = {key: value for key, value in facts.items() if key != "identity"} | ({"source": source} if source else {})
        lines.append(versions(name, shown))
    return "\n".join(lines) + "\n"


def rows_of(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> list[str]:
    """Return the lines of a table; the first ``texts`` columns are aligned to the left."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * texts + "---:|" * (len(head) - texts)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def columns(values: Scores) -> list[str]:
    """Return the contenders of all tables."""
    return list(dict.fromkeys(name for of_table in values.values() for name in of_table))


def of_role(values: Scores, role: str) -> Scores:
    """Return the values of the tables of one role."""
    return {table: of_table for table, of_table in values.items() if TABLES[table].role == role}


def summary(scores: Scores, values: Values, seeds: Sequence[int]) -> list[str]:
    """Return a line for each contender: normalized scores, mean rank, and times in comparison with Pellucid.

    Ranks and normalized scores count the tables on which all contenders have all splits.
    """
    names = columns(scores)
    shared = {table: of_table for table, of_table in scores.items() if all(name in complete(of_table, seeds) for name in names)}
    groups = {"all": shared, **{role: of_role(shared, role) for role in ROLES}}
    head = [
        "contender",
        f"normalized score ({len(shared)} tables)",
        *(f"{role} ({len(groups[role])})" for role in ROLES),
        "mean rank",
        f"time to fit / {OURS}",
        f"time to predict / {OURS}",
    ]
    rows = []
    for name in names:
        cells = [name]
        for group in groups.values():
            found = [normalized(means)[name] for means in means_of(group, seeds).values()]
            cells.append(_with_interval(over_tables(found)) if found else "–")
        places = [ranks(means)[name] for means in means_of(shared, seeds).values()]
        cells.append(f"{statistics.fmean(places):.2f}" if places else "–")
        for quantity in ("fit", "predict"):
            ratio = geometric_mean(time_ratios(values(quantity), name, seeds).values())
            cells.append("–" if ratio is None else format_value(ratio))
        rows.append(cells)
    note = "Normalized: 0 is the worst and 1 the best contender of a table. Times are geometric means of the ratios of medians."
    return [*rows_of(head, rows), "", note]


def time_ratios(times: Scores, name: str, seeds: Sequence[int]) -> dict[str, float]:
    """Return by table the median time of a contender divided by that of Pellucid."""
    found = {}
    for table, of_table in times.items():
        finished = complete(of_table, seeds)
        if name in finished and OURS in finished:
            found[table] = statistics.median(finished[name]) / statistics.median(finished[OURS])
    return found


def aims(scores: Scores, values: Values, seeds: Sequence[int]) -> list[str]:
    """Return what the default recipe should reach, and what was measured."""
    rows, means = [], means_of(scores, seeds)
    both = [of_table for of_table in means.values() if OURS in of_table and REALMLP in of_table]
    if both:
        ours, theirs = (statistics.fmean(normalized(one)[name] for one in both) for name in (OURS, REALMLP))
        rows.append([f"mean normalized score, {len(both)} tables", f"at least that of {REALMLP}", f"{ours:.3f}, {theirs:.3f}"])
    against = compare(scores, OURS, MLP, seeds)
    if count := len(against.differences):
        won = [table for table, found in against.differences.items() if found.mean > 0]
        rest = [table for table in against.differences if table not in won]
        named = f" (not on {', '.join(rest)})" if rest else ""
        rows.append(["tables with a higher score than scikit-learn's MLP", f"all {count}", f"{len(won)}{named}"])
    for tree, found in tree_comparisons(scores, seeds).items():
        if count := len(found.differences):
            label = f"boosted trees, {tree}" if tree == BEST_TREES else tree
            worse = f" ({len(found.worse)} tables)" if found.worse else ""
            rows.append([f"tables at least as good as with {label}", f"at least half of {count}", f"{len(found.as_good)}"])
            rows.append([f"mean loss against {label}, where worse", "at most 0.01", f"{found.mean_loss:.4f}{worse}"])
    for name, aim in ((REALMLP, "at least 10"), (MLP, "at least 1/3")):
        if ratios := time_ratios(values("fit"), name, seeds):
            ends = f" ({format_value(min(ratios.values()))} to {format_value(max(ratios.values()))})"
            rows.append(
                [f"time to fit, {name} / {OURS}", aim, f"{format_value(geometric_mean(ratios.values()) or math.nan)}{ends}"]
            )
    return rows_of(["figure", "aim", "measured"], rows, texts=3)


def estimates(values: Scores, seeds: Sequence[int], *, larger_is_better: bool) -> list[str]:
    """Return a table of means with intervals, the best of each table in bold."""
    names = columns(values)
    rows = []
    for table, of_table in values.items():
        found = {name: over_splits(one) for name, one in complete(of_table, seeds).items()}
        ends = [one.mean for one in found.values()]
        best = (max if larger_is_better else min)(ends, default=math.nan)
        cells = [table]
        for name in names:
            if name not in found:
                cells.append("–")
                continue
            text = _estimate(found[name])
            cells.append(f"**{text}**" if found[name].mean == best else text)
        rows.append(cells)
    return rows_of(["table", *names], rows)


def tree_comparisons(scores: Scores, seeds: Sequence[int]) -> dict[str, Comparison]:
    """Return Pellucid's scores minus those of each kind of boosted trees, and of the best kind of each table."""
    found = {tree: compare(scores, OURS, tree, seeds) for tree in TREES}
    best: dict[str, Estimate] = {}
    for table, tree in best_of(means_of(scores, seeds), TREES).items():
        best |= compare({table: scores[table]}, OURS, tree, seeds).differences
    return {**found, BEST_TREES: Comparison(best)}


def against_trees(scores: Scores, seeds: Sequence[int]) -> list[str]:
    """Return the differences of the scores, split by split, with intervals."""
    found = {name: one for name, one in tree_comparisons(scores, seeds).items() if one.differences}
    rows = [
        [table, *(_difference(one.differences[table]) if table in one.differences else "–" for one in found.values())]
        for table in scores
    ]
    rows.append(["**at least as good on**", *(f"**{len(one.as_good)} of {len(one.differences)}**" for one in found.values())])
    rows.append(["**mean loss where worse**", *(f"**{one.mean_loss:.4f}**" for one in found.values())])
    note = (
        f"{OURS}'s score minus that of the trees on the same split. The best kind of trees is chosen for each table by "
        "the same scores, which favours it."
    )
    return [*rows_of(["table", *found], rows), "", note]


def medians(values: Scores, seeds: Sequence[int]) -> list[str]:
    """Return a table of medians over the splits."""
    names = columns(values)
    rows = []
    for table, of_table in values.items():
        found = complete(of_table, seeds)
        rows.append([table, *(format_value(statistics.median(found[name])) if name in found else "–" for name in names)])
    return rows_of(["table", *names], rows)


def prediction_times(values: Values) -> Scores:
    """Return the milliseconds to predict 1,000 rows."""
    rows = values("test_rows")
    return {
        table: {
            name: {seed: 1e6 * seconds / rows[table][name][seed] for seed, seconds in of_seed.items()}
            for name, of_seed in of_table.items()
        }
        for table, of_table in values("predict").items()
    }


def table_facts(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the facts, the source and the licence of each table."""
    head = ["table", "role", "task", "rows", "columns", "what is predicted", "source", "licence"]
    rows = [
        [table.name, table.role, _task(table, of_table), f"{of_table['rows']:,}", _columns(of_table), *_origin(table)]
        for table, of_table in ((TABLES[name], of_table) for name, of_table in facts.items())
    ]
    return rows_of(head, rows, texts=len(head))


def _task(table: PublicTable, facts: Mapping[str, Any]) -> str:
    return f"{facts['classes']} classes" if table.classifies else "regression"


def _columns(facts: Mapping[str, Any]) -> str:
    parts = [f"{facts['columns'] - facts['categories']} numbers"] if facts["columns"] > facts["categories"] else []
    if facts["categories"]:
        parts.append(f"{facts['categories']} categories (at most {facts['most_values']} values)")
    if facts["with_missing"]:
        parts.append(f"{facts['with_missing']} with missing values")
    return ", ".join(parts)


def _origin(table: PublicTable) -> tuple[str, str, str]:
    return table.about, f"{table.package}: {table.source}", table.licence


def _with_interval(found: Estimate) -> str:
    return f"{found.mean:.2f}" if math.isnan(found.low) else f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"


def _estimate(found: Estimate) -> str:
    mean = f"{found.mean:.4f}" if abs(found.mean) < 10 else f"{found.mean:.1f}"
    if math.isnan(found.half):
        return mean
    return f"{mean} ± {found.half:.4f}" if abs(found.mean) < 10 else f"{mean} ± {found.half:.1f}"


def _difference(found: Estimate) -> str:
    return f"{found.mean:+.4f}" if math.isnan(found.half) else f"{found.mean:+.4f} ± {found.half:.4f}"
