"""Tests of settings: validation of values, messages about invalid ones, and JSON round trips."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pellucid import (
    ELU,
    F1,
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
    AbsolutePercentageError,
    Accuracy,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Add,
    AlphaDropout,
    Attention,
    Average,
    AveragePool1D,
    AveragePool2D,
    AveragePrecision,
    AverageWeights,
    BatchNorm,
    Bidirectional,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    BitsPerCharacter,
    BrierScore,
    CalibrationError,
    Chain,
    Checkpoint,
    ClipNorm,
    ClipValue,
    CohenKappa,
    Columns,
    Concatenate,
    ConfusionMatrix,
    Constant,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Cosine,
    CosineCycles,
    CosineDistance,
    Crop1D,
    Crop2D,
    CrossAttention,
    CrossEntropy,
    Decay,
    Dense,
    DensePerPosition,
    Dice,
    Dropout,
    EarlyStopping,
    ElasticNet,
    Embedding,
    ExactMatch,
    Exp,
    Exponential,
    FBeta,
    Flatten,
    FromState,
    Frozen,
    FunctionLoss,
    GaussianNLL,
    GaussianNoise,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    Glorot,
    GlorotUniform,
    Graph,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    He,
    HeUniform,
    Hinge,
    Huber,
    Identity,
    IntersectionOverUnion,
    InverseTime,
    KeepBest,
    KLDivergence,
    LayerNorm,
    LeakyReLU,
    LearnedPositions,
    LearnedScale,
    LeCun,
    LeCunUniform,
    Lion,
    LogLoss,
    LogSoftmax,
    LogSquaredError,
    Matthews,
    Maximum,
    MaxNorm,
    MaxPool1D,
    MaxPool2D,
    MeanAbsoluteError,
    MeanSquaredError,
    Members,
    MilestoneDecay,
    Mish,
    Multiply,
    Muon,
    Nadam,
    Node,
    Normal,
    OneCycle,
    Ones,
    Orthogonal,
    Parametric,
    Periodic,
    Permute,
    PerPosition,
    Perturbation,
    PiecewiseConstant,
    PiecewiseLinear,
    Poisson,
    Polynomial,
    Precision,
    PReLU,
    Quantile,
    RAdam,
    Recall,
    ReduceOnPlateau,
    ReLU,
    ReLU6,
    Repeat,
    Rescale,
    Reshape,
    Residual,
    Reverse,
    RMSNorm,
    RMSprop,
    Rprop,
    Sequential,
    Shared,
    Sigmoid,
    Signs,
    SiLU,
    SimpleRNN,
    SinusoidalPositions,
    Slice,
    Softmax,
    Softplus,
    SpatialDropout2D,
    Specificity,
    SquaredError,
    StepDecay,
    StochasticWeightAverage,
    Subtract,
    SwiGLU,
    Take,
    Tanh,
    TiedEmbedding,
    TimeBudget,
    TopKAccuracy,
    Triplet,
    TruncatedNormal,
    Unembedding,
    Uniform,
    UpSample1D,
    UpSample2D,
    WarmRestarts,
    WarmUp,
    Watch,
    ZeroPad1D,
    ZeroPad2D,
    Zeros,
)
from pellucid.core.config import Config, Count, class_key, from_json, own_classes, registered_classes, to_json, validate
from pellucid.data import Augmentation, PhotoAugmentation
from pellucid.data.input_stage import ImageScaling, Passthrough, Scaling
from pellucid.data.series.layout import SeriesLayout
from pellucid.data.sources.user_data import ReadOptions
from pellucid.data.tables.columns import Column, Standardization
from pellucid.data.tables.robust_scaling import RobustScaling
from pellucid.data.text import BytePairTokenizer, CharacterTokenizer, Tokens
from pellucid.errors import ConfigError
from pellucid.layers import Layer
from pellucid.model.generation import Sampling


def absolute_errors(outputs, targets):
    """A loss of one's own."""
    return abs(outputs - targets).sum(1), np.sign(outputs - targets)


