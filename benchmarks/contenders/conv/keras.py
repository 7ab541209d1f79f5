"""Keras on TensorFlow: the quickest of the ways in which a Keras model can be trained or asked, found by trying them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import data, networks, reference
from benchmarks.contenders.keras import PACKAGES, cross_entropy, describe, keras, tf
from benchmarks.data import Floats
from benchmarks.jobs import Job, best_of
from benchmarks.learning import Learner, agrees, cut, inputs, joined, portions, predict_job, ring, step_job
from benchmarks.networks import NETWORKS, Layer

__all__ = ["PACKAGES", "describe", "predict", "step"]


def model(network: str, last: str | None = None, seed: int = 0, *, unroll: bool = False) -> Any:
    """A network with the first weights of that seed; ``unroll`` writes an LSTM's steps one behind the other."""
    layers = NETWORKS[network]
    start = keras.Input(networks.INPUT)
    end = through(layers, start, iter(reference.weights(layers, seed)), unroll)
    return keras.Model(start, end if last is None else keras.layers.Activation(last)(end))


def through(layers: Sequence[Layer], x: Any, given: Iterator[Floats], unroll: bool) -> Any:
    """What comes out of these layers."""
    for layer in layers:
        if isinstance(layer, networks.Residual):
            inner = through(layer.layers, x, given, unroll)
            x = keras.layers.Add()([inner, through(layer.shortcut, x, given, unroll)])
            continue
        if isinstance(layer, networks.Conv) and layer.padding and not _same(layer):
            x = keras.layers.ZeroPadding2D(layer.padding)(x)
        made = one(layer, unroll)
        x = made(x)
        for variable in made.trainable_variables:
            variable.assign(next(given))
    return x


def _same(layer: networks.Conv) -> bool:
    """Whether the padding is what TensorFlow calls "same": with strides it puts more at the end than at the start."""
    return layer.stride == 1 and 2 * layer.padding == layer.kernel - 1


def one(layer: Layer, unroll: bool) -> Any:
    """The layer that a description means."""
    match layer:
        case networks.Conv():
            padding = "same" if layer.padding and _same(layer) else "valid"
            return keras.layers.Conv2D(layer.filters, layer.kernel, layer.stride, padding, use_bias=layer.bias)
        case networks.Norm():
            return keras.layers.BatchNormalization(momentum=layer.keep, epsilon=layer.epsilon)
        case networks.Relu():
            return keras.layers.Activation("relu")
        case networks.MaxPool():
            return keras.layers.MaxPooling2D(2)
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
            return keras.layers.LSTM(layer.units, unroll=unroll)
    raise TypeError(f"{layer} is no single layer")


def learner(made: Any, train: Callable[[Any, Any], Any]) -> Learner:
    """A model that learns by ``train``."""

    def write(values: Sequence[Floats]) -> None:
        for variable, value in zip(made.trainable_variables, values, strict=True):
            variable.assign(value)

    return Learner(
        train,
        sum(variable.value.shape.num_elements() for variable in made.trainable_variables),
        lambda: [variable.numpy().copy() for variable in made.trainable_variables],
        write,
        lambda: [variable.numpy() for variable in made.non_trainable_variables if "moving" in variable.name],
    )


def step(network: str, batch: int) -> Job:
    """``train_on_batch``, or a custom step in a ``tf.function`` as Keras's guide writes it; with and without XLA."""
    batches = [(tf.constant(x), tf.constant(y)) for x, y in ring(batch)]

    def on_batch(xla: bool, unroll: bool) -> Learner:
        made = model(network, unroll=unroll)
        made.compile(optimizer=keras.optimizers.Adam(data.LEARNING_RATE), loss=cross_entropy(), jit_compile=xla)
        return learner(made, made.train_on_batch)

    def custom(xla: bool, unroll: bool) -> Learner:
        made, loss = model(network, unroll=unroll), cross_entropy()
        optimizer = keras.optimizers.Adam(data.LEARNING_RATE)
        optimizer.build(made.trainable_variables)

        def train(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(y, made(x, training=True))
            optimizer.apply(tape.gradient(value, made.trainable_variables), made.trainable_variables)
            return value

        return learner(made, tf.function(train, jit_compile=xla).get_concrete_function(*batches[0]))

    return best_of(
        lambda way, compiler, loop: step_job(network, way(compiler, loop), batches),
        way={"custom step in tf.function": custom, "train_on_batch": on_batch},
        compiler={"": False, "jit_compile": True},
        loop={"": False, "unrolled": True} if networks.count(NETWORKS[network], networks.Lstm) else {"": False},
    )


def predict(network: str, samples: int) -> Job:
    """``predict``, ``predict_on_batch``, or the model in a ``tf.function``, with and without XLA, at once or in portions."""
    images = inputs(samples)
    x, made = tf.constant(images), model(network, "softmax")

    def function(xla: bool, part: Any) -> Callable[[Any], Any]:
        return tf.function(lambda x: made(x, training=False), jit_compile=xla).get_concrete_function(part)

    def make(way: str, portion: int) -> Job:
        proof = agrees(network, samples, joined())
        if way == "predict":
            return predict_job(lambda x: made.predict(x, batch_size=min(portion, 1000), verbose=0), [images], proof)
        parts = cut(x, portion)
        return predict_job(made.predict_on_batch if way == "batch" else function(way == "xla", parts[0]), parts, proof)

    return best_of(
        make,
        way={
            "model(x) in tf.function": "graph",
            "model(x) in tf.function, jit_compile": "xla",
            "model.predict_on_batch": "batch",
            "model.predict": "predict",
        },
        portion=portions(samples),
    )
