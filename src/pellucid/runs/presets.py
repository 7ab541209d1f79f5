"""Presets: named networks with the recipe that trains them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pellucid.core.config import from_json
from pellucid.core.files import read_json
from pellucid.core.memory import Shape
from pellucid.data.augmentation import AUGMENTATIONS, Augmentation
from pellucid.errors import ConfigError, did_you_mean
from pellucid.initializers import GlorotUniform, He
from pellucid.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    ReLU,
    Reshape,
    Softmax,
    SpatialDropout2D,
)
from pellucid.networks import Residual, Sequential
from pellucid.optim import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Muon,
    Nadam,
    OneCycle,
    Optimizer,
    RMSprop,
    with_learning_rate,
)


@dataclass(frozen=True)
class Recipe:
    """A network for pictures or tables with ``classes`` classes, and how it is trained."""

    about: str
    network: Callable[[int], Layer]
    optimizer: Optimizer
    epochs: int
    batch_size: int
    augmentation: Augmentation | None = None


@dataclass(frozen=True)
class MLP:
    """Dense layers with ReLU, He, and GlorotUniform in front of the softmax; dropout on the input and in between."""

    hidden: tuple[int, ...]
    drop: tuple[float, float] = (0.0, 0.0)

    def __call__(self, classes: int) -> Layer:
        layers: list[Layer] = [Flatten()]
        if self.drop[0]:
            layers.append(Dropout(self.drop[0]))
        for units in self.hidden:
            layers += [Dense(units, He()), ReLU()]
            if self.drop[1]:
                layers.append(Dropout(self.drop[1]))
        return Sequential(*layers, Dense(classes, GlorotUniform()), Softmax())


def _first_snippet(classes: int) -> Layer:
    return Sequential(Flatten(), Dense(32, He()), ReLU(), Dense(classes, He()), Softmax())


def _lenet5(classes: int) -> Layer:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998). As there: the sizes, and 28 × 28 pictures padded to 32 × 32. Not
    as there: ReLU for a scaled tanh, the maximum for a trained mean in the pools, every filter of the second convolution
    sees all six maps, a softmax for the distances to drawn digits, and Adam."""
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


def _cnn(classes: int) -> Layer:
    """Four convolutions, and the more channels the fewer pixels: large taps while there is one channel, then 3×3 taps with
    batch normalization. Chosen on the validation set among ten networks that train within a minute or two on two cores."""
    layers: list[Layer] = [Conv2D(16, 5), ReLU(), MaxPool2D(2), *_normalized(32, 32), MaxPool2D(2), SpatialDropout2D(0.1)]
    layers += [*_normalized(64), MaxPool2D(2), SpatialDropout2D(0.1), Flatten(), Dropout(0.3)]
    return Sequential(*layers, Dense(classes, GlorotUniform()), Softmax())


def _cnn_best(classes: int) -> Layer:
    """``cnn`` with more of everything: three convolutions a block, and the first one normalized, too. Chosen on the
    validation set among ten recipes that train within ten minutes on two cores."""
    layers: list[Layer] = [Conv2D(16, 5, bias=False), BatchNorm(), ReLU(), MaxPool2D(2), *_normalized(48, 48, 48)]
    layers += [MaxPool2D(2), SpatialDropout2D(0.1), *_normalized(96, 96, 96), MaxPool2D(2), Flatten(), Dropout(0.3)]
    return Sequential(*layers, Dense(classes, GlorotUniform()), Softmax())


def _cnn_fast(classes: int) -> Layer:
    """Three convolutions that learn in one pass over the data. Chosen on the validation set, three seeds each, among six
    networks, and fourteen rates and batch sizes."""
    layers: list[Layer] = [Conv2D(16, 3), ReLU(), MaxPool2D(2), Conv2D(32, 3, bias=False), BatchNorm(), ReLU(), MaxPool2D(2)]
    return Sequential(*layers, *_normalized(64), Flatten(), Dense(classes, GlorotUniform()), Softmax())


def _normalized(*filters: int) -> list[Layer]:
    """3×3 convolutions that keep the size, each with batch normalization and ReLU."""
    return [layer for one in filters for layer in (Conv2D(one, 3, padding="same", bias=False), BatchNorm(), ReLU())]


def _pytorch_example(classes: int) -> Layer:
    """The network of PyTorch's MNIST example: 1,199,882 parameters for ten classes."""
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


def _keras_example(classes: int) -> Layer:
    """The network of Keras' MNIST example: 34,826 parameters for ten classes."""
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


def _lstm(classes: int) -> Layer:
    """A recurrent network that sees one row after the other, and says at the last one what the picture was."""
    return Sequential(Reshape((28, 28)), LSTM(128), Dropout(0.2), Dense(classes, GlorotUniform()), Softmax())


def _resnet_small(classes: int) -> Layer:
    """A residual network (He, Zhang, Ren and Sun, 2015) of three blocks, with 16, 32 and 64 channels."""

    def convolution(filters: int, stride: int = 1) -> list[Layer]:
        return [Conv2D(filters, 3, stride, padding=1, bias=False), BatchNorm()]

    def block(filters: int, stride: int) -> list[Layer]:
        shortcut = Sequential(Conv2D(filters, 1, stride, bias=False), BatchNorm()) if stride > 1 else None
        return [Residual(*convolution(filters, stride), ReLU(), *convolution(filters), shortcut=shortcut), ReLU()]

    blocks = block(16, 1) + block(32, 2) + block(64, 2)
    return Sequential(*convolution(16), ReLU(), *blocks, GlobalAveragePool2D(), Dense(classes, GlorotUniform()), Softmax())


