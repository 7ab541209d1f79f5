"""A model: a network with its parameters, and what is done with it.

network.compile(input_shape=…, loss=…)  ->  Model  ->  fit, evaluate, predict, save
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

from pellucid import kernels as kernel_sets
from pellucid import modelfile
from pellucid.config import checked, to_json
from pellucid.data.augmentation import Augmentation
from pellucid.data.batches import Batches
from pellucid.data.dataset import Dataset, numbers
from pellucid.data.stage import InputStage, stage_for
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer
from pellucid.losses import Loss
from pellucid.memory import Array
from pellucid.metrics import Metric, Value
from pellucid.optim import Adam, Chain, Clock, Optimizer, Rule
from pellucid.summary import table
from pellucid.training import Control, Event, History, Policy, blas, intake, shards
from pellucid.training.display import Display, interruptible, make_display
from pellucid.training.inference import Inference
from pellucid.training.intake import Samples
from pellucid.training.loop import recorded, take_step, train
from pellucid.training.parts import Parts
from pellucid.training.policies import in_order
from pellucid.training.step import GradientStep


class Model:
    """A network, its parameters, its loss, optimizer and metrics.

    ``input_shape`` is the shape of one sample. ``classes`` are names for the outputs, taken from the training data
    where it has them; ``input_stage`` likewise (see :mod:`pellucid.data.stage`). ``seed`` names all chance. What is given
    here can be read, not changed, under the same names; ``output_shape`` is the shape of one output.

    Raises ConfigError and ShapeError where parts do not go together.
    """

    def __init__(
        self,
        network: Layer,
        input_shape: Sequence[int],
        *,
        loss: Loss,
        optimizer: Optimizer | None = None,
        metrics: Iterable[Metric] = (),
        seed: int = 0,
        classes: Sequence[str] | None = None,
        input_stage: InputStage | None = None,
    ):
        optimizer = Adam() if optimizer is None else optimizer
        checked(network, Layer, "Model", "network")
        checked(loss, Loss, "Model", "loss")
        checked(optimizer, Rule | Chain, "Model", "optimizer")
        self.seed: int = checked(seed, int, "Model", "seed")
        shape = intake.sample_shape(input_shape)
        loss.check(network)
        built = network.build(shape)
        intake.is_vector(built.shape)
        if classes is not None and len(classes) != max(2, built.shape[0]):
            raise ConfigError(f"{len(classes)} class names for {built.shape[0]} outputs")
        self.classes = None if classes is None else tuple(str(name) for name in classes)
        self.input_stage = input_stage
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self.input_shape, self.output_shape = shape, built.shape
        self.history = History()
        self.kernels = kernel_sets.load()
        self._parts = Parts(network, shape, loss, optimizer, self.seed, self.kernels)
        self.metrics = self._parts.metrics = intake.countable(metrics, loss, built.shape)
        self._inference = Inference(self._parts)
        self._steps: dict[int, GradientStep] = {}

    # -- what it is -----------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Array:
        """All parameters as one flat float32 vector; writing to it changes the model."""
        return self._parts.theta

    @property
    def weights(self) -> dict[str, Array]:
        """The parameters by path (``dense1.W``), as views: writing to them changes the model."""
        return self._parts.layout.arrays(self._parts.theta)

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return self._parts.layout.parameters

    @property
    def multiply_adds(self) -> int:
        """How many multiply-adds the forward pass of one sample takes."""
        return self._parts.multiply_adds

    def summary(self) -> str:
        """The layers as a table: name, what it is, output shape, parameters."""
        return table(self.network, self.input_shape)

    def __repr__(self) -> str:
        return f"Model({self.network}, {self.input_shape} -> {self.output_shape}, {self.parameter_count:,} parameters)"

    # -- training -------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        validation: Dataset | tuple[Array, Array] | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        weights: Array | None = None,
        shuffle: bool = True,
        augmentation: Augmentation | None = None,
        policies: Sequence[Policy] = (),
        exact_training_metrics: bool = False,
        deterministic: bool = False,
        progress: bool | None = None,
    ) -> History:
        """Trains on a data set, or on arrays ``x`` (n, *input shape) and ``y``, with optional sample ``weights`` (n).

        ``validation`` (a data set or a pair of arrays) is scored after each epoch. ``augmentation`` changes training pictures
        a little each time they are seen. Training scores are counted while the epoch runs, in training mode;
        ``exact_training_metrics`` scores the training set again at each epoch's end. ``deterministic`` makes the bits
        independent of how many cores there are. ``progress`` shows bars on a terminal and in notebooks and plain lines
        elsewhere (None: if standard error is a terminal or a notebook).

        Returns the history of this call, which is also ``self.history``. Ctrl-C ends the step at hand, keeps the
        parameters and raises KeyboardInterrupt. Raises DataError, ShapeError, ConfigError before anything is
        trained, DivergedError when the loss or the gradient is not finite.
        """
        events = self.training(
            x, y, validation=validation, epochs=epochs, batch_size=batch_size, weights=weights, shuffle=shuffle,
            augmentation=augmentation, policies=policies, exact_training_metrics=exact_training_metrics,
            deterministic=deterministic,
        )  # fmt: skip
        display: Display = make_display(progress, epochs)
        with interruptible() as interrupted, display, self.kernels.announced(display.say):
            for event in events:
                display.show(event)
                if interrupted():
                    events.close()
                    raise KeyboardInterrupt
        return self.history

    def training(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        validation: Dataset | tuple[Array, Array] | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        weights: Array | None = None,
        shuffle: bool = True,
        augmentation: Augmentation | None = None,
        policies: Sequence[Policy] = (),
        exact_training_metrics: bool = False,
        deterministic: bool = False,
        control: Control | None = None,
    ) -> Generator[Event, None, None]:
        """The same as :meth:`fit`, as a generator of step and epoch events: whoever iterates may stop (close it),
        pause, or change the learning rate through ``control``. Arguments are checked at once, not at the first event."""
        epochs = intake.at_least_one(epochs, "epochs")
        batch_size = intake.at_least_one(batch_size, "batch_size")
        policies = checked(policies, tuple[Policy, ...], "fit", "policies")
        in_order(policies)
        for policy in policies:
            policy.check(validated=validation is not None)
        data = intake.dataset(x, y, weights)
        stage = self.input_stage or stage_for(data.source_x)
        own = self._samples(data, "training data", stage)
        intake.learnable(own.targets, self.loss)
        stage.check_values(own.x, own.rows, self.kernels)
        validate = None
        if validation is not None:
            held = intake.dataset(*validation) if isinstance(validation, tuple) else intake.dataset(validation)
            other = self._samples(held, "validation data", stage)
            stage.check_values(other.x, other.rows, self.kernels)
            validate = functools.partial(self._inference.evaluate, other, stage)
        train_scores = functools.partial(self._inference.evaluate, own, stage) if exact_training_metrics else None
        batches = Batches(
            own.x, own.targets, own.weights,
            rows=own.rows, stage=stage, augmentation=checked(augmentation, Augmentation | None, "fit", "augmentation"),
            batch_size=batch_size, seed=self.seed, shuffle=shuffle, kernels=self.kernels,
        )  # fmt: skip
        self._adopt(data, stage)  # here, after all checks: a refused training changes nothing
        sharding = self.sharding(batch_size, deterministic=deterministic)
        self.history = history = History()
        step = self._step(sharding.shards)
        events: Generator[Event, None, None] = train(
            self._parts, step, batches, epochs, validate=validate, train_scores=train_scores, control=control
        )
        for policy in policies:
            events = policy.wrap(events, self._parts, history)
        return recorded(events, history, self._parts, sharding)

    def train_on_batch(self, x: Array, y: Array, weights: Array | None = None) -> float:
        """One step on the batch x (n, *input shape), y, with optional sample weights (n). Returns the mean loss before
        the update. Schedules see no progress here: they stand at their start."""
        x, parts = numbers(x, "x"), self._parts
        stage = self.input_stage or stage_for(x)
        batch, targets, w = intake.batch(x, numbers(y, "y"), weights, stage, parts)
        self.input_stage = stage
        sharding = self.sharding(len(x))
        rate = parts.updater.rate(Clock(parts.steps + 1))
        with blas.limited(sharding.blas_threads):
            self.kernels.ready(sharding.team)
            return take_step(parts, self._step(sharding.shards), batch, targets, w, rate, f"step {parts.steps + 1}")

    def sharding(self, batch_size: int, *, deterministic: bool = False) -> shards.Sharding:
        """How a step at that batch size runs on this machine: shards and threads."""
        size = self.multiply_adds, self.parameter_count, batch_size
        return shards.choose(*size, self.kernels, deterministic=deterministic)

    def _step(self, count: int) -> GradientStep:
        if count not in self._steps:
            self._steps[count] = GradientStep(self._parts, count)
        return self._steps[count]

    # -- using ----------------------------------------------------------------------------------------------------

    def predict(self, x: Array, *, logits: bool = False) -> Array:
        """The outputs (n, *output shape) for the samples x (n, *input shape), any number of them, as a new float32
        array: what the last layer gives, or with ``logits`` what comes before the softmax or sigmoid of the loss.

        May be called from several threads. Raises ShapeError, and DataError for another kind of dtype than the
        training data's and for NaN.
        """
        x = numbers(x, "x")
        intake.fits(x, self.input_shape, "x")
        stage = self.input_stage or stage_for(x)
        stage.check(x)
        return self._inference.outputs(x, stage, logits=logits)

    def evaluate(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        weights: Array | None = None,
        metrics: Iterable[Metric] | None = None,
    ) -> dict[str, Value]:
        """``{"loss": …, "accuracy": …}``: the loss and the metrics (the model's, or other ``metrics``), exact over the
        data set or the arrays."""
        chosen = self.metrics if metrics is None else intake.countable(metrics, self.loss, self.output_shape)
        data = intake.dataset(x, y, weights)
        stage = self.input_stage or stage_for(data.source_x)
        return self._inference.evaluate(self._samples(data, "data", stage), stage, chosen)

    # -- files ----------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """The settings as plain JSON: all it takes to make this model again, but for the parameters."""
        return {
            "network": to_json(self.network),
            "input_shape": list(self.input_shape),
            "loss": to_json(self.loss),
            "optimizer": to_json(self.optimizer),
            "metrics": to_json(self.metrics),
            "seed": self.seed,
            "classes": None if self.classes is None else list(self.classes),
            "input_stage": to_json(self.input_stage),
        }

    def save(self, path: str | Path, *, training_state: bool = False) -> None:
        """Writes one safetensors file with parameters and settings; atomically. ``training_state`` adds the optimizer's
        vectors, so that training goes on as if it had not ended: the same batches, noise and updates follow. (Schedules
        and policies begin anew with each ``fit``.)"""
        modelfile.save(path, self._parts, self.config(), training_state=training_state)

    @classmethod
    def load(cls, path: str | Path, *, classes: Iterable[type] = ()) -> Model:
        """The model in a file. ``classes`` are the classes of your own that it uses; nothing is ever imported.

        Raises FileError for a file that is damaged or not what it says, ConfigError for unknown classes and keys.
        """
        saved = modelfile.read(path, classes)
        model = cls(saved.network, saved.input_shape, **saved.options)
        saved.fill(model._parts)
        return model

    # -- checks at the boundary -----------------------------------------------------------------------------------

    def _samples(self, data: Dataset, what: str, stage: InputStage) -> Samples:
        return intake.samples(data, what, stage, self.input_shape, self.loss, self.output_shape)

    def _adopt(self, data: Dataset, stage: InputStage) -> None:
        """Takes over from the training data what the model does not have yet: input stage and class names."""
        self.input_stage = stage
        if self.classes is None and data.classes is not None and len(data.classes) == self._parts.classes:
            self.classes = tuple(data.classes)
