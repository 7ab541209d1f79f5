"""``pellucid compare``: runs side by side, and whether their differences are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli import own
from pellucid.cli.common import as_json, reported, say, scored
from pellucid.core.files import write_text
from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.errors import ConfigError, FileError
from pellucid.metrics import wilson
from pellucid.runs.comparison import Comparison, closer, short_names
from pellucid.runs.folder import open_run, readable, results

SHOWN = 24  # pictures in the figure of disagreements


@reported
def compare(
    runs: list[Path] = typer.Argument(..., help="Run folders."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    out: Path | None = typer.Option(None, "--out", help="A folder for comparison.json and the figures."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Runs side by side: size, time, energy, accuracy on the test set with its 95 % interval, what each confuses, and McNemar's
    test of whether the difference between two of them can be chance. (Another seed gives another network: several runs of
    each kind tell whether the kind is better.)"""
    names = short_names([str(run) for run in runs])
    if len(set(names)) < len(names):
        raise ConfigError("the same run is named twice")
    found = [{"run": name, "folder": str(run), **results(run)} for name, run in zip(names, runs, strict=True)]
    test, outputs = _outputs(names, runs, found, data_dir)
    if test.classes is None:
        _numbers(found, test, outputs, out, json)
        return
    classes = test.classes
    beside = Comparison(test.y, {name: values.argmax(axis=1) for name, values in outputs.items()})  # type: ignore[arg-type]
    for name, values in zip(names, found, strict=True):  # runs of a sweep have not been tested
        values["test"] = {**values.get("test", {}), "accuracy": beside.correct(name) / len(test)}
    tests = [{**vars(pair), "text": str(pair)} for pair in beside.pairs()]
    confused = {
        name: [{"true": classes[t], "said": classes[s], "count": n} for t, s, n in beside.confusions(name)] for name in names
    }
    disputed = beside.disputed()
    summary = {"runs": found, "tests": tests, "confusions": confused, "disputed": disputed}
    if json:
        as_json(summary)
    else:
        say(table(found))
        for line in sorted({_provenance(values["energy"]) for values in found if values.get("energy")}):
            say(line)
        say()
        for name, mistakes in confused.items():
            said = ", ".join(f"{one['true']} for {one['said']} ({one['count']})" for one in mistakes)
            say(f"{name} takes {said}" if said else f"{name} makes no mistake")
        for pair in tests:
            say(str(pair["text"]))
        if len(tests) > 1:
            say(f"(p-values are adjusted for {len(tests)} pairs)")
        if len(names) > 1:
            say(f"they disagree on {len(disputed):,} of {len(test):,} samples")
    if out is not None:
        try:
            _write(out, summary, test, beside, classes)
        except ConfigError as error:  # no Matplotlib
            say(f"no figures: {error}", quiet=json)
        say(f"the comparison is in {out}", quiet=json)


def _outputs(
    names: Sequence[str], runs: Sequence[Path], found: Sequence[Mapping[str, Any]], data_dir: Path | None
) -> tuple[Dataset, dict[str, Array]]:
    """(the test set that all runs share, what each of the runs makes of it)."""
    opened = [open_run(run) for run in runs]
    sums = {values.get("data", {}).get("sha256") for values in found}
    if len(sums) > 1:
        which = ", ".join(f"{values['run']}: {values.get('data', {}).get('name')}" for values in found)
        raise ConfigError(f"these runs were tested on different data ({which}): there is nothing to compare them on")
    splits = own.of_run(opened[0][1].get("data", {}), data_dir)
    if splits.sha256 not in sums:
        raise ConfigError(f"the runs were tested on other data than the {splits.name} that is here: give its --data-dir")
    test = splits.test
    return test, {name: model.predict(test.x) for name, (model, _) in zip(names, opened, strict=True)}


def _numbers(
    found: Sequence[Mapping[str, Any]], test: Dataset, said: Mapping[str, Array], out: Path | None, json: bool
) -> None:
    """Runs that predict numbers: how far each is from the truth, and which of two is closer more often."""
    pairs = closer(np.asarray(test.y, np.float64), {name: outputs[:, 0] for name, outputs in said.items()})
    summary = {"runs": found, "tests": [{**vars(pair), "text": str(pair)} for pair in pairs]}
    if json:
        as_json(summary)
    else:
        wide = max(len(str(values["run"])) for values in found)
        for values in found:
            scores = scored(values["test"], len(test)) if "test" in values else "not tested"
            say(f"{values['run']:<{wide}}  {_number(values.get('parameters')):>9} parameters  {scores}")
        for pair in pairs:
            say(str(pair))
    if out is not None:
        _folder(out)
        write_text(out / "comparison.json", readable(summary))
        say(f"the comparison is in {out}", quiet=json)


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """One line a run."""
    rows = [
        (
            "run",
            "data",
            "parameters",
            "multiply-adds",
            "epochs",
            "seconds",
            "energy",
            "test accuracy",
            "95 % interval",
            "test loss",
        )
    ]
    for values in found:
        data, test, energy = values.get("data", {}), values.get("test", {}), values.get("energy") or {}
        n, share = data.get("sizes", {}).get("test"), test.get("accuracy")
        interval = ""
        if n and share is not None:
            low, high = wilson(share * n, n)
            interval = f"{100 * low:.2f} – {100 * high:.2f} %"
        seconds, loss = values.get("seconds"), test.get("loss")
        rows.append(
            (
                values["run"],
                str(data.get("name", "")),
                _number(values.get("parameters")),
                _number(values.get("multiply_adds")),
                _number(values.get("epochs")),
                "" if seconds is None else f"{seconds:.1f}",
                _joules(energy),
                "" if share is None else f"{100 * share:.2f} %",
                interval,
                "" if loss is None else f"{loss:.4f}",
            )
        )
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, wide, strict=True)))
        for row in rows
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _joules(energy: Mapping[str, Any]) -> str:
    return "" if not energy else f"{'~' if energy['how'] == 'estimated' else ''}{energy['joules']:,.0f} J"


def _provenance(energy: Mapping[str, Any]) -> str:
    if energy["how"] == "measured":
        return f"energy: measured ({energy['source']})"
    low, high = (energy[name] / energy["joules"] for name in ("low", "high"))
    return f"energy ~: estimated from the seconds that cores were busy; the range is {low:.2g} to {high:.2g} times the figure"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _write(out: Path, summary: Mapping[str, Any], test: Dataset, beside: Comparison, classes: Sequence[str]) -> None:
    from pellucid import plots

    _folder(out)
    write_text(out / "comparison.json", readable(summary))
    n = len(test)
    shares = {name: beside.correct(name) / n for name in beside.predicted}
    plots.save(
        plots.accuracies(shares, {name: beside.interval(name) for name in shares}, f"{n:,} test samples"),
        out / "accuracies.png",
    )
    rows = beside.disputed()
    if len(rows) and len(test.shape) == 3:
        chosen = rows[:SHOWN]
        said = {name: labels[chosen] for name, labels in beside.predicted.items()}
        title = f"{len(chosen)} of {len(rows):,} test pictures on which the networks disagree, the hardest first"
        made = plots.disagreements(test.take(chosen).x, beside.y[chosen], said, classes, title)
        plots.save(made, out / "disagreements.png")


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {out}: {error.strerror or error}") from error
