"""JAX: the entire step, Adam included, is one jitted function; everything old is donated to what is new. Channels are last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import networks, reference
from benchmarks.contenders.jax import PACKAGES, adam, cross_entropy, describe, moments
from benchmarks.jobs import Job, best_of
from benchmarks.learning import (
    Learner,
    agrees,
    cut,
    inputs,
    joined,
    memory_of_steps,
    portions,
    predict_job,
    ring,
    step_job,
)
from benchmarks.networks import NETWORKS, Layer

__all__ = ["PACKAGES", "conv_memory", "describe", "predict", "step"]

FORM = "one jitted step, buffers donated"
#: Whether a maximum is taken over two axes of a reshaped picture, instead of by ``reduce_window``.
POOLS = {"pooled by reduce_window": False, "pooled by reshape and max": True}
#: Generators of random bits: JAX's default, and XLA's own.
GENERATORS = {"threefry": "threefry2x32", "rbg": "rbg"}


class Pass:
    """One way through a network: parameters and running statistics as they are used, statistics as they are found."""

    def __init__(self, parameters: Sequence[Any], running: Sequence[Any], key: Any, *, reshaped: bool) -> None:
        self.parameters, self.old, self.key, self.reshaped = iter(parameters), iter(running), key, reshaped
        self.new: list[Any] = []
        self.drops = 0

    def through(self, layers: Sequence[Layer], x: Any) -> Any:
        """All layers, one behind the other."""
        for layer in layers:
            x = self.layer(layer, x)
        return x

    def layer(self, layer: Layer, x: Any) -> Any:
        """One layer. Without a key there is no training."""
        match layer:
            case networks.Conv():
                around = [(layer.padding, layer.padding)] * 2
                W, strides = next(self.parameters), (layer.stride, layer.stride)
                x = jax.lax.conv_general_dilated(x, W, strides, around, dimension_numbers=("NHWC", "HWIO", "NHWC"))
                return x + next(self.parameters) if layer.bias else x
            case networks.Norm():
                return self.normalize(layer, x)
            case networks.Relu():
                return jax.nn.relu(x)
            case networks.MaxPool():
                return self.pool(x)
            case networks.Mean():
                return x.mean((1, 2))
            case networks.Flatten():
                return x.reshape(len(x), -1)
            case networks.Drop():
                if self.key is None:
                    return x
                self.drops += 1
                kept = jax.random.bernoulli(jax.random.fold_in(self.key, self.drops), 1 - layer.rate, x.shape)
                return jnp.where(kept, x / (1 - layer.rate), 0)
            case networks.Dense():
                return x @ next(self.parameters) + next(self.parameters)
            case networks.Residual():
                inner = self.through(layer.layers, x)
                return inner + self.through(layer.shortcut, x)

    def normalize(self, layer: networks.Norm, x: Any) -> Any:
        """By the batch, whose mean and unbiased variance go into the running figures; or by these."""
        mean, variance = next(self.old)
        if self.key is not None:
            n = x.size // x.shape[-1]
            now = (x.mean((0, 1, 2)), x.var((0, 1, 2)))
            found = (now[0], now[1] * n / (n - 1))
            pairs = zip((mean, variance), found, strict=True)
            self.new.append(tuple(layer.keep * old + (1 - layer.keep) * jax.lax.stop_gradient(new) for old, new in pairs))
            mean, variance = now
        scale = next(self.parameters) * jax.lax.rsqrt(variance + layer.epsilon)
        return (x - mean) * scale + next(self.parameters)

    def pool(self, x: Any) -> Any:
        """Windows of 2×2."""
        n, h, w, c = x.shape
        if self.reshaped:
            return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def fresh(network: str, seed: int = 0) -> tuple[Any, Any]:
    """The parameters of that seed and running statistics, on the device."""
    layers = NETWORKS[network]
    running = [
        (jnp.zeros(shape), jnp.ones(shape))
        for layer, place, shape in networks.parameters(layers)
        if isinstance(layer, networks.Norm) and place == 0
    ]
    return [jnp.asarray(values) for values in reference.weights(layers, seed)], running


def learner(network: str, reshaped: bool, generator: str) -> Learner:
    """A network that learns by one compiled function."""
    layers = NETWORKS[network]
    base = jax.random.key(0, impl=generator)

    def train(parameters: Any, state: Any, running: Any, x: Any, y: Any) -> Any:
        key = jax.random.fold_in(base, state[-1].astype(jnp.int32))

        def loss(parameters: Any) -> Any:
            way = Pass(parameters, running, key, reshaped=reshaped)
            return cross_entropy(way.through(layers, x), y), way.new

        (value, running), gradient = jax.value_and_grad(loss, has_aux=True)(parameters)
        return *adam(parameters, state, gradient), running, value

    compiled = jax.jit(train, donate_argnums=(0, 1, 2))
    parameters, running = fresh(network)
    state = moments(parameters)

    def step(x: Any, y: Any) -> Any:
        nonlocal parameters, state, running
        parameters, state, running, value = compiled(parameters, state, running, x, y)
        return value

    def write(values: Any) -> None:
        nonlocal parameters
        parameters = jax.tree.map(jnp.copy, values)  # for what is written is donated

    return Learner(
        step,
        sum(one.size for one in parameters),
        lambda: jax.tree.map(jnp.copy, parameters),
        write,
        lambda: jax.device_get(jax.tree.leaves(running)),
        lambda _: jax.block_until_ready((parameters, state, running)),
    )


def batches(batch: int) -> list[tuple[Any, Any]]:
    """The ring, on the device."""
    return [(jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in ring(batch)]


def step(network: str, batch: int) -> Job:
    """The quickest of: two ways to pool, and where there is dropout, two generators. Steps are queued as JAX likes it."""
    pooled, drops = (networks.count(NETWORKS[network], kind) for kind in (networks.MaxPool, networks.Drop))

    def make(way: None, pool: bool, generator: str) -> Job:
        return step_job(network, learner(network, pool, generator), batches(batch))

    return best_of(
        make,
        way={FORM: None},
        pool=POOLS if pooled else {"": False},
        generator=GENERATORS if drops else {"": "threefry2x32"},
    )


def predict(network: str, samples: int) -> Job:
    """The quickest of: parameters as arguments or as constants of the compiled function; two ways to pool; many samples
    at once or in portions."""
    layers, (parameters, running) = NETWORKS[network], fresh(network)
    x = jnp.asarray(inputs(samples))
    proof = agrees(network, samples, joined(jax.device_get))

    def make(way: bool, pool: bool, portion: int) -> Job:
        def chances(parameters: Any, running: Any, x: Any) -> Any:
            return jax.nn.softmax(Pass(parameters, running, None, reshaped=pool).through(layers, x))

        general, special = jax.jit(chances), jax.jit(lambda x: chances(parameters, running, x))
        call = special if way else lambda x: general(parameters, running, x)
        return predict_job(call, cut(x, portion), proof, jax.block_until_ready)

    return best_of(
        make,
        way={"jitted": False, "jitted, parameters as constants": True},
        pool=POOLS if networks.count(layers, networks.MaxPool) else {"": False},
        portion=portions(samples),
    )


def conv_memory(network: str, batch: int) -> list[float]:
    """Some steps."""
    return memory_of_steps(lambda: (learner(network, True, "threefry2x32"), batches(batch)))
