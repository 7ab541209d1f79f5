"""JAX: the entire step with Adam is one jitted function; all old buffers are donated to the new ones. Channels are last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import networks, reference
from benchmarks.contenders.jax import PACKAGES, adam, cross_entropy, describe, moments
from benchmarks.jobs import Job, fastest_combination
from benchmarks.network_jobs import (
    Learner,
    chunk_sizes,
    concatenated,
    cyclic_batches,
    in_chunks,
    inputs,
    matches_reference,
    peak_memory,
    predict_job,
    step_job,
)
from benchmarks.networks import NETWORKS, Layer

__all__ = ["PACKAGES", "conv_memory", "describe", "predict", "step"]

STEP = "one jitted step, buffers donated"
#: Whether a pool is the maximum over two axes of a reshaped image, instead of ``reduce_window``.
POOLS = {"pooled by reduce_window": False, "pooled by reshape and max": True}
#: Whether a causal convolution is a sum of matrix products, one for each tap, instead of XLA's convolution.
CONVOLUTIONS = {"XLA's convolution": False, "taps as products": True}
#: Steps of a loop over time that are compiled as one.
UNROLLED = {"scan": 1, "scan of 8 steps at a time": 8}
#: Generators of random bits: JAX's default, and XLA's own.
GENERATORS = {"threefry": "threefry2x32", "rbg": "rbg"}


class ForwardPass:
    """A forward pass: it consumes parameters and running statistics in order, and collects new running statistics.

    Without a ``key`` it is a prediction, otherwise a training step.
    """

    def __init__(
        self,
        parameters: Sequence[Any],
        running: Sequence[Any],
        key: Any,
        *,
        reshaped: bool,
        taps: bool = False,
        unroll: int = 1,
    ) -> None:
        self.parameters, self.running, self.key, self.reshaped = iter(parameters), iter(running), key, reshaped
        self.taps, self.unroll = taps, unroll
        self.new_running: list[Any] = []
        self.drops = 0

    def through(self, layers: Sequence[Layer], x: Any) -> Any:
        """Return the output of the layers."""
        for layer in layers:
            x = self.layer(layer, x)
        return x

    def layer(self, layer: Layer, x: Any) -> Any:
        """Return the output of one layer."""
        match layer:
            case networks.Conv():
                padding = [(layer.padding, layer.padding)] * 2
                W, strides = next(self.parameters), (layer.stride, layer.stride)
                x = jax.lax.conv_general_dilated(x, W, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
                return x + next(self.parameters) if layer.bias else x
            case networks.Conv1d():
                return self.causal_convolution(layer, x)
            case networks.Norm():
                return self.normalize(layer, x)
            case networks.Relu():
                return jax.nn.relu(x)
            case networks.MaxPool():
                return self.pool(x)
            case networks.Upsample():
                n, h, w, c = x.shape
                return jnp.broadcast_to(x[:, :, None, :, None], (n, h, 2, w, 2, c)).reshape(n, 2 * h, 2 * w, c)
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
            case networks.Skip():
                return jnp.concatenate([x, self.through(layer.layers, x)], axis=-1)
            case networks.Rows():
                return x[..., 0]  # there is one channel
            case networks.Lstm():
                return self.lstm(layer, x)

    def causal_convolution(self, layer: networks.Conv1d, x: Any) -> Any:
        """Return the causal convolution of sequences (n, steps, channels)."""
        W, b, before = next(self.parameters), next(self.parameters), (layer.kernel - 1) * layer.dilation
        if not self.taps:
            dilation, axes = (layer.dilation,), ("NWC", "WIO", "NWC")
            y = jax.lax.conv_general_dilated(x, W, (1,), [(before, 0)], rhs_dilation=dilation, dimension_numbers=axes)
            return y + b
        padded = jnp.pad(x, ((0, 0), (before, 0), (0, 0)))
        seen = [padded[:, i * layer.dilation : i * layer.dilation + x.shape[1]] for i in range(layer.kernel)]
        return jnp.concatenate(seen, axis=-1) @ W.reshape(-1, layer.filters) + b

    def lstm(self, layer: networks.Lstm, x: Any) -> Any:
        """Return the states of an LSTM. The inputs of all steps are multiplied at once, before the loop."""
        W, U, b = (next(self.parameters) for _ in range(3))

        def step(state: Any, inputs: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(inputs + h @ U, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((len(x), layer.units))
        (last, _), states = jax.lax.scan(step, (start, start), jnp.swapaxes(x, 0, 1) @ W + b, unroll=self.unroll)
        return jnp.swapaxes(states, 0, 1) if layer.every_step else last

    def normalize(self, layer: networks.Norm, x: Any) -> Any:
        """Normalize by the statistics of the batch in training, by the running ones in prediction.

        In training, the mean and the unbiased variance of the batch update the running statistics.
        """
        mean, variance = next(self.running)
        if self.key is not None:
            n = x.size // x.shape[-1]
            batch = (x.mean((0, 1, 2)), x.var((0, 1, 2)))
            unbiased = (batch[0], batch[1] * n / (n - 1))
            pairs = zip((mean, variance), unbiased, strict=True)
            self.new_running.append(
                tuple(layer.momentum * old + (1 - layer.momentum) * jax.lax.stop_gradient(new) for old, new in pairs)
            )
            mean, variance = batch
        scale = next(self.parameters) * jax.lax.rsqrt(variance + layer.epsilon)
        return (x - mean) * scale + next(self.parameters)

    def pool(self, x: Any) -> Any:
        """Return the maximum of 2×2 windows."""
        n, h, w, c = x.shape
        if self.reshaped:
            return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def fresh(network: str, seed: int = 0) -> tuple[Any, Any]:
    """Return the initial parameters of that seed and the initial running statistics, on the device."""
    layers = NETWORKS[network]
    running = [
        (jnp.zeros(shape), jnp.ones(shape))
        for layer, place, shape in networks.parameters(layers, networks.input_shape(network))
        if isinstance(layer, networks.Norm) and place == 0
    ]
    values = reference.weights(layers, seed, networks.input_shape(network))
    return [jnp.asarray(one) for one in values], running


def learner(network: str, reshaped: bool, generator: str, taps: bool = False, unroll: int = 1) -> Learner:
    """Return a network that is trained by one compiled function."""
    layers = NETWORKS[network]
    base = jax.random.key(0, impl=generator)

    def train(parameters: Any, state: Any, running: Any, x: Any, y: Any) -> Any:
        key = jax.random.fold_in(base, state[-1].astype(jnp.int32))

        def loss(parameters: Any) -> Any:
            forward = ForwardPass(parameters, running, key, reshaped=reshaped, taps=taps, unroll=unroll)
            z = forward.through(layers, x)
            return cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1)), forward.new_running

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
        parameters = jax.tree.map(jnp.copy, values)  # because the step donates them

    return Learner(
        step,
        sum(one.size for one in parameters),
        lambda: jax.tree.map(jnp.copy, parameters),
        write,
        lambda: jax.device_get(jax.tree.leaves(running)),
        lambda _: jax.block_until_ready((parameters, state, running)),
    )


def batches(batch: int, network: str = "") -> list[tuple[Any, Any]]:
    """Return the batches on the device."""
    return [(jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in cyclic_batches(batch, network)]


def step(network: str, batch: int) -> Job:
    """Return the fastest job of two kinds of pooling, of causal convolutions and of loops over time and, with dropout, two
    generators.

    Steps are queued, as is usual in JAX.
    """
    kinds = networks.MaxPool, networks.Drop, networks.Conv1d, networks.Lstm
    pooled, drops, sequences, recurrent = (networks.count(NETWORKS[network], kind) for kind in kinds)

    def make(mode: None, pool: bool, generator: str, convolution: bool, loop: int) -> Job:
        return step_job(network, learner(network, pool, generator, convolution, loop), batches(batch, network))

    return fastest_combination(
        make,
        mode={STEP: None},
        pool=POOLS if pooled else {"": False},
        generator=GENERATORS if drops else {"": "threefry2x32"},
        convolution=CONVOLUTIONS if sequences else {"": False},
        loop=UNROLLED if recurrent else {"": 1},
    )


def predict(network: str, samples: int) -> Job:
    """Return the fastest job of several variants.

    They are: parameters as arguments or as constants of the compiled function; two kinds of pooling; all samples at once or in
    chunks.
    """
    layers, (parameters, running) = NETWORKS[network], fresh(network)
    x = jnp.asarray(inputs(samples))
    check = matches_reference(network, samples, concatenated(jax.device_get))

    def make(mode: bool, pool: bool, chunk: int) -> Job:
        def probabilities(parameters: Any, running: Any, x: Any) -> Any:
            return jax.nn.softmax(ForwardPass(parameters, running, None, reshaped=pool).through(layers, x))

        general, special = jax.jit(probabilities), jax.jit(lambda x: probabilities(parameters, running, x))
        call = special if mode else lambda x: general(parameters, running, x)
        return predict_job(call, in_chunks(x, chunk), check, jax.block_until_ready)

    return fastest_combination(
        make,
        mode={"jitted": False, "jitted, parameters as constants": True},
        pool=POOLS if networks.count(layers, networks.MaxPool) else {"": False},
        chunk=chunk_sizes(samples),
    )


def conv_memory(network: str, batch: int) -> list[float]:
    """Train for some steps and return the peak memory before and after."""
    return peak_memory(lambda: (learner(network, True, "threefry2x32"), batches(batch)))
