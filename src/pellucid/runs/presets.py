"""Presets: named networks, each with the recipe that trains it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pellucid.core.config import from_json
from pellucid.core.files import read_json
from pellucid.data.augmentation import AUGMENTATIONS, Augmentation
from pellucid.errors import ConfigError, did_you_mean
from pellucid.initializers import GlorotUniform, He, Normal
from pellucid.layers import (
    LSTM,
    Add,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    SpatialDropout2D,
    UpSample2D,
)
from pellucid.model.several import refuse_several
from pellucid.networks import Composite, Graph, Node, Residual, Sequential
from pellucid.optim import (
    LBFGS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Chain,
    ClipNorm,
    Decay,
    Lion,
    Muon,
    Nadam,
    OneCycle,
    Optimizer,
    RAdam,
    RMSprop,
    rule_of,
)
from pellucid.recipes.tables import HIDDEN
from pellucid.runs.language_models import (
    GPT,
    NeuralProbabilisticLanguageModel,
    RecurrentLanguageModel,
    SmallTransformer,
    bigram,
)
from pellucid.runs.mlp import MLP
from pellucid.runs.recipe import Recipe
from pellucid.runs.table_recipes import for_table
from pellucid.training import EarlyStopping
from pellucid.training.options import FitOptions


def _mlp_small(classes: int) -> Composite:
    """Return a network with one hidden layer of 32 units. Unlike in MLP, all layers are initialized by He."""
    return Sequential(Flatten(), Dense(32, He()), ReLU(), Dense(classes, He()), Softmax())


def _lenet5(classes: int) -> Composite:
    """Return LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998) with five changes.

    The sizes are those of the paper, with 28 × 28 images padded to 32 × 32. The changes: ReLU instead of a scaled tanh; the
    maximum instead of a trained mean in the pools; every filter of the second convolution reads all six maps; a softmax
    instead of the distances to drawn digits; and Adam.
    """
    return Sequential(
        Conv2D(6, 5, padding=2),
        ReLU(),
        MaxPool2D(2),
        Conv2D(16, 5),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(120, He()),
        ReLU(),
        Dense(84, He()),
        ReLU(),
        Dense(classes, GlorotUniform()),
        Softmax(),
    )


def _cnn(classes: int) -> Composite:
    """Return a network of four convolutions, with more channels after each reduction of the image size.

    The first convolution has a large kernel, as it has one input channel only; the others are 3×3, with batch normalization.
    Chosen on the validation set among ten networks that train within a minute or two on two cores.
    """
    layers: list[Layer] = [Conv2D(16, 5), ReLU(), MaxPool2D(2), *_normalized(32, 32), MaxPool2D(2), SpatialDropout2D(0.1)]
    layers += [*_normalized(64), MaxPool2D(2), SpatialDropout2D(0.1), Flatten(), Dropout(0.3)]
    return Sequential(*layers, Dense(classes, GlorotUniform()), Softmax())


def _cnn_best(classes: int) -> Composite:
    """Return a larger ``cnn``: two blocks of three convolutions, and the first convolution normalized as well.

    Chosen on the validation set among ten recipes that train within ten minutes on two cores.
    """
    layers: list[Layer] = [Conv2D(16, 5, bias=False), BatchNorm(), ReLU(), MaxPool2D(2), *_normalized(48, 48, 48)]
    layers += [MaxPool2D(2), SpatialDropout2D(0.1), *_normalized(96, 96, 96), MaxPool2D(2), Flatten(), Dropout(0.3)]
    return Sequential(*layers, Dense(classes, GlorotUniform()), Softmax())


def _draw_cnn(classes: int) -> Composite:
    """Return the network of the drawing mode: six convolutions, in a file of 500 KB with numbers of 16 bits.

    Chosen on the validation writers; ``benchmarks.pair`` measures its scores.
    """
    layers: list[Layer] = [Conv2D(16, 5), ReLU(), MaxPool2D(2), *_normalized(48, 48), MaxPool2D(2), SpatialDropout2D(0.05)]
    layers += [*_normalized(96, 96, 96), MaxPool2D(2), SpatialDropout2D(0.05), Flatten(), Dropout(0.3)]
    return Sequential(*layers, Dense(classes, GlorotUniform()), Softmax())


def _cnn_fast(classes: int) -> Composite:
    """Return a network of three convolutions that learns in one epoch.

    Chosen on the validation set, with three seeds each, among six networks and fourteen learning rates and batch sizes.
    """
    layers: list[Layer] = [Conv2D(16, 3), ReLU(), MaxPool2D(2), Conv2D(32, 3, bias=False), BatchNorm(), ReLU(), MaxPool2D(2)]
    return Sequential(*layers, *_normalized(64), Flatten(), Dense(classes, GlorotUniform()), Softmax())


def _normalized(*filters: int) -> list[Layer]:
    """Return 3×3 convolutions that keep the image size, each with batch normalization and ReLU."""
    return [layer for one in filters for layer in (Conv2D(one, 3, padding="same", bias=False), BatchNorm(), ReLU())]


def _pytorch_example(classes: int) -> Composite:
    """Return the network of PyTorch's MNIST example: 1,199,882 parameters for ten classes."""
    return Sequential(
        Conv2D(32, 3),
        ReLU(),
        Conv2D(64, 3),
        ReLU(),
        MaxPool2D(2),
        Dropout(0.25),
        Flatten(),
        Dense(128, He()),
        ReLU(),
        Dropout(0.5),
        Dense(classes, GlorotUniform()),
        Softmax(),
    )


