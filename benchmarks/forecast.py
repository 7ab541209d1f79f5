"""Forecasts of three series, against simple methods: ``python -m benchmarks.forecast --out runs/forecast``.

- demand: the half-hourly demand for electricity in England and Wales from 5 June to 27 August 2000 (Taylor, 2003; 4,032 values,
  in megawatts), in the package pmdarima
- glucose: the glucose of a person, measured every five minutes from March 2010 (mg/dl; 52,281 values), in the package
  bokeh_sampledata; forecasts are made for the times without gaps
- sunspots: their monthly number from 1749 to 1983 (2,820 values), in the package pmdarima

Each is split in time: 70 % of the rows are the training part, 10 % the validation part, 20 % the test part. The preset
``forecast`` is trained on windows of 48 values to forecast the next 12, with five seeds. The rivals see the same windows:

- naive: the last value;
- seasonal: the value one season before, if the window contains a whole season (a day, or a year);
- linear: ridge regression by scikit-learn on the changes since the last value. On the validation part, the best of nine
  penalties is chosen, and whether the last value itself is an input too.

A network is compared with the rivals alone, over the seeds, and as the mean of the networks of all seeds. Windows overlap and
errors are correlated in time, so the intervals of 95 % are those of a moving block bootstrap (Künsch, 1989), with blocks of two
days, one day and four years, over the windows and the seeds. ``blocks won`` is the number of disjoint blocks of the test part
in which the network has the lower mean absolute error.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import machine
from pellucid.data import Splits, read_series, split_windows
from pellucid.runs.presets import preset
from pellucid.runs.task import Task

VALIDATION, TEST = 0.1, 0.2  # fractions of the rows
PENALTIES = np.logspace(-2, 6, 9)
REPEATS = 10_000  # of the bootstrap
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Case:
    """A series with its ``unit``, its ``season`` in rows, and the length of a ``block`` of the bootstrap."""

    unit: str
    season: int
    block: int


CASES = {"demand": Case("MW", 48, 96), "glucose": Case("mg/dl", 288, 288), "sunspots": Case("spots", 12, 48)}


def load(name: str, window: int, horizon: int) -> Splits:
    """Return the windows of a series, split in time."""
    if name == "glucose":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "glucose.csv"
            path.write_text("glucose\n" + "".join(f"{cell}\n" for cell in _glucose()))
            return read_series(
                path, "glucose", window=window, horizon=horizon, missing="last", validation=VALIDATION, test=TEST
            )
    from pmdarima import datasets

    series = datasets.load_taylor() if name == "demand" else datasets.load_sunspots()
    return split_windows(series, window, horizon, validation=VALIDATION, test=TEST, name=name)


def _glucose() -> list[str]:
    """Return a cell for every five minutes: the last value measured at the nearest time, or NA."""
    file = resources.files("bokeh_sampledata") / "_data" / "CGM.csv.gz"
    rows = csv.DictReader(gzip.decompress(file.read_bytes()).decode().splitlines())
    values = sorted((datetime.fromisoformat(row["datetime"]).timestamp(), row["glucose"]) for row in rows)
    first, last = values[0][0], values[-1][0]
    cells = ["NA"] * (1 + round((last - first) / 300))
    for time, value in values:
        cells[round((time - first) / 300)] = value
    return cells


def network(splits: Splits, seed: int) -> Any:
    """Train the preset, and return the model."""
    train = splits.train
    recipe = preset("forecast").with_epochs_for(len(train))
    task = Task.of(recipe, train, "forecast")
    model = task.network.compile(train.shape, task.loss, recipe.optimizer, task.metrics, seed=seed)
    fit = recipe.fit
    model.fit(
        train,
        validation=splits.validation,
        epochs=fit.epochs,
        batch_size=fit.batch_size,
        policies=fit.policies,
        progress=False,
    )
    return model


def linear(splits: Splits, x: Any) -> tuple[Any, str]:
    """Return the forecasts (n, horizon) of ridge regression for windows x (n, window), and the settings that were chosen."""
    from sklearn.linear_model import Ridge

    scale = splits.train.x.std()

    def inputs(x: Any, levels: bool) -> Any:
        changes = (x - x[:, -1:]) / scale
        return np.concatenate([changes, (x[:, -1:] - splits.train.x.mean()) / scale], axis=1) if levels else changes

    train, validation = (part.x[..., 0] for part in (splits.train, splits.validation))
    y, true = (np.asarray(part.y)[..., 0] for part in (splits.train, splits.validation))
    candidates = []
    for levels in (False, True):
        for penalty in PENALTIES:
            ridge = Ridge(alpha=float(penalty)).fit(inputs(train, levels), (y - train[:, -1:]) / scale)
            error = ridge.predict(inputs(validation, levels)) * scale + validation[:, -1:] - true
            candidates.append((float(np.square(error).mean()), levels, float(penalty), ridge))
    _, levels, penalty, ridge = min(candidates, key=lambda candidate: candidate[0])
    chosen = f"penalty {penalty:g}, the last value {'also' if levels else 'not'} an input"
    return ridge.predict(inputs(x, levels)) * scale + x[:, -1:], chosen


def measure(name: str, window: int, horizon: int, seeds: int, part: str) -> dict[str, Any]:
    """Return the errors of all methods on a part of the series."""
    case, splits = CASES[name], load(name, window, horizon)
    samples = getattr(splits, part)
    x, y = samples.x[..., 0], samples.y[..., 0]
    rivals = {"naive": np.repeat(x[:, -1:], horizon, axis=1)}
    if case.season <= window:
        rivals["seasonal"] = np.stack([x[:, step % case.season - case.season] for step in range(horizon)], axis=1)
    rivals["linear"], chosen = linear(splits, x)
    runs = []
    for seed in range(seeds):
        runs.append(network(splits, seed).predict(samples)[..., 0] - y)
        print(f"{name} seed {seed}: MAE {np.abs(runs[-1]).mean():.5g} {case.unit}", file=sys.stderr, flush=True)
    ours = {"one network": np.stack(runs), f"mean of {seeds} networks": np.mean(runs, axis=0, keepdims=True)}
    theirs = {rival: (values - y)[None] for rival, values in rivals.items()}
    return {
        "series": name,
        "part": part,
        "unit": case.unit,
        "windows": len(x),
        "linear": chosen,
        "seeds": [float(np.abs(run).mean()) for run in runs],
        "errors": {method: summary(error) for method, error in {**ours, **theirs}.items()},
        "comparisons": {
            rival: {method: comparison(error, other[0], case.block) for method, error in ours.items()}
            for rival, other in theirs.items()
        },
    }


def summary(error: Any) -> dict[str, Any]:
    """Return the mean absolute error, also by step, and the root mean squared error, for errors (seeds, n, horizon)."""
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean(axis=(1, 2))).mean()),
        "by_step": np.abs(error).mean(axis=(0, 1)).tolist(),
    }


def comparison(ours: Any, theirs: Any, block: int) -> dict[str, Any]:
    """Return by how much the errors ``ours`` (seeds, n, horizon) are lower than ``theirs`` (n, horizon), in percent.

    ``mae`` and ``rmse`` are the changes of these errors, each with the ends of its interval; ``won`` is the number of
    ``blocks`` of windows with the lower MAE.
    """
    random, (seeds, n, _) = np.random.default_rng(0), ours.shape
    sizes = {"mae": (np.abs(ours), np.abs(theirs)), "rmse": (np.square(ours), np.square(theirs))}
    means = {name: (own.mean(axis=2), other.mean(axis=1)) for name, (own, other) in sizes.items()}
    drawn: dict[str, list[float]] = {name: [] for name in means}
    for _ in range(REPEATS):
        starts = random.integers(0, n - block + 1, -(-n // block))
        rows = (starts[:, None] + np.arange(block)).reshape(-1)[:n]
        chosen = random.integers(0, seeds, seeds)
        for name, (own, other) in means.items():
            drawn[name].append(own[chosen][:, rows].mean() / other[rows].mean())
    found: dict[str, Any] = {}
    for name, (own, other) in means.items():
        power = 1.0 if name == "mae" else 0.5
        ratios = [own.mean() / other.mean(), *np.quantile(drawn[name], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])]
        found[name] = [100 * (float(ratio) ** power - 1) for ratio in ratios]
    own, other = means["mae"]
    blocks = np.array_split(own.mean(axis=0) - other, max(1, n // block))
    return found | {"won": sum(float(part.mean()) < 0 for part in blocks), "blocks": len(blocks)}


def table(results: list[dict[str, Any]]) -> str:
    """Return the errors of all methods, and the comparisons, as tables in Markdown."""
    lines = ["| series | method | MAE | RMSE |", "|---|---|---|---|"]
    for found in results:
        for method, error in found["errors"].items():
            extent = f" ({min(found['seeds']):.4g} to {max(found['seeds']):.4g})" if method == "one network" else ""
            cells = [found["series"], method, f"{error['mae']:.4g}{extent} {found['unit']}", f"{error['rmse']:.4g}"]
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| series | against | with | MAE | RMSE | blocks won |", "|---|---|---|---|---|---|"]
    for found in results:
        for rival, compared in found["comparisons"].items():
            for method, values in compared.items():
                cells = [found["series"], rival, method]
                for name in ("mae", "rmse"):
                    change, low, high = values[name]
                    cells.append(f"{change:+.1f} % ({low:+.1f} to {high:+.1f} %)")
                lines.append("| " + " | ".join([*cells, f"{values['won']} of {values['blocks']}"]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure the series, and write results.json, the table and the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__.split("\n\n")[0])
    parser.add_argument("series", nargs="*", metavar="SERIES", help=f"one or more of {', '.join(CASES)} (default: all)")
    parser.add_argument("--window", type=int, default=48, help="the rows that a forecast is made from (default: 48)")
    parser.add_argument("--horizon", type=int, default=12, help="the rows to forecast (default: 12)")
    parser.add_argument("--seeds", type=int, default=5, help="the number of seeds, from 0 (default: 5)")
    parser.add_argument("--part", default="test", choices=("validation", "test"), help="the part that is forecast")
    parser.add_argument("--out", type=Path, help="a folder for results.json and the figure")
    arguments = parser.parse_args()
    found = [
        measure(name, arguments.window, arguments.horizon, arguments.seeds, arguments.part)
        for name in arguments.series or CASES
    ]
    print(table(found))
    if arguments.out is not None:
        from pellucid import plots

        arguments.out.mkdir(parents=True, exist_ok=True)
        settings = {name: getattr(arguments, name) for name in ("window", "horizon", "seeds", "part")}
        text = json.dumps({"machine": machine(), "settings": settings, "results": found}, indent=2)
        (arguments.out / "results.json").write_text(text + "\n")
        methods = {method: [one["errors"][method]["by_step"] for one in found] for method in ("one network", "naive", "linear")}
        errors = {method: np.array(steps).T for method, steps in methods.items()}
        titles = [f"{one['series']} ({one['unit']})" for one in found]
        plots.save(plots.forecast_errors(errors, titles), arguments.out / "errors.svg")


if __name__ == "__main__":
    main()