INSTANCES: list[Config] = [
    AbsoluteError(),
    AbsolutePercentageError(),
    Accuracy(),
    Accuracy(threshold=0.3),
    AveragePrecision(average=None),
    Adam(),
    Adam(OneCycle(0.002), 0.8, 0.99, 1e-6),
    AdamW(0.01, decay=0.1),
    Add(),
    Augmentation(),
    Augmentation(rotation=10, shift=2.5, elastic=1, erasing=0.5),
    AveragePool2D((3, 2), 2, "same"),
    AverageWeights(0.9),
    BatchNorm(0.99, 0.001),
    BinaryCrossEntropy(),
    BitsPerCharacter(),
    BitsPerCharacter((1, 2)),
    BrierScore(),
    BinaryCrossEntropy((0.5, 3.0)),
    BinaryFocalCrossEntropy(1.0, 0.25),
    ImageScaling(),
    ImageScaling(invert_light_background=False),
    CalibrationError(10),
    Chain(SGD()),
    Chain(ClipNorm(1.0), L2(1e-4), L2(0.0), Decay(0.1), SGD(0.1, 0.9, True)),
    Chain(ClipValue(0.5), L1(1e-4), ElasticNet(0.1, 0.2), Adam(0.1, amsgrad=True), MaxNorm(3.0)),
    Adadelta(0.5, 0.8, 1e-3),
    Adagrad(InverseTime(0.1, 0.5), 0.2),
    Adamax(Exponential(0.1, 0.5)),
    CohenKappa(),
    CrossEntropy(smoothing=0.1),
    F1(),
    F1(average="macro"),
    Dice(2),
    IntersectionOverUnion(average="macro"),
    PerPosition(Recall(1)),
    ExactMatch(),
    FBeta(0.5, average="micro", threshold=0.25),
    Hinge(),
    Huber(2.0),
    KLDivergence(),
    Chain(Adam(0.1), rates={"*": 0.1, "dense2.*": 1.0}),
    Lion(WarmUp(Cosine(0.1), 2)),
    LogLoss(),
    Matthews(),
    MeanAbsoluteError(),
    LBFGS(memory=5, decrease_tolerance=1e-6),
    Muon(OneCycle(0.02), momentum=0.9),
    Nadam(Polynomial(0.1, 0.01, 2.0), momentum_decay=0.1),
    Poisson(),
    Quantile((0.1, 0.5, 0.9)),
    FunctionLoss(absolute_errors),
    GaussianNLL(1e-3),
    CosineDistance(),
    Triplet(0.2),
    R2(),
    RAdam(MilestoneDecay(0.1, (30, 60.5), 0.2), 0.8, 0.99, 1e-6),
    Rprop(PiecewiseConstant((5, 20), (0.01, 0.1, 0.02)), 0.4, 1.3, 1e-5, 1.0),
    RMSprop(WarmRestarts(0.1, 3.0, 2.0, 0.01), momentum=0.9, centered=True),
    Column("city", ("Graz", "Linz")),
    Concatenate(0),
    ConfusionMatrix(),
    AveragePool1D(3, 1, "causal"),
    Conv1D(8, 3),
    Conv1D(8, 3, 2, (2, 1), 3, 4, Glorot(), False),
    Crop1D((0, 3)),
    Crop2D((1, (0, 2))),
    GlobalAveragePool1D(),
    GlobalMaxPool1D(),
    GlobalMaxPool2D(),
    MaxPool1D(3, 2, 1),
    Permute((2, 0, 1)),
    Repeat(12),
    Subtract(),
    UpSample1D(3, "linear"),
    UpSample2D((2, 1), "bilinear"),
    ZeroPad1D((0, 3)),
    Conv2D(8, 3),
    Conv2D(8, (3, 2), (2, 1), "same", (1, 2), 4, Glorot(), False),
    Conv2D(8, 3, padding=((1, 0), (2, 1))),
    ConvTranspose2D(8, 3),
    ConvTranspose2D(8, (4, 2), 2, (1, 0), 1, 2, Normal(0.1), False),
    Cosine(0.1, 0.01),
    CrossEntropy(),
    Dense(3),
    Dense(3, Normal(0.5)),
    Dense(3, bias=False),
    AlphaDropout(0.25),
    Attention(4, causal=True, dropout=0.1, rotary=True, bias=False, output_init=Normal(0.1)),
    CrossAttention(2, dropout=0.1),
    Dropout(0.25),
    ELU(0.5),
    EarlyStopping(3, "validation_accuracy", 0.1, False),
    Checkpoint("folder", 2, 100, 30.0, 5, 0.5),
    Watch(100),
    ReduceOnPlateau(0.5, 3, "train_loss", 0.1, 1e-4),
    ROCAUC(),
    Specificity(1),
    SquaredError(),
    StochasticWeightAverage(3, 2),
    Perturbation("parallel", 0.1, 5),
    Embedding(10, 4),
    Embedding(10, 4, 0, Uniform(-1.0, 1.0)),
    Flatten(),
    Frozen(Dense(3), Frozen(ReLU())),
    SimpleRNN(3),
    GRU(3, True),
    LSTM(3, mask=0.0),
    GRU(3, return_state=True, learn_state=True, recurrent_dropout=0.25),
    FromState(LSTM(2, return_state=True)),
    Slice(-3, -1, 0),
    Bidirectional(LSTM(2)),
    Reverse(),
    Constant(0.5),
    GELU(),
    GELU(approximate=True),
    GaussianNoise(0.1),
    GlobalAveragePool2D(),
    Glorot(),
    GlorotUniform(),
    Graph(Node("a", Dense(3), "left"), Node("b", Shared("a"), "right"), inputs=("left", "right"), outputs=("a", "b")),
    Graph(Node("sum", Add(), "b", "a"), Node("a", Dense(3), "input"), Node("b", Tanh(), "a")),
    GroupNorm(4, 0.001),
    HardSigmoid(),
    HardSwish(),
    He(),
    HeUniform(),
    LayerNorm(0.001),
    LayerNorm(bias=False),
    LearnedPositions(Normal(0.1)),
    LearnedScale(),
    LearnedScale(Normal(0.1)),
    Members(3, LearnedScale(Signs()), Dense(4), DensePerPosition(2)),
    Columns(("number", "binary", 12)),
    Columns(("number", "number", 3, 4), Sequential(Dense(3), Tanh()), 2, Uniform()),
    DensePerPosition(3),
    DensePerPosition(3, Glorot()),
    Parametric(Mish()),
    Parametric(LeakyReLU(0.3), Constant(0.5)),
    Periodic(5, 0.3),
    PiecewiseLinear(((0.0, 1.5, 2.0), (-1.0, 1.0))),
    Take((3, 0, 1)),
    CosineCycles(0.1, 3),
    KeepBest("validation_accuracy"),
    TimeBudget(2.5),
    RMSNorm(0.001),
    SinusoidalPositions(1000.0),
    SwiGLU(3, Glorot(), True),
    TiedEmbedding(5, 3),
    TiedEmbedding(5, 3, LearnedPositions(), Dense(3), init=Uniform(-1.0, 1.0)),
    Unembedding(5, 3, Normal(0.1)),
    LeCun(),
    LeCunUniform(),
    LeakyReLU(0.2),
    Identity(),
    LogSoftmax(),
    Average(),
    Maximum(),
    Multiply(),
    MaxPool2D(),
    MaxPool2D(3, (2, 1), ((1, 0), (2, 1))),
    MeanSquaredError(),
    MeanSquaredError(2.5),
    MeanSquaredError((2.5, 1.0)),
    Node("a", Graph(Node("b", Dense(3), "input")), "c"),
    Node("both", Concatenate(), "a", "b", "c"),
    Passthrough(),
    Scaling(0.25),
    Mish(),
    Ones(),
    Orthogonal(2.0),
    PReLU(),
    PReLU(Constant(0.1)),
    PhotoAugmentation(),
    PhotoAugmentation(0.5, crop=0.8, shift=4, hue=20),
    Precision(),
    Precision(2),
    ReLU(),
    ReLU6(),
    ReadOptions(),
    ReadOptions("price", "regression", "mean", ("id",), False, (32, 48), "grey"),
    Recall(0),
    Rescale(100.0, -3.5),
    Exp(),
    LogSquaredError(),
    LogSquaredError((2.0, 3.0)),
    Rescale((100.0, 2.0), (0.0, -3.5)),
    Reshape((2, -1, 3)),
    Residual(Dense(3), Residual(Tanh())),
    Residual(Dense(3), shortcut=Sequential(Dense(3))),
    Sequential(),
    Sequential(Flatten(), Sequential(Dense(4, Zeros()), Sequential(ReLU())), Dropout(0.1), Dense(2), Softmax()),
    SELU(),
    SiLU(),
    Sampling(0.8, 20, 0.95),
    Sigmoid(),
    Softplus(),
    SpatialDropout2D(0.2),
    Tokens(CharacterTokenizer("\nab"), separator=0),
    Tokens(CharacterTokenizer("ab"), encoding="latin-1"),
    Tokens(BytePairTokenizer('{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "ByteLevel"}}'), None, 1),
    Standardization((Column("a"),), (1.5,), (2.0,), "last", "a", True, SeriesLayout(("a",), 3, "day")),
    Standardization((Column("a"), Column("b", ("x", "y"))), (1.5, 0.5, 0.5), (2.0, 1.0, 1.0), "mean", "price", True),
    RobustScaling(
        (
            Column("a", missing=True),
            Column("b", ("x", "y"), coded=True),
            Column("c", decimal=","),
            Column("d", date="day.month.year", parts=("days", "hour")),
        ),
        (1.5, 0.0, 0.0, 2.0, 3.0, 4.0),
        (2.0, 1.0, 1.0, 5.0, 6.0, 7.0),
        "value",
        "price",
        True,
        (Column("price", decimal="."),),
    ),
    StepDecay(0.1, 0.5, 2),
    Tanh(),
    TopKAccuracy(3),
    TruncatedNormal(0.2),
    Uniform(-1.0, 2.0),
    ZeroPad2D((1, (0, 2))),
]


