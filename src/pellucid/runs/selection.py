"""What a sweep has found: the best run, an ensemble of the best ones, and their scores on the test set.

Runs and members are chosen by their validation scores, and the best of many scores is too high an estimate of what new data
will give. So the score to report is that on the test set, which no choice has looked at; ``selection.json`` in the folder of
the sweep keeps a record of every look at it. With several splits of the data, the whole search is repeated on each, and the
mean of the test scores is an estimate for the whole procedure (nested validation: Cawley and Talbot, "On over-fitting in model
selection and subsequent selection bias in performance evaluation", 2010).

The members of an ensemble are chosen one by one, each so that the loss of the mean on the validation set is lowest; a run may
be chosen several times, and then counts as often (Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from
libraries of models", 2004).
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.config import Count, validate
from pellucid.core.files import read_json, write_text
from pellucid.core.json_text import json_text
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.data.sources.registry import SOURCES, TEXTS
from pellucid.data.sources.user_data import kind_of
from pellucid.errors import ConfigError, FileError
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.runs.folder import MODEL, load_data, open_run
from pellucid.runs.search import Combination, Standing
from pellucid.runs.sweep import Sweep, folder_name
from pellucid.runs.task import REGRESSION_METRICS

SELECTION = "selection.json"
CANDIDATES = 20  # the best runs, among which the members of an ensemble are chosen
SMALLEST = 1e-12  # probability: its logarithm would be −∞ for 0


@dataclass(frozen=True)
class Choice:
    """The runs that are chosen, with the scores of their mean on the validation set."""

    runs: tuple[str, ...]
    validation: dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """What a sweep has chosen: the ``combination`` with the best validation score, its best run, and perhaps an ensemble.

    ``left_out`` counts the runs that could not be members of the ensemble, as they have no mean with the best one.
    """

    combination: Combination
    winner: Choice
    ensemble: Choice | None = None
    left_out: int = 0

    def record(self) -> dict[str, Any]:
        """Return the chosen runs as plain JSON."""
        parts = {"winner": self.winner, "ensemble": self.ensemble}
        return {name: None if choice is None else list(choice.runs) for name, choice in parts.items()}


def check_ensemble(sweep: Sweep) -> None:
    """Raise ConfigError if the runs of a sweep can have no ensemble, before any is trained."""
    data = sweep.base.data
    if data in TEXTS or (data not in SOURCES and kind_of(data, sweep.base.reading) == "text"):
        raise ConfigError("--ensemble takes the mean of probabilities or of numbers, and does not apply to texts")


def select(sweep: Sweep, rows: Sequence[Mapping[str, Any]], members: int = 0) -> Selection | None:
    """Return what the validation scores choose, with an ensemble of up to this many ``members``; None if nothing was trained.

    Combinations that were trained to the end come before those that were stopped. Members of an ensemble are those of the best
    runs that have a mean with the first of them: the same inputs, outputs, classes and loss. Raises ConfigError for an ensemble
    of texts, and FileError if the model of the best run was deleted.
    """
    if members:
        validate(members, Count, "select", "members")
        check_ensemble(sweep)
    trained = [
        (row, folder_name({name: row[name] for name in (*sweep.grid.values, "seed")}))
        for row in rows
        if row["status"] in ("done", "stopped")
    ]
    if not trained:
        return None
    score = sweep.score(rows)

    def key(row: Mapping[str, Any]) -> tuple[float, float]:
        return Standing.of(row[f"validation_{score}"], row["validation_loss"]).key

    ranked = sorted(trained, key=lambda one: key(one[0]))
    complete = [(combination, one) for combination, one in sweep.summaries(rows).items() if one.complete]
    if complete:
        combination = min(complete, key=lambda one: one[1].standing.key)[0]
    else:
        combination = tuple(ranked[0][0][name] for name in sweep.grid.values)
    best = [(row, name) for row, name in ranked if tuple(row[one] for one in sweep.grid.values) == combination]
    there = [one for one in best if os.path.isfile(sweep.out / one[1] / MODEL)]
    if not there:
        raise FileError(
            f"{sweep.out / best[0][1]} has the best validation score, but no {MODEL}: put the file back, or delete the folder, "
            "and the same command trains it again"
        )
    row, name = there[0]
    winner = Choice((name,), {score: row[f"validation_{score}"], "loss": row["validation_loss"]})
    if not members:
        return Selection(combination, winner)
    names = [one for _, one in ranked if os.path.isfile(sweep.out / one / MODEL)][:CANDIDATES]
    return Selection(combination, winner, *_ensemble(sweep, names, members))


def _ensemble(sweep: Sweep, names: Sequence[str], members: int) -> tuple[Choice, int]:
    """Return the ensemble whose members are chosen among these runs, of which the best one is first.

    Also returns the number of runs that have no mean with the first, as with other inputs or another loss.
    """
    opened = [open_run(sweep.out / name) for name in names]
    validation = load_data(opened[0][1], sweep.base.data_dir, None, opened[0][0]).validation
    candidates = [(name, model) for name, (model, _) in zip(names, opened, strict=True) if _have_mean(opened[0][0], model)]
    chosen = choose_members([np.asarray(model.predict(validation)) for _, model in candidates], validation, members)
    scores = Ensemble([candidates[i][1] for i in chosen]).evaluate(validation)
    return Choice(tuple(candidates[i][0] for i in chosen), dict(scores)), len(names) - len(candidates)


def _have_mean(model: Model, other: Model) -> bool:
    """Return whether two models can be in one ensemble."""
    try:
        Ensemble([model] if other is model else [model, other])
    except ConfigError:
        return False
    return True


def choose_members(outputs: Sequence[Array], data: Dataset, members: int) -> list[int]:
    """Return the places in ``outputs`` of the models whose mean has the lowest loss on the data, at most ``members`` of them.

    They are chosen one after the other, and the same one may be chosen again. The choice ends where no addition lowers the
    loss: the cross-entropy for classes, the squared error for numbers, in standard deviations of each target.
    """
    y = np.asarray(data.y)
    if data.classes is not None:
        if y.shape == outputs[0].shape:  # one-hot rows, or independent labels
            y = y.argmax(axis=-1)
        picked = [np.take_along_axis(one, y.astype(np.intp)[..., None], axis=-1)[..., 0] for one in outputs]

        def loss(total: Array, count: int) -> float:
            return float(-np.log(np.maximum(total / count, SMALLEST)).mean())

    else:
        y = y.astype(np.float64).reshape(outputs[0].shape)
        scale = np.maximum(y.std(axis=0), np.finfo(np.float32).tiny)
        picked = [(one - y) / scale for one in outputs]

        def loss(total: Array, count: int) -> float:
            return float(np.square(total / count).mean())

    picked = [one.astype(np.float64) for one in picked]
    chosen, total, lowest = list[int](), np.zeros_like(picked[0]), np.inf
    while len(chosen) < members:
        losses = [loss(total + one, len(chosen) + 1) for one in picked]
        i = int(np.argmin([one if np.isfinite(one) else np.inf for one in losses]))
        if not losses[i] < lowest:
            break
        chosen.append(i)
        total, lowest = total + picked[i], losses[i]
    return chosen or [0]


@dataclass(frozen=True)
class Look:
    """The scores of a selection on the test set of ``samples`` samples.

    ``earlier`` counts the other selections of this sweep that were evaluated on it before.
    """

    winner: Mapping[str, float]
    ensemble: Mapping[str, float] | None
    samples: int
    earlier: int


def look_at_test_set(sweep: Sweep, selection: Selection) -> Look:
    """Evaluate a selection on the test set, unless the record of the sweep already has its scores, and return them."""
    names = list(dict.fromkeys((*selection.winner.runs, *(selection.ensemble.runs if selection.ensemble else ()))))
    opened = {name: open_run(sweep.out / name) for name in names}
    models = {name: model for name, (model, _) in opened.items()}
    sha = hashlib.sha256()
    for model in models.values():  # a run that was stopped may have gone on since the last look
        sha.update(model.parameters.data)
    chosen = {**selection.record(), "parameters": sha.hexdigest()}
    record = read_record(sweep.out)
    looks = record.get("test") or []
    for number, look in enumerate(looks):
        if look["chosen"] == chosen:
            winner, ensemble = (_with_nan(look[part]) for part in ("winner", "ensemble"))
            return Look(winner or {}, ensemble, look["samples"], number)
    first = selection.winner.runs[0]
    test = load_data(opened[first][1], sweep.base.data_dir, None, models[first]).test
    several = None if selection.ensemble is None else Ensemble([models[name] for name in selection.ensemble.runs])
    scores = _scores(models[first], test), None if several is None else _scores(several, test)
    look = {"chosen": chosen, "winner": scores[0], "ensemble": scores[1], "samples": len(test)}
    write_record(sweep.out, {**record, "test": [*looks, look]})
    return Look(*scores, len(test), len(looks))


def _scores(model: Model | Ensemble, test: Dataset) -> dict[str, float]:
    """Return the scores on the test set that are one number."""
    scores = model.evaluate(test, metrics=None if test.classes is not None else REGRESSION_METRICS)
    return {name: float(value) for name, value in scores.items() if np.ndim(value) == 0}


def _with_nan(scores: Mapping[str, float | None] | None) -> dict[str, float] | None:
    """Return recorded scores as they were: JSON has no NaN, but null."""
    return None if scores is None else {name: math.nan if value is None else value for name, value in scores.items()}


def recorded(sweep: Sweep, selection: Selection) -> dict[str, Any]:
    """Return the settings and the runs that are chosen, with their validation scores, as plain JSON."""
    scores = {"winner": selection.winner.validation, "ensemble": selection.ensemble and selection.ensemble.validation}
    settings = dict(zip(sweep.grid.values, selection.combination, strict=True))
    return {"settings": settings, **selection.record(), "validation": scores}


def save(sweep: Sweep, selection: Selection) -> None:
    """Write the chosen runs to selection.json."""
    write_record(sweep.out, {**read_record(sweep.out), **recorded(sweep, selection)})


def read_record(folder: Path) -> dict[str, Any]:
    """Return the content of selection.json; an empty dictionary if there is none, or it cannot be read."""
    try:
        record = read_json(folder / SELECTION)
    except FileError:
        return {}
    return record if isinstance(record, dict) else {}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write selection.json."""
    write_text(folder / SELECTION, json_text(record))
