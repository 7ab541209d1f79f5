"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d, validate_data

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError
from pellucid.layers import Layer, Sigmoid, Softmax
from pellucid.optim import Optimizer
from pellucid.optim.schedules import Schedule
from pellucid.sklearn.base import NetworkEstimator


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A neural network that tells classes apart, by cross-entropy, as a scikit-learn estimator.

    y holds labels (n) of any kind, or is a matrix of 0 and 1 (n, k) whose columns are k questions answered independently
    (multilabel). Two classes and multilabel targets have a sigmoid at the end, more classes a softmax.

    Parameters
    ----------
    hidden : the widths of the hidden layers, or a network (any :class:`~pellucid.Layer`). What is needed at the end, a dense
        layer and the softmax or sigmoid, is put behind it; a network whose last layer is Softmax() or Sigmoid() is taken whole.
    activation : "relu", "tanh", "logistic", "identity" or a layer, behind each of the widths.
    dropout : the share of each hidden layer that is left out in training. Networks bring their own.
    image_shape : (height, width) or (height, width, channels), for rows of X that are pictures, as convolutions read them.
    standardize : whether columns of X are brought to mean 0 and deviation 1 by the training samples' figures; of pictures, all
        pixels alike.
    optimizer : "adam", "sgd" (with Nesterov's momentum 0.9), or one of Pellucid's.
    learning_rate : for a named optimizer, in place of its own (0.001 and 0.01); a number or a schedule.
    alpha : strength λ of the penalty ½ λ ΣW², which is added to the mean loss.
    batch_size : samples a step; "auto" is 200, or all where there are fewer.
    epochs : passes over the data, at most. That many are no cause for a warning.
    tol, patience : training ends when the loss has not fallen by more than ``tol`` for ``patience`` epochs; None: not earlier.
    early_stopping : whether ``validation_fraction`` of the samples (stratified) is kept out of training, for its loss to decide
        when training ends and which parameters are kept: those of the best epoch.
    class_weight : {label: weight}, "balanced" (n / (k · n_c) for class c), or None; multiplies the sample weights.
    warm_start : whether ``fit`` goes on from where the last one ended: parameters, optimizer and standardization.
    random_state : names all chance, as usual in scikit-learn.
    verbose : whether progress is shown.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, n_outputs_ : as usual in scikit-learn.
    model_ : the :class:`~pellucid.Model`; it takes X as it is, or pictures (n, height, width, channels), and can be saved.
    history_ : the :class:`~pellucid.History` of all epochs; ``loss_curve_`` is its column ``train_loss``, n_iter_ its length.

    A sample of weight w counts as much as w equal ones, and one of weight 0 is absent. Where all samples, each as often as its
    weight says, fit into one batch, the two are the same bit for bit. Raises ConfigError and DataError, which are ValueErrors.
    """

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
        class_weight: dict[Any, float] | str | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ):
        super().__init__(
            hidden,
            activation=activation,
            dropout=dropout,
            image_shape=image_shape,
            standardize=standardize,
            optimizer=optimizer,
            learning_rate=learning_rate,
            alpha=alpha,
            batch_size=batch_size,
            epochs=epochs,
            tol=tol,
            patience=patience,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def _checked_data(self, X: Any, y: Any, fresh: bool) -> tuple[Array, Array]:
        x, y = validate_data(self, X, y, reset=fresh, multi_output=True)
        check_classification_targets(y)
        y = y.toarray() if hasattr(y, "toarray") else y
        if type_of_target(y) == "multiclass-multioutput":
            raise DataError("NetworkClassifier: of several columns of y each may hold 0 and 1 only (multilabel)")
        return x, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _learn_targets(self, y: Array, classes: Any) -> None:
        self._multilabel = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if self._multilabel else np.unique(y if classes is None else classes)
        if len(self.classes_) < 2:
            raise DataError(
                f"NetworkClassifier: y has one class, {self.classes_.tolist()[0]!r} (samples of weight 0 do not count): it "
                "takes 2 to tell them apart; partial_fit is told of all with classes=…"
            )

    def _encoded(self, y: Array) -> Array:
        if (y.ndim == 2) != self._multilabel or (self._multilabel and y.shape[1] != len(self.classes_)):
            raise DataError(f"NetworkClassifier: y has the shape {y.shape}, which is not what training began with")
        if self._multilabel:
            return y.astype(np.float64)
        known = np.isin(y, self.classes_)
        if not known.all():
            raise DataError(
                f"NetworkClassifier: y has the class {y[~known].tolist()[0]!r}, which is not one of {self.classes_.tolist()}"
            )
        return np.searchsorted(self.classes_, y)

    def _weights(self, y: Array, w: Array | None) -> Array | None:
        if self.class_weight is None:
            return w
        extra: Array = compute_sample_weight(self.class_weight, y)
        return extra if w is None else w * extra

    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _heads(self) -> dict[type[Layer], int]:
        k = len(self.classes_)
        if self._multilabel:
            return {Sigmoid: k}
        return {Sigmoid: 1, Softmax: 2} if k == 2 else {Softmax: k}

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NetworkClassifier:
        """One pass over X and y in batches, from where training stands; the first call fixes, with its samples, how input is
        standardized, and names all ``classes``, unless y holds them. Returns the estimator."""
        if isinstance(self.class_weight, str):
            raise ConfigError("partial_fit does not know what is still to come: give class_weight as a dict, not 'balanced'")
        fitted: NetworkClassifier = self._partial_fit(X, y, sample_weight, classes)
        if classes is not None and not self._multilabel and not np.array_equal(np.unique(classes), self.classes_):
            raise DataError(f"NetworkClassifier: the first call had the classes {self.classes_}, this one has {classes}")
        return fitted

    def predict(self, X: Any) -> Array:
        """The likeliest labels (n), or for multilabel targets 0 and 1 (n, k)."""
        outputs = self._outputs(X)
        if self._multilabel:
            return (outputs > 0.5).astype(int)
        chosen = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return self.classes_[chosen.astype(int)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (n, k), in the order of ``classes_``; of multilabel targets, of each 1."""
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 and not self._multilabel else outputs

    def decision_function(self, X: Any) -> Array:
        """What is before the softmax or sigmoid (n, k): larger, likelier. For two classes (n), the logarithm of the odds of
        ``classes_[1]``."""
        z = self._outputs(X, logits=True)
        if self._multilabel or len(self.classes_) > 2:
            return z
        return z[:, 0] if z.shape[1] == 1 else z[:, 1] - z[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