def everything_inside(value: object) -> set[str]:
    """Return the names of all classes in a JSON form."""
    if isinstance(value, list):
        return set().union(*map(everything_inside, value))
    if isinstance(value, dict):
        if "function" in value and "class" not in value:
            return set()
        return {value["class"]}.union(*map(everything_inside, value.values()))
    return set()


@dataclass(frozen=True)
class Mine(Layer):
    """A user's layer, defined outside Pellucid."""

    size: Count = 1

    build = forward = backward = lambda self, *_: None


@pytest.mark.parametrize("value", INSTANCES, ids=repr)
def test_json_round_trip(value):
    text = json.dumps(to_json(value), allow_nan=False)
    again = from_json(json.loads(text), type(value), own_classes(value))
    assert again == value
    assert repr(again) == repr(value)
    assert json.dumps(to_json(again)) == text


def test_every_class_has_an_instance_above():
    assert set(registered_classes(Config)) == everything_inside([to_json(value) for value in INSTANCES])


def test_the_json_form_has_the_class_and_the_fields_in_order():
    network = Sequential(Dense(2, Normal(0.1)), ReLU())
    dense = {"class": "Dense", "units": 2, "init": {"class": "Normal", "sigma": 0.1}, "bias": True}
    assert json.dumps(to_json(network)) == json.dumps({"class": "Sequential", "layers": [dense, {"class": "ReLU"}]})


