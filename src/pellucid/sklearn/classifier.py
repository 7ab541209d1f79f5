"""The scikit-learn classifier (``NetworkClassifier``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError
from pellucid.layers import Layer, Sigmoid, Softmax
from pellucid.recipes.tables import Answer
from pellucid.sklearn.base import NetworkEstimator
from pellucid.sklearn.preprocessing import balancing_weights
from pellucid.training.class_weight import BALANCED


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A neural network that predicts classes, trained with the cross-entropy, as a scikit-learn estimator.

    X is an array (n, features), a data frame (pandas, Polars, PyArrow) or a sparse matrix. The columns of a data frame become
    what those of its CSV file become (:func:`~pellucid.data.read_csv`): numbers, categories, parts of dates; identifiers and
    free text are left out, with a warning. Missing values are values of their own: an indicator beside a number, one more
    category. A sparse matrix stays sparse.

    y holds labels (n) of any kind, or is a matrix of 0 and 1 (n, k) with k independent labels (multilabel). The network ends in
    a softmax, for multilabel targets in a sigmoid; so does that of a plain training for two classes.

    Parameters
    ----------
    hidden : the widths of the hidden layers (None: those of the recipe), or a network (any :class:`~pellucid.Layer`). A dense
        layer and the softmax or sigmoid are added at the end; a network whose last layer is Softmax() or Sigmoid() is used
        unchanged.
    recipe : what a setting is where it is None. "table" is the recipe for tables (:mod:`pellucid.recipes.tables`): embedded
        numbers and categories, three hidden layers of 128, dropout, Adam with a learning rate for each kind of parameter in
        several cosine cycles, and the parameters of the best epoch. "plain" is a multilayer perceptron as in scikit-learn: one
        hidden layer of 100, ReLU, Adam with the rate 0.001 and a penalty, until the training loss no longer falls. None is
        "table", or "plain" for networks in ``hidden``, images and "lbfgs", which "table" does not take.
    activation : "relu", "tanh", "logistic", "identity" or a layer; it comes after each of the dense layers in ``hidden``.
    dropout : the fraction of each of these layers' outputs that is set to 0 in training (table: 0.15, plain: 0). It does not
        apply to networks in ``hidden``, which may have Dropout layers.
    image_shape : (height, width) or (height, width, channels), if the rows of X are images for convolutions.
    standardize : whether each column of numbers in X is scaled by the median and the quartiles of the training samples, with a
        smooth limit (:class:`~pellucid.data.tables.robust_scaling.RobustScaling`); images are scaled with one mean and
        deviation for all pixels, sparse matrices with one factor. Without it, X may have no missing values.
    categorical_features : the columns whose numbers are categories: "from_dtype" for those with a dtype of categories in a data
        frame, None, or names, indices or a mask. Text, and truth values in a data frame, are categories in any case.
    optimizer : "adam", "sgd" (with Nesterov momentum 0.9), "lbfgs" (for small tables), or an optimizer of
        :mod:`pellucid.optim`.
    learning_rate : the learning rate of the recipe or of a named optimizer, a number or a schedule. In the recipe for tables a
        number is the peak of its cycles (0.05 for numbers, 0.01 for classes), in a plain training the rate (0.001 for "adam",
        0.01 for "sgd").
    alpha : the strength λ of the penalty ½ λ ΣW², which is added to the mean loss (plain: 0.001). In the recipe for tables it
        takes the place of its weight decay.
    batch_size : the number of samples in a batch; "auto" is 128 (plain: 200), or all samples if there are fewer; with "lbfgs"
        always all.
    epochs : the largest number of passes over the data (table: 64, fewer for more than 16,000 training samples; plain:
        200). Reaching it raises no warning.
    early_stopping, validation_fraction : whether this fraction of the samples (stratified; each counts once, whatever its
        weight) is used for validation only. In the recipe for tables, None keeps the parameters of the epoch with the lowest
        loss on a fifth of the samples, if there are at least 100; False trains on all samples, and the last epoch counts.
        With True the training ends when the validation loss no longer falls, and the best epoch counts. A plain training has
        no validation by default, and takes a tenth.
    tol, patience : training ends early when the loss has not fallen by more than ``tol`` for ``patience`` epochs; None for
        ``patience`` never ends it early.
    refit : whether a training that was validated is repeated on all samples until its best epoch.
    class_weight : {label: weight}, "balanced" (n / (k · n_c) for class c, where n and n_c are the sums of the sample weights of
        all samples and of the class), or None; multiplies the sample weights. For multilabel targets the weights of a sample's
        labels are multiplied.
    warm_start : whether ``fit`` continues the previous training: parameters, optimizer state and standardization.
    random_state : determines all random numbers, as usual in scikit-learn.
    verbose : whether progress is shown.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_, n_outputs_ : as usual in scikit-learn.
    columns_ : what the columns of X become in a row that the network reads.
    model_ : the :class:`~pellucid.Model`; its input is X, or images (n, height, width, channels). It can be saved.
    history_ : the :class:`~pellucid.History` of all epochs, with its ``best_epoch``; ``loss_curve_`` is its column
        ``train_loss``, ``n_iter_`` its length.

    A sample of weight w counts as much as w equal samples, and a sample of weight 0 does not count. If all samples, each
    repeated as often as its weight says, fit into one batch, the results are the same bit for bit. Raises ConfigError and
    DataError, which are ValueErrors.
    """

    class_weight: Any = None  # scikit-learn validates it

    def _check_data(self, X: Any, y: Any, first: bool) -> tuple[Array, Array]:
        x, y = self._checked(X, y, first, multi_output=True)
        check_classification_targets(y)
        y = y.toarray() if hasattr(y, "toarray") else y
        if type_of_target(y) == "multiclass-multioutput":
            raise DataError("NetworkClassifier: if y has several columns, they may hold 0 and 1 only (multilabel)")
        return x, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _fit_target_encoding(self, y: Array, classes: Any) -> None:
        self._multilabel = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if self._multilabel else np.unique(y if classes is None else classes)
        if len(self.classes_) < 2:
            raise DataError(
                f"NetworkClassifier: y has one class, {self.classes_.tolist()[0]!r} (samples of weight 0 do not count); at "
                "least 2 are needed. Give partial_fit all of them with classes=…"
            )

    def _encode_targets(self, y: Array) -> Array:
        if (y.ndim == 2) != self._multilabel or (self._multilabel and y.shape[1] != len(self.classes_)):
            raise DataError(f"NetworkClassifier: y has the shape {y.shape}, which differs from that of the first training")
        if self._multilabel:
            return y.astype(np.float64)
        known = np.isin(y, self.classes_)
        if not known.all():
            raise DataError(
                f"NetworkClassifier: y has the class {y[~known].tolist()[0]!r}, which is not one of {self.classes_.tolist()}"
            )
        return np.searchsorted(self.classes_, y)

    def _weight_classes(self, t: Array, w: Array | None) -> Array | None:
        if self.class_weight is None:
            return w
        if not isinstance(self.class_weight, Mapping) and self.class_weight != BALANCED:
            raise ConfigError(
                f"NetworkClassifier(class_weight={self.class_weight!r}): give {BALANCED!r}, or a dictionary label: weight"
            )
        if isinstance(self.class_weight, str) and self.class_weight == BALANCED:
            of_classes = balancing_weights(t, w)
        else:
            of_classes = compute_sample_weight(self.class_weight, t.astype(int) if self._multilabel else self.classes_[t])
        return of_classes if w is None else w * of_classes

    @property
    def _answer(self) -> Answer:
        return "labels" if self._multilabel else "classes"

    def _class_names(self) -> list[str]:
        return [str(label) for label in self.classes_]

    def _allowed_heads(self) -> dict[type[Layer], int]:
        k = len(self.classes_)
        if self._multilabel:
            return {Sigmoid: k}
        return {Sigmoid: 1, Softmax: 2} if k == 2 else {Softmax: k}

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NetworkClassifier:
        """Make one pass over X and y in batches, continuing the training so far, and return the estimator.

        The samples of the first call determine how inputs are standardized. The first call also takes all ``classes``, unless
        its y contains them all.
        """
        if isinstance(self.class_weight, str):
            raise ConfigError("partial_fit does not see all samples at once: give class_weight as a dict, not 'balanced'")
        fitted: NetworkClassifier = self._partial_fit(X, y, sample_weight, classes)
        if classes is not None and not self._multilabel and not np.array_equal(np.unique(classes), self.classes_):
            raise DataError(f"NetworkClassifier: the first call had the classes {self.classes_}, this one has {classes}")
        return fitted

    def predict(self, X: Any) -> Array:
        """Return the most probable labels (n); for multilabel targets 0 and 1 (n, k)."""
        outputs = self._outputs(X)
        if self._multilabel:
            return (outputs > 0.5).astype(int)
        indices = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return self.classes_[indices.astype(int)]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class (n, k), in the order of ``classes_``; for multilabel targets, that of each 1."""
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 and not self._multilabel else outputs

    def decision_function(self, X: Any) -> Array:
        """Return the logits (n, k): larger is more probable. For two classes (n), return the log-odds of ``classes_[1]``."""
        z = self._outputs(X, logits=True)
        if self._multilabel or len(self.classes_) > 2:
            return z
        return z[:, 0] if z.shape[1] == 1 else z[:, 1] - z[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
