"""Generation: a language model continues sequences of tokens, one token at a time.

A language model computes from the tokens of a *window*, of at most as many positions as its input has, the probabilities of the
token that follows. A token is drawn (:class:`Sampling`) and appended, and the network reads on.

**Memory.** If every layer ``continues``, the network reads each position once: layers remember of the earlier ones what they
need (``ctx.past``), such as the keys and values of attention or the state of a recurrent layer. The first pass reads the whole
prompt; each pass after that reads a single position of all sequences, and is recorded and replayed
(:mod:`pellucid.training.recording`). Other networks read the whole window again for each token.

**The window.** When a window is full, generation goes on with its second half as the beginning of a new one. What a network
without memory computes is the same, since it has the same windows. A network that computes one answer for the whole window,
such as one with a Flatten, always reads the last positions; where a sequence is shorter, the separator of its lines is put
before it.

**Chance.** The random number for the token at position i of a sequence depends on the seed and i alone, so that a seed gives
the same text whether a prompt is continued alone or with others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from pellucid.core import rng
from pellucid.core.config import Config, Count, NonNegative, Range
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError
from pellucid.layers import Softmax
from pellucid.layers.context import Past
from pellucid.model import several
from pellucid.networks import primitives
from pellucid.training.execution import Execution
from pellucid.training.recording import RecordedExecution, recorded
from pellucid.training.state import ModelState
from pellucid.training.threads import choose_threads

MAX_FREE = 4  # readers of a model that are kept for the next texts


@dataclass(frozen=True)
class Sampling(Config):
    """How the next token is drawn from the probabilities p = softmax(z) that the network computes.

    - ``temperature`` T: p = softmax(z/T). Below 1, likely tokens become more likely; with 0, the most likely one is taken.
    - ``top_k``: only the k most likely tokens may be drawn.
    - ``top_p``: only the most likely tokens may be drawn whose probabilities add up to at least this number, as few as
      possible (Holtzman et al., 2020, who call them the nucleus). It applies to what ``top_k`` leaves.

    Of equally likely tokens, those with the smallest numbers come first. The probabilities of the tokens that may be drawn are
    divided by their sum.
    """

    temperature: NonNegative = 1.0
    top_k: Count | None = None
    top_p: Annotated[float, Range(0, 1, low_open=True)] | None = None

    def draw(self, z: Array, chance: Array) -> Array:
        """Return one token (n) for each row of the logits z (n, tokens), from random numbers (n) in [0, 1).

        Raises DataError for logits that are not finite.
        """
        if self.temperature == 0:
            chosen = z.argmax(axis=1)
            _check_finite(np.take_along_axis(z, chosen[:, None], axis=1))
            return chosen
        highest = z.max(axis=1, keepdims=True)  # NaN if any is
        _check_finite(highest)
        z = z.astype(np.float64)
        z -= highest
        z /= self.temperature
        order = None
        if self.top_p is not None or (self.top_k is not None and self.top_k < z.shape[1]):
            order = np.argsort(-z, axis=1, kind="stable")[:, : self.top_k]
            z = np.take_along_axis(z, order, axis=1)
        sums = np.exp(z, out=z).cumsum(axis=1)
        total = sums[:, -1]
        if self.top_p is not None:
            last = (sums < self.top_p * total[:, None]).sum(axis=1).clip(max=sums.shape[1] - 1)
            total = sums[np.arange(len(sums)), last]
        # The first sum above chance · total, which is below the total: a chance is at most 1 − 2⁻⁵³.
        place = (sums <= (chance * total)[:, None]).sum(axis=1)
        return place if order is None else order[np.arange(len(order)), place]


def _check_finite(values: Array) -> None:
    if not np.isfinite(values).all():
        raise DataError(
            "generate: the outputs of the network are not finite; its training has diverged, or its file is damaged"
        )


def chance(key: int, position: int) -> float:
    """Return the random number in [0, 1) for the token at a position of a sequence, from the key of the sequence's stream."""
    return (rng.at_step(key, position) >> 11) * 2.0**-53  # the 53 bits that a float64 holds