def _keras_example(classes: int) -> Composite:
    """Return the network of Keras' MNIST example: 34,826 parameters for ten classes."""
    return Sequential(
        Conv2D(32, 3),
        ReLU(),
        MaxPool2D(2),
        Conv2D(64, 3),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.5),
        Dense(classes, GlorotUniform()),
        Softmax(),
    )


def _lstm(classes: int) -> Composite:
    """Return a recurrent network that reads an image row by row and classifies it after the last row."""
    return Sequential(Reshape((28, 28)), LSTM(128), Dropout(0.2), Dense(classes, GlorotUniform()), Softmax())


def _forecast(outputs: int) -> Composite:
    """Return the sum of a linear forecast and of two hidden layers, which both start near 0.

    Chosen on the validation parts of six series, with three seeds each, among some thirty recipes: with and without the linear
    forecast, with and without the level, with other widths, rates and batches, with dropout, weight decay and GRUs.
    """
    start = Normal(0.001)
    return Graph(
        Node("linear", Sequential(Flatten(), Dense(outputs, start)), "input"),
        Node("hidden", Sequential(Flatten(), Dense(128), ReLU(), Dense(128), ReLU(), Dense(outputs, start)), "input"),
        Node("sum", Add(), "linear", "hidden"),
        Node("softmax", Softmax(), "sum"),
    )


def _autoencoder(channels: int) -> Composite:
    """Return a convolutional autoencoder: two halvings of the size to a code of four channels, and two doublings.

    For MNIST the code has 7 × 7 × 4 numbers, a quarter of the image. Images may have any size that 4 divides. Without batch
    normalization three of five trainings on 4,000 digits ended with an output of 0 for every pixel: most pixels are 0, and so
    far in its tail the gradient of the sigmoid is too small to return.
    """

    def convolution(filters: int, stride: int = 1) -> list[Layer]:
        return [Conv2D(filters, 3, stride, padding=1, bias=False), BatchNorm(), ReLU()]

    encoder = [*convolution(16), *convolution(32, 2), *convolution(32, 2), Conv2D(4, 1)]
    decoder = [*convolution(32), UpSample2D(2), *convolution(32), UpSample2D(2), *convolution(16)]
    return Sequential(*encoder, *decoder, Conv2D(channels, 3, padding=1), Sigmoid())


