"""The trainer of a model: it checks the data, makes the batches and starts the training loop."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np

from pellucid.core.config import Count, validate
from pellucid.core.memory import ones
from pellucid.core.records import states
from pellucid.data.batches import Batches, BatchSource
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import Passthrough
from pellucid.data.input_stages import AnyStage
from pellucid.data.text.running_text import DrawnWindows
from pellucid.errors import ConfigError
from pellucid.optim import LBFGS
from pellucid.training import inputs
from pellucid.training.checkpoint import Checkpoint, CheckpointWriter, Progress, TrainingRecord, check_unused, recorded_options
from pellucid.training.class_weight import ClassWeight, weighted
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.full_batch import check_options, chunk_samples, train_full_batch
from pellucid.training.inputs import Samples
from pellucid.training.learning_rate_finder import RateSearch, check_range, range_test
from pellucid.training.lockstep import agreed, check_start, compared
from pellucid.training.loop import Control, Place, recorded, stoppable, take_step, train
from pellucid.training.options import BATCH_SIZE, FitOptions
from pellucid.training.output import Output
from pellucid.training.parts import PartedStep, Parts
from pellucid.training.perturbation import PerturbedStep
from pellucid.training.policies import Memory, Policy, check_monitors
from pellucid.training.prediction import Predictor, start_scores
from pellucid.training.ranks import RankGroup, current
from pellucid.training.resuming import SavedTraining, data_digest, newest
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep, Step
from pellucid.training.streamed import StreamedBatches, averages


def _comparing(state: ModelState) -> str:
    """Return the loss that compares samples, and of several outputs the name of its output, for a message."""
    if not isinstance(state.output, SeveralOutputs):
        return str(state.loss)
    return next(f"{part.loss} of {name!r}" for name, part in state.output.parts.items() if part.compares_samples)


def _check_options(options: FitOptions, state: ModelState, *, validated: bool) -> None:
    """Raise ConfigError for options and policies that this model cannot be trained with."""
    if options.accumulate > 1 and state.output.compares_samples:
        raise ConfigError(
            f"fit(accumulate={options.accumulate}): {_comparing(state)} compares the samples of a batch, so the gradients "
            "of two batches do not add up to that of their union: use a larger batch_size"
        )
    if options.batch_size is not None and options.batch_size < 3 and state.output.compares_samples:
        raise ConfigError(
            f"fit(batch_size={options.batch_size}): {_comparing(state)} compares the samples of a batch, at least three: "
            "use batches with several samples of each class"
        )
    for policy in options.policies:
        policy.check(validated=validated)
    if options.policies:
        none = start_scores(state).result()  # of no sample, but with the names of all scores
        check_monitors(options.policies, EpochEvent(0, 0.0, 0.0, none, none if validated else None).row())


def _wrapping(options: FitOptions) -> list[Policy]:
    """Return the policies that wrap the events: all but those that write checkpoints."""
    return [policy for policy in options.policies if not isinstance(policy, Checkpoint)]


def _drawn_windows(
    data: Dataset, options: FitOptions, seed: int, own_rows: Callable[[int], slice] | None = None
) -> DrawnWindows:
    """Return the batches of windows at random places of a text. Raises ConfigError for options that do not apply to them."""
    assert data.passage is not None
    for name in ("augmentation", "class_weight"):
        if getattr(options, name) is not None:
            raise ConfigError(f"fit({name}=…) does not apply to the windows of a text: leave it out")
    size = options.batch_size or BATCH_SIZE
    steps = options.steps_per_epoch or -(-len(data) // size)
    return DrawnWindows(data.passage, data.shape[0], batch_size=size, steps=steps, seed=seed, own_rows=own_rows)


def _digest(data: Dataset | StreamedBatches) -> str:
    """Return the digest of the training data; batches from a program have none."""
    return data_digest(data) if isinstance(data, Dataset) else "batches from a program"


class Trainer:
    """Trains the model with the given ``state``, and evaluates it with ``predictor`` after each epoch."""

    def __init__(self, state: ModelState, predictor: Predictor):
        self.state = state
        self.predictor = predictor
        self._shared_step: PartedStep | None = None

    def events(
        self,
        data: Dataset | StreamedBatches,
        stage: AnyStage,
        options: FitOptions,
        history: History,
        *,
        validation: Dataset | tuple[Any, ...] | None,
        class_names: Any,
        control: Control | None,
        file_settings: Callable[[], Mapping[str, Any]],
    ) -> Generator[Event, None, None]:
        """Return the generator of the events of a training. It adds a row to ``history`` after each epoch.

        ``file_settings()`` are the settings of the model's file, for checkpoints. Data and options are checked before the
        generator is returned; the state is unchanged until its first event.
        """
        state, group = self.state, current()
        _check_options(options, state, validated=validation is not None)
        memories = [Memory() for _ in _wrapping(options)]
        progress = Progress(state, Place(), history, memories, control or Control())
        samples = other = None
        if isinstance(data, Dataset):
            samples = inputs.checked_training_samples(data, stage, state, class_names)
        evaluate_validation = evaluate_training = None
        if validation is not None:
            other = inputs.as_validation_set(validation, stage)
            validation_samples = inputs.checked_samples(other, "validation data", stage, state, class_names)
            stage.check_values(validation_samples.x, validation_samples.rows, state.kernels)
            evaluate_validation = functools.partial(self.predictor.evaluate, validation_samples, stage, group=group)
        # Before the class weights are multiplied in: evaluations do not use them.
        if samples is not None and options.exact_training_metrics:
            evaluate_training = functools.partial(self.predictor.evaluate, samples, stage, group=group)
        parts = self._parts(options, group)
        rule = state.updater.rule
        size = options.batch_size or BATCH_SIZE
        events: Generator[Event, None, None]
        batches: BatchSource
        if isinstance(data, StreamedBatches):
            batches, size = data, data.batch_size
        else:
            assert samples is not None
            samples = weighted(samples, options.class_weight, state, class_names)
            if isinstance(rule, LBFGS):
                check_options(options, len(samples.targets), rule)
                size = chunk_samples(state, len(samples.targets), rule)
                if size < len(samples.targets) and isinstance(state.output, SeveralOutputs):
                    why = f"{rule} sums the gradients of chunks of {size:,} samples"
                    state.output.check_parts(samples.weights, why)
                batches = self._batches(samples, stage, size, shuffle=False, augmentation=None, parts=parts)
            elif data.passage is not None and options.shuffle:
                batches = _drawn_windows(data, options, state.seed, None if parts is None else parts.own_rows)
                size = batches.batch_size
            else:
                if options.steps_per_epoch is not None:
                    raise ConfigError("fit(steps_per_epoch=…, shuffle=False): without shuffling, an epoch is the whole text")
                augmentation = inputs.checked_augmentation(options.augmentation, state)
                if options.accumulate > 1 and isinstance(state.output, SeveralOutputs):
                    state.output.check_parts(samples.weights, averages(options.accumulate))
                shuffle = options.shuffle
                batches = self._batches(samples, stage, size, shuffle=shuffle, augmentation=augmentation, parts=parts)
        whole_batches = samples is None or isinstance(batches, DrawnWindows)
        together = size if samples is None or whole_batches else min(size, len(samples.targets))
        state.check_training(-(-together // (1 if parts is None else parts.count)))
        if isinstance(rule, LBFGS):
            assert isinstance(batches, Batches)
            events = train_full_batch(
                state,
                batches,
                options.epochs,
                history,
                evaluate_validation=evaluate_validation,
                evaluate_training=evaluate_training,
                control=progress.control,
                place=progress.place,
                parts=parts,
            )
        else:
            step: Step
            if options.method is not None:
                step = PerturbedStep(state, options.method)
            elif parts is not None:
                step = PartedStep(state, parts, whole=samples is None)
            else:
                step = self._gradient_step
            events = train(
                state,
                step,
                batches,
                options.epochs,
                accumulate=options.accumulate,
                evaluate_validation=evaluate_validation,
                evaluate_training=evaluate_training,
                control=progress.control,
                place=progress.place,
            )
        if isinstance(data, StreamedBatches):
            events = data.closed_after(events)
        writer, saved, begin = self._checkpoints(data, other, options, file_settings, progress, group)
        if group.size > 1:
            check_start(group, progress, options, samples, saved)
            events = compared(events, group, state)
        events = stoppable(events, progress.control, writer)
        for policy, memory in zip(_wrapping(options), memories, strict=True):
            events = policy.wrap(events, state, history, memory)
        if group.size > 1:
            events = agreed(events, group, progress.control)
        return recorded(events, history, state, state.threads(size, deterministic=options.deterministic), begin)

    def _checkpoints(
        self,
        data: Dataset | StreamedBatches,
        validation: Dataset | None,
        options: FitOptions,
        file_settings: Callable[[], Mapping[str, Any]],
        progress: Progress,
        group: RankGroup,
    ) -> tuple[CheckpointWriter | None, SavedTraining | None, Callable[[], None] | None]:
        """Return what writes checkpoints, the checkpoint that the training resumes, and what resumes it at the first event.

        Raises ConfigError if that checkpoint is of another training.
        """
        checkpoints = [policy for policy in options.policies if isinstance(policy, Checkpoint)]
        if not checkpoints and options.resume is None:
            return None, None, None
        begun = time.perf_counter()
        check_unused(checkpoints, options.resume)
        digests = {"training": _digest(data), "validation": None if validation is None else data_digest(validation)}
        record = TrainingRecord(file_settings, recorded_options(options), digests)
        writer = begin = None
        saved = None if options.resume is None else newest(options.resume)
        if saved is not None:
            if isinstance(data, StreamedBatches) and not data.stream.repeatable:
                raise ConfigError(
                    "fit(resume=…): the batches of an iterator cannot be made again: give a function of the epoch"
                )
            saved.check(record)
            saved.continue_in(progress)
            begin = functools.partial(saved.begin, self.state, [one.folder for one in checkpoints])
        if checkpoints and group.rank == 0:
            writer = CheckpointWriter(checkpoints, record, progress, options.epochs, begun)
        return writer, saved, begin

    def _parts(self, options: FitOptions, group: RankGroup) -> Parts | None:
        """Return the parts of each batch; None if it is computed as a whole. Raises ConfigError for what ranks cannot share."""
        whole = options.method is not None or self.state.output.compares_samples
        if group.size == 1:
            return Parts.of(group, deterministic=True) if options.deterministic and not whole else None
        if options.method is not None:
            raise ConfigError(
                f"fit(method={options.method}) on {group.size} ranks: they share backpropagation, not perturbations: train in "
                "one process, or without method"
            )
        if whole:
            raise ConfigError(
                f"fit on {group.size} ranks: {_comparing(self.state)} compares the samples of a batch, so it cannot be "
                "computed in parts: train in one process"
            )
        return Parts.of(group, deterministic=options.deterministic)

    def train_on_batch(self, x: Any, targets: Any, weights: Any) -> float:
        """Make one update on a checked batch (:func:`~pellucid.training.inputs.checked_batch`).

        Returns the mean loss before the update. Raises DivergedError, without an update, where the loss or the gradient is not
        finite or too large.
        """
        state = self.state
        rate = state.updater.rate_outside(state.steps + 1)
        step: Step = self._gradient_step if current().size == 1 else self._shared_step_of(current())
        with state.threads(len(x)).applied(state.kernels):
            return take_step(state, step, x, targets, weights, rate, f"step {state.steps + 1}")

    def repeated(self, x: Any, y: Any, stage: AnyStage | None) -> float | None:
        """Make an update on a batch like an earlier one, and return the mean loss before it; None, without an update, where
        :meth:`train_on_batch` has to be called.

        For arrays of these shapes, dtypes and layouts, which the network reads as they are, only their values remain to be
        checked. The call that makes the step checks that x is finite, and labels where their loss finds bad ones; other targets
        are checked here. Raises DataError and ShapeError for targets that do not fit.
        """
        state = self.state
        if type(x) is not np.ndarray or type(y) is not np.ndarray or type(stage) is not Passthrough or x.dtype != state.dtype:
            return None
        flags = x.flags
        if not (flags.c_contiguous and flags.aligned) or not isinstance(state.output, Output) or current().size > 1:
            return None
        step = self._gradient_step
        if y.dtype.kind not in "biuf" or not (x.ndim and y.ndim) or len(y) != len(x):
            return None
        are_labels = y.ndim == 1 and y.dtype == np.int64 and self._finds_bad_labels
        if not are_labels and not step.can_repeat(x):  # then x is checked before the targets
            return None
        targets, rate = y if are_labels else state.output.targets(y), state.updater.rate_outside(state.steps + 1)
        with state.threads(len(x)).applied(state.kernels):
            return step.with_update(x, targets, ones(len(x)), rate, is_finite=False)

    @functools.cached_property
    def _finds_bad_labels(self) -> bool:
        """Whether labels need no check: those that are out of range make the loss NaN."""
        return all(states(self.state.loss, "finds_bad_labels", method) for method in ("targets", "compute"))

    def find_learning_rate(
        self,
        data: Dataset | StreamedBatches,
        stage: AnyStage,
        *,
        batch_size: int,
        low: float,
        high: float,
        steps: int,
        augmentation: Any,
        class_weight: ClassWeight | None,
        class_names: Any,
    ) -> RateSearch:
        """Run the range test on the data set. The model is left unchanged. See ``Model.find_learning_rate``."""
        state = self.state
        if isinstance(data, StreamedBatches):
            with contextlib.closing(data), state.threads(data.batch_size).applied(state.kernels):
                check_range(low, high, steps)
                return range_test(state, self._gradient_step, data, low, high, steps)
        check_range(low, high, steps)
        batch_size = validate(batch_size, Count, "find_learning_rate", "batch_size")
        augmentation = inputs.checked_augmentation(augmentation, state, "find_learning_rate")
        samples = weighted(inputs.checked_training_samples(data, stage, state, class_names), class_weight, state, class_names)
        state.check_training(min(batch_size, len(samples.targets)))
        source: BatchSource = self._batches(samples, stage, batch_size, shuffle=True, augmentation=augmentation)
        if data.passage is not None:
            options = FitOptions(batch_size=batch_size, augmentation=augmentation, class_weight=class_weight)
            source = _drawn_windows(data, options, state.seed)
        with state.threads(batch_size).applied(state.kernels):
            return range_test(state, self._gradient_step, source, low, high, steps)

    def _batches(
        self,
        samples: Samples,
        stage: AnyStage,
        batch_size: int,
        *,
        shuffle: bool,
        augmentation: Any,
        parts: Parts | None = None,
    ) -> Batches:
        return Batches(
            samples.x,
            samples.targets,
            samples.weights,
            rows=samples.rows,
            stage=stage,
            augmentation=augmentation,
            interpolate=self.state.output.interpolates,
            batch_size=batch_size,
            seed=self.state.seed,
            shuffle=shuffle,
            kernels=self.state.kernels,
            own_rows=None if parts is None else parts.own_rows,
            sparse=augmentation is None and inputs.stays_sparse(samples.x, stage, self.state.plan),
        )

    @functools.cached_property
    def _gradient_step(self) -> GradientStep:
        """The step of all trainings with backpropagation: its memory is reused from one training to the next."""
        return GradientStep(self.state)

    def _shared_step_of(self, group: RankGroup) -> PartedStep:
        """Return the step of ``train_on_batch`` on ranks, whose memory is reused."""
        if self._shared_step is None or self._shared_step.parts.group is not group:
            parts = self._parts(FitOptions(), group)
            assert parts is not None
            self._shared_step = PartedStep(self.state, parts, whole=True)
        return self._shared_step