def check_language_model(state: ModelState, what: str = "generate") -> None:
    """Raise ConfigError unless the network reads a window of tokens and computes the probabilities of the next one.

    The message begins with ``what``, as that of :func:`checked_tokens` does with ``action``.
    """
    several.refuse_several(state.network, what)
    advice = (
        "a language model reads tokens and ends in their probabilities, as in Sequential(Embedding(65, 32), GRU(64, "
        "return_sequences=True), Dense(65), Softmax()) with input_shape=(64,) and CrossEntropy()"
    )
    entries = getattr(next((layer for _, layer in primitives(state.network)), None), "entries", None)
    if len(state.input_shape) != 1 or entries is None:
        raise ConfigError(f"{what}: the network reads samples of the shape {state.input_shape}, not tokens: {advice}")
    shape, head = state.output.shape, state.output.head
    if not isinstance(head, Softmax) or shape[-1] < 2 or shape[:-1] not in ((), state.input_shape):
        end = "does not end in Softmax" if not isinstance(head, Softmax) else f"has outputs of the shape {shape}"
        raise ConfigError(f"{what}: the network {end}, so it does not predict the next token: {advice}")
    if shape[-1] > entries:
        raise ConfigError(
            f"{what}: the network predicts {shape[-1]} different tokens, but reads {entries}: it cannot read all that it "
            "writes; give its Embedding as many entries"
        )


def checked_tokens(prompt: Any, tokens: int, what: str = "the prompt", action: str = "generate") -> list[int]:
    """Return a prompt as a list of numbers of tokens. Raises DataError unless it has at least one, and all are below
    ``tokens``."""
    array = np.asarray(prompt)
    if array.size == 0:
        raise DataError(f"{action}: {what} is empty; the network needs at least one token to go on from")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"{action}: {what} is a row of tokens, which are integers, not {array.dtype} of shape {array.shape}")
    wrong = np.flatnonzero((array < 0) | (array >= tokens))
    if wrong.size:
        raise DataError(
            f"{action}: {array[wrong[0]]} at position {wrong[0]} of {what} is not a token: they are the integers from 0 to "
            f"{tokens - 1:,}"
        )
    found: list[int] = array.tolist()
    return found


