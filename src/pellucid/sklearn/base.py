"""The base of the classifier and the regressor: settings, training and prediction."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import typing
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y, validate_data

from pellucid.core.config import Count, FractionBelowOne, NonNegative, OpenFraction, Positive, validate
from pellucid.core.memory import Array, Shape
from pellucid.core.rng import generator
from pellucid.data.checks import check_sample_weight
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import InputStage, Scaling
from pellucid.data.sparse import SparseMatrix, is_sparse
from pellucid.data.tables.columns import Column
from pellucid.data.tables.frame import check_names, frame_names, is_frame
from pellucid.data.tables.robust_scaling import fit_robust_scaling
from pellucid.errors import ConfigError, DataError
from pellucid.layers import Layer
from pellucid.losses import Loss
from pellucid.networks import Composite, Sequential
from pellucid.networks.columns import width_with_vectors, with_vectors
from pellucid.optim import Optimizer, Schedule
from pellucid.recipes.tables import MIN_BATCH_OF_MEMBERS, Answer, table_optimizer
from pellucid.sklearn.building import build_network, build_optimizer, build_table_network, sample_shape
from pellucid.sklearn.preprocessing import merge_duplicates, rescaling_of, size_of_values
from pellucid.sklearn.samples import FROM_DTYPE, SampleEncoding
from pellucid.sklearn.settings import TABLE, fit_options, is_validated, with_recipe
from pellucid.training import Control, EpochEvent, History, threads

MAX_MERGED = 10_000_000  # numbers of a sparse matrix of one batch that becomes dense


@dataclass(eq=False, repr=False)
class NetworkEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The base of both estimators; see :class:`~pellucid.sklearn.NetworkClassifier` for the parameters.

    The settings are dataclass fields. The ``__init__`` that dataclass writes for them is what scikit-learn needs: it has
    explicit arguments and stores them unchanged. They are validated in ``fit``, by their types.
    """

    hidden: Count | tuple[Count, ...] | Layer | None = None
    _: KW_ONLY
    recipe: str | None = None
    activation: str | Layer | None = None
    dropout: FractionBelowOne | None = None
    image_shape: tuple[Count, ...] | None = None
    standardize: bool = True
    categorical_features: Any = FROM_DTYPE  # validated with the features of X
    optimizer: str | Optimizer | None = None
    learning_rate: Positive | Schedule | None = None
    alpha: NonNegative | None = None
    batch_size: Count | str = "auto"
    epochs: Count | None = None
    tol: NonNegative = 1e-3
    patience: Count | None = 10
    early_stopping: bool | None = None
    validation_fraction: OpenFraction | None = None
    refit: bool = False
    warm_start: bool = False
    random_state: Any = None
    verbose: bool | int = False

    # -- the differences between the two tasks --------------------------------------------------------------------

    @abstractmethod
    def _check_data(self, X: Any, y: Any, first: bool) -> tuple[Array, Array]:
        """Return the rows (n, values) of X and y as arrays, checked by scikit-learn's rules; ``first`` is the first
        training."""

    @abstractmethod
    def _encode_targets(self, y: Array) -> Array:
        """Return the targets as numbers: labels (n) or values (n, k)."""

    @property
    @abstractmethod
    def _answer(self) -> Answer:
        """What is predicted, in the words of the recipe for tables."""

    @abstractmethod
    def _allowed_heads(self) -> dict[type[Layer], int]:
        """Return the last layers that these targets allow, each with its number of outputs; the first is the default."""

    def _fit_target_encoding(self, y: Array, classes: Any) -> None:
        """Store, in the first training, how the targets y, or ``classes`` if they are given, are encoded."""

    def _fit_target_form(self, t: Array, w: Array | None) -> None:
        """Store, in the first training, whether logarithms of the encoded targets of all samples are learned."""

    def _fit_target_scale(self, data: Dataset) -> None:
        """Store, in the first training, how the encoded targets of the samples that are trained on are scaled."""

    def _scale_targets(self, t: Array) -> Array:
        """Return the encoded targets in the scale that the model is trained on."""
        return t

    def _weight_classes(self, t: Array, w: Array | None) -> Array | None:
        """Return the sample weights w times the weights of the classes of the encoded targets t."""
        return w

    def _class_names(self) -> list[str] | None:
        """Return the names of the classes."""
        return None

    # -- samples --------------------------------------------------------------------------------------------------

    @property
    def _reads_tables(self) -> bool:
        """Whether samples may have missing values and be sparse: the input stage of tables is for them, not for images."""
        return bool(self.standardize) and self.image_shape is None

    def _checked(self, X: Any, y: Any, first: bool, **checks: Any) -> tuple[Any, Array]:
        """Return the rows of X and y, checked by scikit-learn's rules. ``first`` marks the first training."""
        _check_names(X)
        if is_frame(X) and self.image_shape is None:
            validate_data(self, X, y, reset=first, skip_check_array=True)
            _, y = check_X_y(np.zeros((len(X), 1)), y, estimator=self, **checks)
        else:
            X, y = validate_data(self, X, y, reset=first, **self._allowed, **checks)
        if first:
            names = getattr(self, "feature_names_in_", None)
            self._encoding = SampleEncoding.fit(X, X.shape[1], names, self.categorical_features, type(self).__name__)
        return self._rows(X), y

    @property
    def _allowed(self) -> dict[str, Any]:
        """What scikit-learn's check of X allows."""
        of_tables = {"accept_sparse": "csr", "ensure_all_finite": "allow-nan"}
        return of_tables if self._reads_tables else {"accept_sparse": "csr"} if self.image_shape is None else {}

    def _rows(self, X: Any) -> Any:
        if not is_frame(X) and not is_sparse(X) and np.isinf(X).any():
            row, column = np.argwhere(np.isinf(X))[0]
            raise DataError(f"{type(self).__name__}: X contains infinity, first in sample {row}, feature {column}")
        return self._encoding.encode(X, getattr(self, "feature_names_in_", None))

    # -- training -------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train on X (n, features) and y, with weights ``sample_weight`` (n) ≥ 0, and return the estimator.

        Raises ConfigError and DataError, which are ValueErrors, and DivergedError.
        """
        settings = self._settings()
        first = not (settings.warm_start and hasattr(self, "model_"))
        if settings.refit and not first:
            raise ConfigError(f"{type(self).__name__}: refit=True begins a training again, warm_start=True continues one")
        x, t, w, batch_size = self._prepare(X, y, sample_weight, settings, first)
        samples, validation = Dataset(x, t, w), None
        training, seed = samples, self._seed(first)
        if is_validated(settings, len(samples)):
            training, validation = samples.split(settings.validation_fraction, seed)
        rows = len(training) if min(batch_size, len(training)) >= MIN_BATCH_OF_MEMBERS else None
        if first:
            self._create_model(settings, training, seed, rows)
        options = fit_options(settings, len(training), batch_size, validated=validation is not None)
        before = self.model_.history
        try:
            with threads_of_joblib():
                history = self.model_.fit(
                    self._model_data(training),
                    validation=None if validation is None else self._model_data(validation),
                    epochs=options.epochs,
                    batch_size=batch_size,
                    shuffle=options.shuffle,
                    policies=options.policies,
                    progress=bool(settings.verbose),
                )
                if settings.refit and validation is not None and history.best_epoch is not None:
                    self._refit(settings, samples, seed, rows, history.best_epoch, batch_size, options.epochs)
        except (KeyboardInterrupt, SystemExit):  # the model can be used as it is, so its history belongs to it
            if self.model_.history is not before:
                self._finish(self.model_.history, validated=validation is not None)
            raise
        self._finish(history, validated=validation is not None)
        return self

    def _finish(self, history: History, *, validated: bool) -> None:
        """Add the epochs of a training to those before it."""
        kept = history.best_epoch if validated else None
        self.history_.best_epoch = None if kept is None else len(self.history_) + kept
        self._extend_history(history.rows)

    def _refit(
        self, settings: SimpleNamespace, samples: Dataset, seed: int, rows: int | None, last: int, batch_size: int, epochs: int
    ) -> None:
        """Train a new model on all samples until the end of the epoch ``last``, with the schedules of all ``epochs``.

        If that is interrupted or fails, the model is the one before.
        """
        selected = self.__dict__.copy()
        try:
            self._create_model(settings, samples, seed, rows)
            options = dataclasses.replace(fit_options(settings, len(samples), batch_size, validated=False), epochs=epochs)
            control = Control()
            for event in self.model_.fit_events(self._model_data(samples), options=options, control=control):
                control.stop = isinstance(event, EpochEvent) and event.epoch == last
        except BaseException:
            self.__dict__.update(selected)
            raise

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Any:
        """Make one pass over the samples, as one epoch of ``fit`` does."""
        settings, first = self._settings(), not hasattr(self, "model_")
        x, t, w, batch_size = self._prepare(X, y, sample_weight, settings, first, classes)
        data = Dataset(x, t, w)
        if first:
            self._create_model(settings, data, self._seed(first), None)
        data = self._model_data(data)
        n, total_weight, loss = len(data), 0.0, 0.0
        order = np.arange(n)
        if n > batch_size:  # the order that fit has in the epoch of the same number
            order = generator(self.model_.seed, "shuffle", len(self.history_)).permutation(n)
        weights, targets = np.ones(n) if data.sample_weight is None else data.sample_weight, np.asarray(data.y)
        with threads_of_joblib():
            for start in range(0, n, batch_size):
                rows = order[start : start + batch_size]
                weight = float(weights[rows].sum())
                loss += weight * self.model_.train_on_batch(data.x[rows], targets[rows], weights[rows])
                total_weight += weight
        self._extend_history([{"train_loss": loss / total_weight}])
        return self

    def _settings(self) -> SimpleNamespace:
        """Return the settings, validated by the types of their fields, with the defaults of the recipe. Raises ConfigError."""
        owner = type(self).__name__
        types = _setting_types(type(self))  # type: ignore[arg-type]  # a class is hashable
        given = {name: validate(getattr(self, name), kind, owner, name) for name, kind in types.items()}
        return with_recipe(given, owner)

    def _seed(self, first: bool) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1)) if first else self.model_.seed

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, settings: SimpleNamespace, first: bool, classes: Any = None
    ) -> tuple[Array, Array, Array | None, int]:
        """Return the samples with a weight above 0 (x, encoded targets, weights) and the batch size."""
        x, y = self._check_data(X, y, first)
        w = None if sample_weight is None else self._check_sample_weight(sample_weight, len(x))
        if w is not None and not w.all():
            x, y, w = x[w > 0], y[w > 0], w[w > 0]
        if first:
            self._fit_target_encoding(y, classes)
        t = self._encode_targets(y)
        if first:
            self._fit_target_form(t, w)
        if self.batch_size == "auto":
            batch_size = len(x) if settings.full_batch else min(settings.auto_batch_size, len(x))
        else:
            batch_size = validate(self.batch_size, Count, type(self).__name__, "batch_size")
        if len(x) <= batch_size:  # then weights and repeated samples differ in rounding only, and merging removes that
            x = x.toarray() if isinstance(x, SparseMatrix) and math.prod(x.shape) <= MAX_MERGED else x
            x, t, w = (x, t, w) if isinstance(x, SparseMatrix) else merge_duplicates(x, t, w)
        return x, t, self._weight_classes(t, w), batch_size  # after merging: a product, not a sum of rounded weights

    def _check_sample_weight(self, sample_weight: Any, n: int) -> Array:
        w: Array = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
        if w.shape != (n,):
            raise DataError(f"{type(self).__name__}: sample_weight must be {n:,} numbers, got the shape {w.shape}")
        check_sample_weight(w, type(self).__name__)
        return w

    def _create_model(self, settings: SimpleNamespace, data: Dataset, seed: int, rows: int | None) -> None:
        """Store a new model for these samples, which determine how its inputs are scaled.

        ``rows`` is that of :func:`~pellucid.recipes.tables.table_network`; when a training on all samples follows the one that
        chose the epoch, it is the number of rows of that one.
        """
        owner = type(self).__name__
        input_stage: InputStage | None = None
        shape = sample_shape(data.shape[0], self.image_shape, owner)
        self._fit_target_scale(data)
        kinds = self._encoding.kinds if len(shape) == 1 else ()
        network, loss = self._network(settings, rows, shape, kinds)
        if self._encoding.sparse:
            input_stage = Scaling(size_of_values(data.source_x)) if settings.standardize else None
        elif settings.standardize and len(shape) == 1:
            input_stage = fit_robust_scaling(self._encoding.columns, data.x, weights=data.sample_weight)
        elif settings.standardize:
            network = Sequential(rescaling_of(data.x, data.sample_weight), network)
        if settings.recipe == TABLE and settings.optimizer is None:
            optimizer: Optimizer = table_optimizer(
                network,
                len(kinds),
                self._answer,
                settings.learning_rate,
                penalty=settings.alpha,
                sparse=self._encoding.sparse > 0,
            )
        else:
            optimizer = build_optimizer(settings.optimizer, settings.learning_rate, settings.alpha, owner)
        self.model_ = network.compile(shape, loss, optimizer, seed=seed, classes=self._class_names(), input_stage=input_stage)
        self.history_ = History()

    def _network(
        self, settings: SimpleNamespace, rows: int | None, shape: Shape, kinds: Sequence[str | int]
    ) -> tuple[Composite, Loss]:
        """Return the network and its loss, for samples of this shape, or ``rows`` of values of these kinds."""
        owner, heads = type(self).__name__, self._allowed_heads()
        if settings.recipe == TABLE:
            outputs, sparse = max(heads.values()), self._encoding.sparse > 0
            return build_table_network(settings, rows, kinds, self._answer, outputs, sparse, owner)
        of_network = (width_with_vectors(kinds),) if kinds else shape
        network, loss = build_network(settings.hidden, settings.activation, settings.dropout, of_network, heads, owner)
        return with_vectors(network, kinds), loss

    def _model_data(self, data: Dataset) -> Dataset:
        if isinstance(data.source_x, SparseMatrix):  # it stays sparse
            targets = self._scale_targets(np.asarray(data.source_y))
            return Dataset(data.source_x, targets, data.source_sample_weight, rows=data.rows)
        return Dataset(self._model_input(data.x), self._scale_targets(np.asarray(data.y)), data.sample_weight)

    def _model_input(self, x: Any) -> Any:
        """Return X in the shape and dtype that the model takes."""
        shape = self.model_.input_shape
        if isinstance(x, SparseMatrix):
            return x
        if len(shape) == 1:  # the input stage of tables takes no bytes, which are images elsewhere
            return x.astype(np.float32) if x.dtype == np.uint8 else x
        return x.reshape(len(x), *shape)

    def _extend_history(self, rows: list[dict[str, float]]) -> None:
        self.history_.rows += [row | {"epoch": len(self.history_) + i} for i, row in enumerate(rows, start=1)]
        self.n_iter_ = len(self.history_)

    # -- prediction -----------------------------------------------------------------------------------------------

    @property
    def loss_curve_(self) -> list[float]:
        """The mean training loss of each epoch, without penalties."""
        return self.history_["train_loss"]

    @property
    def columns_(self) -> tuple[Column, ...]:
        """What the columns of X become in a row that the network reads."""
        return self._encoding.columns

    @property
    def n_outputs_(self) -> int:
        """The number of the network's outputs."""
        return self.model_.output_shape[0]

    def _outputs(self, X: Any, *, logits: bool = False) -> Array:
        """Return the network's outputs (n, k) for X, or the logits."""
        check_is_fitted(self, "model_")
        _check_names(X)
        if is_frame(X) and self.image_shape is None:
            validate_data(self, X, reset=False, skip_check_array=True)
            check_array(np.zeros((len(X), 1)), estimator=self)
        else:
            X = validate_data(self, X, reset=False, **self._allowed)
        x = self._model_input(self._rows(X))
        if any(isinstance(kind, int) for kind in self._encoding.kinds):  # rows with codes, which an array need not be
            x = Dataset(x, None)
        with threads_of_joblib():
            return self.model_.predict(x, logits=logits)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._reads_tables
        tags.input_tags.sparse = self.image_shape is None
        return tags


def _check_names(X: Any) -> None:
    """Raise DataError for a data frame with two columns of the same name, of which scikit-learn makes other errors."""
    if is_frame(X):
        check_names("X", frame_names(X))


@functools.cache
def _setting_types(cls: type[NetworkEstimator]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@contextlib.contextmanager
def threads_of_joblib() -> Iterator[None]:
    """Use at most OMP_NUM_THREADS threads in a ``with`` block.

    joblib sets this variable in each of its processes, so that all of them together use each core once.
    """
    count = os.environ.get("OMP_NUM_THREADS", "")
    if not count.isdigit() or int(count) == 0:
        yield
        return
    threads.limit_threads(int(count))
    try:
        yield
    finally:
        threads.limit_threads(None)
