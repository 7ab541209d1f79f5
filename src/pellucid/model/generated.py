"""What users give to ``Model.generate``, and what they receive: tokens or text, of one prompt or of several.

The form of the result is that of the prompt: text continues text, and numbers of tokens continue tokens.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pellucid.core.config import Count, validate
from pellucid.data.text.stage import Tokens
from pellucid.data.text.tokenizer import Tokenizer
from pellucid.errors import ConfigError, DataError
from pellucid.model.generation import Readers, Sampling, check_language_model, checked_tokens
from pellucid.training.state import ModelState

UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # what the first bytes of a character are decoded to
LONGEST_CHARACTER = 4  # bytes, and so tokens at most


class TextStream:
    """The text of tokens that arrive one by one, up to the first of the texts ``stops``.

    What may be the beginning of a stop, and the first bytes of a character, are held back until the next tokens decide.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()):
        self.ended = False
        self._tokenizer, self._stops = tokenizer, stops
        self._tokens: list[int] = []  # the last ones, of which a character is not complete
        self._decoded = self._waiting = 0  # of these: the characters that are in _held already, the tokens since the last one
        self._held = ""

    @property
    def holds(self) -> bool:
        """Whether a part of a character, or what may be the beginning of a stop, is held back."""
        return bool(self._tokens or self._held)

    def add(self, token: int) -> str:
        """Return the text that is complete with this token. If a stop is, ``ended`` is true from then on."""
        self._tokens.append(token)
        text = self._tokenizer.decode(self._tokens)
        complete = max(self._decoded, len(text.rstrip(UNKNOWN)))
        self._waiting = 1 if complete > self._decoded else self._waiting + 1
        if self._waiting >= LONGEST_CHARACTER:
            complete = len(text)
        self._held += text[self._decoded : complete]
        self._decoded = complete
        if complete == len(text):
            self._tokens.clear()
            self._decoded = self._waiting = 0
        found = [self._held.find(stop) for stop in self._stops]
        if max(found, default=-1) >= 0:
            self.ended = True
            return self._take(min(place for place in found if place >= 0))
        return self._take(len(self._held) - max((self._overlap(stop) for stop in self._stops), default=0))

    def rest(self) -> str:
        """Return what is held back, where no token follows."""
        text = self._held + (self._tokenizer.decode(self._tokens)[self._decoded :] if self._tokens else "")
        self._held = ""
        self._tokens.clear()
        self._decoded = self._waiting = 0
        return "" if self.ended else text

    def _take(self, length: int) -> str:
        text, self._held = self._held[:length], self._held[length:]
        return text

    def _overlap(self, stop: str) -> int:
        """Return the length of the longest end of the text that is a beginning of the stop."""
        longest = min(len(stop) - 1, len(self._held))
        return next(length for length in range(longest, -1, -1) if self._held.endswith(stop[:length]))


def generate(
    state: ModelState,
    readers: Readers,
    stage: Any,
    prompt: Any,
    sampling: Sampling,
    *,
    length: int,
    seed: int | Sequence[int],
    stop: Any,
) -> Iterator[Any]:
    """Return what follows the prompt, or the prompts, as an iterator; see ``Model.generate``. The arguments are checked now."""
    check_language_model(state)
    length = validate(length, Count, "generate", "length")
    several = _are_several(prompt)
    prompts = list(prompt) if several else [prompt]
    if not prompts:
        raise DataError("generate: there is no prompt in the list")
    is_text = isinstance(prompts[0], str)
    if is_text and not isinstance(stage, Tokens):
        raise ConfigError("generate: the model was not trained on text, so it has no tokenizer: give a list of tokens")
    separator = stage.separator if isinstance(stage, Tokens) else None
    rows: list[list[int]] = []
    for i, one in enumerate(prompts):
        what = f"prompt {i + 1}" if several else "the prompt"
        if isinstance(one, str) != is_text:
            raise DataError(f"generate: {what} is {type(one).__name__}, unlike the first one: give either texts or tokens")
        rows.append(checked_tokens(stage.encode(one) if is_text else one, state.output.shape[-1], what))
    seeds = _checked_seeds(seed, len(rows))
    tokens, texts = _checked_stops(stop, is_text, separator)
    alive = [True] * len(rows)
    steps = readers.continued(rows, length, sampling, seeds, tokens, separator, alive)
    streams = [TextStream(stage.tokenizer, texts) for _ in rows] if is_text else []
    found = _as_text(steps, streams, alive) if is_text else steps
    if several:
        return found
    return (one for (one,) in found if one is not None and one != "")


def _as_text(steps: Iterator[list[int | None]], streams: Sequence[TextStream], alive: list[bool]) -> Iterator[list[str | None]]:
    """Yield the text of each step; None for a sequence that has ended."""
    done = [False] * len(streams)
    for step in steps:
        texts: list[str | None] = []
        for i, (token, stream) in enumerate(zip(step, streams, strict=True)):
            text = None if done[i] else stream.rest() if token is None else stream.add(token)
            texts.append(text)
            done[i] = token is None or stream.ended
            alive[i] = alive[i] and not stream.ended
        yield texts
    rest = [stream.rest() for stream in streams]
    if any(rest):
        yield [None if end else text for text, end in zip(rest, done, strict=True)]


def _are_several(prompt: Any) -> bool:
    """Return whether this is a list of prompts."""
    if isinstance(prompt, str):
        return False
    if isinstance(prompt, np.ndarray):
        return prompt.ndim > 1
    if not isinstance(prompt, Sequence):
        raise DataError(
            f"generate: the prompt is {type(prompt).__name__}; expected a text, a list of tokens, or a list of prompts"
        )
    return len(prompt) > 0 and not isinstance(prompt[0], numbers.Number)


def _checked_seeds(seed: Any, n: int) -> list[int]:
    """Return one seed for each of n prompts: the same one, or those of a list."""
    if not isinstance(seed, (list, tuple, range)):
        return [validate(seed, int, "generate", "seed")] * n
    if len(seed) != n:
        raise ConfigError(
            f"generate: there are {len(seed)} seeds for {n} prompt{'s' * (n > 1)}: give one number, or one for each"
        )
    return [validate(one, int, "generate", "seed") for one in seed]


def _checked_stops(stop: Any, is_text: bool, separator: int | None) -> tuple[frozenset[int], tuple[str, ...]]:
    """Return the tokens and the texts at which a sequence ends."""
    if stop is None:
        return frozenset([] if separator is None else [separator]), ()
    stops = list(stop) if isinstance(stop, Iterable) and not isinstance(stop, str) else [stop]
    texts = tuple(one for one in stops if isinstance(one, str))
    tokens = [one for one in stops if not isinstance(one, str)]
    if texts and not is_text:
        raise ConfigError(f"generate(stop={stop!r}): the prompt consists of tokens: give tokens as stops, too")
    if "" in texts:
        raise ConfigError("generate(stop=''): an empty text is everywhere; stop=() never stops")
    return frozenset(validate(one, int, "generate", "stop") for one in tokens), texts
