"""Windows of a running text: the tokens that a network reads at once, and the token after each of them, which it predicts.

For the tokens s₀ … s_m of a text and a context of t tokens, a window that begins at place i is x = s_i … s_{i+t−1}, and its
targets are y = s_{i+1} … s_{i+t}. A data set holds the consecutive windows, which begin at 0, t, 2t, …, so that an evaluation
predicts every token but the first once. Training draws its windows from all places at random (:class:`DrawnWindows`).

A text is split by place: the first part is for training, the next for the test, the last tenth for validation, which is also
the validation part of nanoGPT (Karpathy, 2022). No window crosses the borders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pellucid.core import rng
from pellucid.core.habits import explain_arguments
from pellucid.core.memory import Array, aligned_zeros
from pellucid.data.dataset import Dataset, Origin, Splits, digest
from pellucid.data.text.characters import CharacterTokenizer
from pellucid.data.text.choosing import Choice, chosen_tokenizer
from pellucid.data.text.stage import Tokens
from pellucid.errors import ConfigError, DataError

VALIDATION, TEST = 0.1, 0.05  # of the text
CONTEXT = 64  # tokens of a window, if no number is given


@explain_arguments
def windows(source: str | Array | Sequence[int], context: int, *, tokenizer: Choice = None, name: str = "text") -> Dataset:
    """Return the consecutive windows of a text, with the next token at each position as the target.

    ``source`` is a text, or its tokens. The ``tokenizer`` of a text is by default one of its characters; a number stands for
    byte-pair encoding with so many tokens, which needs the extra ``text``. The samples x and y are (n, context). A last window
    that would be incomplete begins earlier, and what it repeats has the weight 0, so that each token but the first is a target
    once.

    ``fit`` on this data set draws windows at random places of the text instead, in an epoch as many as there are consecutive
    ones, or ``steps_per_epoch`` batches (:class:`DrawnWindows`).

    Raises ConfigError for a context below 1, and DataError for a text that is not longer than the context.
    """
    stage = None
    if isinstance(source, str):
        stage = Tokens(chosen_tokenizer(tokenizer, source, source))
        source = stage.tokenizer.encode(source)
    elif tokenizer is not None:
        stage = Tokens(chosen_tokenizer(tokenizer, "", ""))
    tokens = np.asarray(source)
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise DataError(f"{name}: a text is a string or a row of tokens, got {tokens.dtype} of the shape {tokens.shape}")
    return _cut(tokens.astype(np.int32), checked_context(context), stage, name)


@explain_arguments
def split_windows(
    text: str,
    context: int,
    *,
    tokenizer: Choice = None,
    validation: float = VALIDATION,
    test: float = TEST,
    name: str = "text",
    source: str = "memory",
) -> Splits:
    """Return the windows of a text, split by place: its end is the validation part, what is before that the test part.

    ``validation`` and ``test`` are fractions of the characters. The ``tokenizer`` is by default one of the characters of the
    whole text, so that no part has unknown ones; a number stands for byte-pair encoding with so many tokens, learned from the
    training part, which needs the extra ``text``.

    Raises ConfigError for fractions that are not between 0 and 1, and DataError if a part is not longer than the context.
    """
    context = checked_context(context)
    for what, fraction in (("validation", validation), ("test", test)):
        if not isinstance(fraction, (float, np.floating)) or not 0 < fraction < 1:
            raise ConfigError(f"{what}={fraction!r}: expected the fraction of the text in this part, such as 0.1")
    if validation + test >= 1:
        raise ConfigError(f"validation={validation} and test={test} leave no text for the training part")
    if not text:
        raise DataError(f"{name}: the text is empty")
    a, b = borders(len(text), validation, test)
    stage, sets = Tokens(chosen_tokenizer(tokenizer, text, text[:a])), dict[str, Dataset]()
    for part, (first, last) in {"train": (0, a), "test": (a, b), "validation": (b, len(text))}.items():
        tokens = stage.tokenizer.encode(text[first:last])
        if len(tokens) <= context:
            least = _least_length(context, validation, test)
            raise DataError(
                f"{name}: the text has {len(text):,} characters, so that its {part} part has {len(tokens):,} tokens, which is "
                f"too short for a context of {context}: give at least about {least:,} characters, or a smaller context"
            )
        sets[part] = _cut(tokens, context, stage, f"{name} {part}")
    train = sets["train"]
    kind = "characters" if isinstance(stage.tokenizer, CharacterTokenizer) else "tokens"
    notes = (
        f"text      {len(text):,} characters; {len(stage.tokenizer):,} different {kind}; windows of {context:,} tokens",
        f"split     by place: the first {a:,} characters for training, the next {b - a:,} for the test, the last "
        f"{len(text) - b:,} for validation",
    )
    train.origin = Origin(notes=notes, tokens=stage)
    return Splits(train, sets["validation"], sets["test"], name, source, digest(*sets.values()))


def borders(m: int, validation: float, test: float) -> tuple[int, int]:
    """Return the first character of the test part and the first character of the validation part, of m characters."""
    b = int(m * (1 - validation))
    return b - round(m * test), b


def checked_context(value: Any) -> int:
    """Return ``value`` as a number of tokens. Raises ConfigError unless it is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ConfigError(f"context={value!r}: expected the number of tokens that the network reads, 1 or more")
    return int(value)


