"""One run: from settings to a run folder, in three steps: prepare, train, write.

``pellucid train`` makes one run, ``pellucid sweep`` many.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import shlex
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
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
from pellucid.data.sources.user_data import ReadOptions, kind_of, read_splits
from pellucid.data.tables.columns import TableStage
from pellucid.data.text import Tokens
from pellucid.doctor.watch import Watch
from pellucid.errors import ConfigError, DataError, DivergedError, PellucidError
from pellucid.kernels import compilation, name_of
from pellucid.metrics import Metric
from pellucid.model.model import Model
from pellucid.optim import Chain, Optimizer, components_of, rates_of, rule_of
from pellucid.runs.energy import Energy
from pellucid.runs.fine_tuning import Start
from pellucid.runs.folder import CHECKPOINTS, RunFolder
from pellucid.runs.forecasts import Forecasts
from pellucid.runs.plan import AUTO, RunPlan, RunSettings
from pellucid.runs.progress import RunProgress
from pellucid.runs.rate_changes import format_rate_changes
from pellucid.runs.recipe import Recipe
from pellucid.runs.samples import TextSamples
from pellucid.runs.targets import scores_by_target, several_targets
from pellucid.runs.task import MEAN_IOU, Task, settle_scale
from pellucid.training import Checkpoint, Control, Event, History, StepEvent, blas, ranks
from pellucid.training.checkpoint import checkpoint_files
from pellucid.training.options import BATCH_SIZE
from pellucid.training.progress import agreed_signal, exception_for, interruptible, show

PLOTTED_PREDICTIONS = 2_000  # samples in the figure of a regression
PLOTTED_IMAGES = 10  # in the figure of an autoencoder
PLOTTED_MAPS = 8  # in the figure of a segmentation
PLOTTED_FORECASTS = 3  # windows, spread evenly over the part

Notify = Callable[[str], None]  # receives lines of text for the user
# Receives each event, with the history so far; may change the learning rate; returns False to end the training.
Observer = Callable[[Event, Control, History], bool]


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
    figures: bool = True,
) -> dict[str, Any]:
    """Train and evaluate a model, and write the run folder ``out`` (None: the next free ``runs/<model>-<n>``).

    ``notify`` receives lines of text for the user. ``progress`` shows the progress of the training on the terminal; with an
    ``observer``, which receives every event, nothing is shown there. ``test=False`` leaves the test set unused, and
    ``figures=False`` the figures out. Pass ``alone=False`` if other work is running on this machine; the energy is then
    estimated.

    Returns the content of metrics.json, with the additional keys ``folder``, ``energy_text`` and ``classes``. The value of
    ``interrupted`` is True if Ctrl-C or the observer ended the training. SIGTERM and SIGHUP end it with SystemExit, and without
    an evaluation. :func:`~pellucid.runs.resuming.resume` goes on with a run that was interrupted or killed.

    A run that diverges raises DivergedError; the results of the better of its last two checkpoints are written, with the error
    in metrics.json, if it has one. A run that fails raises a library error. If it fails before the end of the first epoch and
    before the first checkpoint, it leaves no files; otherwise ``status.json`` in its folder says what happened.

    As one of several ranks (:mod:`pellucid.training.ranks`), all of them make this call. Only rank 0 writes and notifies.
    """
    with ranks.together() as group, contextlib.ExitStack() as held:
        notify = notify if group.rank == 0 else silent
        prepared = prepare(plan, out, force=force, notify=notify, held=held, test=test, figures=figures)
        return complete(prepared, notify=notify, progress=progress, alone=alone, observer=observer)


def complete(
    prepared: PreparedRun, *, notify: Notify, progress: bool, alone: bool, observer: Observer | None
) -> dict[str, Any]:
    """Train and evaluate the model of a prepared run, and write its folder. See :func:`run`."""
    folder, tracked = prepared.folder, None
    try:
        events, tracked, samples = start(prepared, alone=alone)
        if (group := ranks.current()).size > 1:
            group.resume = resume_command(folder.path)
        training = train(prepared, events, tracked, samples, notify=notify, progress=progress, observer=observer)
        prepared = _with_rate_changes(prepared, training.rate_changes)
        if training.signal is not None:
            raise exception_for(training.signal)
        result = write(prepared, training, notify=notify)
        tracked.end("interrupted" if training.interrupted else "done")
    except Exception as error:
        if tracked is None:
            folder.discard()
        else:
            if isinstance(error, DivergedError):
                _keep_diverged(_with_rate_changes(prepared, tracked.rate_changes), tracked, error, notify=notify)
            tracked.fail(error)
        if folder.newest_checkpoint() is not None and not isinstance(error, DivergedError):
            notify(continuation(folder.path))
        raise
    except BaseException:  # Ctrl-C and other signals
        if tracked is None:
            folder.discard()
        else:
            tracked.end("interrupted")
            notify(continuation(folder.path))
        raise
    if not training.interrupted:
        folder.remove(CHECKPOINTS)
    return result


def _with_rate_changes(prepared: PreparedRun, changes: Sequence[Mapping[str, float | None]]) -> PreparedRun:
    """Return the run with the changes of the learning rate in its settings, and write them: its settings repeat the run."""
    text = format_rate_changes(changes)
    if text == prepared.plan.settings.lr_changes:
        return prepared
    plan = dataclasses.replace(prepared.plan, settings=dataclasses.replace(prepared.plan.settings, lr_changes=text))
    prepared = dataclasses.replace(prepared, plan=plan)
    prepared.folder.write_config({**_config(prepared), **prepared.model.config()})
    return prepared


def _keep_diverged(prepared: PreparedRun, tracked: RunProgress, error: DivergedError, *, notify: Notify) -> None:
    """Write the results of a run that has diverged: those of its better checkpoint, by the validation loss.

    Without a checkpoint, and on several ranks, there are none. A problem with a checkpoint or the folder leaves the run as it
    is: the error that ends it is the divergence.
    """
    if ranks.current().size > 1:
        return
    kept: list[tuple[float, Model]] = []
    with contextlib.suppress(PellucidError, OSError):
        for path in checkpoint_files(prepared.folder.checkpoints):
            model = Model.load(path)
            kept.append((float(np.nan_to_num(model.evaluate(prepared.splits.validation)["loss"], nan=np.inf)), model))
    loss, model = min(kept, key=lambda one: one[0], default=(np.inf, prepared.model))
    if not np.isfinite(loss):
        return
    training = TrainingRecord(tracked.seconds, tracked.energy, False, tracked.rate_changes, tracked.record["resumed"])
    with contextlib.suppress(PellucidError, OSError):
        write(dataclasses.replace(prepared, model=model), training, notify=notify, diverged=str(error))
        prepared.folder.write_history(prepared.model.history)  # with the epochs after the checkpoint
        epochs = len(model.history)
        notify(f"kept      the network after {epochs} epoch{'s' * (epochs != 1)}, in {prepared.folder.path}")


def continuation(folder: Path) -> str:
    """Return the line that says how to continue a run."""
    return f"continue with: {resume_command(folder)}"


def resume_command(folder: Path) -> str:
    return f"pellucid resume {shlex.quote(str(folder))}"


def silent(line: str) -> None:
    """Do nothing: the lines for the user are those of rank 0."""


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
    test: bool = True
    earlier: EarlierRun | None = None
    figures: bool = True


@dataclass(frozen=True)
class EarlierRun:
    """What a run that goes on already has: its folder, which is locked, its config.json, and how often it was resumed."""

    folder: RunFolder
    config: Mapping[str, Any]
    resumed: int


@dataclass(frozen=True)
class TrainingRecord:
    """How a training went, in all processes if it was resumed.

    ``interrupted`` says that Ctrl-C or an observer ended it, ``signal`` which other signal did. ``resumed`` counts how often
    the run was resumed, ``rate_changes`` are the changes of the learning rate that an observer made.
    """

    seconds: float
    energy: Energy
    interrupted: bool
    rate_changes: Sequence[Mapping[str, float | None]]
    resumed: int = 0
    signal: int | None = None


def prepare(
    plan: RunPlan,
    out: Path | EarlierRun | None,
    *,
    force: bool,
    notify: Notify,
    held: contextlib.ExitStack,
    test: bool = True,
    figures: bool = True,
) -> PreparedRun:
    """Read the data, create the model and the run folder, and find the learning rate if the settings say "auto".

    The folder is locked until ``held`` is closed. For a run that goes on, ``out`` is what it already has.
    """
    settings, recipe, earlier = plan.settings, plan.recipe, out if isinstance(out, EarlierRun) else None
    if ranks.current().size == 1:
        compilation.start_early()  # helpers import the compiled kernels while this process reads the data
    start = None if settings.from_run is None else Start.open(settings.from_run)
    splits, train_set = _load(settings, recipe, start)
    if start is not None:
        start.check(train_set)
    if earlier is not None:
        _check_unchanged(earlier, splits, start)
    recipe = plan.recipe_for(train_set)
    task = Task.of(recipe, train_set, settings.model)
    asked = None if settings.reading is None else settings.reading.logarithm
    settle_scale(splits, task, asked, settings.from_run or settings.model)
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
            taken = start.initialize(model, splits.classes, train_set.origin)
        return model

    model = new_model(recipe)
    if isinstance(out, EarlierRun):
        folder, origin = out.folder, str(out.config.get("learning_rate_origin", plan.learning_rate_origin))
    else:
        name, origin = Path(settings.model).stem, plan.learning_rate_origin
        folder = RunFolder.of_ranks(ranks.current(), lambda: RunFolder(out, name, force=force), held)
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
    each = "" if fit.steps_per_epoch is None else f" of {fit.steps_per_epoch:,} steps"
    notify(
        f"training  {fit.epochs} epochs{each}, batches of {batch_size:,}, {_in_short(recipe.optimizer)}; "
        f"{name_of(model.kernels)} kernels, {threads}{rounding}"
    )
    if (group := ranks.current()).size > 1:
        notify(
            f"ranks     {group.size}, each with a part of every batch: {group.processes()}; if one ends, all end, and "
            f"{resume_command(folder.path)} continues"
        )
    if fit.augmentation is not None:
        notify(f"augmented {fit.augmentation}")
    plan = RunPlan(settings, recipe, plan.base)
    return PreparedRun(plan, origin, splits, train_set, task, model, folder, threads, start, test, earlier, figures)


def _in_short(optimizer: Optimizer) -> str:
    """Return an optimizer without its list of factors of the learning rate."""
    rates = rates_of(optimizer)
    if not rates:
        return str(optimizer)
    return f"{Chain(*components_of(optimizer))} with {len(rates)} factors of the learning rate"


def _check_unchanged(earlier: EarlierRun, splits: Splits, start: Start | None) -> None:
    """Raise DataError unless a run that goes on has the data, and the model it started from, that it had before."""
    path, config = earlier.folder.path, earlier.config
    before = config.get("data", {}).get("sha256")
    if before != splits.sha256:
        raise DataError(
            f"{path} was trained on other data: the SHA-256 of {splits.name} was {before}, and is {splits.sha256}; give it the "
            "same data, or start a new run"
        )
    if start is not None and config.get("from", {}).get("sha256") != start.record()["sha256"]:
        raise DataError(f"{path} started from {start.path}, which has changed since then: start a new run")


def _load(settings: RunSettings, recipe: Recipe, start: Start | None) -> tuple[Splits, Dataset]:
    """Return the data, and the part of its training set that the run uses."""

    def load() -> Splits:
        if start is not None and start.columns is not None and settings.data not in SOURCES:
            reading = settings.reading or ReadOptions()
            if kind_of(settings.data, reading) == "table":
                return read_splits(settings.data, start.table_options(reading), settings.split_seed, start.columns)
        tokenizer, context = (None, None) if start is None else (start.tokenizer, start.context)
        return data.load(
            settings.data, settings.data_dir, settings.split_seed, settings.reading, tokenizer=tokenizer, context=context
        )

    first: list[Splits] = []
    if settings.data in SOURCES:  # rank 0 downloads the files, before the others read them
        ranks.current().from_first(lambda: first.append(load()))
    splits = first[0] if first else load()
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


def start(prepared: PreparedRun, *, alone: bool) -> tuple[Generator[Event, None, None], RunProgress, TextSamples | None]:
    """Return the events of the training, which writes checkpoints, and what writes the other files of the folder meanwhile: a
    language model also writes samples."""
    model, fit, folder, earlier = prepared.model, prepared.plan.recipe.fit, prepared.folder, prepared.earlier
    if earlier is None:
        folder.remove(CHECKPOINTS)  # those of a run that --force replaces
    watching = (Watch(),) if prepared.plan.settings.watch else ()
    fit = dataclasses.replace(
        fit,
        policies=(*watching, *fit.policies, Checkpoint(folder.checkpoints)),
        resume=None if earlier is None else folder.checkpoints,
    )
    control = Control()
    events = model.fit_events(prepared.train_set, options=fit, validation=prepared.splits.validation, control=control)
    tracked = RunProgress(
        folder,
        {**_config(prepared), **model.config()},
        fit.epochs,
        model.history,
        control,
        resumed=0 if earlier is None else max(earlier.resumed, control.record.get("resumed", 0)) + 1,
        alone=alone,
        ranks=ranks.current().size,
        watched=prepared.plan.settings.watch,
        planned_rates=prepared.plan.rate_changes,
    )
    samples = None
    if isinstance(prepared.train_set.input_stage(), Tokens):
        samples = TextSamples(model, folder, fit.epochs, resumed=earlier is not None)
        events = samples.followed(events)
    return tracked.followed(events), tracked, samples


def train(
    prepared: PreparedRun,
    events: Generator[Event, None, None],
    tracked: RunProgress,
    samples: TextSamples | None = None,
    *,
    notify: Notify,
    progress: bool,
    observer: Observer | None,
) -> TrainingRecord:
    """Train the model. Signals and the observer may end the training early; the parameters trained so far are kept."""
    model, stopped = prepared.model, False
    if observer is None:
        epochs = prepared.plan.recipe.fit.epochs
        shown, lines = progress and ranks.current().rank == 0, None if samples is None else samples.new_lines
        number = show(events, shown, epochs, model.kernels, model.history, tracked.control, lines)
    else:
        with model.kernels.announce_compilation(notify):
            number, stopped = _observe(events, observer, tracked, notify)
    interrupted = stopped or number == signal.SIGINT
    terminated = None if number in (None, signal.SIGINT) else number
    tracked.end_training("evaluating" if terminated is None else "interrupted")
    if interrupted:
        notify("interrupted: the parameters trained so far are kept")
    return TrainingRecord(
        tracked.seconds, tracked.energy, interrupted, tracked.rate_changes, tracked.record["resumed"], terminated
    )


def _observe(
    events: Generator[Event, None, None], observer: Observer, tracked: RunProgress, notify: Notify
) -> tuple[int | None, bool]:
    """Run a training, and call the observer with each event. Returns the signal, and whether the observer ended it.

    The changes of the learning rate that the observer makes are recorded: they are needed to repeat the run. Its time does not
    count as time of the training.
    """
    step, control, stopped = 0, tracked.control, False
    with interruptible(notify) as interruption, contextlib.closing(events):
        for event in events:
            if stopped:
                continue  # the training is about to end
            step = event.step if isinstance(event, StepEvent) else step
            rate, start = control.learning_rate, time.perf_counter()
            stopped = not observer(event, control, tracked.history)
            tracked.paused_seconds += time.perf_counter() - start
            if control.learning_rate != rate:
                tracked.rate_changes.append({"after_step": step, "learning_rate": control.learning_rate})
            control.stop = control.stop or stopped or interruption.number is not None
        return agreed_signal(interruption.number), stopped


def write(prepared: PreparedRun, training: TrainingRecord, *, notify: Notify, diverged: str | None = None) -> dict[str, Any]:
    """Evaluate the model and write the results to the run folder. Only the figures are written after metrics.json.

    ``diverged`` is the message of the error that has ended the training, if one has.

    Ranks evaluate together. The rest is computed on each of them, and written by rank 0.
    """
    model, splits, folder, test = prepared.model, prepared.splits, prepared.folder, prepared.test
    folder.save_model(model)
    folder.write_history(model.history)
    if model.history.best_epoch is not None:
        notify(f"kept      the parameters of epoch {model.history.best_epoch}, the best of {len(model.history)}")
    scores = _evaluate(model, splits, prepared.train_set, prepared.task.final_metrics, test=test)
    metrics = {
        "data": {"name": splits.name, "source": splits.source, "sizes": splits.sizes, "sha256": splits.sha256},
        **scores,
        "settings": prepared.plan.record(),
        "parameters": model.parameter_count,
        "multiply_adds": model.multiply_adds,
        "seconds": training.seconds,
        "energy": vars(training.energy),
        "epochs": len(model.history),
        "best_epoch": model.history.best_epoch,
        "stopped": model.history.stopped,
        "interrupted": training.interrupted,
        "diverged": diverged,
        "resumed": training.resumed,
        "problems": list(model.history.problems),
        "learning_rate_origin": prepared.learning_rate_origin,
        "learning_rate_changes": training.rate_changes,
        "kernels": name_of(model.kernels),
        "threads": prepared.threads,
        "ranks": ranks.current().size,
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
    if isinstance(model.input_stage, TableStage) and model.input_stage.series is not None:
        reading = prepared.plan.settings.reading
        with ranks.alone():
            forecasts = Forecasts.of(model, samples, None if reading is None else reading.season, splits)
        metrics["forecast"] = {"part": part, "targets": forecasts.record()}
    if several_targets(model):
        with ranks.alone():
            metrics["targets"] = {"part": part, "scores": scores_by_target(model, samples)}
    folder.write_metrics(metrics)
    title = f"{prepared.plan.settings.model} on the {part} set"
    try:
        if folder.writes and prepared.figures:
            with ranks.alone():
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
        "settings": settings.to_json(),
        "learning_rate_origin": prepared.learning_rate_origin,
        "uses_test_set": prepared.test,
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
            **({} if fit.steps_per_epoch is None else {"steps_per_epoch": fit.steps_per_epoch}),
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
    elif isinstance(model.input_stage, Tokens):
        return  # what a language model writes is in samples.json
    elif forecasts is not None:
        plots.save(plots.forecast_errors(forecasts.errors(), forecasts.targets, title), folder / "errors_by_step.png")
        chosen = np.linspace(0, len(samples) - 1, min(PLOTTED_FORECASTS, len(samples))).astype(int)
        past = forecasts.x[chosen][:, :, list(forecasts.positions)]
        drawn = forecasts.y[chosen], forecasts.predicted["model"][chosen], past
        figure = plots.series(*drawn, names=forecasts.targets, title=title)
        plots.save(figure, folder / "forecasts.png")
    else:
        plotted = samples.limit(PLOTTED_PREDICTIONS)
        y, predicted = np.asarray(plotted.y).reshape(len(plotted), -1), model.predict(plotted)
        for i in range(y.shape[1]):  # of several targets, one figure for each
            number = f"-{i + 1}" if y.shape[1] > 1 else ""
            plots.save(plots.predictions(y[:, i], predicted[:, i], title), folder / f"predictions{number}.png")


def describe_splits(splits: Splits) -> str:
    """Return a line with the name, the sizes and the source of the data."""
    sizes = splits.sizes
    return (
        f"data      {splits.name}: {sizes['train']:,} training, {sizes['validation']:,} validation, "
        f"{sizes['test']:,} test samples, from {splits.source}"
    )
