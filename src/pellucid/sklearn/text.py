"""The scikit-learn classifier of texts (``TextClassifier``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d

from pellucid.core.config import Count, FractionBelowOne, validate
from pellucid.core.memory import Array
from pellucid.data.text import CharacterTokenizer, Tokens
from pellucid.data.text.choosing import chosen_tokenizer
from pellucid.data.text.tokenizer import Tokenizer
from pellucid.errors import DataError
from pellucid.layers import Conv1D, Dropout, Embedding, GlobalMaxPool1D, Layer, ReLU
from pellucid.networks import Sequential
from pellucid.sklearn.classifier import NetworkClassifier
from pellucid.training import History

LONGEST = 256  # tokens that are read of a text, if no length is given
OWN = ("network", "tokenizer", "length", "width", "filters", "dropout")  # settings that NetworkClassifier does not have


@dataclass(eq=False, repr=False)
class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A neural network that reads texts and predicts their classes, as a scikit-learn estimator.

    X holds texts: a list, an array or a pandas column of strings. y holds labels (n) of any kind. Texts are split into tokens,
    cut or padded to one length, and read by a network that ends in a softmax, or for two classes in a sigmoid.

    Parameters
    ----------
    network : None for vectors of the tokens, a convolution over five of them, and the maximum over the text (Kim, 2014); or a
        network (any :class:`~pellucid.Layer`) that reads tokens (length,), from 0 to the number of tokens, which is the
        padding. A dense layer and the softmax or sigmoid are added at the end.
    tokenizer : None for characters, a number for byte-pair encoding with so many tokens, learned from X (extra ``text``), or a
        :class:`~pellucid.data.text.Tokenizer`.
    length : the number of tokens that are read of a text, from its beginning; None for that of the longest one, at most 256.
    width, filters, dropout : the size of the vectors, the number of filters of the convolution, and the fraction of the maxima
        that is set to 0 in training; not used with a ``network``.
    optimizer, learning_rate, alpha, batch_size, epochs, tol, patience, early_stopping, validation_fraction, class_weight,
        random_state, verbose : as for :class:`~pellucid.sklearn.NetworkClassifier`.

    Attributes
    ----------
    classes_ : as usual in scikit-learn.
    tokenizer_ : the tokenizer. Characters that the training texts do not have are left out of other texts.
    model_ : the :class:`~pellucid.Model`; it can be saved, and ``model_.predict`` takes texts, too.
    history_ : the :class:`~pellucid.History` of all epochs; ``loss_curve_`` is its column ``train_loss``, ``n_iter_`` its
        length.

    Raises ConfigError and DataError, which are ValueErrors.
    """

    network: Layer | None = None
    _: KW_ONLY
    tokenizer: Tokenizer | int | None = None
    length: Count | None = None
    width: Count = 32
    filters: Count = 128
    dropout: FractionBelowOne = 0.2
    optimizer: Any = "adam"
    learning_rate: Any = None
    alpha: float = 1e-4
    batch_size: Any = 32
    epochs: int = 50
    tol: float = 1e-3
    patience: int | None = 10
    early_stopping: bool = False
    validation_fraction: float = 0.1
    class_weight: Any = None
    random_state: Any = None
    verbose: bool | int = False

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TextClassifier:
        """Train on texts X (n) and labels y (n), with weights ``sample_weight`` (n) ≥ 0, and return the classifier."""
        texts = _texts(X)
        labels = column_or_1d(y, warn=True)
        if len(labels) != len(texts):
            raise DataError(f"TextClassifier: X has {len(texts):,} texts, and y has {len(labels):,} labels")
        length = validate(self.length, Count | None, "TextClassifier", "length")
        joined = "\n".join(texts)
        tokenizer = chosen_tokenizer(self.tokenizer, joined, joined)
        if length is None:
            length = max(1, min(LONGEST, max(len(tokenizer.encode(text)) for text in texts)))
        self.tokenizer_, self._stage, self._length = tokenizer, Tokens(tokenizer, padding=len(tokenizer)), length
        others = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in (*OWN, "_")}
        classifier = NetworkClassifier(self._network(), standardize=False, **others)
        classifier.fit(self._tokens(texts), labels, sample_weight)
        self._classifier = classifier
        self.classes_, self.model_, self.history_ = classifier.classes_, classifier.model_, classifier.history_
        self.model_.input_stage = self._stage
        return self

    @property
    def loss_curve_(self) -> list[float]:
        """The mean training loss of each epoch, without penalties."""
        history: History = self.history_
        return history["train_loss"]

    @property
    def n_iter_(self) -> int:
        """The number of epochs."""
        return len(self.history_)

    def predict(self, X: Any) -> Array:
        """Return the most probable labels (n) of texts X (n)."""
        return self._fitted().predict(self._tokens(_texts(X)))

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class (n, k), in the order of ``classes_``."""
        return self._fitted().predict_proba(self._tokens(_texts(X)))

    def decision_function(self, X: Any) -> Array:
        """Return the logits (n, k): larger is more probable. For two classes (n), return the log-odds of ``classes_[1]``."""
        return self._fitted().decision_function(self._tokens(_texts(X)))

    def _fitted(self) -> NetworkClassifier:
        check_is_fitted(self, "model_")
        return self._classifier

    def _network(self) -> Layer:
        if self.network is not None:
            network: Layer = validate(self.network, Layer, "TextClassifier", "network")
            return network
        width, filters, dropout = (
            validate(getattr(self, name), kind, "TextClassifier", name)
            for name, kind in (("width", Count), ("filters", Count), ("dropout", FractionBelowOne))
        )
        layers: list[Layer] = [
            Embedding(self._stage.entries, width, padding=self._stage.padding),
            Conv1D(filters, 5, padding="same"),
            ReLU(),
            GlobalMaxPool1D(),
        ]
        return Sequential(*layers, *([Dropout(dropout)] if dropout else []))

    def _tokens(self, texts: Sequence[str]) -> Array:
        """Return the texts as rows of tokens, without unknown characters."""
        if isinstance(self.tokenizer_, CharacterTokenizer):
            unknown = {ord(one): None for one in set("".join(texts)) - set(self.tokenizer_.vocabulary)}
            texts = [text.translate(unknown) for text in texts] if unknown else texts
        return self._stage.samples(texts, self._length)[0].astype(np.int64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _texts(X: Any) -> list[str]:
    """Return X as a list of texts. Raises DataError for anything else."""
    if isinstance(X, str):
        raise DataError("TextClassifier: X is a single text: give a list of texts, [text]")
    try:
        texts = [one.item() if isinstance(one, np.ndarray) and one.size == 1 else one for one in X]
    except TypeError:
        raise DataError(f"TextClassifier: X is a list of texts, not {type(X).__name__}") from None
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"TextClassifier: X is a list of texts, and sample {i} is {type(text).__name__}")
    if not texts:
        raise DataError("TextClassifier: X has no texts")
    return [str(text) for text in texts]