def _least_length(context: int, validation: float, test: float) -> int:
    return int((context + 2) / min(validation, test, 1 - validation - test)) + 1


def _cut(tokens: Array, t: int, stage: Tokens | None, name: str) -> Dataset:
    """Return the consecutive windows of length t of int32 tokens."""
    count = len(tokens) - 1  # of targets
    if count < t:
        raise DataError(
            f"{name}: the text has {len(tokens):,} tokens, and a window of {t:,} needs {t + 1:,}: give more text, or a smaller "
            "context"
        )
    full, rest = divmod(count, t)
    x, y = tokens[: full * t].reshape(full, t), tokens[1 : full * t + 1].reshape(full, t)
    weights = None
    if rest:
        x, y = np.concatenate([x, tokens[None, -t - 1 : -1]]), np.concatenate([y, tokens[None, -t:]])
        weights = np.ones((full + 1, t), np.float32)
        weights[-1, : t - rest] = 0
    data = Dataset(x, y, weights, name=name, origin=None if stage is None else Origin(tokens=stage))
    data.passage = tokens
    return data


class DrawnWindows:
    """The batches of a training on windows of a text, drawn at random places.

    ``tokens`` (m,) are the text, ``context`` is the length of a window. An epoch has ``steps`` batches of ``batch_size``
    windows. All places have the same probability, and may be drawn several times. The places depend only on the seed and the
    number of the epoch, so a training repeats, and a resumed one goes on with the windows that would have followed.

    ``own_rows`` is for a process that computes only a part of each batch, as in :class:`~pellucid.data.batches.Batches`. The
    next batch overwrites the one before.
    """

    def __init__(
        self,
        tokens: Array,
        context: int,
        *,
        batch_size: int,
        steps: int,
        seed: int,
        own_rows: Callable[[int], slice] | None = None,
    ):
        self.batch_size, self.steps, self.seed, self.own_rows = batch_size, steps, seed, own_rows
        self._windows = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)
        self._x = aligned_zeros(batch_size * context).reshape(batch_size, context)
        self._weights = np.ones(batch_size, np.float32)

    def __len__(self) -> int:
        return self.steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Array, Array, Array]]:
        """Yield the batches (x, targets, weights) of an epoch, without the first ``start`` of them."""
        size = self.batch_size
        places = rng.generator(self.seed, "windows", epoch).integers(len(self._windows), size=(self.steps, size))
        for chosen in places[start:]:
            found = self._windows[chosen]
            own = slice(0, size) if self.own_rows is None else self.own_rows(size)
            self._x[own] = found[own, :-1]
            yield self._x, found[:, 1:].astype(np.int64), self._weights