def _unet_small(classes: int) -> Composite:
    """Return a U-Net (Ronneberger, Fischer and Brox, 2015) of four levels with 8, 16, 32 and 64 channels.

    Images may have any size that 8 divides.
    """
    filters = (8, 16, 32, 64)
    nodes, last = [], "input"
    for i, count in enumerate(filters[:-1], start=1):
        nodes.append(Node(f"down{i}", Sequential(*_normalized(count, count)), last))
        last = f"pool{i}"
        nodes.append(Node(last, MaxPool2D(2), f"down{i}"))
    nodes.append(Node("bottom", Sequential(*_normalized(filters[-1], filters[-1])), last))
    last = "bottom"
    for i, count in reversed(list(enumerate(filters[:-1], start=1))):
        nodes.append(Node(f"grow{i}", UpSample2D(2), last))
        nodes.append(Node(f"join{i}", Concatenate(), f"down{i}", f"grow{i}"))
        last = f"up{i}"
        nodes.append(Node(last, Sequential(*_normalized(count, count)), f"join{i}"))
    return Graph(*nodes, Node("classes", Sequential(Dense(classes, GlorotUniform()), Softmax()), last))


def _resnet_small(classes: int) -> Composite:
    """Return a residual network (He, Zhang, Ren and Sun, 2015) of three blocks, with 16, 32 and 64 channels."""

    def convolution(filters: int, stride: int = 1) -> list[Layer]:
        return [Conv2D(filters, 3, stride, padding=1, bias=False), BatchNorm()]

    def block(filters: int, stride: int) -> list[Layer]:
        shortcut = Sequential(Conv2D(filters, 1, stride, bias=False), BatchNorm()) if stride > 1 else None
        return [Residual(*convolution(filters, stride), ReLU(), *convolution(filters), shortcut=shortcut), ReLU()]

    blocks = block(16, 1) + block(32, 2) + block(64, 2)
    return Sequential(*convolution(16), ReLU(), *blocks, GlobalAveragePool2D(), Dense(classes, GlorotUniform()), Softmax())


# Of images; the strokes of the data set drawings have been changed more.
DRAWN = Augmentation(rotation=10, scale=0.1, stretch=0.1, shear=0.15, shift=1.5, thickness=0.3)

