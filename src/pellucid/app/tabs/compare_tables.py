"""Runs on tables on the tab Compare: several runs with the same data and target, by the figures of their reports.

The runs of the folder are listed by their config.json, whenever the page asks. A network is loaded, and its report computed,
when it is compared. Reports are kept in memory by the time of the model file.
"""

from __future__ import annotations

import base64
import contextlib
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from pellucid.app.api import NotFoundError, RequestFields, get, post
from pellucid.app.state import AppState
from pellucid.core.files import read_json
from pellucid.data.sources.user_data import TABLE_SUFFIXES
from pellucid.errors import ConfigError, FileError, PellucidError
from pellucid.plots import alt
from pellucid.report import svg
from pellucid.report.adaptive import adaptive
from pellucid.runs.folder import CONFIG, MODEL, load_data, open_run, read_metrics
from pellucid.runs.table_report import TableReport, is_about_a_table, table_report
from pellucid.runs.targets import scores_by_target, several_targets
from pellucid.runs.task import CLASSIFICATION_METRICS, REGRESSION_METRICS

MAX_RUNS, MAX_COMPARED = 50, 6
MAX_KEPT = 24  # reports in memory
FIGURES = {
    "importance": "Importance of the columns",
    "dependence": "Partial dependence",
    "confusion": "Confusion matrix",
    "thresholds": "Thresholds",
    "calibration": "Calibration",
    "residuals": "Residuals",
}


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this part of the tab."""
    tables = TableRuns(state.runs, state.data_dir)
    return [
        get("/api/compare/tables", tables.listed),
        post("/api/compare/tables/results", tables.results, "runs", "target"),
        post("/api/compare/tables/figures", tables.figures, "run", "target"),
    ]


@dataclass(frozen=True)
class TableRun:
    """A run on a table, and one of its targets. Runs with the same ``data``, its digest and target can be compared.

    ``changed`` is when its model was written, in milliseconds.
    """

    name: str
    path: Path
    data: str
    target: str
    digest: str
    changed: int

    @property
    def group(self) -> str:
        """What runs that can be compared have in common, as the page calls it."""
        return f"{self.target} of {self.data}"


class TableRuns:
    """The runs on tables in a folder. Safe to use from several threads."""

    def __init__(self, folder: Path, data_dir: Path | None):
        self._folder, self._data_dir = folder, data_dir
        self._reports: OrderedDict[tuple[str, str, int], tuple[TableReport, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def listed(self) -> dict[str, Any]:
        """Return the runs that can be compared, those with the same data and target together; the newest run first.

        A run with several targets is listed with each of them.
        """
        groups: dict[tuple[str, str], list[TableRun]] = {}
        for run in self._runs():
            groups.setdefault((run.group, run.digest), []).append(run)
        listed = []
        for runs in groups.values():
            first, names, changed = runs[0], [run.name for run in runs], [run.changed for run in runs]
            group = {"name": first.group, "target": first.target, "digest": first.digest}
            listed.append({**group, "runs": names, "changed": changed})
        return {"groups": listed}

    def _runs(self) -> list[TableRun]:
        found = list[list[TableRun]]()
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"*/{MODEL}"):
                if runs := _table_runs(path.parent, path.stat().st_mtime_ns // 1_000_000):
                    found.append(runs)
        return [run for runs in sorted(found, key=lambda one: -one[0].changed)[:MAX_RUNS] for run in runs]

    def results(self, request: RequestFields) -> dict[str, Any]:
        """Return the figures of the runs of a request, and the names of their columns, the most important one first.

        The request names the target where the runs have several. Raises NotFoundError, and ConfigError for runs with different
        data or targets.
        """
        known, target = self._runs(), request.text("target", default=None)
        names = list(dict.fromkeys(request.texts("runs", MAX_COMPARED)))
        runs = [_get(known, name, target) for name in names]
        if len({(run.group, run.digest) for run in runs}) != 1:
            raise ConfigError("runs with the same data and the same target can be compared")
        rows = [self._row(run) for run in runs]
        strength: dict[str, float] = {}
        for row in rows:
            for column, one in row["importance"].items():
                strength[column] = max(strength.get(column, -math.inf), one["mean"])
        return {"group": runs[0].group, "rows": rows, "columns": sorted(strength, key=lambda column: -strength[column])}

    def _row(self, run: TableRun) -> dict[str, Any]:
        report, scores = self._report(run)
        one, row = report.importance, {"name": run.name, "rows": report.rows, "classes": report.predictions.classes, **scores}
        row["importance"] = {
            column: {"mean": float(one.mean[i]), "spread": float(one.spread[i]), "clear": bool(one.clear[i])}
            for i, column in enumerate(one.columns)
        }
        row["metric"] = one.metric
        if report.intervals is not None and report.coverage is not None:
            row["half_widths"] = [float(report.intervals.half_widths.min()), float(report.intervals.half_widths.max())]
            row["coverage"] = {**vars(report.coverage)}
        if report.reliability is not None:
            row["calibration_error"] = report.reliability.error
        if report.curves:
            row["roc_auc"] = sum(curve.roc_auc for curve in report.curves.values()) / len(report.curves)
        with contextlib.suppress(FileError):
            row["seconds"] = read_metrics(run.path).get("seconds")
        return row

    def figures(self, request: RequestFields) -> dict[str, Any]:
        """Return the figures of a run as SVG in data URLs. Raises ConfigError without Matplotlib."""
        report, _ = self._report(_get(self._runs(), request.text("run"), request.text("target", default=None)))
        drawn = report.figures()
        return {
            "figures": [
                {"title": title, "alt": alt(drawn[name]), "source": _data_url(adaptive(svg(drawn[name], name)))}
                for name, title in FIGURES.items()
                if name in drawn
            ]
        }

    def _report(self, run: TableRun) -> tuple[TableReport, dict[str, Any]]:
        """Return the report on a run and its scores on the test part, computed once."""
        key = run.name, run.target, os.stat(run.path / MODEL).st_mtime_ns
        with self._lock:
            if key not in self._reports:
                self._reports[key] = _computed(run, self._data_dir)
                while len(self._reports) > MAX_KEPT:
                    self._reports.popitem(last=False)
            self._reports.move_to_end(key)
            return self._reports[key]


def _table_runs(folder: Path, changed: int) -> list[TableRun]:
    """Return the run in a folder with each of its targets; an empty list if its data is no table with independent rows."""
    try:
        config = read_json(folder / CONFIG)
        data, reading = config["data"], config["data"]["reading"]
        if Path(str(data["requested"])).suffix.lower() not in TABLE_SUFFIXES or reading.get("horizon") is not None:
            return []
        several = [str(one["name"]) for one in (config.get("input_stage") or {}).get("targets") or ()]
        targets = several if len(several) > 1 else [str(reading["target"])]
        return [TableRun(folder.name, folder, str(data["name"]), target, str(data["sha256"]), changed) for target in targets]
    except (FileError, AttributeError, KeyError, TypeError):  # not a run, or damaged
        return []


def _get(known: Sequence[TableRun], name: str, target: str | None) -> TableRun:
    """Return the run of this name with this target, or None for its first one. Raises NotFoundError."""
    for run in known:
        if run.name == name and target in (None, run.target):
            return run
    predicts = "" if target is None else f" that predicts {target!r}"
    raise NotFoundError(f"there is no run {name!r} on a table{predicts}")


def _computed(run: TableRun, data_dir: Path | None) -> tuple[TableReport, dict[str, Any]]:
    model, config = open_run(run.path)
    targets = several_targets(model)
    if not targets and not is_about_a_table(model):
        raise ConfigError(f"{run.name} does not predict one class or one number for each row of a table")
    try:
        splits = load_data(config, data_dir, None, model)
    except PellucidError as error:
        raise ConfigError(f"{run.name}: its data cannot be read: {error}") from None
    if targets:
        report = table_report(model, splits.test, splits.validation, target=run.target)
        return report, scores_by_target(model, splits.test)[run.target]
    classifies = model.state.loss.classifies or model.classes is not None
    values = model.evaluate(splits.test, metrics=CLASSIFICATION_METRICS if classifies else REGRESSION_METRICS)
    kept = {name: float(values[name]) for name in ("accuracy", "loss", "mse", "mae", "r2") if name in values}
    return table_report(model, splits.test, splits.validation), kept


def _data_url(image: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(image.encode()).decode()
