"""JAX: the entire step, with gathering the batch and Adam, is one jitted function; its old buffers are donated."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders.conv.jax import ForwardPass, fresh
from benchmarks.contenders.jax import adam, cross_entropy, moments
from benchmarks.networks import NETWORKS
from benchmarks.trainers import Checkpoints, TrainingTask, shuffled_batches


def main() -> None:
    """Train the network of the task and report the accuracies."""
    task = TrainingTask.from_stdin()
    checkpoints, layers, random = Checkpoints(task), NETWORKS[task.network], np.random.default_rng(task.seed)
    (x, y), (test_x, test_y) = ((jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in task.datasets())
    base, betas = jax.random.key(task.seed, impl="rbg"), (task.betas[0], task.betas[1])

    def train(parameters: Any, state: Any, running: Any, x: Any, y: Any, rows: Any, rate: Any) -> Any:
        key = jax.random.fold_in(base, state[-1].astype(jnp.int32))

        def loss(parameters: Any) -> Any:
            forward = ForwardPass(parameters, running, key, reshaped=True)
            return cross_entropy(forward.through(layers, x[rows]), y[rows]), forward.new_running

        gradient, running = jax.grad(loss, has_aux=True)(parameters)
        return *adam(parameters, state, gradient, rate, betas), running

    compiled = jax.jit(train, donate_argnums=(0, 1, 2))
    parameters, running = fresh(task.network, task.seed)
    state, rates, step = moments(parameters), iter(task.rates), 0
    for _ in range(task.epochs):
        for rows in shuffled_batches(random, len(x), task.batch):
            parameters, state, running = compiled(parameters, state, running, x, y, rows, next(rates))
            step += 1
            now = parameters, running
            checkpoints.after_step(step, lambda now=now: jax.device_get(now))  # type: ignore[misc]

    @jax.jit  # type: ignore[untyped-decorator]
    def predict(parameters: Any, running: Any, x: Any) -> Any:
        return ForwardPass(parameters, running, None, reshaped=True).through(layers, x).argmax(1)

    def accuracy(kept: Any) -> float:
        right = [
            predict(*kept, test_x[start : start + 1000]) == test_y[start : start + 1000] for start in range(0, 10_000, 1000)
        ]
        return float(jnp.concatenate(right).mean())

    checkpoints.report_accuracies(accuracy)


if __name__ == "__main__":
    main()