def test_settings_that_an_older_file_lacks_have_their_defaults():
    assert from_json({"class": "Dense", "units": 2, "init": {"class": "Zeros"}}, Layer) == Dense(2, Zeros(), bias=True)
    assert from_json({"class": "GELU"}, Layer) == GELU(approximate=False)
    old = {"class": "Embedding", "entries": 5, "width": 2, "padding": None, "init": {"class": "Normal", "sigma": 1.0}}
    assert from_json(old, Layer) == Embedding(5, 2, init=Normal(1.0))  # files contain the initializer of their time


def test_settings_are_frozen_and_hash_by_value():
    with pytest.raises(FrozenInstanceError):
        Dense(3).units = 4
    assert len({Dense(3), Dense(3), Dense(4)}) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"class": "Dens", "units": 3}, "unknown class 'Dens': did you mean 'Dense'?"),
        ({"class": "Dense", "unit": 3}, "Dense has no setting 'unit': did you mean 'units'?"),
        ({"class": "Dense"}, "missing 1 required"),
        ({"units": 3}, "settings need a 'class'"),
        ({"class": 3}, "settings need a 'class'"),
        ({"class": "Layer"}, "'Layer' is an abstract class"),
        ({"class": "Activation"}, "'Activation' is an abstract class"),
        ({"class": "somewhere:Else"}, r"Model.load\(path, custom_classes=\[Else\]\)"),
        ({"class": "Sequential", "layers": {"class": "ReLU"}}, "'layers' must be a list"),
        ({"class": "Sequential", "layers": [[{"class": "ReLU"}]]}, "layers must be a Layer"),
        ({"class": "Sequential", "layers": [{"class": "Adam"}]}, "layers must be a Layer"),
        (
            {"class": "Graph", "nodes": [{"class": "Node", "name": "a", "inputs": ["input"]}]},
            "Node: the setting 'layer' is missing",
        ),
        ({"class": "Graph", "nodes": [{"class": "Node", "name": "a", "layer": {"class": "ReLU"}}]}, "'a' reads nothing"),
        ({"class": "Graph", "nodes": [{"class": "ReLU"}]}, "nodes must be a Node"),
        ({"class": "Residual", "layers": [{"class": "ReLU"}], "shortcut": []}, "shortcut must be a Layer"),
        ({"class": "Adam"}, "expected a Layer"),
        ([], "expected a Layer"),
        (None, "expected a Layer"),
    ],
)
def test_invalid_json_is_refused_with_a_hint(data, words):
    with pytest.raises(ConfigError, match=words):
        from_json(data, Layer)