PRESETS: dict[str, Recipe] = {
    "mlp": Recipe(
        "784-256-256-10 with gradient descent",
        MLP((256, 256)),
        SGD(0.04),
        FitOptions(epochs=15, batch_size=100),
    ),
    "mlp-small": Recipe(
        "784-32-10 with gradient descent",
        _mlp_small,
        SGD(0.01),
        FitOptions(epochs=15, batch_size=100),
    ),
    "mlp-d8": Recipe(
        "Dive into Deep Learning: 784-64-32-10, 52,650 parameters",
        MLP((64, 32)),
        SGD(0.01),
        FitOptions(epochs=12, batch_size=64),
    ),
    "mlp-best": Recipe(
        "the best without convolution or augmentation: dropout, one-cycle schedule",
        MLP((1024, 1024), dropout=(0.2, 0.3)),
        Adam(OneCycle(0.0015)),
        FitOptions(epochs=18, batch_size=200),
    ),
    "lenet5": Recipe(
        "LeNet-5 of 1998, with ReLU and Adam",
        _lenet5,
        Adam(OneCycle(0.003)),
        FitOptions(epochs=12, batch_size=100),
    ),
    "mlp-affine": Recipe(
        "without convolution, trained on shifted, rotated and sheared digits",
        MLP((512, 512), dropout=(0.0, 0.2)),
        Adam(OneCycle(0.002)),
        FitOptions(epochs=30, batch_size=200, augmentation=AUGMENTATIONS["affine"]),
    ),
    "cnn": Recipe(
        "the default convolutional network: four convolutions, batch normalization",
        _cnn,
        Adam(OneCycle(0.005)),
        FitOptions(epochs=12, batch_size=100, augmentation=AUGMENTATIONS["affine"]),
    ),
    "cnn-best": Recipe(
        "the highest accuracy within ten minutes: seven convolutions",
        _cnn_best,
        Adam(OneCycle(0.005)),
        FitOptions(epochs=16, batch_size=100, augmentation=AUGMENTATIONS["affine"]),
    ),
    "cnn-fast": Recipe(
        "99 % in one epoch: three convolutions",
        _cnn_fast,
        Adam(OneCycle(0.03, 0.2), beta2=0.99),
        FitOptions(epochs=1, batch_size=100),
    ),
    "pytorch-example": Recipe(
        "the network of PyTorch's MNIST example",
        _pytorch_example,
        Adam(OneCycle(0.002)),
        FitOptions(epochs=6, batch_size=100),
    ),
    "keras-example": Recipe(
        "the network of Keras' MNIST example",
        _keras_example,
        Adam(0.001),
        FitOptions(epochs=15, batch_size=128),
    ),
    "draw-mlp": Recipe(
        "for drawings: two hidden layers, trained in a minute or two",
        MLP((256, 128)),
        Adam(OneCycle(0.002)),
        FitOptions(epochs=24, batch_size=100, augmentation=DRAWN),
    ),
    "draw-cnn": Recipe(
        "for drawings: six convolutions",
        _draw_cnn,
        Adam(OneCycle(0.005)),
        FitOptions(epochs=20, batch_size=100, augmentation=DRAWN),
    ),
    "table": Recipe(
        "for tables: embedded numbers and categories, three hidden layers of 128, the best epoch",
        MLP(HIDDEN),
        Adam(OneCycle(0.005)),  # for other data than tables, and for L-BFGS, which takes no dropout
        FitOptions(epochs=20, batch_size=32),
        adapt=for_table,
    ),
    "forecast": Recipe(
        "for series: a linear forecast plus two hidden layers of 128",
        _forecast,
        Adam(OneCycle(0.002)),
        FitOptions(epochs=30, batch_size=32, policies=(EarlyStopping(8),)),
    ),
    "lstm": Recipe(
        "an LSTM of 128 units that reads an image of 28 × 28 row by row",
        _lstm,
        Adam(OneCycle(0.005)),
        FitOptions(epochs=12, batch_size=128),
    ),
    "autoencoder": Recipe(
        "images through a code of a quarter of their numbers, and back",
        _autoencoder,
        Adam(OneCycle(0.003)),
        FitOptions(epochs=10, batch_size=100),
        reconstructs=True,
    ),
    "unet-small": Recipe(
        "a U-Net of four levels: a class for each pixel",
        _unet_small,
        Adam(OneCycle(0.01)),
        FitOptions(epochs=8, batch_size=32),
        segments=True,
    ),
    "resnet-small": Recipe(
        "a residual network of three blocks",
        _resnet_small,
        Adam(OneCycle(0.004)),
        FitOptions(epochs=8, batch_size=100),
    ),
    "bigram": Recipe(
        "the next token from the last one: a table of pairs",
        bigram,
        Adam(OneCycle(0.05)),
        FitOptions(epochs=8, batch_size=32, steps_per_epoch=250),
        context=64,
    ),
    "mlp-lm": Recipe(
        "the next token from the last eight: one hidden layer, as of Bengio et al. (2003)",
        NeuralProbabilisticLanguageModel(),
        Adam(OneCycle(0.005)),
        FitOptions(epochs=24, batch_size=32, steps_per_epoch=250),
        context=64,
    ),
    "gru-lm": Recipe(
        "a GRU of 96 units that reads a text token by token",
        RecurrentLanguageModel(),
        Chain(ClipNorm(1.0), Adam(OneCycle(0.005))),
        FitOptions(epochs=24, batch_size=32, steps_per_epoch=250),
        context=64,
    ),
    "gpt-mini": Recipe(
        "a Transformer of 4 blocks, 64 wide",
        SmallTransformer(),
        Chain(ClipNorm(1.0), Decay(0.1), Adam(OneCycle(0.004, 0.1), beta2=0.99)),
        FitOptions(epochs=36, batch_size=32, steps_per_epoch=250),
        context=64,
    ),
    "gpt": Recipe(
        "a Transformer of 4 blocks, 128 wide, that reads 256 tokens",
        GPT(dropout=0.1, rotary=True, tied=False),
        Chain(ClipNorm(1.0), Decay(0.5), Muon(OneCycle(0.003, 0.1))),
        FitOptions(epochs=22, batch_size=8, steps_per_epoch=250),
        context=256,
    ),
}

