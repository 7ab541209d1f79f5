"""A model: a network with its parameters, and what is done with it.

network.compile(input_shape=…, loss=…)  ->  Model  ->  fit, evaluate, predict, save
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import kernels as kernel_sets
from pellucid.config import checked, from_json, to_json
from pellucid.data.batches import Batches
from pellucid.data.dataset import Dataset, numbers
from pellucid.data.stage import InputStage, stage_for
from pellucid.errors import CheckpointError, ConfigError, DataError, FileError, PellucidError, ShapeError
from pellucid.files import TensorFile, save_tensors
from pellucid.layers.base import Layer
from pellucid.losses import BinaryCrossEntropy, CrossEntropy, Loss
from pellucid.memory import Array, Shape
from pellucid.metrics import Metric, Value
from pellucid.networks import primitives
from pellucid.optim import Adam, Chain, Clock, Optimizer, Rule
from pellucid.training import Control, EpochEvent, Event, History, Policy, blas, shards
from pellucid.training.display import Display, interruptible, make_display
from pellucid.training.inference import Inference
from pellucid.training.loop import take_step, train
from pellucid.training.parts import Parts
from pellucid.training.step import GradientStep

FORMAT = 1  # of the settings in a model file


class Model:
    """A network, its parameters, its loss, optimizer and metrics.

    ``input_shape`` is the shape of one sample. ``classes`` are names for the outputs, taken from the training data
    where it has them; ``input_stage`` likewise (see :mod:`pellucid.data.stage`). ``seed`` names all chance.

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
        shape: Shape = checked(
            tuple(input_shape) if isinstance(input_shape, Iterable) else input_shape, tuple[int, ...], "Model", "input_shape"
        )
        if not shape or any(n < 1 for n in shape):
            raise ShapeError(f"input_shape is the shape of one sample, such as (28, 28, 1) or (30,); got {tuple(input_shape)}")
        loss.check(network)
        built = network.build(shape)
        if len(built.shape) != 1:
            raise ShapeError(
                f"a network ends in a vector for each sample, this one in {built.shape}; put Flatten() before the last Dense"
            )
        if classes is not None and len(classes) != max(2, built.shape[0]):
            raise ConfigError(f"{len(classes)} class names for {built.shape[0]} outputs")
        self.classes = None if classes is None else tuple(str(name) for name in classes)
        self.input_stage = input_stage
        self.optimizer = optimizer
        self.history = History()
        self.kernels = kernel_sets.load()
        self._parts = Parts(network, shape, loss, optimizer, self.seed, self.kernels)
        self.metrics = self._parts.metrics = self._countable(metrics)
        self._inference = Inference(self._parts)
        self._steps: dict[int, GradientStep] = {}

    # -- what it is -----------------------------------------------------------------------------------------------

    @property
    def network(self) -> Layer:
        """The network as it was written."""
        return self._parts.network

    @property
    def loss(self) -> Loss:
        return self._parts.loss

    @property
    def input_shape(self) -> Shape:
        """The shape of one sample."""
        return self._parts.input_shape

    @property
    def output_shape(self) -> Shape:
        """The shape of one output."""
        return self._parts.output_shape

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
        rows = [("layer", "", "output", "parameters")]
        shape: Shape = self.input_shape
        rows.append(("input", "", _times(shape), ""))
        for path, layer in primitives(self.network):
            built = layer.build(shape)
            shape = built.shape
            size = sum(slot.size for slot in built.slots.values() if not slot.state)
            rows.append((path, repr(layer), _times(shape), f"{size:,}" if size else ""))
        rows.append(("total", f"{self.multiply_adds:,} multiply-adds a sample", "", f"{self.parameter_count:,}"))
        wide = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}  {d:>{wide[3]}}".rstrip() for a, b, c, d in rows]
        rule = "─" * max(len(line) for line in lines)
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

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
        policies: Sequence[Policy] = (),
        exact_training_metrics: bool = False,
        deterministic: bool = False,
        progress: bool | None = None,
    ) -> History:
        """Trains on a data set, or on arrays ``x`` (n, *input shape) and ``y``, with optional sample ``weights`` (n).

        ``validation`` (a data set or a pair of arrays) is scored after each epoch. Training scores are counted while
        the epoch runs, in training mode; ``exact_training_metrics`` scores the training set again at each epoch's end.
        ``deterministic`` makes the bits independent of how many cores there are. ``progress`` shows bars on a
        terminal and in notebooks and plain lines elsewhere (None: if standard error is a terminal or a notebook).

        Returns the history of this call, which is also ``self.history``. Ctrl-C ends the step at hand, keeps the
        parameters and raises KeyboardInterrupt. Raises DataError, ShapeError, ConfigError before anything is
        trained, DivergedError when the loss or the gradient is not finite.
        """
        events = self.training(
            x, y, validation=validation, epochs=epochs, batch_size=batch_size, weights=weights, shuffle=shuffle,
            policies=policies, exact_training_metrics=exact_training_metrics, deterministic=deterministic,
        )  # fmt: skip
        display: Display = make_display(progress, epochs)
        with interruptible() as interrupted, display:
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
        policies: Sequence[Policy] = (),
        exact_training_metrics: bool = False,
        deterministic: bool = False,
        control: Control | None = None,
    ) -> Generator[Event, None, None]:
        """The same as :meth:`fit`, as a generator of step and epoch events: whoever iterates may stop (close it),
        pause, or change the learning rate through ``control``. Arguments are checked at once, not at the first event."""
        epochs = _at_least_one(epochs, "epochs")
        batch_size = _at_least_one(batch_size, "batch_size")
        policies = checked(policies, tuple[Policy, ...], "fit", "policies")
        data = self._samples(x, y, weights)
        stage = self.input_stage or stage_for(data.source_x)
        source, rows, targets, w = self._ready(data, "training data", stage, training=True)
        stage.check_values(source, rows, self.kernels)
        validate = None
        if validation is not None:
            held = self._samples(*validation) if isinstance(validation, tuple) else self._samples(validation)
            vx, vrows, vt, vw = self._ready(held, "validation data", stage)
            stage.check_values(vx, vrows, self.kernels)

            def validate() -> Mapping[str, Value]:
                return self._inference.evaluate(vx, vt, vw, stage, vrows)

        self._adopt(data, stage)  # here, after all checks: a refused training changes nothing

        def train_scores() -> Mapping[str, Value]:
            return self._inference.evaluate(source, targets, w, stage, rows)

        batches = Batches(
            source,
            targets,
            w,
            rows=rows,
            stage=stage,
            batch_size=batch_size,
            seed=self.seed,
            shuffle=shuffle,
            kernels=self.kernels,
        )
        sharding = self.sharding(batch_size, deterministic=deterministic)
        self.history = history = History()
        scored = train_scores if exact_training_metrics else None
        events: Iterator[Event] = train(
            self._parts, self._step(sharding.shards), batches, epochs, validate=validate, train_scores=scored, control=control
        )
        for policy in policies:
            events = policy.wrap(events, self._parts, history)
        return _recorded(events, history, sharding.blas_threads)

    def train_on_batch(self, x: Array, y: Array, weights: Array | None = None) -> float:
        """One step on the batch x (n, *input shape), y, with optional sample weights (n). Returns the mean loss before
        the update. Schedules see no progress here: they stand at their start."""
        x, parts = numbers(x, "x"), self._parts
        self._fits(x, "x")
        stage = self.input_stage or stage_for(x)
        stage.check(x)
        targets = parts.loss.targets(numbers(y, "y"), parts.output_shape)
        if len(targets) != len(x) or not len(x):
            raise ShapeError(f"a batch needs one target for each sample: x has {len(x)}, y {len(targets)}")
        batch = stage.batch(x, slice(0, len(x)), np.empty(x.shape, np.float32), self.kernels)
        if weights is None:
            w = np.ones(len(x), np.float32)
        else:
            w = np.ascontiguousarray(weights, np.float32)
            if w.shape != (len(x),) or not (w.min() >= 0 and w.max() < np.inf):
                raise DataError(f"weights are {len(x)} finite numbers, none below 0; got {w.shape}")
        self.input_stage = stage
        sharding = self.sharding(len(x))
        rate = parts.updater.rate(Clock(parts.steps + 1))
        with blas.limited(sharding.blas_threads):
            return take_step(parts, self._step(sharding.shards), batch, targets, w, rate, f"step {parts.steps + 1}")

    def sharding(self, batch_size: int, *, deterministic: bool = False) -> shards.Sharding:
        """How a step at that batch size runs on this machine: shards and BLAS threads."""
        return shards.choose(self.multiply_adds, self.parameter_count, batch_size, deterministic=deterministic)

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
        self._fits(x, "x")
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
        chosen = self.metrics if metrics is None else self._countable(metrics)
        data = self._samples(x, y, weights)
        stage = self.input_stage or stage_for(data.source_x)
        source, rows, targets, w = self._ready(data, "data", stage)
        return self._inference.evaluate(source, targets, w, stage, rows, chosen)

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
        vectors, so that training goes on as if it had not been interrupted."""
        parts = self._parts
        tensors = parts.layout.arrays(parts.theta) | parts.state_layout.arrays(parts.state)
        if training_state:
            for name, vector in parts.updater.state.items():
                tensors |= {f"{name}/{path}": a for path, a in parts.layout.arrays(vector).items()}
        counts = {"steps": parts.steps, "epochs": parts.epochs}
        save_tensors(path, {"format": FORMAT, "training_state": training_state, **counts, **self.config()}, tensors)

    @classmethod
    def load(cls, path: str | Path, *, classes: Iterable[type] = ()) -> Model:
        """The model in a file. ``classes`` are the classes of your own that it uses; nothing is ever imported.

        Raises FileError for a file that is damaged or not what it says, ConfigError for unknown classes and keys.
        """
        file = TensorFile(path)
        own, settings = tuple(classes), file.settings
        if settings.get("format") != FORMAT:
            raise FileError(f"{path} is of format {settings.get('format')!r}, this version of Pellucid reads format {FORMAT}")
        try:
            network = from_json(settings["network"], Layer, own)
            shape = tuple(settings["input_shape"])
            wanted = {name: slot.shape for name, slot in network.build(shape).slots.items()}
            found = {name: shape for name, shape in file.shapes.items() if "/" not in name}
            if wanted != found:  # before a network of that size is made
                raise CheckpointError(f"{path}: its arrays are not those of its network: {_difference(wanted, found)}")
            model = cls(
                network,
                shape,
                loss=from_json(settings["loss"], Loss, own),
                optimizer=_optimizer(settings["optimizer"], own),
                metrics=[from_json(metric, Metric, own) for metric in settings["metrics"]],
                seed=settings["seed"],
                classes=settings["classes"],
                input_stage=None if settings["input_stage"] is None else from_json(settings["input_stage"], InputStage, own),
            )
            parts, arrays = model._parts, file.arrays()
            targets = parts.layout.arrays(parts.theta) | parts.state_layout.arrays(parts.state)
            if settings["training_state"]:
                for name, vector in parts.updater.state.items():
                    targets |= {f"{name}/{path}": a for path, a in parts.layout.arrays(vector).items()}
            if {name: a.shape for name, a in targets.items()} != file.shapes:
                raise CheckpointError(f"{path}: its training state is not that of its optimizer {model.optimizer}")
            for name, target in targets.items():
                target[...] = arrays[name]
            parts.steps, parts.epochs = int(settings["steps"]), int(settings["epochs"])
        except PellucidError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(f"{path} lacks settings of a model ({type(error).__name__}: {error})") from None
        return model

    # -- checks at the boundary -----------------------------------------------------------------------------------

    def _samples(self, x: Array | Dataset, y: Array | None = None, weights: Array | None = None) -> Dataset:
        if isinstance(x, Dataset):
            if y is not None or weights is not None:
                raise ConfigError("a data set brings its own labels and weights: give either a data set or arrays")
            return x
        if y is None:
            raise DataError("arrays need their labels: fit(x, y), evaluate(x, y)")
        return Dataset(x, y, weights=weights)

    def _countable(self, metrics: Iterable[Metric]) -> tuple[Metric, ...]:
        """The metrics, checked to go with the loss."""
        found: tuple[Metric, ...] = checked(
            metrics if isinstance(metrics, Metric) else list(metrics), tuple[Metric, ...], "Model", "metrics"
        )
        if found and self.output_shape == (1,) and not isinstance(self.loss, BinaryCrossEntropy):
            raise ConfigError(
                f"{found[0]} counts classes; one output with {self.loss} has none: use Sigmoid and BinaryCrossEntropy"
            )
        return found

    def _adopt(self, data: Dataset, stage: InputStage) -> None:
        """Takes over from the training data what the model does not have yet: input stage and class names."""
        self.input_stage = stage
        if self.classes is None and data.classes is not None and len(data.classes) == self._parts.classes:
            self.classes = tuple(data.classes)

    def _fits(self, x: Array, what: str) -> None:
        if x.shape[1:] != self.input_shape or x.ndim == 0:
            hint = "; for one sample give x[None]" if x.shape == self.input_shape else ""
            if not hint and (*x.shape[1:], 1) == self.input_shape:
                hint = "; grey pictures have one channel: x[..., None]"
            raise ShapeError(f"{what} must have the shape (n, {', '.join(map(str, self.input_shape))}), got {x.shape}{hint}")

    def _ready(
        self, data: Dataset, what: str, stage: InputStage, *, training: bool = False
    ) -> tuple[Array, Array | None, Array, Array | None]:
        """(x, its rows, targets, weights) of a data set, checked."""
        self._fits(data.source_x, what)
        stage.check(data.source_x)
        if data.y is None:
            raise DataError(f"the {what} has no labels")
        targets = self.loss.targets(np.asarray(data.y), self.output_shape)
        if (
            training
            and isinstance(self.loss, (CrossEntropy, BinaryCrossEntropy))
            and targets.size
            and targets.min() == targets.max()
        ):
            raise DataError(f"all labels are {targets.flat[0]:g}: with one class there is nothing to tell apart")
        w = None if data.weights is None else np.ascontiguousarray(data.weights, np.float32)
        return data.source_x, data.rows, targets, w


def _recorded(events: Iterator[Event], history: History, blas_threads: int) -> Generator[Event, None, None]:
    with blas.limited(blas_threads):
        for event in events:
            if isinstance(event, EpochEvent):
                history.rows.append(event.row())
            yield event


def _optimizer(data: Any, own: tuple[type, ...]) -> Optimizer:
    kind: Any = Chain if isinstance(data, dict) and data.get("class") == "Chain" else Rule
    optimizer: Optimizer = from_json(data, kind, own)
    return optimizer


def _at_least_one(value: int, name: str) -> int:
    number: int = checked(value, int, "fit", name)
    if number < 1:
        raise ConfigError(f"fit({name}={value}): {name} must be at least 1")
    return number


def _difference(wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> str:
    for name in {**wanted, **found}:
        if wanted.get(name) != found.get(name):
            return f"{name} should be {wanted.get(name, 'absent')}, is {found.get(name, 'absent')}"
    return "their order"


def _times(shape: Shape) -> str:
    return "×".join(str(n) for n in shape)