def test_settings_that_are_nested_too_deeply_are_refused():
    data: dict = {"class": "Sequential", "layers": []}
    for _ in range(20_000):
        data = {"class": "Sequential", "layers": [data]}
    with pytest.raises(ConfigError, match="nested too deeply"):
        from_json(data, Layer)


def test_custom_classes_must_be_passed_as_arguments():
    network = Sequential(Mine(3))
    data = to_json(network)
    assert data["layers"][0]["class"] == class_key(Mine) == f"{__name__}:Mine"
    assert from_json(data, Layer, custom_classes=[Mine]) == network
    with pytest.raises(ConfigError, match="unknown class"):
        from_json(data, Layer)
    with pytest.raises(ConfigError, match="unknown class"):  # a name without module is one of Pellucid's classes
        from_json({"class": "Mine"}, Layer, custom_classes=[Mine])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dense(0), r"Dense\(units=0\): units must be at least 1"),
        (lambda: Dense(2.0), "units must be an integer, not float"),
        (lambda: Dense(True), "units must be an integer, not bool"),
        (lambda: Dense("3"), "units must be an integer, not str"),
        (lambda: Dense(None), "units must be an integer, not NoneType"),
        (lambda: Dropout(1), "rate must be at least 0 and below 1"),
        (lambda: Dropout(-0.1), "rate must be at least 0 and below 1"),
        (lambda: Dropout(float("nan")), "rate must be a finite number"),
        (lambda: SGD(0), "learning_rate must be above 0"),
        (lambda: SGD(float("inf")), "learning_rate must be"),
        (lambda: SGD(10**400), "learning_rate must be"),  # too large for a float
        (lambda: SGD("fast"), "learning_rate must be a number or a Schedule, not str"),
        (lambda: SGD(0.1, 0.9, 1), "nesterov must be True or False, not int"),
        (lambda: OneCycle(0.1, warmup=1.5), "warmup must be at least 0 and at most 1"),
        (lambda: Precision(1.5), "label must be an integer, not float"),
        (lambda: EarlyStopping(monitor=3), "monitor must be a string, not int"),
        (lambda: Sequential([ReLU()]), "layers must be a Layer, not list"),
        (lambda: Sequential(ReLU), r"add parentheses to create one: ReLU\(\)"),
        (lambda: Dense(3, He), r"add parentheses to create one: He\(\)"),
        (lambda: Adam(Cosine), r"add parentheses to create one: Cosine\(\)"),
    ],
)
def test_invalid_values_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_numpy_numbers_become_python_numbers():
    for value, kind in ((Dense(np.int64(3)).units, int), (SGD(np.float32(0.5)).learning_rate, float)):
        assert type(value) is kind
    assert type(SGD(1).learning_rate) is float
    assert SGD(0.1, 0.9, np.True_).nesterov is True
    assert to_json(Precision(np.uint8(2))) == {"class": "Precision", "threshold": 0.5, "label": 2, "average": None}


def test_the_length_of_tuples_is_checked():
    assert validate([1, 2], tuple[int, int], "Owner", "size") == (1, 2)
    with pytest.raises(ConfigError, match="size must be 2 values"):
        validate((1, 2, 3), tuple[int, int], "Owner", "size")


# Arbitrary JSON in which the names of classes and fields are frequent.
settings = [
    *("layers", "nodes", "name", "layer", "inputs", "input", "shortcut", "pieces", "units", "init"),
    *("rate", "learning_rate", "label", "class", ""),
]
words = st.sampled_from([*registered_classes(Config), *settings])
scalars = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | words | st.text(max_size=4)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(words, inner, max_size=3)
        | st.builds(lambda name, fields: {**fields, "class": name}, words, st.dictionaries(words, inner, max_size=2))
    ),
    max_leaves=8,
)


@given(anything)
def test_any_json_is_settings_or_a_config_error(data):
    try:
        value = from_json(data, Config)
    except ConfigError:
        return  # any other exception fails the test
    assert from_json(to_json(value), Config) == value
