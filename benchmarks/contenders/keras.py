"""Keras on TensorFlow: the fastest of several ways to train a Keras model or to predict with it, found by timing them."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import cycle
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf

from benchmarks import data
from benchmarks.jobs import Job, are_probabilities, fastest, loss_falls

__all__ = ["PACKAGES", "cross_entropy", "describe", "keras", "network", "predict", "step", "tf"]

PACKAGES = ("keras", "tensorflow")

tf.config.set_visible_devices([], "GPU")  # on a machine with an accelerator, too


def describe() -> dict[str, Any]:
    """Return the backend and the threads; 0 means that TensorFlow decides."""
    threading = tf.config.threading
    return {
        "backend": keras.backend.backend(),
        "inter_op_threads": threading.get_inter_op_parallelism_threads(),
        "intra_op_threads": threading.get_intra_op_parallelism_threads(),
    }


def network(last: str | None) -> Any:
    """Return 784-256-256-10 with He's initialization and ``last`` as the last activation."""
    layers = [keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal") for units in data.SIZES[1:-1]]
    output = keras.layers.Dense(data.SIZES[-1], activation=last, kernel_initializer="he_normal")
    return keras.Sequential([keras.Input((data.SIZES[0],)), *layers, output])


def cross_entropy() -> Any:
    """Return the loss of logits, which is numerically stable and computes the softmax once."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def step(batch: int) -> Job:
    """Return the fastest job of several variants.

    They are ``train_on_batch`` and a custom step in a ``tf.function``, as in Keras's guide; with and without XLA.
    """
    batches = [(tf.constant(x), tf.constant(y)) for x, y in data.cyclic_batches(batch)]

    def job(train: Callable[[Any, Any], Any]) -> Job:
        following = cycle(batches)
        return Job(lambda: train(*next(following)), loss_falls(), period=len(batches))

    def on_batch() -> Job:
        model = network(None)
        model.compile(optimizer=keras.optimizers.Adam(data.LEARNING_RATE), loss=cross_entropy(), jit_compile=True)
        return job(model.train_on_batch)

    def custom(xla: bool) -> Job:
        model, loss = network(None), cross_entropy()
        optimizer = keras.optimizers.Adam(data.LEARNING_RATE)
        optimizer.build(model.trainable_variables)

        def train(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
            optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
            return value

        # A concrete function of one shape, so that calls need not look up the matching trace.
        return job(tf.function(train, jit_compile=xla).get_concrete_function(*batches[0]))

    return fastest(
        {
            "train_on_batch, jit_compile": on_batch,
            "custom step in tf.function, jit_compile": lambda: custom(True),
            "custom step in tf.function": lambda: custom(False),
        }
    )


def predict(samples: int) -> Job:
    """Return the fastest job of ``predict``, ``predict_on_batch`` and the model in a ``tf.function``, with and without XLA."""
    images = data.inputs(samples)
    x = tf.constant(images)
    model = network("softmax")
    check = are_probabilities(samples, lambda result: result if not hasattr(result, "numpy") else result.numpy())

    def function(xla: bool) -> Job:
        def call(x: Any) -> Any:
            return model(x, training=False)

        compiled = tf.function(call, jit_compile=xla).get_concrete_function(x)
        return Job(lambda: compiled(x), check)

    return fastest(
        {
            "model.predict": lambda: Job(lambda: model.predict(images, batch_size=min(samples, 1000), verbose=0), check),
            "model.predict_on_batch": lambda: Job(lambda: model.predict_on_batch(x), check),
            "model(x) in tf.function, jit_compile": lambda: function(True),
            "model(x) in tf.function": lambda: function(False),
        }
    )
