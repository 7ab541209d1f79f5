"""Samples for explanations: a text or its tokens, or any other samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.model.activations import scaled
from pellucid.model.generation import checked_tokens
from pellucid.model.model import Model
from pellucid.model.text import tokens_of
from pellucid.networks import primitives


def samples_of(model: Model, x: Any) -> tuple[Any, int | None]:
    """Return samples in the form that the network reads, and how many positions of the only one are those of a text.

    That number is None unless x is a text, or the tokens (t) of one. Raises DataError for a text that is empty, or longer than
    the window of the network.
    """
    if isinstance(x, str):
        x = text_tokens(model, x)
    if isinstance(x, Mapping):
        return scaled(model, x), None
    entries = getattr(primitives(model.network)[0][1], "entries", None)
    if np.ndim(x) != 1 or len(model.input_shape) != 1 or entries is None:
        return np.ascontiguousarray(scaled(model, x)), None
    tokens = checked_tokens(x, entries, "the text", "explain")
    return window(model, tokens), len(tokens)


def text_tokens(model: Model, text: str) -> Array:
    """Return the tokens of a text, with the separator before them if the model was trained with one.

    Raises ConfigError for a model without a tokenizer, and DataError for a text that it cannot encode.
    """
    stage = tokens_of(model.input_stage)
    tokens = stage.tokenizer.encode(text)
    return tokens if stage.separator is None else np.concatenate([[stage.separator], tokens]).astype(tokens.dtype)


def window(model: Model, tokens: Any) -> Array:
    """Return tokens as the only sample of a batch: (1, t), or (1, window) if the network reads full windows only.

    A window is filled at its end, with the last token, if the network has an output at each position, since they depend on no
    later one; and otherwise at its beginning, with the separator. Raises DataError for too many tokens, or too few.
    """
    (length,), count = model.input_shape, len(tokens)
    if count > length:
        raise DataError(f"the text has {count:,} tokens, and the network reads {length:,} at once: give its last part")
    if model.state.network.continues or count == length:
        return np.array(tokens, model.state.dtype)[None]
    x = np.empty((1, length), model.state.dtype)
    if len(model.output_shape) > 1:
        x[0, :count], x[0, count:] = tokens, tokens[-1]
        return x
    separator = getattr(model.input_stage, "separator", None)
    if separator is None:
        raise DataError(f"the text has {count:,} tokens, and the network reads exactly {length:,}: give a longer one")
    x[0, : length - count], x[0, length - count :] = separator, tokens
    return x
