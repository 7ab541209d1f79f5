"""What the classifier and the regressor share: checking, training, predicting, pickling."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from pellucid.core.config import Count, FractionBelowOne, NonNegative, Range, checked
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data.checks import check_weights
from pellucid.data.dataset import Dataset
from pellucid.errors import DataError
from pellucid.layers import Layer
from pellucid.model.model import Model
from pellucid.networks import Sequential
from pellucid.optim import Optimizer
from pellucid.optim.schedules import Schedule
from pellucid.sklearn.network import network_of, optimizer_of, sample_shape
from pellucid.sklearn.process import packed, share_of_cores, unpacked
from pellucid.sklearn.tables import merged, rescaled, stage_of
from pellucid.training import EarlyStopping, History

BATCH = 200  # what "auto" takes at most, as scikit-learn's own networks do
RULES: Mapping[str, Any] = {
    "dropout": FractionBelowOne,
    "alpha": NonNegative,
    "epochs": Count,
    "tol": NonNegative,
    "patience": Count | None,
    "early_stopping": bool,
    "validation_fraction": Annotated[float, Range(0, 1, low_open=True, high_open=True)],
    "standardize": bool,
    "warm_start": bool,
    "verbose": bool | int,
}


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The base of both estimators; see :class:`~pellucid.sklearn.NetworkClassifier` for the parameters."""

    def __init__(
        self,
        hidden: tuple[int, ...] | Layer = (100,),
        *,
        activation: str | Layer = "relu",
        dropout: float = 0.0,
        image_shape: tuple[int, ...] | None = None,
        standardize: bool = True,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | Schedule | None = None,
        alpha: float = 1e-3,
        batch_size: int | str = "auto",
        epochs: int = 200,
        tol: float = 1e-3,
        patience: int | None = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.image_shape = image_shape
        self.standardize = standardize
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.batch_size = batch_size
        self.epochs = epochs
        self.tol = tol
        self.patience = patience
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # -- what the two tasks differ in -----------------------------------------------------------------------------

    @abstractmethod
    def _checked_data(self, X: Any, y: Any, fresh: bool) -> tuple[Array, Array]:
        """X (n, features) and y, as scikit-learn's rules want them checked."""

    @abstractmethod
    def _encoded(self, y: Array) -> Array:
        """The targets as numbers: labels (n), or (n, k)."""

    @abstractmethod
    def _heads(self) -> dict[type[Layer], int]:
        """The heads that these targets allow, each with the number of outputs it takes, the usual one first."""

    def _learn_targets(self, y: Array, classes: Any) -> None:
        """Notes, at the first training, what the targets y of the samples that count are, or which ``classes`` they will be."""

    def _weights(self, y: Array, w: Array | None) -> Array | None:
        """The weights of the samples, with what the targets add to them."""
        return w

    def _aims(self, t: Array) -> Array:
        """The encoded targets as the model learns them."""
        return t

    # -- training -------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Trains on X (n, features) and y, with ``sample_weight`` (n), finite and not negative. Returns the estimator.

        Raises ConfigError and DataError, which are ValueErrors, and DivergedError.
        """
        rules = self._rules()
        fresh = not (rules.warm_start and hasattr(self, "model_"))
        x, t, w, batch = self._samples(X, y, sample_weight, fresh)
        data, held = Dataset(x, t, w), None
        seed = self._seed(fresh)
        if rules.early_stopping:
            data, held = data.split(rules.validation_fraction, seed)
        if fresh:
            self._begin(rules, data, seed)
        policy = EarlyStopping(
            rules.patience or rules.epochs,
            "train_loss" if held is None else "validation_loss",
            rules.tol,
            restore_best=held is not None,
        )
        with share_of_cores():
            history = self.model_.fit(
                self._learnable(data),
                validation=None if held is None else self._learnable(held),
                epochs=rules.epochs,
                batch_size=batch,
                shuffle=len(data) > batch,
                policies=(policy,),
                progress=bool(rules.verbose),
            )
        self._note(history.rows)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Any:
        """One pass over these samples, as one epoch of fit makes it."""
        rules, fresh = self._rules(), not hasattr(self, "model_")
        x, t, w, batch = self._samples(X, y, sample_weight, fresh, classes)
        data = Dataset(x, t, w)
        if fresh:
            self._begin(rules, data, self._seed(fresh))
        data = self._learnable(data)
        n, total, loss = len(data), 0.0, 0.0
        order = np.arange(n)
        if n > batch:  # the order of the epoch of that number
            order = generator(self.model_.seed, "shuffle", len(self.history_)).permutation(n)
        weights, targets = np.ones(n) if data.sample_weight is None else data.sample_weight, np.asarray(data.y)
        with share_of_cores():
            for start in range(0, n, batch):
                rows = order[start : start + batch]
                weight = float(weights[rows].sum())
                loss += weight * self.model_.train_on_batch(data.x[rows], targets[rows], weights[rows])
                total += weight
        self._note([{"train_loss": loss / total}])
        return self

    def _rules(self) -> SimpleNamespace:
        """The parameters that are numbers, checked."""
        owner = type(self).__name__
        return SimpleNamespace(**{name: checked(getattr(self, name), kind, owner, name) for name, kind in RULES.items()})

    def _seed(self, fresh: bool) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1)) if fresh else self.model_.seed

    def _samples(
        self, X: Any, y: Any, sample_weight: Any, fresh: bool, classes: Any = None
    ) -> tuple[Array, Array, Array | None, int]:
        """The samples that count (x, encoded targets, weights), and how many make a batch."""
        owner = type(self).__name__
        if self.batch_size != "auto":
            checked(self.batch_size, Count, owner, "batch_size")
        x, y = self._checked_data(X, y, fresh)
        w = None if sample_weight is None else self._checked_weights(sample_weight, len(x))
        if w is not None and not w.all():  # a sample of weight 0 is as good as absent
            x, y, w = x[w > 0], y[w > 0], w[w > 0]
        if fresh:
            self._learn_targets(y, classes)
        t, w = self._encoded(y), self._weights(y, w)
        batch = min(BATCH, len(x)) if self.batch_size == "auto" else int(self.batch_size)
        if len(x) <= batch:  # then nothing but rounding tells weights from repeated samples, and here not even that
            x, t, w = merged(x, t, w)
        return x, t, w, batch

    def _checked_weights(self, sample_weight: Any, n: int) -> Array:
        w: Array = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
        if w.shape != (n,):
            raise DataError(f"{type(self).__name__}: sample_weight must be {n:,} numbers, got the shape {w.shape}")
        check_weights(w, type(self).__name__)
        return w

    def _begin(self, rules: SimpleNamespace, data: Dataset, seed: int) -> None:
        """A new model for such data; its input is standardized by the figures of these samples."""
        owner, stage = type(self).__name__, None
        shape = sample_shape(data.shape[0], self.image_shape, owner)
        self._learn_scale(data)
        network, loss = network_of(self.hidden, self.activation, rules.dropout, shape, self._heads(), owner)
        if rules.standardize and len(shape) == 1:
            stage = stage_of(data.x, data.sample_weight, getattr(self, "feature_names_in_", None))
        elif rules.standardize:
            network = Sequential(rescaled(data.x, data.sample_weight), network)
        optimizer = optimizer_of(self.optimizer, self.learning_rate, rules.alpha, owner)
        names = self._names()
        self.model_ = Model(network, shape, loss=loss, optimizer=optimizer, seed=seed, classes=names, input_stage=stage)
        self.history_ = History()

    def _learn_scale(self, data: Dataset) -> None:
        """Notes, at the first training, what brings the targets to a common scale."""

    def _names(self) -> list[str] | None:
        """The names of the classes."""
        return None

    def _learnable(self, data: Dataset) -> Dataset:
        return Dataset(self._input(data.x), self._aims(np.asarray(data.y)), data.sample_weight)

    def _input(self, x: Array) -> Array:
        """X as the model takes it."""
        shape = self.model_.input_shape
        if len(shape) == 1:  # bytes are pictures, but for tables
            return x.astype(np.float32) if x.dtype == np.uint8 else x
        return x.reshape(len(x), *shape)

    def _note(self, rows: list[dict[str, float]]) -> None:
        self.history_.rows += [row | {"epoch": len(self.history_) + i} for i, row in enumerate(rows, start=1)]
        self.n_iter_ = len(self.history_)

    # -- using ----------------------------------------------------------------------------------------------------

    @property
    def loss_curve_(self) -> list[float]:
        """The mean training loss of each epoch, without penalties."""
        return self.history_["train_loss"]

    @property
    def n_outputs_(self) -> int:
        """How many outputs the network has."""
        return self.model_.output_shape[0]

    def _outputs(self, X: Any, *, logits: bool = False) -> Array:
        """The network's outputs (n, k) for X, or what is before the softmax or sigmoid."""
        check_is_fitted(self, "model_")
        x = validate_data(self, X, reset=False)
        with share_of_cores():
            return self.model_.predict(self._input(x), logits=logits)

    # -- pickles: the model travels as the bytes of its file ------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = packed(state["model_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "model_" in state:
            state = state | {"model_": unpacked(*state["model_"])}
        super().__setstate__(state)
