"""JAX: the entire step with Adam is one jitted function; the buffers of the old parameters are donated to the new ones."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import data
from benchmarks.jobs import Job, are_probabilities, fastest, loss_falls

PACKAGES = ("jax", "jaxlib")

jax.config.update("jax_platforms", "cpu")  # on a machine with an accelerator, too


def describe() -> dict[str, Any]:
    """Return the devices."""
    return {"devices": [str(device) for device in jax.devices()]}


def logits(parameters: Any, x: Any) -> Any:
    """Return the logits of 784-256-256-10."""
    *hidden, (w, b) = parameters
    for v, c in hidden:
        x = jax.nn.relu(x @ v + c)
    return x @ w + b


def cross_entropy(z: Any, y: Any) -> Any:
    """Return the mean cross-entropy of the softmax of the logits. One-hot rows are no slower in XLA on a CPU than indexing."""
    return -jnp.mean(jnp.sum(jax.nn.one_hot(y, z.shape[-1]) * jax.nn.log_softmax(z), axis=1))


def loss(parameters: Any, x: Any, y: Any) -> Any:
    """Return the loss of a forward pass."""
    return cross_entropy(logits(parameters, x), y)


def adam(
    parameters: Any, state: Any, gradient: Any, rate: Any = data.LEARNING_RATE, betas: tuple[float, float] = (0.9, 0.999)
) -> Any:
    """Return new parameters and a new state after one step of Adam (Kingma and Ba, 2015)."""
    first, second, t = state
    t = t + 1
    slow, slower = betas
    first = jax.tree.map(lambda m, g: slow * m + (1 - slow) * g, first, gradient)
    second = jax.tree.map(lambda v, g: slower * v + (1 - slower) * g * g, second, gradient)
    rate = rate * jnp.sqrt(1 - slower**t) / (1 - slow**t)
    parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), parameters, first, second)
    return parameters, (first, second, t)


def moments(parameters: Any) -> Any:
    """Return the initial state of Adam."""
    return jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters), jnp.float32(0)


def train(parameters: Any, state: Any, x: Any, y: Any) -> Any:
    """Return new parameters, a new state and the loss of one training step."""
    value, gradient = jax.value_and_grad(loss)(parameters, x, y)
    return *adam(parameters, state, gradient), value


def fresh() -> Any:
    """Return initial parameters on the device."""
    return jax.tree.map(jnp.asarray, data.weights())


def step(batch: int) -> Job:
    """Return a job of training steps.

    Steps are queued, as is usual in JAX; the measured time ends when the results of the last one are available.
    """
    compiled = jax.jit(train, donate_argnums=(0, 1))
    batches = [(jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in data.cyclic_batches(batch)]
    following = cycle(batches)
    parameters = fresh()
    state = moments(parameters)

    def run() -> Any:
        nonlocal parameters, state
        parameters, state, value = compiled(parameters, state, *next(following))
        return value

    def wait(_: Any) -> None:
        jax.block_until_ready((parameters, state))

    return Job(run, loss_falls(), wait, len(batches), "one jitted step, buffers donated")


def predict(samples: int) -> Job:
    """Return the faster job of: parameters as arguments; parameters as constants of the compiled function."""
    parameters = fresh()
    x = jnp.asarray(data.inputs(samples))
    general = jax.jit(lambda p, x: jax.nn.softmax(logits(p, x)))
    special = jax.jit(lambda x: jax.nn.softmax(logits(parameters, x)))
    check = are_probabilities(samples, jax.device_get)
    return fastest(
        {
            "jitted": lambda: Job(lambda: jax.block_until_ready(general(parameters, x)), check),
            "jitted, parameters as constants": lambda: Job(lambda: jax.block_until_ready(special(x)), check),
        }
    )
