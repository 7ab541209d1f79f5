"""Keras on TensorFlow: a custom step in a ``tf.function``, the fastest way to train these networks with Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contenders.conv.keras import build_model
from benchmarks.contenders.keras import cross_entropy, keras, tf
from benchmarks.trainers import Checkpoints, TrainingTask, shuffled_batches


def main() -> None:
    """Train the network of the task and report the accuracies."""
    task = TrainingTask.from_stdin()
    keras.utils.set_random_seed(task.seed)
    checkpoints, random = Checkpoints(task), np.random.default_rng(task.seed)
    (x, y), (test_x, test_y) = ((tf.constant(x), tf.constant(y)) for x, y in task.datasets())
    model, loss = build_model(task.network, seed=task.seed), cross_entropy()
    optimizer = keras.optimizers.Adam(task.rates[0], *task.betas, epsilon=1e-8)
    optimizer.build(model.trainable_variables)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.float32)])  # type: ignore[untyped-decorator]
    def train(rows: Any, rate: Any) -> None:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            value = loss(tf.gather(y, rows), model(tf.gather(x, rows), training=True))
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)

    rates, step = iter(task.rates), 0
    for _ in range(task.epochs):
        for rows in shuffled_batches(random, len(x), task.batch):
            train(tf.constant(rows), tf.constant(next(rates)))
            step += 1
            checkpoints.after_step(step, model.get_weights)

    def accuracy(parameters: Any) -> float:
        model.set_weights(parameters)
        predicted = model.predict(test_x, batch_size=1000, verbose=0).argmax(axis=1)
        return float((predicted == test_y.numpy()).mean())

    checkpoints.report_accuracies(accuracy)


if __name__ == "__main__":
    main()