CLASSIFIERS = {
    name: recipe
    for name, recipe in PRESETS.items()
    if not (recipe.reconstructs or recipe.segments or recipe.context is not None)
}
LANGUAGE_MODELS = {name: recipe for name, recipe in PRESETS.items() if recipe.context is not None}

OPTIMIZERS: dict[str, Optimizer] = {  # those with a learning rate have one that often works
    "sgd": SGD(0.01),
    "momentum": SGD(0.01, momentum=0.9),
    "nesterov": SGD(0.01, momentum=0.9, nesterov=True),
    "adam": Adam(0.001),
    "adamw": AdamW(0.001),
    "rmsprop": RMSprop(0.001),
    "adagrad": Adagrad(0.01),
    "adadelta": Adadelta(1.0),
    "nadam": Nadam(0.002),
    "radam": RAdam(0.001),
    "adamax": Adamax(0.002),
    "lion": Lion(0.0001),
    "muon": Muon(0.001),
    "lbfgs": LBFGS(),
}
BATCH_OPTIMIZERS = {name: one for name, one in OPTIMIZERS.items() if not rule_of(one).full_batch}  # have a learning rate


def preset(name: str) -> Recipe:
    """Return the recipe called ``name``, or one that trains the network in ``FILE.json`` with Adam.

    The file holds the JSON form of a network, or a dictionary with the key ``network``, like a run's config.json. Raises
    ConfigError for an unknown name, FileError for a file that cannot be read.
    """
    if name.endswith(".json"):
        data = read_json(name)
        layer = from_json(data.get("network", data) if isinstance(data, dict) else data, Layer)
        return recipe_of(layer, name)
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}: {did_you_mean(name, PRESETS)} (or give a FILE.json)")
    return PRESETS[name]


def recipe_of(layer: Layer, name: str) -> Recipe:
    """Return the recipe that trains the network in the file ``name`` with Adam.

    Raises ConfigError for a network with several inputs or outputs.
    """
    refuse_several(layer, f"the command line ({name})")
    network = layer if isinstance(layer, Composite) else Sequential(layer)
    about = f"the network in {Path(name).name}"
    return Recipe(about, lambda outputs: network, Adam(), FitOptions(epochs=10, batch_size=100))


def optimizer(name: str) -> Optimizer:
    """Return the optimizer called ``name``. Raises ConfigError for an unknown name."""
    if name not in OPTIMIZERS:
        raise ConfigError(f"there is no optimizer {name!r}: {did_you_mean(name, OPTIMIZERS)}")
    return OPTIMIZERS[name]


def with_hidden(recipe: Recipe, hidden: str, name: str) -> Recipe:
    """Return the recipe, called ``name``, with hidden layers of other widths: ``hidden`` is like ``64x32``, or ``none``.

    Raises ConfigError for widths that cannot be read, and for a recipe whose network is not an MLP.
    """
    if not isinstance(recipe.network, MLP):
        mlps = ", ".join(other for other, one in PRESETS.items() if isinstance(one.network, MLP))
        raise ConfigError(f"--hidden sets the hidden layers of {mlps}, not those of {name}")
    try:
        widths = () if hidden == "none" else tuple(int(width) for width in hidden.split("x"))
        if any(width < 1 for width in widths):
            raise ValueError
    except ValueError:
        raise ConfigError(f"--hidden {hidden!r}: widths look like 64 or 256x128") from None
    about = f"hidden layers of {' and '.join(map(str, widths))}" if widths else "no hidden layer"
    return dataclasses.replace(recipe, about=about, network=dataclasses.replace(recipe.network, hidden=widths))