PRESETS: dict[str, Recipe] = {
    "mlp": Recipe("the report's good fit: 784-256-256-10, gradient descent", MLP((256, 256)), SGD(0.04), 15, 100),
    "mlp-small": Recipe("the report's first snippet: 784-32-10, gradient descent", _first_snippet, SGD(0.01), 15, 100),
    "mlp-d8": Recipe("Dive into deep learning: 784-64-32-10, 52,650 parameters", MLP((64, 32)), SGD(0.01), 12, 64),
    "mlp-best": Recipe(
        "the best without convolution or augmentation: dropout, one cycle",
        MLP((1024, 1024), drop=(0.2, 0.3)),
        Adam(OneCycle(0.0015)),
        18,
        200,
    ),
    "lenet5": Recipe("LeNet-5 of 1998, with ReLU and Adam", _lenet5, Adam(OneCycle(0.003)), 12, 100),
    "mlp-affine": Recipe(
        "how far a network without convolution goes with shifted, turned and slanted digits",
        MLP((512, 512), drop=(0.0, 0.2)),
        Adam(OneCycle(0.002)),
        30,
        200,
        AUGMENTATIONS["affine"],
    ),
    "cnn": Recipe(
        "the default convolutional network: four convolutions, batch normalization",
        _cnn,
        Adam(OneCycle(0.005)),
        12,
        100,
        AUGMENTATIONS["affine"],
    ),
    "cnn-best": Recipe(
        "the highest accuracy within ten minutes: seven convolutions",
        _cnn_best,
        Adam(OneCycle(0.005)),
        16,
        100,
        AUGMENTATIONS["affine"],
    ),
    "cnn-fast": Recipe(
        "99 % in one pass over the data: three convolutions", _cnn_fast, Adam(OneCycle(0.03, 0.2), beta2=0.99), 1, 100
    ),
    "pytorch-example": Recipe("the network of PyTorch's MNIST example", _pytorch_example, Adam(OneCycle(0.002)), 6, 100),
    "keras-example": Recipe("the network of Keras' MNIST example", _keras_example, Adam(0.001), 15, 128),
    "table": Recipe("for tables: two hidden layers of 64, Adam in one cycle", MLP((64, 64)), Adam(OneCycle(0.005)), 20, 32),
    "lstm": Recipe("reads a picture of 28 × 28 row by row: an LSTM of 128 units", _lstm, Adam(OneCycle(0.005)), 12, 128),
    "resnet-small": Recipe("a residual network of three blocks", _resnet_small, Adam(OneCycle(0.004)), 8, 100),
}

OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {
    "sgd": SGD,
    "momentum": lambda rate: SGD(rate, momentum=0.9),
    "nesterov": lambda rate: SGD(rate, momentum=0.9, nesterov=True),
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
    "nadam": Nadam,
    "adamax": Adamax,
    "lion": Lion,
    "muon": Muon,
}
AUTO = "auto"  # the learning rate that a range test finds
_USUAL_RATE = {
    "adam": 0.001,
    "adamw": 0.001,
    "rmsprop": 0.001,
    "adadelta": 1.0,
    "nadam": 0.002,
    "adamax": 0.002,
    "lion": 0.0001,
    "muon": 0.001,
}


def preset(name: str) -> Recipe:
    """The recipe of that name; or, for ``FILE.json``, of the network in that file (the ``network`` value of a run's
    config.json), trained with Adam. Raises ConfigError and FileError."""
    if name.endswith(".json"):
        data = read_json(name)
        network = from_json(data.get("network", data) if isinstance(data, dict) else data, Layer)
        return Recipe(f"the network in {Path(name).name}", lambda classes: network, Adam(), 10, 100)
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}: {did_you_mean(name, PRESETS)} (or give a FILE.json)")
    return PRESETS[name]


def with_hidden(recipe: Recipe, hidden: str, name: str) -> Recipe:
    """The recipe of an MLP with other hidden layers, of the widths in ``hidden``, as in ``64x32``; ``none`` for none."""
    if not isinstance(recipe.network, MLP):
        known = ", ".join(other for other, one in PRESETS.items() if isinstance(one.network, MLP))
        raise ConfigError(f"--hidden sets the hidden layers of {known}, not those of {name}")
    try:
        widths = () if hidden == "none" else tuple(int(width) for width in hidden.split("x"))
        if any(width < 1 for width in widths):
            raise ValueError
    except ValueError:
        raise ConfigError(f"--hidden {hidden!r}: widths look like 64 or 256x128") from None
    about = f"hidden layers of {' and '.join(map(str, widths))}" if widths else "no hidden layer"
    return dataclasses.replace(recipe, about=about, network=dataclasses.replace(recipe.network, hidden=widths))


def optimizer(name: str | None, rate: float | str | None, default: Optimizer) -> Optimizer:
    """The optimizer of that name, or the ``default``, with that learning rate, if one is given; "auto" is still to be found."""
    if isinstance(rate, str):
        if rate != AUTO:
            raise ConfigError(f"--lr {rate!r}: a learning rate is a number, as in 0.01, or {AUTO}")
        rate = None
    if name is not None:
        if name not in OPTIMIZERS:
            raise ConfigError(f"there is no optimizer {name!r}: {did_you_mean(name, OPTIMIZERS)}")
        return OPTIMIZERS[name](_USUAL_RATE.get(name, 0.01) if rate is None else rate)
    if rate is None:
        return default
    return with_learning_rate(default, rate)


def fits(recipe: Recipe, shape: Shape, classes: int) -> Layer:
    """The recipe's network for samples of ``shape``, checked to end in that many classes."""
    network = recipe.network(classes)
    outputs = network.build(shape).shape
    if outputs != (classes,):
        raise ConfigError(f"the network ends in {outputs}, the data has {classes} classes")
    return network
