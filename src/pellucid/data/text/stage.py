"""The input stage of text: tokens, and the tokenizer that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np

from pellucid.core.config import Range
from pellucid.core.memory import Array
from pellucid.data.input_stage import InputStage
from pellucid.data.text.tokenizer import Tokenizer
from pellucid.errors import ConfigError, DataError
from pellucid.kernels import Kernels

Token = Annotated[int, Range(0)]


@dataclass(frozen=True)
class Tokens(InputStage):
    """The input stage of text: samples are rows of tokens, which the network reads as they are.

    - ``tokenizer`` has made the tokens. The model keeps it: ``model.tokenizer``.
    - ``separator``: where each sample is one line, the token before the first and after the last token of it. None where the
      samples are windows of a running text.
    - ``padding``: the number at the end of samples that are shorter than others, one beyond the tokens. None where nothing
      needs it: windows are full, and after the end of a line the targets have the weight 0.
    - ``encoding``: that of the text files of the training, in which the model reads other files, too.
    """

    tokenizer: Tokenizer
    separator: Token | None = None
    padding: Token | None = None
    encoding: str = field(default="utf-8", metadata={"optional": True})  # younger than the class: old files are without it

    expects: ClassVar[str] = "text, as tokens (integers)"
    factor: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.separator is not None and self.separator >= len(self.tokenizer):
            raise ConfigError(f"Tokens(separator={self.separator}): the tokens are from 0 to {len(self.tokenizer) - 1:,}")

    @property
    def entries(self) -> int:
        """The number of different values that the network reads: the tokens, and the padding if there is one."""
        return max(len(self.tokenizer), -1 if self.padding is None else self.padding + 1)

    @property
    def filler(self) -> int:
        """The number at the end of samples that are shorter than others: the padding, or else the separator, or 0."""
        return self.padding if self.padding is not None else self.separator or 0

    def encode(self, text: str) -> Array:
        """Return the tokens of a text as the network reads them, int32 (t): with the separator before them, if there is one.

        Raises DataError for a text that the tokenizer cannot encode.
        """
        tokens = self.tokenizer.encode(text)
        return tokens if self.separator is None else np.concatenate([[self.separator], tokens]).astype(np.int32)

    def accepts(self, x: Array) -> bool:
        return x.dtype.kind in "iu"

    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        out[...] = x[rows]
        return out

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        chosen = x if rows is None else x[rows]
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self.entries):
            wrong = chosen[(chosen < 0) | (chosen >= self.entries)].flat[0]
            raise DataError(f"x contains {wrong}, which is no token: they are the integers from 0 to {self.entries - 1:,}")

    def _advice(self, x: Array) -> str:
        return "pass tokens, model.tokenizer.encode(text), or the text itself"

    def samples(self, texts: Sequence[str], length: int) -> tuple[Array, Array]:
        """Return the texts as samples (n, length), and the number of tokens of each that the network reads.

        A separator is put before each text. A text that is too long keeps its first tokens if there is a padding, for networks
        with one answer for each text; otherwise it raises DataError.
        """
        x = np.full((len(texts), length), self.filler, np.int32)
        counts = np.zeros(len(texts), np.int64)
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"text {i} is {type(text).__name__}, not a string")
            tokens = self.encode(text)
            if len(tokens) > length and self.padding is None:
                raise DataError(
                    f"the text has {len(tokens):,} tokens, and the network reads {length:,} at once: give its last part, or "
                    "use evaluate, which reads a text in consecutive windows"
                )
            counts[i] = min(len(tokens), length)
            x[i, : counts[i]] = tokens[:length]
        return x, counts
