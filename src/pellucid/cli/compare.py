"""``pellucid compare``: compare runs, and test whether their differences may be due to chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli import options
from pellucid.cli.common import echo, format_scores, format_targets, print_json, report_errors, require_vector
from pellucid.core.files import write_text
from pellucid.core.json_text import json_text
from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.data.text import Tokens
from pellucid.errors import ConfigError, FileError
from pellucid.metrics import wilson
from pellucid.model.model import Model
from pellucid.runs.comparison import SIGNIFICANCE, Comparison, holm_adjusted, short_names, sign_tests
from pellucid.runs.folder import load_data, open_run, read_metrics

CHUNK = 128  # samples of a text that are predicted together
PLOTTED_IMAGES = 24  # in the figure of disagreements
Metrics = Mapping[str, Any]  # the metrics.json of a run, with its name and folder


@report_errors
def compare(
    runs: list[Path] = typer.Argument(..., metavar="RUN", help="The run folders to compare."),
    data_dir: options.DataDir = None,
    out: Path | None = typer.Option(
        None, "--out", metavar="FOLDER", help="Write comparison.json and the figures into this folder."
    ),
    json: options.Json = False,
) -> None:
    """Compare runs on the test set.

    Prints the size, time, energy and accuracy of each run, its most frequent mistakes, and McNemar's test of whether the
    difference between two runs may be due to chance. The test compares these trained networks. Another seed gives another
    network: to find out whether one kind of network is better than another, compare several runs of each kind.

    For models that predict numbers, the errors of each run and a sign test of each pair are printed, with several targets for
    each of them; for language models, the bits per character, and a sign test of the probabilities of the windows or lines.
    """
    names = short_names([str(run) for run in runs])
    if len(set(names)) < len(names):
        raise ConfigError("the same run is given twice")
    metrics = [{"run": name, "folder": str(run), **read_metrics(run)} for name, run in zip(names, runs, strict=True)]
    test, outputs = _predict(names, runs, metrics, data_dir)
    if test.origin is not None and test.origin.tokens is not None:
        _compare_texts(metrics, test, outputs, out, json)
    elif test.classes is None:
        _compare_regressions(metrics, test, outputs, out, json)
    else:
        _compare_classifiers(metrics, test, test.classes, outputs, out, json)


def _predict(
    names: Sequence[str], runs: Sequence[Path], metrics: Sequence[Metrics], data_dir: Path | None
) -> tuple[Dataset, dict[str, Array]]:
    """Return the test set that the runs have in common, and the outputs of each run for it; of language models, the mean
    −log p of the tokens of each sample.

    Raises ConfigError if they have none in common.
    """
    opened = [open_run(run) for run in runs]
    for run, (model, _) in zip(runs, opened, strict=True):
        if not isinstance(model.input_stage, Tokens):
            require_vector(model, run)
    digests = {values.get("data", {}).get("sha256") for values in metrics}
    if len(digests) > 1:
        which = ", ".join(f"{values['run']}: {values.get('data', {}).get('name')}" for values in metrics)
        raise ConfigError(f"these runs were tested on different data ({which}), so they cannot be compared")
    splits = load_data(opened[0][1], data_dir, None, opened[0][0])
    if splits.sha256 not in digests:
        raise ConfigError(f"the runs were tested on other data than the {splits.name} on this machine: use --data-dir")
    if splits.test.origin is not None and splits.test.origin.tokens is not None:
        return splits.test, {name: _nats(model, splits.test) for name, (model, _) in zip(names, opened, strict=True)}
    x = splits.test.x
    return splits.test, {name: model.predict(x) for name, (model, _) in zip(names, opened, strict=True)}


def _compare_classifiers(
    metrics: Sequence[dict[str, Any]],
    test: Dataset,
    classes: Sequence[str],
    outputs: Mapping[str, Array],
    out: Path | None,
    json: bool,
) -> None:
    comparison = Comparison(np.asarray(test.y), {name: values.argmax(axis=1) for name, values in outputs.items()})
    for name, values in zip(outputs, metrics, strict=True):  # runs of a sweep have not been tested
        values["test"] = {**values.get("test", {}), "accuracy": comparison.correct(name) / len(test)}
    tests = [{**vars(one), "text": str(one)} for one in comparison.mcnemar_tests()]
    confusions = {
        name: [
            {"true": classes[true], "predicted": classes[predicted], "count": n}
            for true, predicted, n in comparison.confusions(name)
        ]
        for name in outputs
    }
    disagreements = comparison.disagreements()
    summary = {"runs": metrics, "tests": tests, "confusions": confusions, "disagreements": disagreements}
    if json:
        print_json(summary)
    else:
        echo(run_table(metrics))
        for line in sorted({_energy_note(values["energy"]) for values in metrics if values.get("energy")}):
            echo(line)
        echo()
        for name, mistakes in confusions.items():
            listed = ", ".join(f"{one['true']} as {one['predicted']} ({one['count']})" for one in mistakes)
            echo(f"{name} classifies {listed}" if listed else f"{name} makes no mistakes")
        for one in tests:
            echo(str(one["text"]))
        if len(tests) > 1:
            echo(f"(the p-values are adjusted for {len(tests)} pairs)")
        if len(outputs) > 1:
            echo(f"they disagree on {len(disagreements):,} of {len(test):,} samples")
    if out is not None:
        try:
            _write(out, summary, test, comparison, classes)
        except ConfigError as error:  # Matplotlib is not installed
            echo(f"no figures: {error}", quiet=json)
        echo(f"the comparison is in {out}", quiet=json)


def _compare_regressions(
    metrics: Sequence[Metrics], test: Dataset, outputs: Mapping[str, Array], out: Path | None, json: bool
) -> None:
    y = np.asarray(test.y, np.float64)
    if y.ndim == 1:
        tests = [{**vars(one), "text": str(one)} for one in sign_tests(y, {name: v[:, 0] for name, v in outputs.items()})]
        _show_sign_tests(metrics, test, tests, out, json)
        return
    targets = [] if test.origin is None else [one.name for one in test.origin.targets]
    if y.shape[1:] != (len(targets),):
        raise ConfigError(
            f"these runs predict {y[0].size:,} numbers for each sample; runs with one number, or with several targets of a "
            "table, can be compared"
        )
    of_targets = [
        (target, one)
        for i, target in enumerate(targets)
        for one in sign_tests(y[:, i], {name: v[:, i] for name, v in outputs.items()})
    ]
    tests = []
    for (target, one), p in zip(of_targets, holm_adjusted([one.p for _, one in of_targets]), strict=True):
        one = dataclasses.replace(one, adjusted=p)
        tests.append({"target": target, **vars(one), "text": f"{target}: {one}"})
    _show_sign_tests(metrics, test, tests, out, json, len(targets))


def _compare_texts(metrics: Sequence[Metrics], test: Dataset, nats: Mapping[str, Array], out: Path | None, json: bool) -> None:
    found, what = sign_tests(np.zeros(len(test)), nats), "windows" if test.passage is not None else "lines"
    texts = [
        f"{one.first} gives the higher probability to {one.first_closer:,} {what} of the test part, {one.second} to "
        f"{one.second_closer:,}{': that may be due to chance' if one.adjusted >= SIGNIFICANCE else ''} (p = {one.adjusted:.2g})"
        for one in found
    ]
    tests = [{**vars(one), "text": text} for one, text in zip(found, texts, strict=True)]
    _show_sign_tests(metrics, test, tests, out, json)


def _show_sign_tests(
    metrics: Sequence[Metrics],
    test: Dataset,
    tests: Sequence[Mapping[str, Any]],
    out: Path | None,
    json: bool,
    targets: int = 1,
) -> None:
    """Print the scores of each run, and the tests of pairs; write them into the folder ``out``."""
    summary = {"runs": metrics, "tests": tests}
    if json:
        print_json(summary)
    else:
        width = max(len(str(values["run"])) for values in metrics)
        for values in metrics:
            scores = format_scores(values["test"], len(test), targets) if "test" in values else "not tested"
            echo(f"{values['run']:<{width}}  {_thousands(values.get('parameters')):>9} parameters  {scores}")
            if targets > 1 and values.get("targets", {}).get("part") == "test":
                echo(format_targets(values["targets"]["scores"]))
        for one in tests:
            echo(one["text"])
        if len(tests) > 1:
            echo(f"(the p-values are adjusted for {len(tests)} {'tests' if targets > 1 else 'pairs'})")
    if out is not None:
        _create_folder(out)
        write_text(out / "comparison.json", json_text(summary))
        echo(f"the comparison is in {out}", quiet=json)


def _nats(model: Model, data: Dataset) -> Array:
    """Return the mean −log p of the tokens of each sample (n)."""
    x, y, found = data.x, data.y, []
    weights = np.ones(y.shape) if data.sample_weight is None else data.sample_weight
    for start in range(0, len(data), CHUNK):
        rows = slice(start, start + CHUNK)
        p = np.take_along_axis(model.predict(x[rows]), y[rows, :, None].astype(np.int64), axis=-1)[..., 0]
        nats = -np.log(np.maximum(p, np.finfo(p.dtype).tiny))
        found.append((nats * weights[rows]).sum(axis=1) / weights[rows].sum(axis=1))
    return np.concatenate(found)


HEADER = (
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


def run_table(metrics: Sequence[Metrics]) -> str:
    """Return a table with a row for each run; values that are unknown are left empty."""
    rows = [HEADER, *(_table_row(values) for values in metrics)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = [
        "  ".join(f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _table_row(values: Metrics) -> tuple[str, ...]:
    data, test, energy = values.get("data", {}), values.get("test", {}), values.get("energy") or {}
    accuracy, loss = test.get("accuracy"), test.get("loss")
    n, seconds = data.get("sizes", {}).get("test"), values.get("seconds")
    interval = ""
    if n and accuracy is not None:
        low, high = wilson(accuracy * n, n)
        interval = f"{100 * low:.2f} – {100 * high:.2f} %"
    return (
        values["run"],
        str(data.get("name", "")),
        _thousands(values.get("parameters")),
        _thousands(values.get("multiply_adds")),
        _thousands(values.get("epochs")),
        "" if seconds is None else f"{seconds:.1f}",
        "" if not energy else f"{'~' if energy['how'] == 'estimated' else ''}{energy['joules']:,.0f} J",
        "" if accuracy is None else f"{100 * accuracy:.2f} %",
        interval,
        "" if loss is None else f"{loss:.4f}",
    )


def _energy_note(energy: Mapping[str, Any]) -> str:
    if energy["how"] == "measured":
        return f"energy: measured ({energy['source']})"
    low, high = (energy[name] / (energy["joules"] or 1.0) for name in ("low", "high"))
    return f"energy ~: estimated from the seconds of busy cores; the range is {low:.2g} to {high:.2g} times this value"


def _thousands(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _write(out: Path, summary: Mapping[str, Any], test: Dataset, comparison: Comparison, classes: Sequence[str]) -> None:
    """Write comparison.json and the figures."""
    from pellucid import plots

    _create_folder(out)
    write_text(out / "comparison.json", json_text(summary))
    n = len(test)
    accuracies = {name: comparison.correct(name) / n for name in comparison.predictions}
    intervals = {name: comparison.interval(name) for name in comparison.predictions}
    plots.save(plots.accuracies(accuracies, intervals, f"{n:,} test samples"), out / "accuracies.png")
    rows = comparison.disagreements()
    if len(rows) and len(test.shape) == 3:
        plotted = rows[:PLOTTED_IMAGES]
        predictions = {name: labels[plotted] for name, labels in comparison.predictions.items()}
        title = f"{len(plotted)} of {len(rows):,} test images on which the networks disagree, the hardest first"
        figure = plots.disagreements(test.take(plotted).x, comparison.y[plotted], predictions, classes, title)
        plots.save(figure, out / "disagreements.png")


def _create_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot create the folder {out}: {error.strerror or error}") from error
