"""Keras on TensorFlow: the fastest of several ways to train a Keras model or to predict with it, found by timing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import data, networks, reference
from benchmarks.contenders.keras import PACKAGES, cross_entropy, describe, keras, tf
from benchmarks.data import Floats
from benchmarks.jobs import Job, fastest_combination
from benchmarks.network_jobs import (
    Learner,
    chunk_sizes,
    concatenated,
    cyclic_batches,
    in_chunks,
    inputs,
    matches_reference,
    predict_job,
    step_job,
)
from benchmarks.networks import NETWORKS, Layer

__all__ = ["PACKAGES", "describe", "predict", "step"]


def build_model(network: str, last: str | None = None, seed: int = 0, *, unroll: bool = False) -> Any:
    """Return a network with the initial weights of that seed; ``unroll`` unrolls the loop of an LSTM."""
    layers = NETWORKS[network]
    shape = networks.input_shape(network)
    start = keras.Input(shape)
    end = apply_layers(layers, start, iter(reference.weights(layers, seed, shape)), unroll)
    return keras.Model(start, end if last is None else keras.layers.Activation(last)(end))


def apply_layers(layers: Sequence[Layer], x: Any, weights: Iterator[Floats], unroll: bool) -> Any:
    """Return the output of the layers. ``weights`` are their initial weights."""
    for layer in layers:
        if isinstance(layer, networks.Residual):
            inner = apply_layers(layer.layers, x, weights, unroll)
            x = keras.layers.Add()([inner, apply_layers(layer.shortcut, x, weights, unroll)])
            continue
        if isinstance(layer, networks.Skip):
            x = keras.layers.Concatenate()([x, apply_layers(layer.layers, x, weights, unroll)])
            continue
        if isinstance(layer, networks.Conv) and layer.padding and not _same(layer):
            x = keras.layers.ZeroPadding2D(layer.padding)(x)
        built = build_layer(layer, unroll)
        x = built(x)
        for variable in built.trainable_variables:
            variable.assign(next(weights))
    return x


def _same(layer: networks.Conv) -> bool:
    """Return whether the padding is TensorFlow's "same". (With strides, "same" adds more at the end than at the start.)"""
    return layer.stride == 1 and 2 * layer.padding == layer.kernel - 1


def build_layer(layer: Layer, unroll: bool) -> Any:
    """Return the layer for a description."""
    match layer:
        case networks.Conv():
            padding = "same" if layer.padding and _same(layer) else "valid"
            return keras.layers.Conv2D(layer.filters, layer.kernel, layer.stride, padding, use_bias=layer.bias)
        case networks.Conv1d():
            return keras.layers.Conv1D(layer.filters, layer.kernel, padding="causal", dilation_rate=layer.dilation)
        case networks.Norm():
            return keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon)
        case networks.Relu():
            return keras.layers.Activation("relu")
        case networks.MaxPool():
            return keras.layers.MaxPooling2D(2)
        case networks.Upsample():
            return keras.layers.UpSampling2D(2)
        case networks.Mean():
            return keras.layers.GlobalAveragePooling2D()
        case networks.Flatten():
            return keras.layers.Flatten()
        case networks.Drop():
            return keras.layers.Dropout(layer.rate)
        case networks.Dense():
            return keras.layers.Dense(layer.units)
        case networks.Rows():
            return keras.layers.Reshape(networks.INPUT[:2])
        case networks.Lstm():
            return keras.layers.LSTM(layer.units, return_sequences=layer.every_step, unroll=unroll)
    raise TypeError(f"{layer} is not a single layer")


def learner(model: Any, train: Callable[[Any, Any], Any]) -> Learner:
    """Return a model that is trained by ``train``."""

    def write(values: Sequence[Floats]) -> None:
        for variable, value in zip(model.trainable_variables, values, strict=True):
            variable.assign(value)

    return Learner(
        train,
        sum(variable.value.shape.num_elements() for variable in model.trainable_variables),
        lambda: [variable.numpy().copy() for variable in model.trainable_variables],
        write,
        lambda: [variable.numpy() for variable in model.non_trainable_variables if "moving" in variable.name],
    )


def step(network: str, batch: int) -> Job:
    """Return the fastest job of several variants.

    They are ``train_on_batch`` and a custom step in a ``tf.function``, as in Keras's guide; with and without XLA.
    """
    batches = [(tf.constant(x), tf.constant(y)) for x, y in cyclic_batches(batch, network)]

    def on_batch(xla: bool, unroll: bool) -> Learner:
        model = build_model(network, unroll=unroll)
        model.compile(optimizer=keras.optimizers.Adam(data.LEARNING_RATE), loss=cross_entropy(), jit_compile=xla)
        return learner(model, model.train_on_batch)

    def custom(xla: bool, unroll: bool) -> Learner:
        model, loss = build_model(network, unroll=unroll), cross_entropy()
        optimizer = keras.optimizers.Adam(data.LEARNING_RATE)
        optimizer.build(model.trainable_variables)

        def train(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
            optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
            return value

        return learner(model, tf.function(train, jit_compile=xla).get_concrete_function(*batches[0]))

    return fastest_combination(
        lambda mode, compiler, loop: step_job(network, mode(compiler, loop), batches),
        mode={"custom step in tf.function": custom, "train_on_batch": on_batch},
        compiler={"": False, "jit_compile": True},
        loop={"": False, "unrolled": True} if network == "lstm" else {"": False},  # 64 steps take minutes to compile
    )


def predict(network: str, samples: int) -> Job:
    """Return the fastest job of several variants.

    They are ``predict``, ``predict_on_batch`` and the model in a ``tf.function``, with and without XLA; all samples at once
    or in chunks.
    """
    images = inputs(samples)
    x, model = tf.constant(images), build_model(network, "softmax")

    def function(xla: bool, part: Any) -> Callable[[Any], Any]:
        return tf.function(lambda x: model(x, training=False), jit_compile=xla).get_concrete_function(part)

    def make(mode: str, chunk: int) -> Job:
        check = matches_reference(network, samples, concatenated())
        if mode == "predict":
            return predict_job(lambda x: model.predict(x, batch_size=min(chunk, 1000), verbose=0), [images], check)
        parts = in_chunks(x, chunk)
        return predict_job(model.predict_on_batch if mode == "batch" else function(mode == "xla", parts[0]), parts, check)

    return fastest_combination(
        make,
        mode={
            "model(x) in tf.function": "graph",
            "model(x) in tf.function, jit_compile": "xla",
            "model.predict_on_batch": "batch",
            "model.predict": "predict",
        },
        chunk=chunk_sizes(samples),
    )
