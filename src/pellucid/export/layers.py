"""The table of layers: how each layer class is written in each export format.

To make a new layer class exportable, add a row: one emitter for each format.

- ``onnx``: a function that adds ONNX operators to a graph, see :mod:`pellucid.export.onnx.basics`;
- ``numpy``: a function that writes a call of a NumPy function, see :mod:`pellucid.export.numpy_program.calls`. The function
  itself is in ``numpy_program/functions``;
- ``plain``: a function that writes calls of functions that exist in C and in JavaScript, see
  :mod:`pellucid.export.plain.calls`. The functions are in ``plain/functions``, in both languages.

The tests compare the outputs of every row with those of the layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pellucid.errors import ConfigError
from pellucid.export.numpy_program import calls
from pellucid.export.numpy_program.calls import NumpyEmitter, call, omit
from pellucid.export.numpy_program.functions import (
    activations as np_activations,
    attention as np_attention,
    basics as np_basics,
    images as np_images,
    normalization as np_normalization,
    recurrent as np_recurrent,
    sequences as np_sequences,
    tables as np_tables,
)
from pellucid.export.numpy_program.python_source import Call
from pellucid.export.onnx import activations, attention, basics, images, normalization, recurrent, sequences, tables
from pellucid.export.onnx.basics import OnnxEmitter
from pellucid.export.plain import calls as plain
from pellucid.export.plain.calls import PlainEmitter
from pellucid.export.trained_network import Step
from pellucid.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    SELU,
    Add,
    AlphaDropout,
    Attention,
    Average,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Crop1D,
    Crop2D,
    CrossAttention,
    Dense,
    DensePerPosition,
    Dropout,
    Embedding,
    Exp,
    Flatten,
    FromState,
    GaussianNoise,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Identity,
    LayerNorm,
    LeakyReLU,
    LearnedPositions,
    LearnedScale,
    LogSoftmax,
    Maximum,
    MaxPool1D,
    MaxPool2D,
    Mish,
    Multiply,
    Parametric,
    Periodic,
    Permute,
    PiecewiseLinear,
    PReLU,
    ReLU,
    ReLU6,
    Repeat,
    Rescale,
    Reshape,
    Reverse,
    RMSNorm,
    Sigmoid,
    SiLU,
    SimpleRNN,
    SinusoidalPositions,
    Slice,
    Softmax,
    Softplus,
    SpatialDropout2D,
    Subtract,
    SwiGLU,
    Take,
    Tanh,
    Unembedding,
    UpSample1D,
    UpSample2D,
    ZeroPad1D,
    ZeroPad2D,
)

Format = Literal["onnx", "numpy", "c", "html"]
COLUMNS = {"c": "plain", "html": "plain"}  # formats whose column has another name


@dataclass(frozen=True)
class Emitters:
    """The functions that write one layer class, one for each format; C and JavaScript have the same."""

    onnx: OnnxEmitter
    numpy: NumpyEmitter
    plain: PlainEmitter


def _parametric_onnx(graph: Any, layer: Any, p: Any, x: Any) -> Any:
    inner = LAYERS[type(layer.activation)].onnx(graph, layer.activation, {}, x)
    return tables.mixed(graph, p, x, inner)


def _parametric_numpy(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    inner = LAYERS[type(layer.activation)].numpy(replace(step, layer=layer.activation, arrays={}), inputs)
    assert inner is not None
    return calls.mixed(step, inputs, inner)


def _parametric_plain(step: Step) -> Sequence[plain.Call]:
    layer: Any = step.layer
    return plain.mixed(step, LAYERS[type(layer.activation)].plain(replace(step, layer=layer.activation, arrays={})))


LAYERS: dict[type, Emitters] = {
    # activations
    ELU: Emitters(activations.elu, call(np_activations.elu), plain.elu),
    GELU: Emitters(activations.gelu, call(np_activations.gelu), plain.gelu),
    HardSigmoid: Emitters(activations.hard_sigmoid, call(np_activations.hard_sigmoid), plain.elementwise("hard_sigmoid")),
    HardSwish: Emitters(activations.activation("HardSwish"), call(np_activations.hard_swish), plain.elementwise("hard_swish")),
    LeakyReLU: Emitters(activations.leaky_relu, call(np_activations.leaky_relu), plain.leaky_relu),
    LogSoftmax: Emitters(activations.softmax("LogSoftmax"), call(np_activations.log_softmax), plain.rowwise("log_softmax")),
    Mish: Emitters(activations.mish, call(np_activations.mish), plain.elementwise("mish")),
    Parametric: Emitters(_parametric_onnx, _parametric_numpy, _parametric_plain),
    PReLU: Emitters(activations.prelu, call(np_activations.prelu), plain.prelu),
    ReLU: Emitters(activations.activation("Relu"), call(np_activations.relu), plain.elementwise("relu")),
    ReLU6: Emitters(activations.relu6, call(np_activations.relu6), plain.elementwise("relu6")),
    SELU: Emitters(activations.selu, call(np_activations.selu), plain.selu),
    SiLU: Emitters(activations.silu, call(np_activations.silu), plain.elementwise("silu")),
    Sigmoid: Emitters(activations.activation("Sigmoid"), call(np_activations.sigmoid), plain.elementwise("sigmoid")),
    Softmax: Emitters(activations.softmax("Softmax"), call(np_activations.softmax), plain.rowwise("softmax")),
    Softplus: Emitters(activations.activation("Softplus"), call(np_activations.softplus), plain.elementwise("softplus")),
    Tanh: Emitters(activations.activation("Tanh"), call(np_activations.tanh), plain.elementwise("tanh_activation")),
    # dense layers, embeddings, shapes
    Dense: Emitters(basics.dense, call(np_basics.dense), plain.dense),
    Embedding: Emitters(basics.embedding, call(np_basics.embedding), plain.embedding),
    Unembedding: Emitters(basics.unembedding, call(np_basics.unembedding), plain.unembedding),
    LearnedPositions: Emitters(basics.learned_positions, call(np_basics.learned_positions), plain.learned_positions),
    SinusoidalPositions: Emitters(
        basics.sinusoidal_positions, call(np_basics.sinusoidal_positions), plain.sinusoidal_positions
    ),
    SwiGLU: Emitters(basics.swiglu, call(np_activations.swiglu), plain.swiglu),
    Flatten: Emitters(basics.flatten, call(np_basics.flatten), plain.omit),
    Permute: Emitters(basics.permute, calls.permute, plain.permute),
    Repeat: Emitters(basics.repeat, call(np_basics.repeat), plain.repeat),
    Rescale: Emitters(basics.rescale, call(np_basics.rescale), plain.rescale),
    Exp: Emitters(activations.activation("Exp"), call(np_activations.exponential), plain.elementwise("exponential")),
    Reshape: Emitters(basics.reshape, calls.reshape, plain.omit),
    Slice: Emitters(basics.slice_axis, calls.slice_axis, plain.slice_axis),
    # tables
    DensePerPosition: Emitters(tables.dense_per_position, call(np_tables.dense_per_position), plain.dense_per_position),
    LearnedScale: Emitters(tables.learned_scale, call(np_tables.learned_scale), plain.learned_scale),
    Periodic: Emitters(tables.periodic, call(np_tables.periodic), plain.periodic),
    PiecewiseLinear: Emitters(tables.piecewise_linear, call(np_tables.piecewise_linear), plain.piecewise_linear),
    Take: Emitters(tables.take, call(np_tables.take), plain.take),
    # layers that do nothing in prediction
    AlphaDropout: Emitters(basics.identity, omit, plain.omit),
    Dropout: Emitters(basics.identity, omit, plain.omit),
    GaussianNoise: Emitters(basics.identity, omit, plain.omit),
    Identity: Emitters(basics.identity, omit, plain.omit),
    SpatialDropout2D: Emitters(basics.identity, omit, plain.omit),
    # merges
    Add: Emitters(basics.merge("Add"), call(np_basics.add), plain.merge("add")),
    Average: Emitters(basics.average, call(np_basics.average), plain.average),
    Concatenate: Emitters(basics.concatenate, calls.concatenate, plain.concatenate),
    Maximum: Emitters(basics.maximum, call(np_basics.maximum), plain.merge("maximum")),
    Multiply: Emitters(basics.merge("Mul"), call(np_basics.multiply), plain.merge("multiply")),
    Subtract: Emitters(basics.merge("Sub"), call(np_basics.subtract), plain.merge("subtract")),
    # images
    AveragePool2D: Emitters(
        images.pool("AveragePool", count_include_pad=0), calls.pool(np_images.average_pool), plain.pool("average_pool")
    ),
    Conv2D: Emitters(images.conv2d, calls.conv2d, plain.conv2d),
    ConvTranspose2D: Emitters(images.conv_transpose2d, calls.conv_transpose2d, plain.conv_transpose2d),
    Crop2D: Emitters(images.crop, calls.crop, plain.crop),
    GlobalAveragePool2D: Emitters(
        images.global_pool("GlobalAveragePool"), call(np_images.global_average_pool), plain.global_pool("global_average_pool")
    ),
    GlobalMaxPool2D: Emitters(
        images.global_pool("GlobalMaxPool"), call(np_images.global_max_pool), plain.global_pool("global_max_pool")
    ),
    MaxPool2D: Emitters(images.pool("MaxPool"), calls.pool(np_images.max_pool), plain.pool("max_pool")),
    UpSample2D: Emitters(images.upsample, calls.upsample, plain.upsample),
    ZeroPad2D: Emitters(images.zero_pad, calls.zero_pad, plain.zero_pad),
    # attention
    Attention: Emitters(attention.attention, call(np_attention.attention), plain.attention),
    CrossAttention: Emitters(attention.cross_attention, call(np_attention.cross_attention), plain.cross_attention),
    # normalization
    BatchNorm: Emitters(normalization.batch_norm, call(np_normalization.batch_norm), plain.batch_norm),
    GroupNorm: Emitters(normalization.group_norm, call(np_normalization.group_norm), plain.group_norm),
    LayerNorm: Emitters(normalization.layer_norm, call(np_normalization.layer_norm), plain.layer_norm),
    RMSNorm: Emitters(normalization.rms_norm, call(np_normalization.rms_norm), plain.rms_norm),
    # sequences
    AveragePool1D: Emitters(
        sequences.pool("AveragePool", count_include_pad=0),
        calls.pool_1d(np_sequences.average_pool_1d),
        plain.pool_1d("average_pool"),
    ),
    Conv1D: Emitters(sequences.conv1d, calls.conv1d, plain.conv1d),
    Crop1D: Emitters(images.crop, calls.crop, plain.crop),
    FromState: Emitters(recurrent.from_state, calls.recurrent, plain.recurrent),
    GRU: Emitters(recurrent.recurrent, calls.recurrent, plain.recurrent),
    GlobalAveragePool1D: Emitters(
        images.global_pool("GlobalAveragePool"), call(np_images.global_average_pool), plain.global_pool("global_average_pool")
    ),
    GlobalMaxPool1D: Emitters(
        images.global_pool("GlobalMaxPool"), call(np_images.global_max_pool), plain.global_pool("global_max_pool")
    ),
    LSTM: Emitters(recurrent.recurrent, calls.recurrent, plain.recurrent),
    MaxPool1D: Emitters(sequences.pool("MaxPool"), calls.pool_1d(np_sequences.max_pool_1d), plain.pool_1d("max_pool")),
    Reverse: Emitters(recurrent.reverse, call(np_recurrent.reverse), plain.reverse),
    SimpleRNN: Emitters(recurrent.recurrent, calls.recurrent, plain.recurrent),
    UpSample1D: Emitters(images.upsample, calls.upsample, plain.upsample),
    ZeroPad1D: Emitters(images.zero_pad, calls.zero_pad, plain.zero_pad),
}


def find_emitter(format: Format, layer: object, custom: Mapping[type, Any]) -> Any:
    """Return the function that writes a layer: from ``custom``, the emitters of user-defined classes, or from the table.

    Raises ConfigError for a class that is in neither.
    """
    kind = type(layer)
    if kind in custom:
        return custom[kind]
    inner = type(layer.layer) if isinstance(layer, FromState) else kind
    inner = type(layer.activation) if isinstance(layer, Parametric) else inner
    if kind not in LAYERS or inner not in LAYERS:
        name = kind.__name__
        part = "activation" if isinstance(layer, Parametric) else "layer"
        what = f"the layer {name}" if inner is kind else f"{name} with the {part} {inner.__name__}"
        raise ConfigError(
            f"export_{format} cannot write {what}; pass a function for it: export_{format}(path, layers={{{name}: function}})"
        )
    return getattr(LAYERS[kind], COLUMNS.get(format, format))
