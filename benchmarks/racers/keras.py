"""Keras on TensorFlow: a custom step in a ``tf.function``, which of Keras's ways is the quickest for these networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contenders.conv.keras import model
from benchmarks.contenders.keras import cross_entropy, keras, tf
from benchmarks.racers import Marks, Task, shuffled


def main() -> None:
    task = Task.given()
    keras.utils.set_random_seed(task.seed)
    marks, random = Marks(task), np.random.default_rng(task.seed)
    (x, y), (test_x, test_y) = ((tf.constant(x), tf.constant(y)) for x, y in task.pictures())
    made, loss = model(task.network, seed=task.seed), cross_entropy()
    optimizer = keras.optimizers.Adam(task.rates[0], *task.betas, epsilon=1e-8)
    optimizer.build(made.trainable_variables)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.float32)])  # type: ignore[untyped-decorator]
    def train(rows: Any, rate: Any) -> None:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            value = loss(tf.gather(y, rows), made(tf.gather(x, rows), training=True))
        optimizer.apply(tape.gradient(value, made.trainable_variables), made.trainable_variables)

    rates, step = iter(task.rates), 0
    for _ in range(task.epochs):
        for rows in shuffled(random, len(x), task.batch):
            train(tf.constant(rows), tf.constant(next(rates)))
            step += 1
            marks.after(step, made.get_weights)

    def accuracy(kept: Any) -> float:
        made.set_weights(kept)
        said = made.predict(test_x, batch_size=1000, verbose=0).argmax(axis=1)
        return float((said == test_y.numpy()).mean())

    marks.score(accuracy)


if __name__ == "__main__":
    main()
