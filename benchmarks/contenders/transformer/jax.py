"""JAX: the entire step with AdamW is one jitted function; the buffers of the old parameters are donated to the new ones."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.contenders.jax import PACKAGES, adam, cross_entropy, describe, moments
from benchmarks.contenders.transformer import SIZES, Size
from benchmarks.jobs import Job, fastest
from benchmarks.transformer_jobs import BETAS, DECAY, NORM, RATE, parameters, peak_memory, step_job

__all__ = ["PACKAGES", "describe", "step", "transformer_memory"]


def logits(size: Size, p: Any, x: Any, library: bool) -> Any:
    """Return the logits of tokens (n, t); attention is JAX's own function (``library``) or plain formulas."""
    (n, t), w = x.shape, size.width

    def normalized(a: Any, scale: Any) -> Any:
        a = a - a.mean(axis=-1, keepdims=True)
        return a * jax.lax.rsqrt((a * a).mean(axis=-1, keepdims=True) + 1e-5) * scale

    z = p["tokens"][x] + p["positions"][:t]
    for block in p["blocks"]:
        q, k, v = (a.reshape(n, t, size.heads, -1) for a in jnp.split(normalized(z, block["scale1"]) @ block["qkv"], 3, axis=2))
        if library:
            y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = jnp.einsum("nthd,nshd->nhts", q, k) / math.sqrt(w // size.heads)
            weights = jax.nn.softmax(jnp.where(jnp.tri(t, dtype=bool), scores, -jnp.inf))
            y = jnp.einsum("nhts,nshd->nthd", weights, v)
        z = z + y.reshape(n, t, w) @ block["out"]
        hidden = jax.nn.gelu(normalized(z, block["scale2"]) @ block["up"], approximate=False)
        z = z + hidden @ block["down"]
    return normalized(z, p["scale"]) @ p["tokens"].T


class Trainer:
    """The parameters and the state of AdamW, which each call of ``train`` replaces."""

    def __init__(self, size: Size, library: bool):
        self.parameters = jax.tree.map(jnp.asarray, parameters(size))
        self.state = moments(self.parameters)

        def loss(p: Any, x: Any, y: Any) -> Any:
            return cross_entropy(logits(size, p, x, library).reshape(-1, size.tokens), y.reshape(-1))

        def step(p: Any, state: Any, x: Any, y: Any) -> Any:
            value, gradient = jax.value_and_grad(loss)(p, x, y)
            norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(gradient)))
            gradient = jax.tree.map(lambda g: g * jnp.minimum(1, NORM / norm), gradient)
            p = jax.tree.map(lambda a: a * (1 - RATE * DECAY) if a.ndim > 1 else a, p)
            return *adam(p, state, gradient, RATE, BETAS), value

        self.compiled = jax.jit(step, donate_argnums=(0, 1))

    def train(self, x: Any, y: Any) -> Any:
        """Make a step and return its loss."""
        self.parameters, self.state, value = self.compiled(self.parameters, self.state, x, y)
        return value

    def wait(self, _: Any) -> None:
        """Wait until the results of the last step are available."""
        jax.block_until_ready((self.parameters, self.state))


def as_tokens(array: Any) -> Any:
    """Return the tokens on the device."""
    return jnp.asarray(array, jnp.int32)


def step(size: str, batch: int) -> Job:
    """Return the faster job of: attention in plain formulas; ``jax.nn.dot_product_attention``."""

    def make(library: bool) -> Job:
        trainer = Trainer(SIZES[size], library)
        return step_job(SIZES[size], batch, trainer.train, as_tokens, trainer.wait)

    return fastest(
        {
            "one jitted step, plain attention": lambda: make(False),
            "one jitted step, dot_product_attention": lambda: make(True),
        }
    )


def transformer_memory(size: str, batch: int) -> Any:
    """Return the peak memory before and after some steps."""
    return peak_memory(SIZES[size], batch, lambda: Trainer(SIZES[size], True).train, as_tokens)
