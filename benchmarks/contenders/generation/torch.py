"""PyTorch, eager, with ``scaled_dot_product_attention``, and keys and values in memory that is allocated once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.contenders.torch import PACKAGES as PACKAGES, describe as describe
from benchmarks.contenders.transformer import SIZES, Size
from benchmarks.generation_jobs import PROMPT, TEMPERATURE, TOP_K, are_tokens, check_tokens, parameters
from benchmarks.jobs import Job


class Transformer:
    """The Transformer, with a cache of keys and values for one sequence."""

    def __init__(self, size: Size, p: dict[str, Any]):
        self.size = size

        def tensor(array: Any) -> Any:
            return torch.from_numpy(array)

        self.tokens, self.positions, self.scale = tensor(p["tokens"]), tensor(p["positions"]), tensor(p["scale"])
        matrices = ("qkv", "out", "up", "down")  # as linear layers store them
        self.blocks = [
            {name: tensor(array).T.contiguous() if name in matrices else tensor(array) for name, array in block.items()}
            for block in p["blocks"]
        ]
        shape = (1, size.heads, size.context, size.width // size.heads)
        self.keys, self.values = ([torch.zeros(shape) for _ in range(size.layers)] for _ in range(2))

    def logits(self, tokens: Any, read: int | None) -> Any:
        """Return the logits after the last of the tokens (t). ``read`` positions are before them; None leaves the cache."""
        size, t, first = self.size, len(tokens), read or 0
        w = (size.width,)
        x = F.embedding(tokens, self.tokens)[None] + self.positions[first : first + t]
        for block, keys, values in zip(self.blocks, self.keys, self.values, strict=True):
            q, k, v = F.linear(F.layer_norm(x, w, block["scale1"]), block["qkv"]).split(size.width, dim=2)
            q, k, v = (one.view(1, t, size.heads, -1).transpose(1, 2) for one in (q, k, v))
            if read is not None:
                keys[:, :, first : first + t], values[:, :, first : first + t] = k, v
                k, v = keys[:, :, : first + t], values[:, :, : first + t]
            y = F.scaled_dot_product_attention(q, k, v, is_causal=t > 1)
            x = x + F.linear(y.transpose(1, 2).reshape(1, t, size.width), block["out"])
            x = x + F.linear(F.gelu(F.linear(F.layer_norm(x, w, block["scale2"]), block["up"])), block["down"])
        return F.linear(F.layer_norm(x[:, -1], w, self.scale), self.tokens)


def draw(logits: Any) -> Any:
    """Draw a token as nanoGPT does: temperature, top k, softmax, multinomial."""
    logits = logits / TEMPERATURE
    v, _ = torch.topk(logits, TOP_K)
    logits[logits < v[:, [-1]]] = -float("inf")
    return torch.multinomial(F.softmax(logits, dim=-1), 1)[0]


def written(model: Transformer, count: int, choose: Any, cached: bool) -> Iterator[int]:
    """Yield the tokens after the prompt."""
    sequence, start, read, context = torch.tensor([PROMPT]), 0, 0, model.size.context
    for _ in range(count):
        if len(sequence) - start > context:
            start, read = (len(sequence) - context // 2, 0) if cached else (len(sequence) - context, 0)
        z = model.logits(sequence[start + read :], read if cached else None)
        read = len(sequence) - start if cached else 0
        token = choose(z)
        sequence = torch.cat([sequence, token])
        yield int(token)


def job(size: str, tokens: int, cached: bool) -> Job:
    """Return a job that writes tokens."""
    p = parameters(SIZES[size])
    model = Transformer(SIZES[size], p)
    with torch.inference_mode():
        check_tokens(SIZES[size], p, lambda count: list(written(model, count, lambda z: z.argmax(dim=1), cached)))

    def run() -> list[int]:
        with torch.inference_mode():
            return list(written(model, tokens, draw, cached))

    return Job(run, are_tokens(SIZES[size], tokens), variant="cache" if cached else "no cache")


def generate(size: str, tokens: int) -> Job:
    """Return a job that writes tokens with a cache of keys and values."""
    return job(size, tokens, cached=True)
