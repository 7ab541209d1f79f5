"""Small language models of the lab: a Transformer that predicts the next character of a text."""

from __future__ import annotations

import pellucid as pl
from pellucid.data import Splits
from pellucid.data.text.stage import Tokens


def transformer(tokens: int, width: int, blocks: int = 2, heads: int = 2) -> pl.Sequential:
    """Return a Transformer with tied embeddings, learned positions and ``blocks`` blocks, each 4·``width`` wide inside."""
    layers: list[pl.Layer] = []
    for _ in range(blocks):
        layers.append(pl.Residual(pl.LayerNorm(), pl.Attention(heads, causal=True)))
        layers.append(pl.Residual(pl.LayerNorm(), pl.Dense(4 * width), pl.GELU(), pl.Dense(width)))
    return pl.Sequential(pl.TiedEmbedding(tokens, width, pl.LearnedPositions(), *layers, pl.LayerNorm()), pl.Softmax())


def token_count(data: Splits) -> int:
    """Return the number of different tokens of a text, such as those of ``Trial.plays``."""
    stage = data.train.input_stage()
    assert isinstance(stage, Tokens)
    return len(stage.tokenizer)
