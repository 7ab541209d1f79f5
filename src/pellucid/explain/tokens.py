"""Samples for explanations: a text or its tokens, or any other samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.model.activations import scaled
from pellucid.model.generation import checked_tokens
from pellucid.model.model import Model
from pellucid.model.text import tokens_of
from pellucid.networks import primitives


@dataclass(frozen=True, eq=False)
class Window:
    """The tokens of a text as the only sample of a batch: x (1, t), and the positions in it that are those of the text."""

    x: Array
    positions: slice

    def own(self, values: Array, *axes: int) -> Array:
        """Return the part of an array that is about the text: its positions along these axes.

        An axis that is not as long as the window has no position for each token, and is returned whole.
        """
        t = self.x.shape[1]
        place = [slice(None)] * values.ndim
        for axis in axes:
            if values.shape[axis] == t:
                place[axis] = self.positions
        return values[tuple(place)]


def samples_of(model: Model, x: Any) -> tuple[Any, Window | None]:
    """Return samples in the form that the network reads, and where they are a text, or the tokens (t) of one, its window.

    Raises DataError for a text that is empty, or longer than the window of the network.
    """
    if isinstance(x, str):
        x = text_tokens(model, x)
    if isinstance(x, Mapping):
        return scaled(model, x), None
    entries = getattr(primitives(model.network)[0][1], "entries", None)
    if np.ndim(x) != 1 or len(model.input_shape) != 1 or entries is None:
        return np.ascontiguousarray(scaled(model, x)), None
    found = window(model, checked_tokens(x, entries, "the text", "explain"))
    return found.x, found


def text_tokens(model: Model, text: str) -> Array:
    """Return the tokens of a text, with the separator before them if the model was trained with one.

    Where ``Model.predict`` reads the first tokens of a long text only, for a model with a padding, these are returned. Raises
    ConfigError for a model without a tokenizer, and DataError for a text that it cannot encode.
    """
    stage = tokens_of(model.input_stage)
    tokens = stage.encode(text)
    return tokens if stage.padding is None else tokens[: model.input_shape[0]]


def window(model: Model, tokens: Any) -> Window:
    """Return tokens as the only sample of a batch: (1, t), or (1, window) if the network reads full windows only.

    A window is filled at its end with the padding, if the model has one, as ``Model.predict`` does. Without one it is filled at
    its end with the last token, if the network has an output at each position, since they depend on no later one; and otherwise
    at its beginning with the separator, as ``Model.generate`` does. Raises DataError for too many tokens, or too few.
    """
    (length,), count = model.input_shape, len(tokens)
    if count > length:
        raise DataError(f"the text has {count:,} tokens, and the network reads {length:,} at once: give its last part")
    padding = getattr(model.input_stage, "padding", None)
    if count == length or (padding is None and model.state.network.continues):
        return Window(np.array(tokens, model.state.dtype)[None], slice(count))
    if padding is not None or len(model.output_shape) > 1:
        first, filler = 0, tokens[-1] if padding is None else padding
    else:
        first, filler = length - count, getattr(model.input_stage, "separator", None)
        if filler is None:
            raise DataError(f"the text has {count:,} tokens, and the network reads exactly {length:,}: give a longer one")
    x = np.full((1, length), filler, model.state.dtype)
    x[0, first : first + count] = tokens
    return Window(x, slice(first, first + count))
