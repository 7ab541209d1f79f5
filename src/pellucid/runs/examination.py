"""The examination of a run or of a data set, for ``pellucid doctor``: findings on the data, the network and the training."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.data.dataset import Dataset, Splits
from pellucid.doctor.curves import curve_findings
from pellucid.doctor.data import diagnose_data
from pellucid.doctor.diagnosis import Diagnosis
from pellucid.doctor.labels import LabelSearch, search_labels
from pellucid.doctor.order import most_serious_first
from pellucid.errors import DataError, FileError, PellucidError
from pellucid.model.model import Model
from pellucid.runs.file_content import read_config, read_findings
from pellucid.runs.fine_tuning import Start
from pellucid.runs.folder import FINDINGS, MODEL, load_data, open_run
from pellucid.runs.recipe import Recipe
from pellucid.runs.task import Task
from pellucid.training import History

VALIDATION = 0.1  # of the samples of a training that early stopping may end


@dataclass(frozen=True)
class Examined:
    """What was examined, and the diagnosis. ``splits`` is None if the data of a run could not be loaded."""

    name: str
    splits: Splits | None
    diagnosis: Diagnosis


def examine_run(path: str | Path, data_dir: Path | None = None) -> Examined:
    """Return the findings on a run folder: on its data, its model, its history, and those that a watch has written.

    What is missing is listed in ``diagnosis.left_out``. Raises FileError for a folder without config.json and model.
    """
    folder = Path(path)
    if not os.path.exists(folder / "config.json") and not os.path.exists(folder / "model.pellucid"):
        raise FileError(f"{path} is not a run folder: it contains neither config.json nor model.pellucid")
    diagnoses, left_out = [_watched(folder)], list[str]()
    config = read_config(folder / "config.json") if os.path.exists(folder / "config.json") else {}
    model = open_run(folder)[0] if os.path.exists(folder / MODEL) else None
    splits = None
    if not config:
        left_out.append("the data: the run has no config.json that names it")
    else:
        try:
            found = load_data(config, data_dir, None, model)
            _check_same_data(found, config)
            splits = _with_limit(found, config)
            diagnoses.append(diagnose_data(splits))
        except PellucidError as error:
            left_out.append(f"the data: {error}")
    history = read_history(folder / "history.csv")
    if any(one.get("class") in ("EarlyStopping", "KeepBest") for one in config.get("fit", {}).get("policies") or ()):
        history.best_epoch = history.chosen_epoch()  # later epochs overfit as they should: their parameters are not kept
    if splits is not None and model is not None:
        diagnoses.append(model.diagnose(splits.train, history=history or None))
    else:
        why = "the run has no model.pellucid yet" if splits is not None else "that takes its data"
        left_out.append(f"the network: {why}")
        diagnoses.append(Diagnosis(curve_findings(history)))
    return Examined(str(path), splits, most_serious_first(*diagnoses, Diagnosis((), left_out)))


def _check_same_data(splits: Splits, config: dict[str, Any]) -> None:
    """Raise DataError where the data are not those of the run. Corrections, which a run adds to its data, are not compared."""
    recorded, settings = config.get("data", {}).get("sha256"), config.get("settings") or {}
    if recorded not in (None, splits.sha256) and not settings.get("corrections"):
        raise DataError(f"{splits.name}, from {splits.source}, is not what the run was trained on: --data-dir names its folder")


def _with_limit(splits: Splits, config: dict[str, Any]) -> Splits:
    limit = config.get("data", {}).get("limit")
    return splits if limit is None else dataclasses.replace(splits, train=splits.train.limit(limit, config.get("seed") or 0))


def _watched(folder: Path) -> Diagnosis:
    """Return the findings that a watch has written into the run folder. Raises FileError for other content."""
    file = folder / FINDINGS
    if not os.path.exists(file):
        return Diagnosis()
    return Diagnosis(read_findings(file))


def read_history(path: Path) -> History:
    """Return the history in a file history.csv; an empty one if there is no file.

    The last line may be incomplete, as the file grows during the training. Raises FileError for other content.
    """
    if not os.path.exists(path):
        return History()
    rows = list[dict[str, float]]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        for i, line in enumerate(lines):
            if any(value is None for value in line.values()) and i == len(lines) - 1:
                break
            rows.append({name: float(value) for name, value in line.items() if value})
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise FileError(f"{path} is not the history of a run: {error}") from None
    if any("epoch" not in row for row in rows):
        raise FileError(f"{path} is not the history of a run: a row has no epoch")
    return History(rows)


def recipe_of(path: str | Path) -> tuple[Recipe, str]:
    """Return the recipe that trains a new network like that of a run, and the name of its preset."""
    start = Start.open(path)
    return start.recipe(), start.preset


def search_wrong_labels(
    data: Dataset,
    recipe_for: Callable[[Dataset], Recipe],
    model: str,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LabelSearch:
    """Return the labels of a training set that are probably wrong, judged by networks that are trained on parts of it.

    ``recipe_for`` returns the recipe for a part, ``model`` is the name of its preset.

    Raises the errors of :func:`~pellucid.doctor.search_labels` and of :meth:`~pellucid.runs.task.Task.of`.
    """
    recipe = recipe_for(data)
    if data.classes is None or recipe.reconstructs or recipe.segments:
        raise DataError(f"{data.name}: wrong labels are searched for where each sample has one class")

    def train(part: Dataset, seed: int) -> Model:
        recipe = recipe_for(part)
        task = Task.of(recipe, part, model)
        trained = task.network.compile(part.shape, task.loss, recipe.optimizer, task.metrics, seed=seed, classes=part.classes)
        rest, validation = part.split(VALIDATION, seed) if recipe.fit.policies else (part, None)
        for _ in trained.fit_events(rest, validation=validation, options=recipe.fit):
            pass
        return trained

    return search_labels(data, train, seed=seed, progress=progress)


def file_rows(data: Dataset) -> list[int] | None:
    """Return the row of the table file that each sample was, from 1 without the header; None if it is not known."""
    origin = data.origin
    if data.rows is None or origin is None or origin.columns is None or origin.series is not None:
        return None
    rows = data.rows if origin.kept is None else origin.kept[data.rows]
    return [int(row) + 1 for row in rows]
