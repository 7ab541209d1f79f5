"""The exports of ``pellucid.layers``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.layers.activations import (
    ELU as ELU,
    GELU as GELU,
    SELU as SELU,
    Activation as Activation,
    HardSigmoid as HardSigmoid,
    HardSwish as HardSwish,
    Identity as Identity,
    LeakyReLU as LeakyReLU,
    LogSoftmax as LogSoftmax,
    Mish as Mish,
    Parametric as Parametric,
    PReLU as PReLU,
    ReLU as ReLU,
    ReLU6 as ReLU6,
    Sigmoid as Sigmoid,
    SiLU as SiLU,
    Softmax as Softmax,
    Softplus as Softplus,
    Tanh as Tanh,
)
from pellucid.layers.attention import Attention as Attention, CrossAttention as CrossAttention
from pellucid.layers.base import Layer as Layer, LayerSpec as LayerSpec, Merge as Merge
from pellucid.layers.context import Context as Context, ShardState as ShardState
from pellucid.layers.convolution import Conv2D as Conv2D
from pellucid.layers.convolution_1d import Conv1D as Conv1D
from pellucid.layers.dense import Dense as Dense
from pellucid.layers.dense_per_position import DensePerPosition as DensePerPosition
from pellucid.layers.dropout import AlphaDropout as AlphaDropout, Dropout as Dropout, SpatialDropout2D as SpatialDropout2D
from pellucid.layers.embedding import Embedding as Embedding, Unembedding as Unembedding
from pellucid.layers.exponential import Exp as Exp
from pellucid.layers.gated import SwiGLU as SwiGLU
from pellucid.layers.merge import (
    Add as Add,
    Average as Average,
    Concatenate as Concatenate,
    Maximum as Maximum,
    Multiply as Multiply,
    Subtract as Subtract,
)
from pellucid.layers.noise import GaussianNoise as GaussianNoise
from pellucid.layers.normalization import (
    BatchNorm as BatchNorm,
    GroupNorm as GroupNorm,
    LayerNorm as LayerNorm,
    RMSNorm as RMSNorm,
)
from pellucid.layers.numbers import Periodic as Periodic, PiecewiseLinear as PiecewiseLinear
from pellucid.layers.padding import Crop1D as Crop1D, Crop2D as Crop2D, ZeroPad1D as ZeroPad1D, ZeroPad2D as ZeroPad2D
from pellucid.layers.pooling import (
    AveragePool2D as AveragePool2D,
    GlobalAveragePool2D as GlobalAveragePool2D,
    GlobalMaxPool2D as GlobalMaxPool2D,
    MaxPool2D as MaxPool2D,
)
from pellucid.layers.pooling_1d import (
    AveragePool1D as AveragePool1D,
    GlobalAveragePool1D as GlobalAveragePool1D,
    GlobalMaxPool1D as GlobalMaxPool1D,
    MaxPool1D as MaxPool1D,
)
from pellucid.layers.positions import (
    LearnedPositions as LearnedPositions,
    SinusoidalPositions as SinusoidalPositions,
)
from pellucid.layers.recurrent import (
    GRU as GRU,
    LSTM as LSTM,
    FromState as FromState,
    Recurrent as Recurrent,
    Reverse as Reverse,
    SimpleRNN as SimpleRNN,
)
from pellucid.layers.rescale import LearnedScale as LearnedScale, Rescale as Rescale
from pellucid.layers.reshape import (
    Flatten as Flatten,
    Permute as Permute,
    Repeat as Repeat,
    Reshape as Reshape,
    Slice as Slice,
    Take as Take,
)
from pellucid.layers.transposed_convolution import ConvTranspose2D as ConvTranspose2D
from pellucid.layers.upsampling import UpSample1D as UpSample1D, UpSample2D as UpSample2D
