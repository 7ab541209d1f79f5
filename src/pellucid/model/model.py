"""A model: a network with its parameters, and what is done with it.

network.compile(input_shape=…, loss=…)  ->  Model  ->  fit, evaluate, predict, save
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid import kernels as kernel_sets
from pellucid.core.config import checked, to_json
from pellucid.core.memory import Array
from pellucid.data.augmentation import Augmentation
from pellucid.data.checks import numbers
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import InputStage, stage_for
from pellucid.errors import ConfigError
from pellucid.layers.base import Layer
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.model import file as modelfile
from pellucid.model.summary import as_html, table
from pellucid.optim import Adam, Chain, Optimizer, Rule
from pellucid.training import Control, Event, History, Perturbation, Policy, RateSearch, inputs as inputs, shards
from pellucid.training.display import follow
from pellucid.training.evaluation import Evaluation
from pellucid.training.inference import Inference
from pellucid.training.parts import Parts
from pellucid.training.trainer import Trainer
from pellucid.training.weighting import ClassWeight

if TYPE_CHECKING:
    from pellucid.export.trained import Trained


class Model:
    """A network, its parameters, its loss, optimizer and metrics.

    ``input_shape`` is the shape of one sample. ``classes`` are names for the outputs, taken from the training data
    where it has them; ``input_stage`` likewise (see :mod:`pellucid.data.input_stage`). ``seed`` names all chance. What is given
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
        shape = inputs.sample_shape(input_shape)
        loss.check(network)
        built = network.build(shape)
        inputs.is_vector(built.shape)
        if classes is not None and len(classes) != max(2, built.shape[0]):
            raise ConfigError(f"{len(classes)} class names for {built.shape[0]} outputs")
        self.classes = None if classes is None else tuple(str(name) for name in classes)
        self.input_stage = input_stage
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self.input_shape, self.output_shape = shape, built.shape
        self.history = History()
        self.kernels = kernel_sets.load()
        self._parts = Parts(network, shape, loss, optimizer, self.seed, self.kernels)
        self.metrics = self._parts.metrics = inputs.check_metrics(metrics, self._parts)
        self._inference = Inference(self._parts)
        self._trainer = Trainer(self._parts, self._inference)

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
        """How many parameters there are, those of frozen layers included."""
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

    def _repr_html_(self) -> str:
        return as_html(self.network, self.input_shape, (self.loss, self.optimizer, *self.metrics))

    # -- training -------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        validation: Dataset | tuple[Array, Array] | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        sample_weight: Array | None = None,
        shuffle: bool = True,
        augmentation: Augmentation | None = None,
        class_weight: ClassWeight | None = None,
        policies: Sequence[Policy] = (),
        accumulate: int = 1,
        method: Perturbation | None = None,
        exact_training_metrics: bool = False,
        deterministic: bool = False,
        progress: bool | None = None,
    ) -> History:
        """Trains on a data set, or on arrays ``x`` (n, *input shape) and ``y``, with optional ``sample_weight`` (n).

        ``validation`` (a data set or a pair of arrays) is scored after each epoch. ``augmentation`` changes training pictures
        a little each time they are seen. ``class_weight`` ("balanced", a list, or a mapping by class number or name) say how
        much the samples of each class count in training (:func:`~pellucid.training.weighting.weighted`). Training scores are
        counted while the epoch runs, in training mode and so weighted; ``exact_training_metrics`` scores the training set
        again at each epoch's end, as ``evaluate`` does. Each update takes the gradient of ``accumulate`` batches, as if they
        were one, in the memory of one; schedules and events count updates. ``method`` finds it without back-propagation
        (:class:`~pellucid.training.Perturbation`). ``deterministic`` makes the bits independent of how many cores there are.
        ``progress`` shows bars on a terminal and in notebooks and plain lines elsewhere (None: if standard error is a terminal
        or a notebook).

        Returns the history of this call, which is also ``self.history``. Ctrl-C ends the step at hand, keeps the
        parameters and raises KeyboardInterrupt. Raises DataError, ShapeError, ConfigError before anything is
        trained, DivergedError when the loss or the gradient is not finite.
        """
        events = self.fit_events(
            x,
            y,
            validation=validation,
            epochs=epochs,
            batch_size=batch_size,
            sample_weight=sample_weight,
            shuffle=shuffle,
            augmentation=augmentation,
            class_weight=class_weight,
            policies=policies,
            accumulate=accumulate,
            method=method,
            exact_training_metrics=exact_training_metrics,
            deterministic=deterministic,
        )
        follow(events, progress, epochs, self.kernels)
        return self.history

    def fit_events(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        validation: Dataset | tuple[Array, Array] | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        sample_weight: Array | None = None,
        shuffle: bool = True,
        augmentation: Augmentation | None = None,
        class_weight: ClassWeight | None = None,
        policies: Sequence[Policy] = (),
        accumulate: int = 1,
        method: Perturbation | None = None,
        exact_training_metrics: bool = False,
        deterministic: bool = False,
        control: Control | None = None,
    ) -> Generator[Event, None, None]:
        """The same as :meth:`fit`, as a generator of step and epoch events: whoever iterates may stop (close it),
        pause, or change the learning rate through ``control``. Arguments are checked at once, not at the first event."""
        data = inputs.dataset(x, y, sample_weight)
        stage = self.input_stage or data.stage()
        history = History()
        events = self._trainer.events(
            data,
            stage,
            history,
            validation=validation,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            augmentation=augmentation,
            class_weight=class_weight,
            class_names=self.classes or data.classes,
            policies=policies,
            accumulate=accumulate,
            method=method,
            exact_training_metrics=exact_training_metrics,
            deterministic=deterministic,
            control=control,
        )
        self._adopt(data, stage)  # here, after all checks: a refused training changes nothing
        self.history = history
        return events

    def find_learning_rate(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        batch_size: int = 32,
        low: float = 1e-6,
        high: float = 10.0,
        steps: int = 100,
        augmentation: Augmentation | None = None,
        class_weight: ClassWeight | None = None,
    ) -> RateSearch:
        """A range test (Smith, 2017): ``steps`` steps in which the learning rate rises from ``low`` to ``high``, and what the
        loss does: see :class:`~pellucid.training.RateSearch`. Class weights as in ``fit``. The model is left as it was."""
        data = inputs.dataset(x, y)
        stage = self.input_stage or data.stage()
        return self._trainer.find_learning_rate(
            data,
            stage,
            batch_size=batch_size,
            low=low,
            high=high,
            steps=steps,
            augmentation=augmentation,
            class_weight=class_weight,
            class_names=self.classes or data.classes,
        )

    def train_on_batch(self, x: Array, y: Array, sample_weight: Array | None = None) -> float:
        """One step on the batch x (n, *input shape), y, with optional ``sample_weight`` (n). Returns the mean loss before
        the update. Schedules see no progress here: they stand at their start."""
        x, parts = numbers(x, "x"), self._parts
        stage = self.input_stage or stage_for(x)
        batch, targets, w = inputs.batch(x, numbers(y, "y"), sample_weight, stage, parts)
        self.input_stage = stage
        return self._trainer.on_batch(batch, targets, w)

    def sharding(self, batch_size: int, *, deterministic: bool = False) -> shards.Sharding:
        """How a step at that batch size runs on this machine: shards and threads."""
        return self._trainer.sharding(batch_size, deterministic=deterministic)

    # -- using ----------------------------------------------------------------------------------------------------

    def predict(self, x: Array, *, logits: bool = False) -> Array:
        """The outputs (n, *output shape) for the samples x (n, *input shape), any number of them, as a new float32
        array: what the last layer gives, or with ``logits`` what comes before the softmax or sigmoid of the loss.

        May be called from several threads. Raises ShapeError, and DataError for another kind of dtype than the
        training data's and for NaN.
        """
        x = numbers(x, "x")
        inputs.fits(x, self.input_shape, "x")
        stage = self.input_stage or stage_for(x)
        stage.check(x)
        return self._inference.outputs(x, stage, logits=logits)

    def evaluate(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        sample_weight: Array | None = None,
        metrics: Iterable[Metric] | None = None,
    ) -> Evaluation:
        """``{"loss": …, "accuracy": …}``: the loss and the metrics (the model's, or other ``metrics``), exact over the
        data set or the arrays: a dictionary, which notebooks show as tables."""
        chosen = self.metrics if metrics is None else inputs.check_metrics(metrics, self._parts)
        data = inputs.dataset(x, y, sample_weight)
        stage = self.input_stage or data.stage()
        scores = self._inference.evaluate(self._trainer.samples(data, "data", stage), stage, chosen)
        return Evaluation.of(scores, data, self.classes)

    # -- files ----------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """The settings as plain JSON: all it takes to make this model again, but for the parameters."""
        names = ("network", "input_shape", "loss", "optimizer", "metrics", "seed", "classes", "input_stage")
        return {name: to_json(getattr(self, name)) for name in names}

    def save(self, path: str | Path, *, training_state: bool = False) -> None:
        """Writes one safetensors file with parameters and settings; atomically. ``training_state`` adds the optimizer's
        vectors, so that training goes on as if it had not ended: the same batches, noise and updates follow. (Schedules
        and policies begin anew with each ``fit``.)"""
        modelfile.save(path, self._parts, self.config(), training_state=training_state)

    @classmethod
    def load(cls, path: str | Path, *, custom_classes: Iterable[type] = ()) -> Model:
        """The model in a file. ``custom_classes`` are the classes of your own that it uses; nothing is ever imported.

        Raises FileError for a file that is damaged or not what it says, ConfigError for unknown classes and keys.
        """
        saved = modelfile.read(path, custom_classes)
        model = cls(saved.network, saved.input_shape, **saved.options)
        saved.fill(model._parts)
        return model

    def export_onnx(self, path: str | Path, *, layers: Mapping[type, Any] | None = None) -> None:
        """Writes an ONNX file that takes the samples as they are given to :meth:`predict`, any number of them, and gives
        the same outputs; class names are in its metadata. ``layers`` says what layers of your own compute: see
        :func:`~pellucid.export.onnx.to_onnx`. Needs the package onnx (extra ``onnx``)."""
        from pellucid.export.onnx import to_onnx

        to_onnx(path, self._trained(), layers)

    def export_numpy(self, path: str | Path, *, layers: Mapping[type, Any] | None = None) -> None:
        """Writes a readable program, ``digits.py``, that computes what :meth:`predict` does and needs NumPy alone, with the
        weights beside it in ``digits.npz``. ``layers`` says what layers of your own compute: see
        :func:`~pellucid.export.program.to_numpy`."""
        from pellucid.export.program import to_numpy

        to_numpy(path, self._trained(), layers)

    def _trained(self) -> Trained:
        from pellucid.export.trained import Trained

        return Trained.of(self._parts, self.input_stage, self.classes)

    def _adopt(self, data: Dataset, stage: InputStage) -> None:
        """Takes over from the training data what the model does not have yet: input stage and class names."""
        self.input_stage = stage
        if self.classes is None and data.classes is not None and len(data.classes) == self._parts.classes:
            self.classes = tuple(data.classes)
