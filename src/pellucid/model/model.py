"""A model: a network with its parameters, and the methods that train and use it.

``network.compile(input_shape=…, loss=…)`` returns a Model, whose main methods are ``fit``, ``evaluate``, ``predict``, ``save``.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid import kernels as kernel_sets
from pellucid.core import habits
from pellucid.core.config import by_key, own_classes, to_json, validate
from pellucid.core.files import write_atomically
from pellucid.core.habits import explain_arguments
from pellucid.core.memory import Array
from pellucid.core.named_arrays import unwrapped
from pellucid.data.checks import numeric_arrays
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import InputStage
from pellucid.data.input_stages import AnyStage, InputStages, stage_for
from pellucid.data.sample_augmentation import AnyAugmentation
from pellucid.data.stream import BatchStream
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.kernels import compilation
from pellucid.layers.base import Layer
from pellucid.losses import Loss
from pellucid.losses.absent import no_loss
from pellucid.losses.from_function import LossFunction
from pellucid.metrics import Metric
from pellucid.model import file as model_file, first_use, several
from pellucid.model.generated import generate
from pellucid.model.generation import Readers, Sampling
from pellucid.model.reading import read
from pellucid.model.summary import as_html, table
from pellucid.model.text import is_text, predict_text, text_samples, tokens_of
from pellucid.optim import Adam, Chain, Optimizer, Rule
from pellucid.training import Control, Event, History, Perturbation, Policy, RateSearch, inputs, ranks, resuming
from pellucid.training.class_weight import ClassWeight
from pellucid.training.evaluation import Evaluation
from pellucid.training.gradients import Gradients
from pellucid.training.options import FitOptions
from pellucid.training.prediction import Predictor
from pellucid.training.progress import follow
from pellucid.training.pullback import OwnSteps, Pullback
from pellucid.training.state import ModelState
from pellucid.training.streamed import StreamedBatches, training_data
from pellucid.training.threads import Threads
from pellucid.training.trainer import Trainer

if TYPE_CHECKING:  # imported when a model is diagnosed or exported
    from pellucid.data.text.tokenizer import Tokenizer
    from pellucid.doctor.diagnosis import Diagnosis
    from pellucid.export.plain.int8 import Int8
    from pellucid.export.trained_network import TrainedNetwork


class Model:
    """A network with its parameters, loss, optimizer and metrics, which can be trained, evaluated and saved.

    Models are created by ``network.compile(…)``, which describes the arguments, and by :meth:`Model.load`. The constructor is
    internal. Its arguments are attributes of the same names: ``network``, ``input_shape``, ``loss``, ``optimizer``,
    ``metrics``, ``seed``, ``classes``, ``input_stage``. ``output_shape`` is the shape of one output, ``history`` the history
    of the last training. ``state`` holds the vectors that training changes; explanations, ensembles and exports work on it.
    """

    def __init__(
        self,
        network: Layer,
        input_shape: Sequence[int] | Mapping[str, Sequence[int]],
        *,
        loss: Loss | LossFunction | Mapping[str, Loss | LossFunction] | None = None,
        optimizer: Optimizer | None = None,
        metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]] = (),
        seed: int = 0,
        classes: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        input_stage: InputStage | Mapping[str, InputStage] | None = None,
        loss_weights: Mapping[str, float] | None = None,
    ):
        optimizer = Adam() if optimizer is None else optimizer
        validate(network, Layer, "Model", "network")
        validate(optimizer, Rule | Chain, "Model", "optimizer")
        self.seed: int = validate(seed, int, "Model", "seed")
        given = list(metrics.values()) if isinstance(metrics, Mapping) else [metrics]
        if loss is None and any(isinstance(one, Metric) or (isinstance(one, Iterable) and list(one)) for one in given):
            raise ConfigError("metrics are computed by fit and evaluate, which need a loss: with loss=None leave them out")
        shape = inputs.sample_shapes(input_shape, network)
        self.loss: Any
        self.loss, own_loss = several.checked_loss(loss, network)
        self.loss_weights = several.checked_loss_weights(loss_weights, network)
        output_shape = network.build(shape).shape
        self.classes: Any = several.checked_classes(classes, output_shape)
        self.input_stage = several.checked_stage(input_stage, network, shape)
        self.network, self.optimizer = network, optimizer
        self.input_shape, self.output_shape = shape, output_shape
        self.history = History()
        if own_loss is not None:
            compilation.start_early()
        self.kernels = kernel_sets.load()
        self.state = ModelState(network, shape, own_loss, optimizer, self.seed, self.kernels, loss_weights=self.loss_weights)
        self.metrics = self.state.metrics = inputs.check_metrics(metrics, self.state)
        self._predictor = Predictor(self.state)
        self._trainer = Trainer(self.state, self._predictor)
        self._own_steps = OwnSteps(self.state)
        self._readers = Readers(self.state)

    # -- description ----------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Array:
        """All parameters as one flat float32 vector; writing to it changes the model."""
        return self.state.parameters

    @property
    def weights(self) -> dict[str, Array]:
        """The parameters by path (``dense1.W``), as views: writing to them changes the model."""
        return self.state.layout.arrays(self.state.parameters)

    @property
    def parameter_count(self) -> int:
        """The number of parameters, those of frozen layers included."""
        return self.state.layout.parameter_count

    @property
    def multiply_adds(self) -> int:
        """The number of multiply-adds in the forward pass of one sample."""
        return self.state.multiply_adds

    def summary(self) -> str:
        """Return a table of the layers: name, settings, output shape, parameters."""
        return table(self.network, self.input_shape)

    if not TYPE_CHECKING:  # type checkers would accept every attribute

        def __getattr__(self, name: str) -> object:
            raise AttributeError(f"'Model' object has no attribute {name!r}{habits.instead(name, habits.OF_MODELS)}")

    def __repr__(self) -> str:
        return f"Model({self.network}, {self.input_shape} -> {self.output_shape}, {self.parameter_count:,} parameters)"

    def _repr_html_(self) -> str:
        metrics = [self.metrics] if isinstance(self.metrics, Mapping) else self.metrics
        return as_html(self.network, self.input_shape, (self.loss, self.optimizer, *metrics))

    # -- training -------------------------------------------------------------------------------------------------

    @explain_arguments
    def fit(
        self,
        x: Dataset | BatchStream | Any,
        y: Any = None,
        *,
        validation: Dataset | tuple[Any, ...] | None = None,
        sample_weight: Any = None,
        epochs: int = 1,
        batch_size: int | None = None,
        shuffle: bool = True,
        augmentation: AnyAugmentation | Mapping[str, AnyAugmentation] | None = None,
        class_weight: ClassWeight | None = None,
        policies: Sequence[Policy] = (),
        accumulate: int = 1,
        method: Perturbation | None = None,
        exact_training_metrics: bool = False,
        deterministic: bool = False,
        steps_per_epoch: int | None = None,
        resume: str | Path | None = None,
        progress: bool | None = None,
    ) -> History:
        """Train on a data set, or on arrays ``x`` (n, *input shape) and ``y``, or on a stream of batches. Returns the history,
        which is also in ``self.history``.

        With several inputs or outputs, x and y, also those of the validation data, are dictionaries of arrays by name;
        ``sample_weight`` is one array, or a dictionary by output; ``augmentation`` is a dictionary by input, and
        ``class_weight`` one by output.

        - ``validation``: a data set or a pair of arrays, evaluated after each epoch.
        - ``sample_weight`` (n): the weight of each sample in the loss; or (n, *positions), the weight of each position of the
          output. Where it is 0, the target counts neither in the loss nor in a metric, and may have any value.
        - ``epochs`` and ``batch_size``: the number of passes over the data, and the number of samples in each batch; None is
          32, or with :class:`~pellucid.optim.LBFGS` the whole training set, which it needs.
        - ``shuffle``: visit the samples in a new order in each epoch.
        - ``augmentation``: change the training samples randomly, differently in each epoch: an
          :class:`~pellucid.data.Augmentation`, a :class:`~pellucid.data.PhotoAugmentation`, or a function of one sample and a
          random generator (:class:`~pellucid.data.sample_augmentation.FunctionAugmentation`).
        - ``class_weight``: "balanced", a list, or a mapping from class number or name to weight
          (:func:`~pellucid.training.class_weight.weighted`).
        - ``policies``: early stopping, averages of the parameters and other :class:`~pellucid.training.Policy` objects, in the
          order in which they wrap the training, the innermost first.
        - ``accumulate``: use the gradient of this number of batches for each update, as if they were one large batch, in the
          memory of one. Steps and events count updates.
        - ``method``: estimate the gradient without backpropagation (:class:`~pellucid.training.Perturbation`).
        - ``exact_training_metrics``: evaluate the training set again at the end of each epoch. Otherwise its scores are
          accumulated during the epoch, in training mode and with the class weights.
        - ``deterministic``: make the result independent of the number of cores and of ranks, by computing each batch in four
          parts (:mod:`pellucid.training.parts`). That of the compiled kernels never depends on the number of cores.
        - ``steps_per_epoch``: the number of batches of an epoch, for windows of a text
          (:func:`~pellucid.data.text.running_text.windows`), and for batches from a program: ``x`` is then a
          :class:`~pellucid.data.BatchStream`, or the source of one: a function of the epoch, a list, a data loader, a
          generator. Such batches have their own targets, weights, size and order. ``batch_size``,
          ``exact_training_metrics`` and ``class_weight="balanced"`` need arrays; ``shuffle`` has no effect.
        - ``resume``: the folder of a :class:`~pellucid.training.Checkpoint` policy. The training goes on from its newest good
          checkpoint, with the same steps, to the last bit, as without the interruption; everything else must be as before. If
          the folder has no checkpoint yet, the training starts, so that one program starts and resumes.
        - ``progress``: None shows the progress on a terminal and in a notebook, True everywhere (as lines where there are no
          bars), False nowhere.

        Of several ranks, all make this call inside ``with ranks.together():``, and share the batches
        (:mod:`pellucid.training.ranks`).

        Ctrl-C finishes the current step, keeps the parameters and raises KeyboardInterrupt. Data and options are
        checked before the model is changed: DataError, ShapeError, ConfigError. A data set must have the columns and classes of
        the first training data (:meth:`read`). During training, ConfigError is raised if a perturbation is lost to rounding;
        DivergedError if the loss or the gradient is not finite or too large. Warns with DataWarning of columns and targets of
        which float32 merges most values.
        """
        options = FitOptions(
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            augmentation=augmentation,
            class_weight=class_weight,
            policies=policies,
            accumulate=accumulate,
            method=method,
            exact_training_metrics=exact_training_metrics,
            deterministic=deterministic,
            steps_per_epoch=steps_per_epoch,
            resume=resume,
        )
        self._check_loss("fit")
        control = Control()
        events = self.fit_events(x, y, options, validation=validation, sample_weight=sample_weight, control=control)
        progress = progress if ranks.current().rank == 0 else False
        follow(events, progress, options.epochs, self.kernels, self.history, control)
        return self.history

    @explain_arguments
    def fit_events(
        self,
        x: Dataset | BatchStream | Any,
        y: Any = None,
        options: FitOptions | None = None,
        *,
        validation: Dataset | tuple[Any, ...] | None = None,
        sample_weight: Any = None,
        control: Control | None = None,
    ) -> Generator[Event, None, None]:
        """Return the training of :meth:`fit` as a generator of step and epoch events.

        The code that iterates may stop the training (close the generator), pause it, or change the learning rate through
        ``control``. ``options`` are the other arguments of :meth:`fit`. The arguments are checked by this call, not at the
        first event. The history is ``self.history``; it grows with each epoch.
        """
        self._check_loss("fit_events")
        options = validate(options, FitOptions | None, "fit_events", "options") or FitOptions()
        several.refuse_lists(self.network, x, y, sample_weight)
        data = training_data(x, y, sample_weight, options, self.state, self.input_stage, self.classes)
        stage = self.input_stage or data.input_stage()  # the first training data determines the input stage
        history = History()
        try:
            events = self._trainer.events(
                data,
                stage,
                options,
                history,
                validation=validation,
                class_names=self.classes or data.classes,
                control=control,
                file_settings=self._file_settings,
            )
        except BaseException:
            if isinstance(data, StreamedBatches):
                data.close()
            raise
        self._adopt(data, stage)  # after all checks: a call that raises an error changes nothing
        self.history = history
        return first_use.helped(events, self, x, y, sample_weight, options)

    @explain_arguments
    def find_learning_rate(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int = 32,
        low: float = 1e-6,
        high: float = 10.0,
        steps: int = 100,
        augmentation: AnyAugmentation | Mapping[str, AnyAugmentation] | None = None,
        class_weight: ClassWeight | None = None,
    ) -> RateSearch:
        """Run a learning-rate range test (Smith, 2017): ``steps`` steps with rates that rise from ``low`` to ``high``.

        See :class:`~pellucid.training.RateSearch` for the result, and :meth:`fit` for the other arguments. The model is left
        unchanged. Raises DataError, ShapeError and ConfigError as :meth:`fit` does, and DataError where no rate is suitable.
        """
        self._check_loss("find_learning_rate")
        options = FitOptions(augmentation=augmentation, class_weight=class_weight)
        data = training_data(x, y, None, options, self.state, self.input_stage, self.classes, once=False)
        stage = self.input_stage or data.input_stage()
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

    @explain_arguments
    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None) -> float:
        """Make one update on the batch x (n, *input shape), y, and return the mean loss before it.

        A learning-rate schedule over epochs stays at its first value, because there are no epochs (CosineCycles: at half its
        peak). Raises what :meth:`fit` raises; the parameters are unchanged then. After Ctrl-C, a step whose update had begun is
        counted in ``state.steps``, and the parameters are unchanged by one that is not.
        """
        if sample_weight is None and (loss := self._trainer.repeated(x, y, self.input_stage)) is not None:
            return loss
        self._check_loss("train_on_batch")
        several.refuse_lists(self.network, x, y, sample_weight)
        x, state = inputs.as_samples(x, self.input_stage), self.state
        stage = self.input_stage or stage_for(x)
        batch, targets, weights = inputs.checked_batch(x, numeric_arrays(y, "y"), sample_weight, stage, state)
        self.input_stage = stage
        return self._trainer.train_on_batch(batch, targets, weights)

    # -- loops of your own ----------------------------------------------------------------------------------------

    @explain_arguments
    def forward(self, x: Any, *, training: bool = True, logits: bool = False, needs_dx: bool = True) -> tuple[Any, Pullback]:
        """Return the outputs y for the samples x (n, *input shape), as a new array, and the pullback: the backward pass.

        ``gradients = pullback(dy)`` takes ∂C/∂y, for any C that depends on y, and returns
        :class:`~pellucid.training.Gradients`: ``gradients.parameters`` and ``gradients.x``. :meth:`update` makes a step with
        them. A pullback may be called once; several passes may be pending at a time, each with its own pullback.

        With several inputs, x is a dictionary of arrays by input; with several outputs, y and dy are dictionaries by output.

        - ``training``: as in training, dropout and noise are on, and batch normalization uses the batch and updates the running
          statistics of the model at once (unless they are not finite). Otherwise as in :meth:`predict`.
        - ``logits``: y and dy are the values before the last layer, if that is one which a loss is computed with, such as
          Softmax.
        - ``needs_dx``: False saves the computation of ``gradients.x``.

        Noise is selected by the seed, the number of the step, and the number of passes since the last update. Raises DataError,
        ShapeError and ConfigError.
        """
        several.refuse_lists(self.network, x)
        x = inputs.as_samples(x, self.input_stage)
        inputs.check_samples_shape(x, self.input_shape, "x")
        if not len(x):
            raise ShapeError("forward: x must have at least one sample")
        training = validate(training, bool, "forward", "training")
        logits = validate(logits, bool, "forward", "logits")
        needs_dx = validate(needs_dx, bool, "forward", "needs_dx")
        stage: Any = self.input_stage or stage_for(x)
        stage.check(x)
        result = self._own_steps.forward(x, stage, training=training, logits=logits, needs_dx=needs_dx)
        if training:
            self.input_stage = stage  # the first training data determines it
        return result

    @explain_arguments
    def update(self, gradients: Gradients, *, learning_rate: float | None = None) -> None:
        """Make one step of the optimizer with the gradients, such as those of a pullback.

        The learning rate is ``learning_rate``, or the optimizer's; a schedule over epochs stays at its first value, because
        there are no epochs (CosineCycles: at half its peak). The gradients are not changed. Raises DivergedError where they are
        not finite or too large, ConfigError and ShapeError; nothing is changed then.
        """
        self._own_steps.update(gradients, learning_rate)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of a model that was trained on text. Raises ConfigError for any other model."""
        return tokens_of(self.input_stage).tokenizer

    def threads(self, batch_size: int, *, deterministic: bool = False) -> Threads:
        """Return the numbers of threads that a training step at that batch size uses on this machine."""
        return self.state.threads(batch_size, deterministic=deterministic)

    # -- prediction and evaluation --------------------------------------------------------------------------------

    def read(
        self, source: str | os.PathLike[str] | Any, *, labelled: bool | None = None, encoding: str | None = None
    ) -> Dataset:
        """Return new data as this model needs it, for :meth:`predict`, :meth:`evaluate` or more training.

        - A CSV file or a data frame (pandas, Polars, PyArrow), for a model that was trained on a table with named columns. The
          columns are found by name, in any order, and encoded with the categories of the training data. A category that they
          do not have gives a DataWarning, and all inputs of its column are 0. If ``labelled``, the target is read too, and rows
          without one are left out; otherwise every row is kept. The default is to read the target if the table has that column.
        - A CSV file or a data frame with a series, for a model that was trained on :func:`~pellucid.data.read_series`: all
          windows with their targets, or, with ``labelled=False``, one sample with the last rows, to predict those that follow.
        - A folder of images, for a model that was trained on :func:`~pellucid.data.read_folder`: images get the size and the
          colours of the model's inputs, and the subfolders are named after its classes.
        - A text file or a folder of text files, for a model that was trained on text: consecutive windows, or lines, with the
          next token at each position as the target. The ``encoding`` is by default that of the files of the training.

        The decisions are listed in ``origin.notes`` of the data set. Raises FileError, DataError and ConfigError.
        """
        several.refuse_several(self.network, "read")
        assert not isinstance(self.input_stage, InputStages)
        return read(source, self.input_stage, self.input_shape, self.classes, labelled, encoding)

    @explain_arguments
    def predict(self, x: Any, *, logits: bool = False) -> Any:
        """Return the outputs (n, *output shape) for the samples x (n, *input shape) as a new float32 array.

        x is an array, a data set or a data frame; with several inputs a dictionary of arrays by input, or a data set. With
        several outputs, the result is a dictionary of arrays by output.

        For a model that was trained on text, x may be a text instead, or a list of texts. A network with an answer at each
        position returns those of one text, (its tokens, k): what follows each token. A network with one answer for each text
        returns (n, k).

        With ``logits`` they are the values before the softmax or sigmoid of the loss. May be called from several threads.
        Raises ShapeError; raises DataError for NaN and infinity, for bytes where the training data were real numbers (or the
        reverse), and for data sets and data frames with other columns than the training data.
        """
        if not logits and (outputs := self._predictor.repeated(x, self.input_stage)) is not None:
            return outputs
        several.refuse_lists(self.network, x)
        if is_text(x, self.input_stage):
            return predict_text(self, x, logits=logits)
        x = inputs.as_samples(x, self.input_stage)
        inputs.check_samples_shape(x, self.input_shape, "x")
        stage = self.input_stage or stage_for(x)
        stage.check(x)
        return unwrapped(self._predictor.outputs(x, stage, logits=logits, group=ranks.current()))

    @explain_arguments
    def generate(
        self,
        prompt: str | Sequence[Any] | Array,
        *,
        length: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | Sequence[int] = 0,
        stop: str | int | Sequence[str | int] | None = None,
    ) -> Iterator[Any]:
        """Return an iterator over what the language model writes after the prompt, token by token.

        The network reads tokens, (time,), and ends in the probabilities of the next token. The prompt is a text, for a model
        that was trained on text, or a list of tokens; what follows has the same form: pieces of text, or integers. For a list
        of prompts, of any lengths, each step yields a list with one entry for each, which is None after the end of a sequence.

        - ``length``: the number of tokens to write, at most.
        - ``temperature``, ``top_k`` and ``top_p`` choose among the next tokens: see
          :class:`~pellucid.model.generation.Sampling`. With ``temperature=0`` the most likely one is taken.
        - ``seed`` selects the random numbers, which depend on the position of the token besides: equal prompts with equal
          seeds have equal continuations, alone or among others. For several prompts it may be a list of seeds.
        - ``stop``: a token or a text, or several of them, before which a sequence ends. By default that is the end of a line
          for a model that was trained on lines, and nothing for others; ``()`` is nothing.

        Several calls may be iterated at the same time, also in several threads. Raises ConfigError for a network that is not
        such a model and for invalid settings, DataError for a prompt that is empty, or has tokens or characters that are
        not in the vocabulary.
        """
        sampling = Sampling(temperature, top_k, top_p)
        return generate(self.state, self._readers, self.input_stage, prompt, sampling, length=length, seed=seed, stop=stop)

    @explain_arguments
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]] | None = None,
    ) -> Evaluation:
        """Return ``{"loss": …, "accuracy": …}``: the loss and the ``metrics`` (default: the model's), exact over all samples.

        For a model that was trained on text, x may be a text: each of its tokens but the first is predicted, in consecutive
        windows.

        With several outputs, the metrics are a dictionary by output, and the result is
        ``{"loss": …, "digit_loss": …, "digit_accuracy": …, …}``: the weighted sum of the losses, then the loss and the metrics
        of each output.

        The result is a dictionary that notebooks show as tables. Raises DataError, ShapeError and ConfigError.
        """
        self._check_loss("evaluate")
        chosen = self.metrics if metrics is None else inputs.check_metrics(metrics, self.state)
        several.refuse_lists(self.network, x, y, sample_weight)
        if isinstance(x, str) and is_text(x, self.input_stage):
            x = text_samples(self, x)
        data = inputs.as_dataset(x, y, sample_weight, stage=self.input_stage)
        stage = self.input_stage or data.input_stage()
        samples = inputs.checked_samples(data, "data", stage, self.state, self.classes)
        scores = self._predictor.evaluate(samples, stage, chosen, group=ranks.current())
        return Evaluation.of(scores, data, self.classes)

    @explain_arguments
    def diagnose(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        history: History | None = None,
        overfit: bool = True,
    ) -> Diagnosis:
        """Return what is wrong with the network on these data, and with the training in ``history`` (default: the model's).

        The result is a list of :class:`~pellucid.doctor.finding.Finding`, whose text and whose table in notebooks say what was
        measured and what to try; the page *The doctor* lists all kinds. ``overfit`` includes a training of a copy of the
        network on one mini-batch, which takes most of the time. The model is not changed. Raises DataError, ShapeError and
        ConfigError.
        """
        from pellucid.doctor.diagnose import diagnose

        self._check_loss("diagnose")
        several.refuse_lists(self.network, x, y, sample_weight)
        overfit = validate(overfit, bool, "diagnose", "overfit")
        data = inputs.as_dataset(x, y, sample_weight, stage=self.input_stage)
        stage = self.input_stage or data.input_stage()
        samples = inputs.checked_samples(data, "data", stage, self.state, self.classes)
        return diagnose(self.state, samples, stage, self.history if history is None else history, overfit=overfit)

    # -- files ----------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the settings as plain JSON: everything that describes the model except the values of its parameters."""
        names = ("network", "input_shape", "loss", "optimizer", "metrics", "seed", "classes", "input_stage")
        several_outputs = () if self.loss_weights is None else ("loss_weights",)
        return {name: to_json(getattr(self, name)) for name in (*names, *several_outputs)}

    def save(self, path: str | Path, *, training_state: bool = False, dtype: str | None = None) -> None:
        """Write the parameters and the settings to one safetensors file, atomically.

        ``dtype="float16"`` makes a file of half the size: the arrays are rounded to 11 bits, and :meth:`load` returns a float32
        model with the rounded values. Evaluate that model: its figures may differ in the last digits.

        ``training_state`` adds the optimizer's vectors, so that training continues with the batches, noise and updates that
        would have followed. Schedules and policies start again with each ``fit``; a training that is to be interrupted and
        resumed writes checkpoints (:class:`~pellucid.training.Checkpoint`), which :meth:`load` reads as well.

        Raises ConfigError if two classes or functions of your own in it have the same name: the file holds their names; and for
        values that are too large for ``dtype``.
        """
        by_key(self._own_classes())
        content = model_file.content(self.state, self.config(), training_state=training_state, dtype=dtype)
        write_atomically(path, content)

    def _file_settings(self) -> dict[str, Any]:
        """Return the settings of a file of this model with the training state."""
        return model_file.settings(self.state, self.config(), training_state=True)

    @classmethod
    @explain_arguments
    def load(cls, path: str | Path, *, custom_classes: Iterable[Any] = ()) -> Model:
        """Return the model in a file. ``custom_classes`` are your own classes that it uses, and the function that is its loss;
        loading imports no code.

        Raises FileError for a damaged file, CheckpointError for arrays that do not fit the network, ConfigError for unknown
        classes and settings.
        """
        return cls._restored(model_file.read(path, custom_classes))

    @classmethod
    def _restored(cls, saved: model_file.SavedModel) -> Model:
        try:
            model = cls(saved.network, saved.input_shape, **saved.options)
        except (ConfigError, DataError, ShapeError) as error:  # settings that do not fit together
            raise type(error)(f"{saved.path}: {error}") from None
        saved.restore(model.state)
        if saved.is_checkpoint:
            model.history = resuming.of_file(saved.file).history
        return model

    @explain_arguments
    def copy(self) -> Model:
        """Return a model of its own with the same settings, parameters, running statistics, optimizer state, counters and
        history. Training the copy makes the same steps, to the last bit, as training this model would.

        ``copy.copy``, ``copy.deepcopy`` and ``pickle`` do the same. A pickle holds the bytes of a model file and your own
        classes and functions by name.
        """
        return copy.copy(self)

    def __reduce__(self) -> tuple[Any, ...]:
        file = b"".join(model_file.content(self.state, self.config(), training_state=True))
        return _unpickled, (file, self._own_classes(), self._own_steps.passes, copy.deepcopy(self.history))

    def _own_classes(self) -> list[Any]:
        """Return the classes and functions of the user in the settings."""
        settings = (self.network, self.loss, self.metrics, self.optimizer, self.input_stage)
        return own_classes([list(one.values()) if isinstance(one, Mapping) else one for one in settings])

    def export_onnx(self, path: str | Path, *, cache: bool = False, layers: Mapping[type, Any] | None = None) -> None:
        """Write an ONNX file that computes what :meth:`predict` does, for any number of samples.

        With ``cache``, the file reads sequences in several passes, such as one token after the other: what the layers remember
        of earlier positions is among its inputs and outputs. Raises ConfigError for networks that need whole sequences.

        The class names are in its metadata. ``layers`` describes your own layers: see
        :func:`~pellucid.export.onnx.exporter.to_onnx`. Needs the package onnx (extra ``onnx``).
        """
        from pellucid.export.onnx.exporter import to_onnx

        to_onnx(path, self._trained_network(), layers, cache=cache)

    def export_numpy(self, path: str | Path, *, layers: Mapping[type, Any] | None = None) -> None:
        """Write a readable program that computes what :meth:`predict` does and needs only NumPy.

        For the path ``digits.py`` the weights are in ``digits.npz`` beside it. ``layers`` describes your own layers: see
        :func:`~pellucid.export.numpy_program.exporter.to_numpy`.
        """
        from pellucid.export.numpy_program.exporter import to_numpy

        to_numpy(path, self._trained_network(), layers)

    def export_c(self, folder: str | Path, *, int8: Int8 | None = None, layers: Mapping[type, Any] | None = None) -> None:
        """Write C99 that computes what :meth:`predict` does for one sample, without allocation and without any library.

        The folder gets network.h, network.c, main.c and a Makefile. With ``int8``, the scales that
        :func:`~pellucid.model.quantization.quantize` has measured, dense layers and convolutions have weights of 8 bits.
        ``layers`` describes your own layers: see :func:`~pellucid.export.plain.exporter.to_c`.
        """
        from pellucid.export.plain.exporter import to_c

        to_c(folder, self._trained_network(), layers, int8)

    def export_html(
        self,
        path: str | Path,
        *,
        title: str | None = None,
        card: Mapping[str, str] | None = None,
        layers: Mapping[type, Any] | None = None,
    ) -> None:
        """Write a web page that computes what :meth:`predict` does, in the browser and without a server.

        The page has a pad to draw on for networks of digits, a form for tables, a place to drop pictures, or a text box. It
        is one file with the network in it, and requests nothing. ``title`` is its heading, ``card`` what it says about the
        network, by name: ``{"Accuracy": "98.3 % on the test set"}``. ``layers`` describes your own layers: see
        :func:`~pellucid.export.web_page.exporter.to_html`.
        """
        from pellucid.export.web_page.exporter import to_html

        several.refuse_several(self.network, "export_html")
        loss = None if self.loss is None else self.state.loss
        to_html(path, self._trained_network(), loss, title=title, card=card, layers=layers)

    def _trained_network(self) -> TrainedNetwork:
        """Return the description of this model that the exporters read."""
        from pellucid.export.trained_network import TrainedNetwork

        return TrainedNetwork(self.network, self.input_shape, self.state.arrays(), self.input_stage, self.classes)

    def _check_loss(self, method: str) -> None:
        """Raise ConfigError for a model without a loss."""
        if self.loss is None:
            raise no_loss(method)

    def _adopt(self, data: Dataset | StreamedBatches, stage: AnyStage) -> None:
        """Take the input stage and the class names from the training data, where the model has none yet."""
        self.input_stage = stage
        self.classes = several.adopted_classes(self.classes, data.classes, self.state.output)


def _unpickled(file: bytes, classes: list[Any], passes: int, history: History) -> Model:
    """Return the model of a pickle: the bytes of its file, the classes and functions that it uses, and what no file holds."""
    model = Model._restored(model_file.read("pickle", classes, file))
    model.history, model._own_steps.passes = history, passes
    return model