class Reader:
    """Reads n sequences with a language model, and computes the logits of their next tokens.

    ``filler`` is the token before the first one of a sequence, for networks that always read a full window; None if there is
    none.
    """

    def __init__(self, state: ModelState, n: int, filler: int | None = None):
        self._state, self.n, self._filler = state, n, filler
        (self.window,) = state.input_shape
        self._execution: Execution | RecordedExecution = recorded(state, state.prediction_plan) or state.execution(
            state.prediction_plan
        )
        self._past = Past(n, self.window, state.dtype) if state.network.continues else None
        self._starts = [0] * n  # of the windows: positions in the sequences
        self._positions = self.window if self._past is None else 1  # that a pass reads of each sequence
        self._x = np.empty((n, self._positions), state.dtype)
        work = state.multiply_adds * self._positions // self.window
        self._threads = choose_threads(work, 0, n, state.kernels).pool

    def begin(self, sequences: Sequence[Sequence[int]]) -> None:
        """Start with these sequences, whatever was read before."""
        self._starts = [max(0, len(tokens) - self.window) for tokens in sequences]
        if self._past is not None:
            self._past.read[:] = 0

    def logits(self, sequences: Sequence[Sequence[int]]) -> Array:
        """Return the logits (n, tokens) of what follows each sequence; valid until the next call.

        The sequences are those of :meth:`begin` or of the last call, each as it was or with one more token.
        """
        self._state.kernels.set_num_threads(self._threads)
        return self._of_windows(sequences) if self._past is None else self._of_last_positions(sequences, self._past)

    def _of_last_positions(self, sequences: Sequence[Sequence[int]], past: Past) -> Array:
        """Read what has not been read: all positions but the last of each sequence, then the last ones of all together."""
        x, starts, read = self._x, self._starts, past.read
        for i, tokens in enumerate(sequences):
            if len(tokens) - starts[i] > self.window:
                starts[i], read[i] = len(tokens) - max(1, self.window // 2), 0
            first, last = starts[i] + int(read[i]), len(tokens) - 1
            if first < last:
                part = past.sequence(i)
                self._execution.forward(np.array(tokens[first:last], x.dtype)[None], past=part)
                read[i] += last - first
            elif first > last:
                read[i] -= 1  # nothing was added: the last position is read again
            x[i, 0] = tokens[last]
        z: Array = self._execution.forward(x, past=past)
        read += 1
        return z if z.ndim == 2 else z[:, 0]

    def _of_windows(self, sequences: Sequence[Sequence[int]]) -> Array:
        """Read whole windows: at the end of those that are not full are arbitrary tokens, or before them the filler."""
        x, per_position, ends = self._x, len(self._state.output.shape) > 1, []
        for i, tokens in enumerate(sequences):
            if per_position and len(tokens) - self._starts[i] > self.window:
                self._starts[i] = len(tokens) - max(1, self.window // 2)
            part = tokens[self._starts[i] :] if per_position else tokens[-self.window :]
            missing = self.window - len(part)
            ends.append(len(part) - 1)
            if per_position:
                x[i, : len(part)], x[i, len(part) :] = part, part[-1]
                continue
            if missing and self._filler is None:
                raise DataError(
                    f"generate: the network reads exactly {self.window:,} tokens, and the sequence has {len(part):,}: give a "
                    "prompt that is as long"
                )
            x[i, missing:] = part
            if missing:
                x[i, :missing] = self._filler
        z: Array = self._execution.forward(x)
        return z[np.arange(len(z)), ends] if per_position else z


class Readers:
    """The readers of one model that are not in use: to make one takes longer than to draw a token.

    The last ``MAX_FREE`` are kept; each has memory of its own. Several threads may use an instance.
    """

    def __init__(self, state: ModelState):
        self._state = state
        self._free: list[Reader] = []  # the last one to be used is at the end

    def continued(
        self,
        prompts: Sequence[list[int]],
        length: int,
        sampling: Sampling,
        seeds: Sequence[int],
        stop: frozenset[int],
        filler: int | None,
        alive: list[bool],
    ) -> Iterator[list[int | None]]:
        """Yield the next token of each prompt, ``length`` times, or until all sequences have ended.

        A sequence ends before a token in ``stop``: its entry is None from then on. The caller may end it too, by setting its
        entry in ``alive`` to false; these entries are all true at first.
        """
        reader = self._taken(len(prompts)) or Reader(self._state, len(prompts), filler)
        try:
            yield from _continued(reader, [list(prompt) for prompt in prompts], length, sampling, seeds, stop, alive)
        finally:
            self._free.append(reader)
            del self._free[:-MAX_FREE]

    def _taken(self, n: int) -> Reader | None:
        """Return a reader of n sequences that is free, None if there is none. It is not free any more."""
        for reader in reversed(tuple(self._free)):
            if reader.n == n:
                with contextlib.suppress(ValueError):  # another thread has taken it
                    self._free.remove(reader)
                    return reader
        return None


def _continued(
    reader: Reader,
    sequences: list[list[int]],
    length: int,
    sampling: Sampling,
    seeds: Sequence[int],
    stop: frozenset[int],
    alive: list[bool],
) -> Iterator[list[int | None]]:
    """Yield the tokens that follow the sequences, to which they are appended; see :meth:`Readers.continued`."""
    keys = [rng.stream_key(seed, "generate") for seed in seeds]
    reader.begin(sequences)
    for _ in range(length):
        z = reader.logits(sequences)
        numbers = [chance(key, len(tokens)) for key, tokens in zip(keys, sequences, strict=True)]
        found: list[int | None] = []
        for i, token in enumerate(sampling.draw(z, np.array(numbers)).tolist()):
            alive[i] = alive[i] and token not in stop
            found.append(token if alive[i] else None)
            if alive[i]:
                sequences[i].append(token)
        if any(one is not None for one in found):
            yield found
        if not any(alive):
            return
