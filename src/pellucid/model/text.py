"""Models of text: strings in place of arrays of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.data.dataset import Dataset
from pellucid.data.text.reading import samples_for
from pellucid.data.text.stage import Tokens
from pellucid.errors import ConfigError, DataError


def tokens_of(stage: Any) -> Tokens:
    """Return the input stage of a model that was trained on text. Raises ConfigError for another one."""
    if not isinstance(stage, Tokens):
        raise ConfigError(
            "the model has no tokenizer: it was not trained on text, such as that of read_text(…) of pellucid.data"
        )
    return stage


def is_text(x: Any, stage: Any) -> bool:
    """Return whether ``x`` is a text, or a list of texts, for a model with this input stage."""
    if not isinstance(stage, Tokens):
        return False
    return isinstance(x, str) or (isinstance(x, (list, tuple)) and len(x) > 0 and isinstance(x[0], str))


def predict_text(model: Any, x: str | Sequence[str], *, logits: bool) -> Any:
    """Return the outputs for a text, or for several texts. See ``Model.predict``."""
    stage = tokens_of(model.input_stage)
    texts = [x] if isinstance(x, str) else x
    tokens, counts = stage.samples(texts, model.input_shape[0])
    if len(model.output_shape) == 1:
        return model.predict(tokens, logits=logits)
    if len(texts) > 1:
        raise ConfigError("the network has an answer at each position of a text: predict one text at a time")
    if not counts[0]:
        raise DataError("the text is empty, so there is no token that another one could follow")
    return model.predict(tokens, logits=logits)[0, : counts[0]]


def text_samples(model: Any, content: str) -> Dataset:
    """Return a text as samples with targets. Raises ConfigError for a model with one answer for each text."""
    if len(model.output_shape) == 1:
        raise ConfigError("the network has one answer for each text: evaluate(texts, labels), with a list of texts")
    return samples_for(content, tokens_of(model.input_stage), model.input_shape[0])
