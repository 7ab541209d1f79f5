"""One run: from settings to a run folder, in three steps: prepare, train, write.

``pellucid train`` makes one run, ``pellucid sweep`` many.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import data
from pellucid.core.config import to_json
from pellucid.core.version import __version__
from pellucid.data import Dataset, Splits
from pellucid.data.drawings.corrections import with_corrections
from pellucid.data.reconstruction import reconstruction_splits
from pellucid.data.sources.registry import SOURCES
from pellucid.data.tables.columns import Standardization
from pellucid.errors import ConfigError, PellucidError
from pellucid.kernels import name_of
from pellucid.metrics import Metric
from pellucid.model.model import Model
from pellucid.optim import rule_of
from pellucid.runs.energy import Energy, Meter
from pellucid.runs.fine_tuning import Start
from pellucid.runs.folder import RunFolder
from pellucid.runs.forecasts import Forecasts
from pellucid.runs.plan import AUTO, RunPlan, RunSettings
from pellucid.runs.recipe import Recipe
from pellucid.runs.task import MEAN_IOU, Task
from pellucid.training import Control, Event, StepEvent, blas
from pellucid.training.options import BATCH_SIZE
from pellucid.training.progress import follow

PLOTTED_PREDICTIONS = 2_000  # samples in the figure of a regression
PLOTTED_IMAGES = 10  # in the figure of an autoencoder
PLOTTED_MAPS = 8  # in the figure of a segmentation
PLOTTED_FORECASTS = 3  # windows, spread evenly over the part

Notify = Callable[[str], None]  # receives lines of text for the user
Observer = Callable[[Event, Control], bool]  # receives events, may change the learning rate; returns False to end the training


def run(
    plan: RunPlan,
    out: Path | None = None,
    *,
    force: bool = False,
    notify: Notify,
    progress: bool,
    test: bool = True,
    alone: bool = True,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Train and evaluate a model, and write the run folder ``out`` (None: the next free ``runs/<model>-<n>``).

    ``notify`` receives lines of text for the user. ``progress`` shows the progress of the training on the terminal; with an
    ``observer``, which receives every event, nothing is shown there. ``test=False`` leaves the test set unused. Pass
    ``alone=False`` if other work is running on this machine; the energy is then estimated.

    Returns the content of metrics.json, with the additional keys ``folder``, ``energy_text`` and ``classes``. The value of
    ``interrupted`` is True if Ctrl-C or the observer ended the training. A run that fails in training raises a library error
    and writes nothing.
    """
    prepared = prepare(plan, out, force=force, notify=notify)
    training = train(prepared, notify=notify, progress=progress, alone=alone, observer=observer)
    return write(prepared, training, test=test, notify=notify)


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready for training: its data, model and folder.

    The ``plan`` is final: it has the learning rate that the finder chose, and the number of epochs that suits the data.
    ``learning_rate_origin`` says what decided the learning rate.
    """

    plan: RunPlan
    learning_rate_origin: str
    splits: Splits
    train_set: Dataset
    task: Task
    model: Model
    folder: RunFolder
    threads: str
    start: Start | None = None


@dataclass(frozen=True)
class TrainingRecord:
    """How a training went. ``rate_changes`` are the changes of the learning rate that an observer made."""

    seconds: float
    energy: Energy
    interrupted: bool
    rate_changes: Sequence[Mapping[str, float | None]]


def prepare(plan: RunPlan, out: Path | None, *, force: bool, notify: Notify) -> PreparedRun:
    """Read the data, create the model and the run folder, and find the learning rate if the settings say "auto"."""
    settings, recipe = plan.settings, plan.recipe
    splits, train_set = _load(settings, recipe)
    start = None if settings.from_run is None else Start.open(settings.from_run)
    if start is not None:
        start.check(train_set)
    task = Task.of(recipe, train_set, settings.model)
    if settings.data not in SOURCES and settings.epochs is None:
        recipe = recipe.with_epochs_for(len(train_set))

    taken = ""

    def new_model(recipe: Recipe) -> Model:
        nonlocal taken
        model = task.network.compile(
            train_set.shape,
            task.loss,
            recipe.optimizer,
            task.metrics,
            seed=settings.seed,
            classes=splits.classes,
        )
        if start is not None:
            taken = start.initialize(model, splits.classes)
        return model

    model = new_model(recipe)
    folder = RunFolder(out, Path(settings.model).stem, force=force)
    batch_size = len(train_set) if rule_of(recipe.optimizer).full_batch else recipe.fit.batch_size or BATCH_SIZE
    threads = str(model.threads(batch_size, deterministic=recipe.fit.deterministic))
    limited = "" if settings.limit is None else f"; limited to {len(train_set):,}"
    notify(f"{describe_splits(splits)}{limited}")
    for note in splits.notes:
        notify(note)
    notify(f"model     {settings.model}: {recipe.about}; {model.parameter_count:,} parameters")
    if start is not None:
        notify(taken)
    if settings.lr == AUTO:
        try:
            rate = _find_learning_rate(model, recipe, train_set, notify)
        except (PellucidError, KeyboardInterrupt):
            folder.discard()
            raise
        settings, recipe = dataclasses.replace(settings, lr=rate), recipe.with_learning_rate(rate)
        model = new_model(recipe)
    fit = recipe.fit
    depends_on_cores = name_of(model.kernels) == "reference" and not fit.deterministic
    rounding = " (another number of cores may round differently; --deterministic prevents it)" if depends_on_cores else ""
    notify(
        f"training  {fit.epochs} epochs, batches of {batch_size:,}, {recipe.optimizer}; "
        f"{name_of(model.kernels)} kernels, {threads}{rounding}"
    )
    if fit.augmentation is not None:
        notify(f"augmented {fit.augmentation}")
    return PreparedRun(
        RunPlan(settings, recipe), plan.learning_rate_origin, splits, train_set, task, model, folder, threads, start
    )


def _load(settings: RunSettings, recipe: Recipe) -> tuple[Splits, Dataset]:
    """Return the data, and the part of its training set that the run uses."""
    splits = data.load(settings.data, settings.data_dir, settings.split_seed, settings.reading)
    if settings.corrections is not None:
        splits = with_corrections(splits, data.Corrections(Path(settings.corrections)).dataset())
    if recipe.reconstructs:
        splits = reconstruction_splits(splits)
    return splits, splits.train if settings.limit is None else splits.train.limit(settings.limit, settings.seed)


def _find_learning_rate(model: Model, recipe: Recipe, train_set: Dataset, notify: Notify) -> float:
    with model.kernels.announce_compilation(notify):
        search = model.find_learning_rate(
            train_set,
            batch_size=recipe.fit.batch_size or BATCH_SIZE,
            augmentation=recipe.fit.augmentation,
            class_weight=recipe.fit.class_weight,
        )
    notify(f"rate      {search.suggestion:g}, found by a range test of {len(search.rates)} steps")
    return search.suggestion


def train(prepared: PreparedRun, *, notify: Notify, progress: bool, alone: bool, observer: Observer | None) -> TrainingRecord:
    """Train the model. Ctrl-C and the observer may end the training early; the parameters trained so far are kept."""
    model, fit = prepared.model, prepared.plan.recipe.fit
    observation = _Observation()
    start, meter, interrupted = time.perf_counter(), Meter(alone=alone), False
    try:
        events = model.fit_events(
            prepared.train_set, options=fit, validation=prepared.splits.validation, control=observation.control
        )
        if observer is None:
            follow(events, progress, fit.epochs, model.kernels, model.history)
        else:
            with model.kernels.announce_compilation(notify):
                observation.follow(events, observer)
    except KeyboardInterrupt:
        interrupted = True
        notify("interrupted: the parameters trained so far are kept")
    except PellucidError:
        prepared.folder.discard()
        raise
    seconds = time.perf_counter() - start - observation.seconds
    return TrainingRecord(seconds, meter.read(), interrupted, observation.rate_changes)


@dataclass
class _Observation:
    """The effects of an observer on a training.

    ``rate_changes`` are the changes of the learning rate, which are needed to repeat the run, and ``seconds`` the time spent in
    the observer.
    """

    control: Control = field(default_factory=Control)
    rate_changes: list[dict[str, float | None]] = field(default_factory=list)
    seconds: float = 0.0

    def follow(self, events: Generator[Event, None, None], observer: Observer) -> None:
        """Call the observer with each event. Raises KeyboardInterrupt if it ends the training."""
        step = 0
        with closing(events):
            for event in events:
                step = event.step if isinstance(event, StepEvent) else step
                rate, start = self.control.learning_rate, time.perf_counter()
                proceed = observer(event, self.control)
                self.seconds += time.perf_counter() - start
                if self.control.learning_rate != rate:
                    self.rate_changes.append({"after_step": step, "learning_rate": self.control.learning_rate})
                if not proceed:
                    raise KeyboardInterrupt


def write(prepared: PreparedRun, training: TrainingRecord, *, test: bool, notify: Notify) -> dict[str, Any]:
    """Evaluate the model and write all files of the run folder. Only the figures are written after metrics.json."""
    model, splits, folder = prepared.model, prepared.splits, prepared.folder
    folder.write_config({**_config(prepared), **model.config()})
    folder.save_model(model)
    folder.write_history(model.history)
    metrics = {
        "data": {"name": splits.name, "source": splits.source, "sizes": splits.sizes, "sha256": splits.sha256},
        **_evaluate(model, splits, prepared.train_set, prepared.task.final_metrics, test=test),
        "settings": prepared.plan.record(),
        "parameters": model.parameter_count,
        "multiply_adds": model.multiply_adds,
        "seconds": training.seconds,
        "energy": vars(training.energy),
        "epochs": len(model.history),
        "best_epoch": model.history.best_epoch,
        "stopped": model.history.stopped,
        "interrupted": training.interrupted,
        "learning_rate_origin": prepared.learning_rate_origin,
        "learning_rate_changes": training.rate_changes,
        "kernels": name_of(model.kernels),
        "threads": prepared.threads,
        "versions": {
            "pellucid": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "blas": blas.describe(),
        },
    }
    part = "test" if test else "validation"
    samples: Dataset = getattr(splits, part)
    forecasts = None
    if isinstance(model.input_stage, Standardization) and model.input_stage.series is not None:
        reading = prepared.plan.settings.reading
        forecasts = Forecasts.of(model, samples, None if reading is None else reading.season, splits)
        metrics["forecast"] = {"part": part, "targets": forecasts.record()}
    folder.write_metrics(metrics)
    title = f"{prepared.plan.settings.model} on the {part} set"
    try:
        _save_figures(prepared, samples, metrics[part], forecasts, title)
    except ConfigError as error:  # without Matplotlib the run is complete, but has no figures
        notify(f"no figures: {error}")
    return {**metrics, "folder": folder.path, "energy_text": str(training.energy), "classes": splits.classes or ()}


def _config(prepared: PreparedRun) -> dict[str, Any]:
    """Return the part of config.json that the model does not know: the preset, the data and the fit options."""
    settings, fit, splits = prepared.plan.settings, prepared.plan.recipe.fit, prepared.splits
    return {
        "pellucid": __version__,
        "preset": settings.model,
        **({} if prepared.start is None else {"from": prepared.start.record()}),
        "data": {
            "name": splits.name,
            "requested": settings.data if settings.data in SOURCES else os.path.abspath(settings.data),
            "split_seed": settings.split_seed,
            "limit": settings.limit,
            "sha256": splits.sha256,
            "reading": to_json(settings.reading),
            "skipped": [list(one) for one in splits.skipped],
            "reconstructs": prepared.plan.recipe.reconstructs,
        },
        "fit": {
            "epochs": fit.epochs,
            "batch_size": fit.batch_size,
            "deterministic": fit.deterministic,
            "exact_training_metrics": fit.exact_training_metrics,
            "policies": to_json(fit.policies),
            "augmentation": to_json(fit.augmentation),
            "class_weight": to_json(fit.class_weight),
        },
    }


def _evaluate(
    model: Model, splits: Splits, train_set: Dataset, final_metrics: Sequence[Metric], *, test: bool
) -> dict[str, Any]:
    """Return the final metrics on the test set, and the model's own metrics on the other two sets.

    The test set is used here and for the figures only. Without ``test`` it is not used at all, and the final metrics are
    computed on the validation set.
    """
    tested = {"test": model.evaluate(splits.test, metrics=final_metrics)} if test else {}
    return {
        **tested,
        "validation": model.evaluate(splits.validation, metrics=None if test else final_metrics),
        "train": model.evaluate(train_set),
    }


def _save_figures(
    prepared: PreparedRun, samples: Dataset, metrics: Mapping[str, Any], forecasts: Forecasts | None, title: str
) -> None:
    """Save the learning curves, and what suits the task for these samples: the confusion matrix, class maps, the predictions
    of a regression, or forecasts with their errors. Raises ConfigError if Matplotlib is not installed.
    """
    from pellucid import plots

    model, folder = prepared.model, prepared.folder.path
    if len(model.history):
        plots.save(plots.learning_curves(model.history, prepared.plan.settings.model), folder / "learning_curves.png")
    if MEAN_IOU.name in metrics:
        few = samples.take(np.arange(min(PLOTTED_MAPS, len(samples))))
        rows = {"truth": np.asarray(few.y), "prediction": model.predict(few.x)}
        figure = plots.maps(rows, few.x, classes=model.classes, title=title)
        plots.save(figure, folder / "segmentations.png")
    elif "confusion_matrix" in metrics:
        figure = plots.confusion_matrix(metrics["confusion_matrix"], model.classes, title)
        plots.save(figure, folder / "confusion_matrix.png")
    elif prepared.plan.recipe.reconstructs:
        few = samples.limit(PLOTTED_IMAGES)
        figure = plots.images([np.asarray(few.y), model.predict(few.x)], ["image", "reconstruction"], title)
        plots.save(figure, folder / "reconstructions.png")
    elif forecasts is not None:
        plots.save(plots.forecast_errors(forecasts.errors(), forecasts.targets, title), folder / "errors_by_step.png")
        chosen = np.linspace(0, len(samples) - 1, min(PLOTTED_FORECASTS, len(samples))).astype(int)
        past = forecasts.x[chosen][:, :, list(forecasts.positions)]
        drawn = forecasts.y[chosen], forecasts.predicted["model"][chosen], past
        figure = plots.series(*drawn, names=forecasts.targets, title=title)
        plots.save(figure, folder / "forecasts.png")
    else:
        plotted = samples.limit(PLOTTED_PREDICTIONS)
        figure = plots.predictions(np.asarray(plotted.y), model.predict(plotted.x), title)
        plots.save(figure, folder / "predictions.png")


def describe_splits(splits: Splits) -> str:
    """Return a line with the name, the sizes and the source of the data."""
    sizes = splits.sizes
    return (
        f"data      {splits.name}: {sizes['train']:,} training, {sizes['validation']:,} validation, "
        f"{sizes['test']:,} test samples, from {splits.source}"
    )
