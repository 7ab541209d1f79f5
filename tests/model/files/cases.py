"""The models of the files that are kept for each released version: networks, losses, optimizers and input stages of all kinds.

:func:`cases` returns them, trained for a few steps, with the data they were trained on. ``make.py`` writes their files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pellucid import (
    ELU,
    GELU,
    GRU,
    L1,
    L2,
    LBFGS,
    LSTM,
    R2,
    ROCAUC,
    SELU,
    SGD,
    AbsoluteError,
    Accuracy,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Add,
    AlphaDropout,
    AveragePool1D,
    AveragePool2D,
    AverageWeights,
    BatchNorm,
    Bidirectional,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    Chain,
    Checkpoint,
    ClipNorm,
    ClipValue,
    Concatenate,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Cosine,
    CosineDistance,
    Crop2D,
    CrossEntropy,
    Decay,
    Dense,
    Dropout,
    EarlyStopping,
    ElasticNet,
    Embedding,
    Flatten,
    FromState,
    Frozen,
    FunctionLoss,
    GaussianNLL,
    GaussianNoise,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    Graph,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Hinge,
    Huber,
    IntersectionOverUnion,
    KLDivergence,
    Layer,
    LayerNorm,
    LayerSpec,
    LeakyReLU,
    Lion,
    MaxNorm,
    MaxPool2D,
    MeanAbsoluteError,
    MeanSquaredError,
    Mish,
    Model,
    Multiply,
    Muon,
    Nadam,
    Node,
    Normal,
    OneCycle,
    Permute,
    Poisson,
    Precision,
    PReLU,
    Quantile,
    RAdam,
    ReduceOnPlateau,
    ReLU,
    ReLU6,
    Repeat,
    Rescale,
    Reshape,
    Residual,
    Reverse,
    RMSprop,
    Rprop,
    Sequential,
    Shared,
    Sigmoid,
    SiLU,
    SimpleRNN,
    Slice,
    Slot,
    Softmax,
    Softplus,
    SpatialDropout2D,
    SquaredError,
    StepDecay,
    Tanh,
    Triplet,
    UpSample2D,
    WarmUp,
    ZeroPad2D,
)
from pellucid.data import Dataset, read_csv, windows


@dataclass(frozen=True)
class Scale(Layer):
    """y = s ⊙ x, a layer that does not belong to Pellucid: its file is loaded with ``custom_classes``."""

    def build(self, shape: Any) -> LayerSpec:
        return LayerSpec(shape, {"s": Slot(shape, Normal(1.0))})

    def forward(self, p: Any, x: Any, ctx: Any) -> Any:
        ctx.keep(x)
        return x * p.s

    def backward(self, p: Any, g: Any, dy: Any, ctx: Any) -> Any:
        (x,) = ctx.kept
        g.s = (x * dy).sum(axis=0)
        return dy * p.s


def quartic(outputs: Any, targets: Any) -> Any:
    """The loss Σ d⁴ of d = ŷ − y, a function that does not belong to Pellucid."""
    d = outputs - targets
    return (d**4).sum(axis=1), 4 * d**3


OWN = (Scale, quartic)


def _arrays(x: Any) -> Any:
    """Return samples or targets as arrays in memory."""
    return {name: np.asarray(value) for name, value in x.items()} if isinstance(x, dict) else np.asarray(x)


@dataclass(frozen=True)
class Case:
    """A trained model, its data (arrays, or dictionaries of them), and whether its file holds the state of the training."""

    model: Model
    x: Any
    y: Any
    training_state: bool = True

    @property
    def has_loss(self) -> bool:
        return self.model.loss is not None


def trained(model: Model, x: Any, y: Any = None, *, training_state: bool = True, epochs: int = 2) -> Case:
    """Return the case of a model after a few steps on this data."""
    if model.loss is not None:
        model.fit(x, y, epochs=epochs, batch_size=None if isinstance(model.optimizer, LBFGS) else 8, progress=False)
    x, y = (x.x, x.y) if isinstance(x, Dataset) else (x, y)
    return Case(model, _arrays(x), None if y is None else _arrays(y), training_state)


TABLE = """age,city,weight,ill
31,Graz,70.5,yes
45,Linz,,no
29,Graz,61,no
52,Wien,88,yes
38,Linz,75.5,no
61,Wien,92,yes
24,Graz,58,no
47,Wien,81.5,yes
33,Linz,,no
58,Graz,79,yes
41,Wien,84,yes
27,Linz,66,no
"""


def cases(seed: int = 0) -> Iterator[tuple[str, Case]]:
    """Yield all cases by name."""
    random = np.random.default_rng(seed)
    small = random.normal(size=(12, 3)).astype(np.float32)
    labels = np.arange(12) % 2
    numbers = random.normal(size=(12, 2)).astype(np.float32)
    with TemporaryDirectory() as folder:
        table = Path(folder, "patients.csv")
        table.write_text(TABLE, encoding="utf-8")
        patients = read_csv(table, "ill", missing="mean")
    network = Sequential(Dense(4), ReLU(), Dropout(0.2), Dense(2), Softmax())
    clipped = Chain(ClipNorm(1.0), L2(1e-3), Adam(0.02))
    model = network.compile(patients.shape, CrossEntropy(0.1), clipped, metrics=[Accuracy(), Precision()], seed=3)
    yield "table", trained(model, patients)

    images = random.integers(0, 256, (12, 6, 6, 1), np.uint8)
    network = Sequential(
        ZeroPad2D(),
        Conv2D(2, 3, bias=False),
        BatchNorm(),
        ReLU(),
        MaxPool2D(2),
        SpatialDropout2D(0.1),
        Conv2D(2, 2, padding="same", groups=2),
        Residual(Conv2D(2, 1), GELU()),
        GlobalAveragePool2D(),
        Dense(3),
        Softmax(),
    )
    data = Dataset(images, np.arange(12) % 3, classes=("a", "b", "c"))
    yield "images", trained(network.compile((6, 6, 1), CrossEntropy(), Adam(0.01, amsgrad=True), metrics=[Accuracy()]), data)

    network = Sequential(
        Conv2D(2, 3, padding="same"),
        GroupNorm(2),
        LeakyReLU(),
        AveragePool2D(2),
        ConvTranspose2D(2, 2, 2),
        UpSample2D(2),
        Crop2D(3),
        Dense(2),
        Softmax(),
    )
    maps = (images[:, ..., 0] > 127).astype(np.int64)
    model = network.compile((6, 6, 1), CrossEntropy(), AdamW(0.01), metrics=[IntersectionOverUnion()])
    yield "class-maps", trained(model, Dataset(images, maps, classes=("dark", "light")))

    text = random.integers(0, 7, (12, 5))
    network = Sequential(Embedding(7, 3, padding=0), LSTM(3, mask=0.0), Dense(1), Sigmoid())
    yield "text", trained(network.compile((5,), BinaryCrossEntropy(2.0), RMSprop(0.01), metrics=[ROCAUC()]), text, labels)

    steps = random.normal(size=(12, 6, 2)).astype(np.float32)
    network = Sequential(
        Conv1D(2, 2, padding="causal"),
        SiLU(),
        Bidirectional(SimpleRNN(2, return_sequences=True)),
        LayerNorm(),
        Reverse(),
        AveragePool1D(2),
        Permute((1, 0)),
        GRU(2, return_sequences=True, recurrent_dropout=0.1),
        GlobalMaxPool1D(),
        Dense(1),
    )
    yield "sequences", trained(network.compile((6, 2), Huber(), Nadam(), metrics=[AbsoluteError()]), steps, numbers[:, 0])

    series = np.column_stack([np.sin(np.arange(30) / 3), np.arange(30.0)]).round(3)
    forecasts = windows(series, 4, 2, targets=["level"], names=["level", "day"])
    network = Sequential(Flatten(), Dense(2), Reshape((2, 1)))
    yield "forecast", trained(network.compile((4, 2), MeanSquaredError(), SGD(0.01)), forecasts)

    graph = Graph(
        Node("left_code", Sequential(Dense(3), Tanh()), "left"),
        Node("right_code", Shared("left_code"), "right"),
        Node("look", Sequential(Flatten(), Dense(3)), "picture"),
        Node("product", Multiply(), "left_code", "right_code"),
        Node("sum", Add(), "product", "look"),
        Node("all", Concatenate(), "sum", "left"),
        Node("kind", Sequential(Dense(2), Softmax()), "all"),
        Node("size", Dense(1), "sum"),
        inputs=("left", "right", "picture"),
        outputs=("kind", "size"),
    )
    model = graph.compile(
        {"left": (3,), "right": (3,), "picture": (2, 2, 1)},
        {"kind": CrossEntropy(), "size": MeanAbsoluteError()},
        Adam(),
        metrics={"kind": [Accuracy()], "size": [R2()]},
        classes={"kind": ("no", "yes")},
        loss_weights={"kind": 1.0, "size": 0.25},
    )
    x = {"left": small, "right": small[::-1].copy(), "picture": random.integers(0, 256, (12, 2, 2, 1), np.uint8)}
    yield "graph", trained(model, x, {"kind": labels, "size": numbers[:, 0]})

    states = Graph(
        Node("code", GRU(2, return_state=True, learn_state=True), "past"),
        Node("next", FromState(GRU(2, return_sequences=True)), "future", "code"),
        Node("out", Dense(1), "next"),
        inputs=("past", "future"),
        outputs=("out",),
    )
    x = {"past": steps[:, :3], "future": steps[:, 3:]}
    yield "states", trained(states.compile({"past": (3, 2), "future": (3, 2)}, MeanSquaredError(), Adam()), x, steps[:, 3:, :1])

    network = Sequential(
        *(layer for one in (ELU(), SELU(), PReLU(), Mish(), HardSwish(), HardSigmoid()) for layer in (Dense(2), one)),
        *(Dense(2), Softplus(), GaussianNoise(0.1), AlphaDropout(0.1), Rescale(0.5, 0.1), ReLU6(), Dense(4)),
        *(Repeat(2), Slice(0, 1), Flatten(), Dense(2)),
    )
    chain = Chain(ClipValue(1.0), ElasticNet(1e-4, 1e-4), SGD(WarmUp(StepDecay(0.05, 1), 3), 0.9, nesterov=True), MaxNorm(3.0))
    yield "schedule", trained(network.compile((3,), MeanSquaredError(), chain, metrics=[SquaredError()]), small, numbers)

    network = Sequential(Frozen(Dense(4, bias=False), Tanh()), Scale(), Dense(2))
    yield "own-classes", trained(network.compile((3,), FunctionLoss(quartic), Chain(L1(1e-3), SGD(0.01))), small, numbers)
    yield "no-loss", trained(Sequential(Dense(2), Tanh()).compile((3,)), small)
    network = Sequential(Dense(2), Softmax())
    yield "parameters-only", trained(network.compile((3,), CrossEntropy()), small, labels, training_state=False)

    rules = (
        *(Adadelta(), Adagrad(), Adamax(), Lion(), Muon(), RAdam(), Rprop(), RMSprop(momentum=0.9, centered=True)),
        *(SGD(OneCycle(0.1)), Chain(Decay(0.1), Adam()), LBFGS(memory=2)),
    )
    for rule in rules:
        name = type(rule.pieces[-1] if isinstance(rule, Chain) else rule).__name__.lower()
        yield f"rule-{name}", trained(Sequential(Dense(2)).compile((3,), MeanSquaredError(), rule), small, numbers)

    soft = np.float32([[0.2, 0.8], [0.9, 0.1]])[labels]
    losses = (
        (BinaryFocalCrossEntropy(), (Sigmoid(),), soft),
        (KLDivergence(), (Softmax(),), soft),
        (Hinge(), (), labels),
        (Poisson(), (), abs(numbers)),
        (Quantile((0.1, 0.9)), (), numbers[:, 0]),
        (GaussianNLL(), (), numbers[:, 0]),
        (CosineDistance(), (), numbers),
        (Triplet(), (), labels),
    )
    for loss, head, y in losses:
        model = Sequential(Dense(2), *head).compile((3,), loss, SGD(0.1))
        yield f"loss-{type(loss).__name__.lower()}", trained(model, small, y)


def checkpointed(folder: Path, epochs: int, resume: Path | None = None) -> Case:
    """Return the case of a training with policies, which writes checkpoints into ``folder``, or goes on from ``resume``."""
    random = np.random.default_rng(5)
    x, y = random.normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2
    network = Sequential(Dense(3), BatchNorm(), ReLU(), Dropout(0.2), Dense(2), Softmax())
    model = network.compile((3,), CrossEntropy(), Adam(Cosine(0.05)), metrics=[Accuracy()], seed=2)
    writes = Checkpoint(folder, every_seconds=None, keep=9, cost=1.0)
    policies = [AverageWeights(), ReduceOnPlateau(), EarlyStopping(3), writes]
    model.fit(x, y, validation=(x[:6], y[:6]), epochs=epochs, batch_size=4, policies=policies, resume=resume, progress=False)
    return Case(model, x, y)
